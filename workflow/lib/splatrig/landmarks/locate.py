"""Places the landmarks of a face: which cameras look into it, and where its points are in head space."""

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.cameras import Cameras
from splatrig.landmarks.triangulate import Triangulated, projections, triangulate

_TOLERANCE, _TOLERANCE_PX = 0.008, 1.0
"""How far cameras that agree on a point may see it from its projection: heights of the image, and at least pixels."""

_ASIDE, _FACING = 0.55, 0.85
"""Cosines of the angle to the direction of the face: cameras below the first are not asked, above the second wholly."""
_ENOUGH = 3
"""With fewer cameras that look into the face, all are asked."""


def tolerance_px(height: int) -> float:
    """Return how far, in images of a height, cameras that agree on a point may see it from where it is projected."""
    return max(_TOLERANCE * height, _TOLERANCE_PX)


def faces_seen(seen: NDArray[np.float64]) -> int:
    """Return how many cameras see a face, of the points [C, L, 2]."""
    return int(np.count_nonzero(np.isfinite(seen).all(axis=(1, 2))))


def facing_cosines(
    seen: NDArray[np.float64],  # [C, L, 2] pixels, NaN where a camera sees no point
    canonical: NDArray[np.float64],  # [L, 3]
) -> NDArray[np.float64]:  # [C]
    """Return how squarely each camera looks into the face: the cosine of the angle between view and face's direction.

    From the points in the image alone, by an affine camera fitted to the canonical face, so that it holds whatever the
    calibration says. -1 for cameras that see no face.
    """
    cosines = np.full(len(seen), -1.0)
    source = np.column_stack([canonical, np.ones(len(canonical))])
    for camera, points in enumerate(seen):
        there = np.isfinite(points).all(axis=1)
        if there.sum() < 4:
            continue
        right, down = np.linalg.lstsq(source[there], points[there], rcond=None)[0].T[:, :3]
        view = np.cross(right, down)  # out of the camera, through the face: -z where it looks straight into it
        cosines[camera] = -view[2] / max(np.linalg.norm(view), 1e-12)
    return cosines


def camera_weights(seen: NDArray[np.float64], canonical: NDArray[np.float64]) -> NDArray[np.float64]:  # [C]
    """Return how far each camera is asked, 0 to 1: the network guesses what it sees from the side."""
    cosines = facing_cosines(seen, canonical)
    weights = np.clip((cosines - _ASIDE) / (_FACING - _ASIDE), 0.0, 1.0)
    return weights if np.count_nonzero(weights) >= _ENOUGH else (cosines > -1.0).astype(np.float64)


def locate(
    cameras: Cameras,  # C cameras from head space
    seen: NDArray[np.float64],  # [C, L, 2] pixels
    canonical: NDArray[np.float64],  # [L, 3]
) -> Triangulated:
    """Return the points in head space."""
    weights = np.repeat(camera_weights(seen, canonical)[:, None], seen.shape[1], axis=1)
    return triangulate(projections(cameras), seen, tolerance_px(cameras.height), weights)
