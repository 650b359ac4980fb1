"""Midpoint subdivision as sparse operators.

One step adds a vertex in the middle of every edge and splits every triangle into four. Old vertices keep their indices,
so a level's vertices are the first rows of every finer level; new vertices follow, one per edge, in sorted edge order.
The surface itself does not change: the step is exact for any field that is linear on each triangle.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array, eye_array

from splatrig.mesh.topology import unique_edges

FloatArray = NDArray[np.floating]


@dataclass(frozen=True)
class Subdivision:
    """One step of midpoint subdivision of a mesh with V vertices, E edges and T faces."""

    faces: NDArray[np.int64]  # [4 T, 3]
    """Faces after the step: face t becomes faces 4t … 4t+3, the three at its corners in order, then the middle one; the
    orientation is kept."""
    step: csr_array  # [V + E, V]
    """Operator from old vertex values to new ones: the identity above, rows of two halves below."""


def subdivide(faces: NDArray[np.int64], vertex_count: int) -> Subdivision:
    """Return one midpoint subdivision of `faces` [T, 3] over `vertex_count` vertices."""
    edges = unique_edges(faces)
    count = len(edges.ends)
    rows = np.concatenate([np.arange(vertex_count), vertex_count + np.repeat(np.arange(count), 2)])
    columns = np.concatenate([np.arange(vertex_count), edges.ends.ravel()])
    values = np.concatenate([np.ones(vertex_count), np.full(2 * count, 0.5)])
    step = csr_array((values, (rows, columns)), shape=(vertex_count + count, vertex_count))
    return Subdivision(_split(faces, edges.of_face + vertex_count), step)


def subdivide_corners(corners: FloatArray) -> FloatArray:
    """Subdivide values per face corner ([T, 3, D], texture coordinates with seams) to [4 T, 3, D]."""
    return _split(corners, 0.5 * (corners + np.roll(corners, -1, axis=1)))


def identity_step(vertex_count: int) -> csr_array:
    """Return the step of the base level: the identity [V, V]."""
    return csr_array(eye_array(vertex_count, format="csr"))


def _split(corners: NDArray, middles: NDArray) -> NDArray:
    """Return the four children of every face; middle k lies between corners k and k+1."""
    a, b, c = corners[:, 0], corners[:, 1], corners[:, 2]
    ab, bc, ca = middles[:, 0], middles[:, 1], middles[:, 2]
    children = [[a, ab, ca], [ab, b, bc], [ca, bc, c], [ab, bc, ca]]
    return np.stack([np.stack(child, axis=1) for child in children], axis=1).reshape(-1, *corners.shape[1:])
