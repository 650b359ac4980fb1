"""Location of the landmarks of a face: the cameras that look into it, and the points in head space."""

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.cameras import Cameras
from splatrig.landmarks.triangulate import Triangulated, projections, triangulate

_TOLERANCE, _TOLERANCE_PX = 0.008, 1.0
"""Largest distance of a camera's point from its projection for it to agree: in image heights, and at least in
pixels."""

_ASIDE, _FACING = 0.55, 0.85
"""Cosines of the angle to the direction of the face: cameras below the first are ignored, above the second count
fully."""
_ENOUGH = 3
"""Number of frontal cameras below which all cameras are used."""


def tolerance_px(height: int) -> float:
    """Return the largest distance in pixels of a camera's point from its projection, for images of a height."""
    return max(_TOLERANCE * height, _TOLERANCE_PX)


def faces_seen(seen: NDArray[np.float64]) -> int:
    """Return the number of cameras that see a face, from the points [C, L, 2]."""
    return int(np.count_nonzero(np.isfinite(seen).all(axis=(1, 2))))


def facing_cosines(
    seen: NDArray[np.float64],  # [C, L, 2] pixels, NaN where a camera sees no point
    canonical: NDArray[np.float64],  # [L, 3]
) -> NDArray[np.float64]:  # [C]
    """Return the cosine of the angle between each camera's view and the direction of the face; -1 if it sees no face.

    It is computed from the points in the image alone, by an affine camera fitted to the canonical face, so that it does
    not depend on the calibration.
    """
    cosines = np.full(len(seen), -1.0)
    source = np.column_stack([canonical, np.ones(len(canonical))])
    for camera, points in enumerate(seen):
        there = np.isfinite(points).all(axis=1)
        if there.sum() < 4:
            continue
        right, down = np.linalg.lstsq(source[there], points[there], rcond=None)[0].T[:, :3]
        view = np.cross(right, down)  # viewing direction through the face: -z for a frontal camera
        cosines[camera] = -view[2] / max(np.linalg.norm(view), 1e-12)
    return cosines


def camera_weights(seen: NDArray[np.float64], canonical: NDArray[np.float64]) -> NDArray[np.float64]:  # [C]
    """Return the weight of each camera, 0 to 1: from the side, the network guesses."""
    cosines = facing_cosines(seen, canonical)
    weights = np.clip((cosines - _ASIDE) / (_FACING - _ASIDE), 0.0, 1.0)
    return weights if np.count_nonzero(weights) >= _ENOUGH else (cosines > -1.0).astype(np.float64)


def locate(
    cameras: Cameras,  # C cameras from head space
    seen: NDArray[np.float64],  # [C, L, 2] pixels
    canonical: NDArray[np.float64],  # [L, 3]
) -> Triangulated:
    """Return the points in head space.

    Points are triangulated by cameras that look into the face.
    """
    weights = np.repeat(camera_weights(seen, canonical)[:, None], seen.shape[1], axis=1)
    return triangulate(projections(cameras), seen, tolerance_px(cameras.height), weights)
