"""Geodesic distances on a triangle mesh by the heat method (Crane, Weischedel, Wardetzky 2013).

The solver is potpourri3d's, on the tufted intrinsic Delaunay Laplacian of Sharp and Crane 2020, so boundaries,
non-manifold edges and slivers are supported. The system is factored once; each source costs two back-substitutions.
"""

from dataclasses import dataclass

import numpy as np
import potpourri3d
from numpy.typing import ArrayLike, NDArray
from scipy.sparse import csr_array
from scipy.sparse.csgraph import dijkstra

from splatrig.io.errors import InputError
from splatrig.mesh.topology import checked_faces, pieces, prune_unreferenced, unique_edges


@dataclass(frozen=True)
class _Piece:
    """One connected piece of the mesh with its factored solver."""

    members: NDArray[np.int64]  # [M] vertex indices in the whole mesh
    solver: potpourri3d.MeshHeatMethodDistanceSolver | None
    """Factored solver; None where all vertices coincide."""
    edge_lengths: csr_array  # [M, M] for the pieces on which the heat method fails


class GeodesicSolver:
    """Geodesic distances from single vertices of one mesh."""

    def __init__(self, vertices: ArrayLike, faces: ArrayLike) -> None:
        """Factor the heat method for `vertices` [V, 3] (millimeters) and `faces` [T, 3].

        Unreferenced vertices and faces with a repeated corner are left out; each connected piece is factored
        separately. Raises InputError when a position is not finite or a face names a vertex that does not exist.
        """
        points = np.asarray(vertices, dtype=np.float64)
        if points.ndim != 2 or points.shape[1] != 3 or not np.isfinite(points).all():
            raise InputError(f"geodesics: expected finite vertices of shape [V, 3], got shape {points.shape}.")
        triangles = checked_faces(faces, len(points))
        corners = np.sort(triangles, axis=1)
        triangles = triangles[(np.diff(corners, axis=1) > 0).all(axis=1)]
        self.vertex_count = len(points)
        self._piece_of = pieces(triangles, len(points))
        self._pieces = [
            _factor(points, triangles[self._piece_of[triangles[:, 0]] == number])
            for number in range(int(self._piece_of.max(initial=-1)) + 1)
        ]

    def distances(self, sources: ArrayLike) -> NDArray[np.float32]:
        """Return the distances [S, V] in millimeters from each of `sources` [S] to all vertices.

        A source is exactly 0 from itself; vertices on another piece, or referenced by no face, are at infinity. Raises
        InputError for a source that is not a vertex.
        """
        indices = np.atleast_1d(np.asarray(sources))
        if indices.ndim != 1 or not (np.issubdtype(indices.dtype, np.integer) or indices.size == 0):
            raise InputError(f"geodesic sources: expected vertex indices [S], got {indices.dtype} {indices.shape}.")
        bad = indices[(indices < 0) | (indices >= self.vertex_count)]
        if bad.size:
            raise InputError(f"geodesic sources: vertex {bad[0]} does not exist; the mesh has {self.vertex_count}.")
        result = np.full((len(indices), self.vertex_count), np.inf, dtype=np.float32)
        for row, source in zip(result, indices, strict=True):
            number = self._piece_of[source]
            if number >= 0:
                piece = self._pieces[number]
                row[piece.members] = _distances_in_piece(piece, int(np.searchsorted(piece.members, source)))
            row[source] = 0.0
        return result


def _factor(points: NDArray[np.float64], triangles: NDArray[np.int64]) -> _Piece:
    """Prune and factor one connected piece."""
    pruning = prune_unreferenced(triangles, len(points))
    positions = points[pruning.kept]
    ends = unique_edges(pruning.faces).ends
    lengths = np.linalg.norm(positions[ends[:, 0]] - positions[ends[:, 1]], axis=1)
    collapsed = not lengths.any()
    # csgraph treats a stored 0 as "no edge"; coincident vertices must stay neighbors.
    lengths = np.maximum(lengths, np.finfo(np.float64).tiny)
    graph = csr_array((lengths, (ends[:, 0], ends[:, 1])), shape=(len(positions), len(positions)))
    solver = None if collapsed else potpourri3d.MeshHeatMethodDistanceSolver(positions, pruning.faces)
    return _Piece(pruning.kept, solver, graph)


def _distances_in_piece(piece: _Piece, source: int) -> NDArray[np.float64]:
    """Return the distances [M] from the piece's vertex `source`.

    A piece of zero area has no heat flow; its distances are measured along its edges.
    """
    if piece.solver is not None:
        distances = np.asarray(piece.solver.compute_distance(source))
        if np.isfinite(distances).all():
            return np.maximum(distances, 0.0)
    return dijkstra(piece.edge_lengths, directed=False, indices=[source])[0]
