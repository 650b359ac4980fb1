"""Topology of triangle meshes: edges, boundary, adjacency, pieces, seams, and pruning of unreferenced vertices.

Vertices are identified by their index. Only `mean_edge_lengths` and `merged_seams` read their positions.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import connected_components
from scipy.spatial import cKDTree

from splatrig.io.errors import InputError

_COINCIDENT = 1e-5
"""Tolerance as a fraction of the extent of a border: vertices closer than that coincide, some micrometers on a head."""


def checked_faces(faces: ArrayLike, vertex_count: int) -> NDArray[np.int64]:
    """Return `faces` as int64 [T, 3]; raise InputError when a corner is not one of `vertex_count` vertices."""
    array = np.asarray(faces)
    if array.ndim != 2 or array.shape[1] != 3 or not np.issubdtype(array.dtype, np.integer):
        raise InputError(f"faces: expected integers of shape [T, 3], got {array.dtype} of shape {array.shape}.")
    array = array.astype(np.int64)
    outside = (array < 0) | (array >= vertex_count)
    if outside.any():
        row = int(np.flatnonzero(outside.any(axis=1))[0])
        raise InputError(f"faces: face {row} is {array[row].tolist()}, but there are {vertex_count} vertices.")
    return array


@dataclass(frozen=True)
class Edges:
    """The undirected edges of a triangle mesh."""

    ends: NDArray[np.int64]  # [E, 2]
    """Vertex pairs, smaller index first, in sorted (lexicographic) order."""
    of_face: NDArray[np.int64]  # [T, 3]
    """Edge of each face's corner k to corner k+1."""
    face_count: NDArray[np.int64]  # [E]
    """Number of faces at each edge: 1 on the boundary, 2 inside, more where the mesh is not a manifold."""


def unique_edges(faces: NDArray[np.int64]) -> Edges:
    """Return the edges of `faces` [T, 3], each once, in sorted order."""
    if len(faces) == 0:
        return Edges(np.empty((0, 2), np.int64), np.empty((0, 3), np.int64), np.empty(0, np.int64))
    following = np.roll(faces, -1, axis=1)
    base = int(faces.max()) + 1  # one integer per edge sorts ten times faster than pairs
    keys = np.minimum(faces, following) * base + np.maximum(faces, following)
    unique, inverse, count = np.unique(keys, return_inverse=True, return_counts=True)
    return Edges(np.stack(np.divmod(unique, base), axis=1), inverse.reshape(-1, 3), count)


def bad_edges(faces: NDArray[np.int64]) -> tuple[int, int]:
    """Return the number of edges of more than two faces, and of edges that two faces traverse in the same direction."""
    edges = unique_edges(faces)
    forward = np.bincount(edges.of_face[faces < np.roll(faces, -1, axis=1)], minlength=len(edges.ends))
    same = (edges.face_count == 2) & (forward != 1)
    return int(np.count_nonzero(edges.face_count > 2)), int(np.count_nonzero(same))


def vertex_adjacency(faces: NDArray[np.int64], vertex_count: int) -> csr_array:
    """Return the symmetric adjacency matrix [V, V] of the vertices, ones along the edges."""
    ends = unique_edges(faces).ends
    rows, columns = np.concatenate([ends, ends[:, ::-1]]).T
    return csr_array((np.ones(len(rows)), (rows, columns)), shape=(vertex_count, vertex_count))


def pieces(faces: NDArray[np.int64], vertex_count: int) -> NDArray[np.int64]:
    """Return the connected piece [V] of every vertex, numbered from 0; -1 for vertices that no face references."""
    _, labels = connected_components(vertex_adjacency(faces, vertex_count), directed=False)
    referenced = np.zeros(vertex_count, dtype=bool)
    referenced[faces] = True
    numbers = np.full(vertex_count, -1, dtype=np.int64)
    numbers[referenced] = np.unique(labels[referenced], return_inverse=True)[1]
    return numbers


def mean_edge_lengths(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the mean length [V] of the edges at each vertex, in the unit of `vertices` [V, 3]; 0 without edges."""
    ends = unique_edges(faces).ends
    lengths = np.linalg.norm(vertices[ends[:, 0]] - vertices[ends[:, 1]], axis=1)
    total = np.bincount(ends.ravel(), np.repeat(lengths, 2), minlength=len(vertices))
    degree = np.bincount(ends.ravel(), minlength=len(vertices))
    return total / np.maximum(degree, 1)


@dataclass(frozen=True)
class Pruning:
    """A mesh without its unreferenced vertices, with the mappings between old and new indices."""

    kept: NDArray[np.int64]  # [V_kept]
    """Original index of every kept vertex, increasing: `vertices[kept]` prunes any frame in the same way."""
    faces: NDArray[np.int64]  # [T, 3]
    """Faces in the new indices."""
    new_index: NDArray[np.int64]  # [V]
    """New index of every original vertex; -1 where it was dropped."""


def prune_unreferenced(faces: NDArray[np.int64], vertex_count: int) -> Pruning:
    """Return the pruning that drops the vertices that no face of `faces` [T, 3] references; order is kept."""
    kept = np.unique(faces)
    new_index = np.full(vertex_count, -1, dtype=np.int64)
    new_index[kept] = np.arange(len(kept))
    return Pruning(kept, new_index[faces], new_index)


def merged_seams(
    vertices: NDArray[np.float64],  # [V, 3]
    faces: NDArray[np.int64],  # [T, 3]
) -> NDArray[np.int64]:  # [V]
    """Return the vertex that each is the same as: itself, but where border edges coincide the first one at its place.

    There a mesh was torn to give its vertices one texture coordinate, or one normal, each. Places are the same within
    a hundred-thousandth of the border's extent; borders that touch in single vertices stay apart.
    """
    merged = np.arange(len(vertices))
    edges = unique_edges(faces)
    ends = edges.ends[edges.face_count == 1]  # [B, 2]
    border = np.unique(ends)
    diagonal = float(np.linalg.norm(np.ptp(vertices[border], axis=0))) if len(border) else 0.0
    if diagonal == 0.0:
        return merged
    pairs = border[cKDTree(vertices[border]).query_pairs(_COINCIDENT * diagonal, output_type="ndarray")]
    links = csr_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(merged), len(merged)))
    place = connected_components(links, directed=False)[1]
    keys = np.sort(place[ends], axis=1)
    _, group, count = np.unique(keys, axis=0, return_inverse=True, return_counts=True)
    members = np.unique(ends[(count[group] > 1) & (keys[:, 0] != keys[:, 1])])
    first = np.full(place.max() + 1, len(merged))
    np.minimum.at(first, place[members], members)
    merged[members] = first[place[members]]
    return merged
