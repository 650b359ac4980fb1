"""The neutral's surface from photographs: for every vertex, the point along its normal where the cameras agree best.

Plane sweep along normals with normalized cross-correlation of small patches, followed by one affine map of the whole
head and a smooth field of displacements through the points found.
"""

from collections.abc import Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.pose import to_world
from splatrig.landmarks.triangulate import projections
from splatrig.mesh.normals import vertex_areas, vertex_normals
from splatrig.tracking.landmark_pose import FaceState
from splatrig.tracking.lids import away_from_lids
from splatrig.tracking.proportions import affine_motion
from splatrig.tracking.smoothing import smoothness
from splatrig.tracking.template_head import TemplateHead
from splatrig.tracking.views import depths_of, sampled

REACHES_MM = (8.0, 5.0, 3.0, 3.0)
"""Search range of a vertex to both sides along its normal, in each round."""
OFFSETS = 25
"""Number of points along the normal that are tried."""
PATCH, PITCH_MM = 7, 1.2
"""Side of the patches in points, and distance between the points."""
CAMERAS = 6
"""Maximum number of cameras per vertex; those that see it most frontally are used."""
FEWEST = 2
"""Number of cameras below which nothing is found."""
LEAST_COSINE = 0.25
LEAST_CORRELATION, MARGIN = 0.35, 0.1
"""Least mean correlation of a point, and lead over the next best one at which it counts fully."""
APART_MM = 1.5
BENDING, STRETCHING, STAYING = 1000.0, 1.0, 0.02
MARGIN_PX = 6.0
"""Margin of photographs in which no vertex is searched."""
BEHIND_MM = 3.0
"""Depth of a vertex behind the visible surface from which it is hidden."""
NORMAL_ROUNDS = 3
_QUIET = 0.05
"""Constant added to the norm of patches, so that noise does not correlate."""


def refined_neutral(
    head: TemplateHead,
    frames: Sequence[tuple[FaceState, Sequence[NDArray[np.float32] | None]]],
    cameras: Cameras,
) -> TemplateHead:
    """Return the head with its neutral moved to the surface that the cameras agree on.

    `frames` are frames of a neutral face: the state, and band-passed photographs [H, W], one per camera.
    """
    form = smoothness(head.vertices, head.faces, BENDING, STRETCHING, STAYING)
    skin = head.skin
    for reach in REACHES_MM:
        normals = smooth_normals(head.vertices, head.faces)
        offsets = np.linspace(-reach, reach, OFFSETS)
        scores, counts = np.zeros((len(skin), OFFSETS)), np.full(len(skin), len(cameras))
        for state, bands in frames:
            posed = to_world(head.vertices, state.pose)
            own, seeing = consistency(
                posed, head.faces, skin, (normals @ state.pose[:, :3].T)[skin], bands, cameras, offsets
            )
            scores += own / len(frames)
            counts = np.minimum(counts, seeing)
        found, certain = best_offsets(scores, offsets)
        certain = certain * (counts >= FEWEST) * away_from_lids(head.vertices[skin], head.lids)
        head, along = _proportioned(head, normals, found, certain)
        moved = _through(head, form, skin, found - along, certain)
        head = head.with_vertices(head.vertices + moved[:, None] * smooth_normals(head.vertices, head.faces))
    return head


def best_offsets(
    scores: NDArray[np.float64],  # [q, S]
    offsets: NDArray[np.float64],  # [S] equally spaced
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the offset [q] of the highest score, interpolated by a parabola, and its certainty [q], 0 to 1."""
    rows, best = np.arange(len(scores)), scores.argmax(axis=1)
    inner = np.clip(best, 1, len(offsets) - 2)
    left, middle, right = (scores[rows, inner + side] for side in (-1, 0, 1))
    curvature = np.minimum(left - 2.0 * middle + right, -1e-6)
    found = offsets[inner] + 0.5 * (left - right) / curvature * (offsets[1] - offsets[0])
    apart = np.abs(offsets[None] - offsets[best][:, None]) > APART_MM
    second = np.where(apart, scores, -1.0).max(axis=1)
    certain = np.clip((scores[rows, best] - LEAST_CORRELATION) / 0.3, 0.0, 1.0)
    certain = certain * np.clip((scores[rows, best] - second) / MARGIN, 0.0, 1.0) * (best == inner)
    return np.clip(found, offsets[0], offsets[-1]), certain


def consistency(
    vertices: NDArray[np.float64],  # [n, 3] world
    faces: NDArray[np.int64],  # [T, 3]
    chosen: NDArray[np.int64],  # [q]
    normals: NDArray[np.float64],  # [q, 3]
    bands: Sequence[NDArray[np.float32] | None],
    cameras: Cameras,
    offsets: NDArray[np.float64],  # [S]
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return the mean correlation [q, S] of patches around vertices moved along normals, and the cameras [q]."""
    P, centers = projections(cameras), cameras.centers
    points = vertices[chosen]
    axis = np.where(np.abs(normals[:, :1]) < 0.8, [[1.0, 0.0, 0.0]], [[0.0, 1.0, 0.0]])
    one = np.cross(normals, axis)
    one /= np.linalg.norm(one, axis=1, keepdims=True)
    other = np.cross(normals, one)
    steps = (np.arange(PATCH) - PATCH // 2) * PITCH_MM
    right, up = (grid.ravel() for grid in np.meshgrid(steps, steps))
    patch = one[:, None] * right[:, None] + other[:, None] * up[:, None]  # [q, patch, 3]

    view = centers[:, None] - points[None]
    cosines = (view * normals).sum(axis=-1) / np.linalg.norm(view, axis=-1)
    for camera, band in enumerate(bands):
        homogeneous = points @ P[camera, :, :3].T + P[camera, :, 3]
        pixels = homogeneous[:, :2] / homogeneous[:, 2:]
        low, high = pixels - MARGIN_PX, [cameras.width, cameras.height] - pixels - MARGIN_PX
        inside = np.concatenate([low, high], axis=1).min(axis=1) > 0.0
        if band is None:
            inside[:] = False
        else:
            depth = depths_of(vertices, faces, P[camera], cameras.height, cameras.width)[2]
            columns, rows = np.clip(np.floor(pixels).astype(int), 0, [cameras.width - 1, cameras.height - 1]).T
            inside &= homogeneous[:, 2] < depth[rows, columns] + BEHIND_MM
        cosines[camera, ~inside] = -1.0
    rank = (-cosines).argsort(axis=0).argsort(axis=0)
    used = (cosines > LEAST_COSINE) & (rank < CAMERAS)
    count = np.asarray(used.sum(axis=0), dtype=np.int64)
    result = np.zeros((len(points), len(offsets)))
    for column, offset in enumerate(offsets):
        moved = points + offset * normals
        total, squares = np.zeros((len(points), len(right))), np.zeros(len(points))
        for camera in np.flatnonzero(used.any(axis=1)).tolist():
            own = used[camera]
            places = (moved[own, None] + patch[own]).reshape(-1, 3)
            homogeneous = places @ P[camera, :, :3].T + P[camera, :, 3]
            band = bands[camera]
            assert band is not None
            values = sampled(band, homogeneous[:, :2] / homogeneous[:, 2:]).reshape(own.sum(), -1)
            values = values - values.mean(axis=1, keepdims=True)
            values /= np.sqrt((values * values).sum(axis=1, keepdims=True)) + _QUIET
            total[own] += values
            squares[own] += (values * values).sum(axis=1)
        result[:, column] = ((total**2).sum(axis=1) - squares) / np.maximum(count * (count - 1), 1)
    return result, count


def smooth_normals(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:  # [n, 3]
    """Return vertex normals averaged over the neighborhood."""
    normals = vertex_normals(vertices, faces)
    rows, columns = np.repeat(faces, 3, axis=1).ravel(), np.tile(faces, 3).ravel()
    average = sp.csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(vertices), len(vertices)))
    for _ in range(NORMAL_ROUNDS):
        normals = np.asarray(average @ normals)
        normals = normals / np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    return normals


def _proportioned(
    head: TemplateHead,
    normals: NDArray[np.float64],  # [n, 3]
    found: NDArray[np.float64],  # [q]
    certain: NDArray[np.float64],  # [q]
) -> tuple[TemplateHead, NDArray[np.float64]]:
    """Return the head mapped to the offsets of its skin, and the part of the offsets [q] that this makes up."""
    skin = head.skin
    areas = vertex_areas(head.vertices, head.faces)[skin]
    mapped = head.mapped(affine_motion(head.vertices[skin], normals[skin], found, areas, certain))
    return mapped, ((mapped.vertices - head.vertices)[skin] * normals[skin]).sum(axis=1)


def _through(
    head: TemplateHead,
    form: sp.csc_matrix,
    skin: NDArray[np.int64],
    found: NDArray[np.float64],  # [q]
    certain: NDArray[np.float64],  # [q]
) -> NDArray[np.float64]:  # [n]
    """Return the smooth field through offsets of the skin, in which contradictory offsets count less."""
    areas = vertex_areas(head.vertices, head.faces)[skin]
    field = np.zeros(len(head.vertices))
    count = certain
    for _ in range(3):
        data = np.zeros(len(head.vertices))
        data[skin] = areas * count
        pulled = np.zeros(len(head.vertices))
        pulled[skin] = areas * count * found
        field = splu(sp.csc_matrix(form + sp.diags_array(data))).solve(pulled)
        count = certain / (1.0 + ((field[skin] - found) / 1.5) ** 2)
    return field
