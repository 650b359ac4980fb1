"""Catmull-Clark subdivision of quad meshes as one sparse operator (Catmull & Clark 1978).

Boundaries follow the cubic B-spline rule. Vertices of a level keep their index on the next one.
"""

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray


def subdivide(
    quads: NDArray[np.int64],  # [q, 4]
    vertex_count: int,
) -> tuple[sp.csr_matrix, NDArray[np.int64]]:
    """Return the operator [n + e + q, n] to the next level and its quads [4q, 4].

    Rows are the moved vertices, then edge points, then face points. Child 4i + c of quad i holds its corner c, and
    its corners are (corner c, edge c, face, edge c - 1), which `subdivide_corners` follows.
    """
    quad_count = len(quads)
    ends = np.stack([quads, np.roll(quads, -1, axis=1)], axis=-1).reshape(-1, 2)
    edges, edge_of = np.unique(np.sort(ends, axis=1), axis=0, return_inverse=True)
    edge_of = edge_of.reshape(quad_count, 4)
    edge_count = len(edges)
    faces_at_edge = np.bincount(edge_of.ravel(), minlength=edge_count)
    boundary_edge = faces_at_edge == 1

    face_points = _rows(np.repeat(np.arange(quad_count), 4), quads.ravel(), 0.25, (quad_count, vertex_count))
    midpoints = _rows(np.repeat(np.arange(edge_count), 2), edges.ravel(), 0.5, (edge_count, vertex_count))
    adjacent = _rows(edge_of.ravel(), np.repeat(np.arange(quad_count), 4), 0.5, (edge_count, quad_count))
    inner_edge = sp.diags((~boundary_edge).astype(float))
    edge_points = midpoints - 0.5 * (inner_edge @ midpoints) + 0.5 * (inner_edge @ (adjacent @ face_points))

    valence = np.bincount(edges.ravel(), minlength=vertex_count)
    on_boundary = np.zeros(vertex_count, dtype=bool)
    on_boundary[edges[boundary_edge]] = True
    n = np.maximum(valence, 1).astype(float)
    faces_at = _rows(quads.ravel(), np.repeat(np.arange(quad_count), 4), 1.0, (vertex_count, quad_count))
    edges_at = _rows(edges.ravel(), np.repeat(np.arange(edge_count), 2), 1.0, (vertex_count, edge_count))
    inner = (
        sp.diags(1.0 / n**2) @ faces_at @ face_points
        + sp.diags(2.0 / n**2) @ edges_at @ midpoints
        + sp.diags((n - 3.0) / n)
    )
    at_rim = edges_at @ sp.diags(boundary_edge.astype(float))
    rim = 0.25 * (at_rim @ midpoints) + 0.5 * sp.identity(vertex_count)
    moved = sp.diags((~on_boundary).astype(float)) @ inner + sp.diags(on_boundary.astype(float)) @ rim

    operator = sp.vstack([moved, edge_points, face_points]).tocsr()
    operator.eliminate_zeros()
    edge_index = vertex_count + edge_of
    face_index = np.broadcast_to(vertex_count + edge_count + np.arange(quad_count)[:, None], (quad_count, 4))
    children = np.stack([quads, edge_index, face_index, np.roll(edge_index, 1, axis=1)], axis=-1)
    return operator, children.reshape(-1, 4)


def subdivide_corners(corners: NDArray[np.floating]) -> NDArray[np.floating]:  # [q, 4, d] -> [4q, 4, d]
    """Subdivide attributes of quad corners (UVs with seams) bilinearly, in the order of `subdivide`."""
    middles = 0.5 * (corners + np.roll(corners, -1, axis=1))
    centers = np.broadcast_to(corners.mean(axis=1, keepdims=True), corners.shape)
    children = np.stack([corners, middles, centers, np.roll(middles, 1, axis=1)], axis=2)
    return children.reshape(-1, 4, corners.shape[-1])


def _rows(rows: NDArray[np.int64], columns: NDArray[np.int64], value: float, shape: tuple[int, int]) -> sp.csr_matrix:
    return sp.csr_matrix((np.full(len(rows), value), (rows, columns)), shape=shape)
