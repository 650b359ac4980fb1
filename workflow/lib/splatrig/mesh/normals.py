"""Vertex normals, tangent frames, and the rotation of each vertex between two poses of a mesh."""

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.mesh.topology import unique_edges

_IDENTITY_PULL = 1e-9
"""Weight of the identity, as a fraction, in a vertex's moment matrix; it determines rotations that the neighbors leave
open."""


def face_normals(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the normals [T, 3] of counter-clockwise faces, twice the face's area long."""
    corners = vertices[faces]
    return np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])


def vertex_areas(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the area [V] of every vertex: a third of the area of its faces."""
    doubled = np.linalg.norm(face_normals(vertices, faces), axis=1)
    areas = np.bincount(faces.ravel(), np.repeat(doubled / 6, 3), minlength=len(vertices))
    return areas.astype(np.float64)


def faces_outward(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> float:
    """Return the balance, from -1 to 1, of faces that face away from the center of `vertices` and toward it.

    It is 1 for a convex surface, closed or open, and -1 for the same surface turned inside out.
    """
    corners = vertices[faces]
    volumes = np.einsum("td,td->t", corners.mean(axis=1) - corners.mean(axis=(0, 1)), face_normals(vertices, faces))
    return float(volumes.sum() / max(np.abs(volumes).sum(), 1e-300))


def vertex_normals(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return unit normals [V, 3], the area-weighted mean of the faces at each vertex.

    A vertex without any area around it (unreferenced, or only slivers) gets (0, 0, 1).
    """
    return _unit(_area_normals(vertices, faces), otherwise=(0.0, 0.0, 1.0))


def tangent_frames(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return rotation matrices [V, 3, 3] whose columns are tangent, bitangent and normal of each vertex.

    The tangent points along the vertex's first edge (to its neighbor of smallest index), so the matrix rotates with the
    mesh; where that edge is degenerate it is any direction perpendicular to the normal.
    """
    normals = vertex_normals(vertices, faces)
    ends = unique_edges(faces).ends
    both = np.unique(np.concatenate([ends, ends[:, ::-1]]), axis=0)
    start, first = np.unique(both[:, 0], return_index=True)
    along = np.zeros_like(normals)
    along[start] = _unit(vertices[both[first, 1]] - vertices[start], otherwise=(0.0, 0.0, 0.0))
    along -= normals * np.sum(along * normals, axis=1, keepdims=True)
    unusable = np.linalg.norm(along, axis=1) < 1e-6
    axis = np.eye(3)[np.argmin(np.abs(normals[unusable]), axis=1)]
    along[unusable] = axis - normals[unusable] * np.sum(axis * normals[unusable], axis=1, keepdims=True)
    tangents = _unit(along, otherwise=(1.0, 0.0, 0.0))
    return np.stack([tangents, np.cross(normals, tangents), normals], axis=2)


def vertex_rotations(
    rest_vertices: NDArray[np.float64],  # [V, 3]
    vertices: NDArray[np.float64],  # [V, 3]
    faces: NDArray[np.int64],  # [T, 3]
) -> NDArray[np.float64]:
    """Return the rotation of each vertex's neighborhood between two poses of a mesh, as unit `quats` wxyz [V, 4].

    This is the least-squares rotation of the vertex's edges and its normal (Sorkine and Alexa 2007, equations 5 and 6,
    with uniform weights and the normal as one more edge), with w >= 0. It commutes with rigid motions of either pose.
    Where the neighborhood has collapsed in one pose it is the identity.
    """
    ends = unique_edges(faces).ends
    rest_edges = rest_vertices[ends[:, 1]] - rest_vertices[ends[:, 0]]
    edges = vertices[ends[:, 1]] - vertices[ends[:, 0]]
    rows = np.concatenate([ends[:, 0], ends[:, 1]])
    columns = np.tile(np.arange(len(ends)), 2)
    gather = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(vertices), len(ends)))
    outer = (edges[:, :, None] * rest_edges[:, None, :]).reshape(-1, 9)
    moments = np.asarray(gather @ outer).reshape(-1, 3, 3)
    size = np.asarray(gather @ (np.linalg.norm(edges, axis=1) * np.linalg.norm(rest_edges, axis=1)))
    size = np.where(size > 0, size, 1.0)[:, None, None]
    no_normal = (0.0, 0.0, 0.0)
    rest_normals = _unit(_area_normals(rest_vertices, faces), otherwise=no_normal)
    normals = _unit(_area_normals(vertices, faces), otherwise=no_normal)
    normal_pairs = normals[:, :, None] * rest_normals[:, None, :]
    moments = moments / size + 0.5 * normal_pairs + _IDENTITY_PULL * np.eye(3)
    left, _, right = np.linalg.svd(moments)
    flip = np.sign(np.linalg.det(left @ right))
    left[:, :, 2] *= flip[:, None]
    from scipy.spatial.transform import (
        Rotation,
    )  # importing takes 0.2 s, and most users of this module need no rotations

    return Rotation.from_matrix(left @ right).as_quat(canonical=True, scalar_first=True)


def _area_normals(vertices: NDArray[np.floating], faces: NDArray[np.integer]) -> NDArray[np.float64]:
    """Return the sum [V, 3] of the area-long normals of the faces at each vertex."""
    rows, columns = faces.ravel(), np.repeat(np.arange(len(faces)), 3)
    gather = csr_array((np.ones(len(rows)), (rows, columns)), shape=(len(vertices), len(faces)))
    return np.asarray(gather @ face_normals(vertices, faces))


def _unit(vectors: NDArray[np.float64], *, otherwise: tuple[float, float, float]) -> NDArray[np.float64]:
    """Return `vectors` [N, 3] at unit length; `otherwise` where the length is negligible."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    usable = lengths > 1e-12
    return np.where(usable, vectors / np.where(usable, lengths, 1.0), otherwise)
