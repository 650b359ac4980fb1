"""Vertex colors from the capture's mean texture."""

import numpy as np
from numpy.typing import NDArray

from splatrig.mesh.subdivision import subdivide_corners

_UNPAINTED = 128
"""Gray for vertices without texture coordinates."""


def sample_texture(texture: NDArray[np.uint8], uvs: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Return the bilinear colors [N, 3] of `texture` [H, W, 3] at `uvs` [N, 2]; v points up, row = (1 - v)(H - 1)."""
    height, width = texture.shape[:2]
    column = np.clip(uvs[:, 0], 0, 1) * (width - 1)
    row = (1 - np.clip(uvs[:, 1], 0, 1)) * (height - 1)
    left, top = np.floor(column).astype(int), np.floor(row).astype(int)
    right, bottom = np.minimum(left + 1, width - 1), np.minimum(top + 1, height - 1)
    across, down = (column - left)[:, None], (row - top)[:, None]
    upper = (1 - across) * texture[top, left] + across * texture[top, right]
    lower = (1 - across) * texture[bottom, left] + across * texture[bottom, right]
    return np.round((1 - down) * upper + down * lower).astype(np.uint8)


def colors_of_levels(
    texture: NDArray[np.uint8],  # [H, W, 3]
    uvs: NDArray[np.float64],  # [U, 2]
    uv_faces: NDArray[np.int64],  # [T, 3], -1 where a face has no texture
    faces_of_levels: list[NDArray[np.int64]],  # base [T, 3], then [4 T, 3], …
) -> list[NDArray[np.uint8]]:  # [V_l, 3] each
    """Return vertex colors for the base and every midpoint level, each sampled at its own texture coordinates.

    Texture coordinates are subdivided per face corner, which keeps seams apart; a vertex on a seam takes the corner of
    its first face. Vertices without texture are gray.
    """
    corners = np.where((uv_faces >= 0)[:, :, None], uvs[uv_faces], np.nan)
    levels = []
    for number, faces in enumerate(faces_of_levels):
        if number:
            corners = subdivide_corners(corners)
        painted = np.isfinite(corners).all(axis=2).ravel()
        vertex, first = np.unique(faces.ravel()[painted], return_index=True)
        colors = np.full((int(faces.max()) + 1, 3), _UNPAINTED, dtype=np.uint8)
        colors[vertex] = sample_texture(texture, corners.reshape(-1, 2)[painted][first])
        levels.append(colors)
    return levels
