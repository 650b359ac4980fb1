"""The texture atlas of the demo head, painted at the surface points that rays find for each texel of the UV mesh."""

from dataclasses import dataclass

import numpy as np
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh
from numpy.typing import NDArray

from splatrig.capture.demo.head import FineHead, HeadModel, tile
from splatrig.capture.demo.skin import Texels, paint, strand_colors
from splatrig.capture.nearest import filled
from splatrig.mesh.normals import vertex_normals

GRADIENT_STEP = 1.0 / 64.0
"""Unit of the stored bump gradients."""
STRAND_SHADES = 32
STRAND_SHINE = 0.5
"""Strength of the broad highlight of the lightest strands; the darkest, which lashes are, have none."""


@dataclass(frozen=True)
class Atlas:
    """A square texture; row 0 is v = 0."""

    albedo: NDArray[np.uint8]  # [S, S, 3]
    """Square root of the linear reflectance times 255."""
    shine: NDArray[np.uint8]  # [S, S, 2]
    """Strengths of the broad highlight of skin and of the sharp highlight of wet surfaces, times 255."""
    bump: NDArray[np.int8]  # [S, S, 3]
    """Offset that is subtracted from the unit normal of the neutral head, in units of `GRADIENT_STEP`."""


def build_atlas(head: HeadModel, fine: FineHead, size: int, seed: int) -> Atlas:
    """Paint the neutral head into an atlas of `size` by `size` texels."""
    vertices = fine.operator @ head.neutral
    normals = vertex_normals(vertices, fine.triangles)
    row, column, triangle, weights = texel_hits(fine.triangle_uvs, size)
    corners = fine.triangles[triangle]
    texels = Texels(
        uvs=np.column_stack([column + 0.5, row + 0.5]) / size,
        positions=np.einsum("kc,kcd->kd", weights, vertices[corners]),
        normals=np.einsum("kc,kcd->kd", weights, normals[corners]),
        parts=fine.triangle_parts[triangle],
    )
    painted = paint(head, texels, np.random.default_rng([seed, 3]))
    layers = np.column_stack([painted.albedo, painted.shine, painted.bump]).astype(np.float32)
    image = np.zeros((size, size, layers.shape[1]), dtype=np.float32)
    image[row, column] = layers
    covered = np.zeros((size, size), dtype=bool)
    covered[row, column] = True
    image = filled(image, covered)
    corner, extent = tile("hair")
    (left, bottom), (right, top) = (size * corner).astype(int), np.ceil(size * (corner + extent)).astype(int)
    colors = strand_colors(head.complexion, STRAND_SHADES)
    across = np.linspace(0, STRAND_SHADES - 1, right - left).astype(int)
    upward = np.linspace(0, STRAND_SHADES - 1, top - bottom).astype(int)
    image[bottom:top, left:right] = 0.0
    image[bottom:top, left:right, :3] = colors[upward[:, None], across]
    image[bottom:top, left:right, 3] = STRAND_SHINE * np.linspace(0.0, 1.0, top - bottom)[:, None]
    return Atlas(
        albedo=np.rint(255.0 * np.sqrt(np.clip(image[..., :3], 0.0, 1.0))).astype(np.uint8),
        shine=np.rint(255.0 * np.clip(image[..., 3:5], 0.0, 1.0)).astype(np.uint8),
        bump=np.rint(np.clip(image[..., 5:8] / GRADIENT_STEP, -127, 127)).astype(np.int8),
    )


def texel_hits(
    triangle_uvs: NDArray[np.floating],  # [t, 3, 2]
    size: int,
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.float64]]:
    """Return row, column [k], triangle [k] and barycentric weights [k, 3] of the texels that a UV mesh covers."""
    flat = np.zeros((len(triangle_uvs) * 3, 3), dtype=np.float32)
    flat[:, :2] = triangle_uvs.reshape(-1, 2) * size
    scene = rtcore_scene.EmbreeScene()
    TriangleMesh(scene, flat, np.arange(len(flat), dtype=np.int32).reshape(-1, 3))
    row, column = np.divmod(np.arange(size * size), size)
    origins = np.stack([column + 0.5, row + 0.5, np.full(size * size, 1.0)], axis=1).astype(np.float32)
    directions = np.tile(np.array([0.0, 0.0, -1.0], dtype=np.float32), (size * size, 1))
    hits = scene.run(origins, directions, output=True)
    inside = hits["primID"] >= 0
    u, v = hits["u"][inside].astype(float), hits["v"][inside].astype(float)
    return row[inside], column[inside], hits["primID"][inside], np.stack([1.0 - u - v, u, v], axis=1)
