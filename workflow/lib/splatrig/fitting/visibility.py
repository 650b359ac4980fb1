"""Visibility of vertices in cameras, and vertex colors from the photographs."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csc_array, diags_array
from scipy.sparse.linalg import splu

from splatrig.dataset.cameras import Cameras
from splatrig.mesh.silhouette import NEAR_MM
from splatrig.mesh.topology import vertex_adjacency
from splatrig.mesh.z_buffer import nearest_faces

_PULL = 1e-6
"""Weight of the mean color at a vertex that no camera sees, relative to 1 for each neighbor."""


def project(
    points: NDArray[np.float64],  # [N, 3]
    viewmat: NDArray[np.float64],  # [4, 4]
    K: NDArray[np.float64],  # [3, 3]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return pixel coordinates [N, 2] (x, y; NaN behind the camera) and depths [N] in millimeters."""
    in_camera = points @ viewmat[:3, :3].T + viewmat[:3, 3]
    depths = in_camera[:, 2]
    homogeneous = in_camera @ K.T
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = np.where(depths[:, None] > 0, homogeneous[:, :2] / depths[:, None], np.nan)
    return pixels, depths


def vertex_colors(
    vertices: NDArray[np.float64],  # [V, 3]
    normals: NDArray[np.float64],  # [V, 3] unit, outward
    faces: NDArray[np.int64],  # [T, 3]
    cameras: Cameras,
    images: NDArray[np.uint8],  # [C, H, W, 4]
) -> tuple[NDArray[np.float32], NDArray[np.bool_]]:
    """Return each vertex's mean color [V, 3] in [0, 1] over the cameras that see it, and the mask [V] of seen vertices.

    A camera's weight is the squared cosine between its ray and the normal, times the photograph's alpha; a vertex
    hidden behind the mesh by more than an edge length has no weight. Unseen vertices blend the seen ones around them.
    """
    tolerance = float(np.median(np.linalg.norm(vertices[faces[:, 0]] - vertices[faces[:, 1]], axis=1)))
    total = np.zeros((len(vertices), 3))
    weight_total = np.zeros(len(vertices))
    for camera in range(len(cameras)):
        viewmat, K = cameras.viewmats[camera], cameras.Ks[camera]
        pixels, depths = project(vertices, viewmat, K)
        _, _, buffer = nearest_faces(pixels, depths, faces, cameras.height, cameras.width, NEAR_MM)
        inside = (depths > 0) & (pixels >= 0.5).all(axis=1)
        inside &= (pixels[:, 0] < cameras.width - 0.5) & (pixels[:, 1] < cameras.height - 0.5)
        seen = np.flatnonzero(inside)
        columns, rows = np.floor(pixels[seen]).astype(np.int64).T
        rays = vertices[seen] + viewmat[:3, :3].T @ viewmat[:3, 3]
        cosine = -np.einsum("vi,vi->v", rays, normals[seen]) / np.linalg.norm(rays, axis=1)
        hidden = depths[seen] > buffer[rows, columns] + tolerance
        samples = _bilinear(images[camera], pixels[seen])
        weights = np.where(hidden, 0.0, np.maximum(cosine, 0.0) ** 2) * samples[:, 3]
        total[seen] += weights[:, None] * samples[:, :3]
        weight_total[seen] += weights
    known = weight_total > 0.05
    colors = np.full((len(vertices), 3), 0.5)
    colors[known] = total[known] / weight_total[known, None]
    if known.any():
        colors[~known] = _spread(colors[known], known, faces)
    return colors.astype(np.float32), known


def _spread(
    values: NDArray[np.float64],  # [S, 3]
    known: NDArray[np.bool_],  # [V], S of them True
    faces: NDArray[np.int64],  # [T, 3]
) -> NDArray[np.float64]:  # [V - S, 3]
    """Return the harmonic continuation of the known vertices' values: each unknown one is its neighbors' mean.

    A weak prior toward the mean of all values determines pieces of the mesh where nothing is known.
    """
    adjacency = vertex_adjacency(faces, len(known))[~known]
    degree = np.asarray(adjacency.sum(axis=1)).ravel()
    system = diags_array(degree + _PULL) - adjacency[:, ~known]
    target = adjacency[:, known] @ values + _PULL * values.mean(axis=0)
    solve = splu(csc_array(system), permc_spec="MMD_AT_PLUS_A")
    return solve.solve(np.asarray(target))


def _bilinear(
    image: NDArray[np.uint8],  # [H, W, 4]
    pixels: NDArray[np.float64],  # [N, 2] x, y, at least half a pixel inside the image
) -> NDArray[np.float64]:  # [N, 4] in [0, 1]
    height, width = image.shape[:2]
    corner = pixels - 0.5
    columns = np.clip(np.floor(corner[:, 0]).astype(np.int64), 0, max(width - 2, 0))
    rows = np.clip(np.floor(corner[:, 1]).astype(np.int64), 0, max(height - 2, 0))
    right, below = np.minimum(columns + 1, width - 1), np.minimum(rows + 1, height - 1)
    fx, fy = (corner[:, 0] - columns)[:, None], (corner[:, 1] - rows)[:, None]
    top = (1 - fx) * image[rows, columns] + fx * image[rows, right]
    bottom = (1 - fx) * image[below, columns] + fx * image[below, right]
    return ((1 - fy) * top + fy * bottom) / 255.0
