"""Reference for a head that has rotated far: the neutral's photographs, projected onto the head in its new pose.

Photographs of the same camera would show the skin from another side. Every pixel is the weighted mean of what the
cameras saw at its point of the skin; cameras with the most similar viewing direction count most (view-dependent texture
mapping, Debevec et al. 1996).
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.pose import to_head, to_world
from splatrig.landmarks.triangulate import projections
from splatrig.mesh.normals import vertex_normals
from splatrig.tracking.landmark_pose import FaceState
from splatrig.tracking.photometric import Reference, joined
from splatrig.tracking.template_head import TemplateHead
from splatrig.tracking.views import depths_of, sampled, skin_pixels

TURNED_DEG = 8.0
"""Rotation relative to the neutral from which references are rendered."""
SHARPNESS = 24.0
"""Exponent of the cosine between two viewing directions that weights a camera."""
HIDDEN_MM = 2.0
FILLED_PX = 3.0
"""Distance by which the skin's gray is extrapolated, so that filters do not see an edge."""


def turn_between(pose: NDArray[np.float64], other: NDArray[np.float64]) -> float:  # [3, 4] both
    """Return the angle between two poses of a head in degrees."""
    cosine = (np.trace(pose[:, :3].T @ other[:, :3]) - 1.0) / 2.0
    return float(np.degrees(np.arccos(np.clip(cosine, -1.0, 1.0))))


def rendered_reference(
    neutral: Sequence[NDArray[np.float32] | None],  # C of [H, W]
    neutral_pose: NDArray[np.float64],  # [3, 4]
    head: TemplateHead,
    state: FaceState,
    cameras: Cameras,
    scales: Sequence[float],
    step: int,
    used: NDArray[np.bool_],  # [C]
    from_others: bool = False,
) -> Reference:
    """Return the reference of a frame whose head is approximately at `state`, for the used cameras.

    With `from_others` no camera's own photograph is used for its view, so that its calibration can be checked by the
    others.
    """
    P, height, width = projections(cameras), cameras.height, cameras.width
    rest = to_world(head.vertices, neutral_pose)
    normals = vertex_normals(head.vertices, head.faces)
    posed = to_world(head.posed(state.weights), state.pose)
    depths = {
        camera: depths_of(rest, head.faces, P[camera], height, width)[2]
        for camera, image in enumerate(neutral)
        if image is not None
    }
    centers = to_head(cameras.centers, neutral_pose)  # in head space, while neutral
    parts = []
    for camera in np.flatnonzero(used):
        face_at, inside, _ = depths_of(posed, head.faces, P[camera], height, width)
        rows, columns = np.nonzero(face_at >= 0)
        corners = head.faces[face_at[rows, columns]]
        weights = inside[rows, columns].astype(np.float64)
        places = np.einsum("pc,pcd->pd", weights, head.vertices[corners])
        facing = np.einsum("pc,pcd->pd", weights, normals[corners])
        in_world = to_world(places, neutral_pose)
        own_center = to_head(cameras.centers[camera], state.pose)
        own = own_center - places
        own /= np.linalg.norm(own, axis=1, keepdims=True)
        total, count = np.zeros(len(places)), np.full(len(places), 1e-9)
        for other, depth in depths.items():
            if from_others and other == camera:
                continue
            view = centers[other] - places
            view /= np.linalg.norm(view, axis=1, keepdims=True)
            homogeneous = in_world @ P[other, :, :3].T + P[other, :, 3]
            pixels = homogeneous[:, :2] / homogeneous[:, 2:]
            clipped = np.clip(np.floor(pixels).astype(int), 0, [width - 1, height - 1])
            seen = (homogeneous[:, 2] < depth[clipped[:, 1], clipped[:, 0]] + HIDDEN_MM) & (
                np.abs(clipped + 0.5 - pixels).max(axis=1) <= 0.5
            )
            weight = seen * np.clip((own * view).sum(axis=1), 0.0, 1.0) ** SHARPNESS
            weight = weight * np.clip((facing * view).sum(axis=1), 0.0, 1.0)
            image = neutral[other]
            assert image is not None
            total += weight * sampled(image, pixels)
            count += weight
        gray, known = np.zeros((height, width), np.float32), np.zeros((height, width), np.float32)
        there = count > 1e-4
        gray[rows[there], columns[there]] = (total / count)[there]
        known[rows[there], columns[there]] = 1.0
        image = _continued(gray, known)
        pixels_of = skin_pixels(posed, head.faces, P[camera], height, width, step)
        keep = known[tuple(np.floor(pixels_of.pixels[:, ::-1]).astype(int).T)] > 0
        parts.append((int(camera), pixels_of.only(keep), image))
    return joined(parts, posed, head.faces, cameras, scales, step)


def _continued(gray: NDArray[np.float32], known: NDArray[np.float32]) -> NDArray[np.float32]:  # [H, W] all
    """Return an image with unknown pixels extrapolated from the known ones around them."""
    filled = gray.copy()
    for sigma in (FILLED_PX, 4 * FILLED_PX, 16 * FILLED_PX):
        weight = gaussian_filter(known, sigma)
        spread = gaussian_filter(gray * known, sigma) / np.maximum(weight, 1e-6)
        unknown = (known == 0) & (filled == 0) & (weight > 1e-3)
        filled[unknown] = spread[unknown]
    return filled
