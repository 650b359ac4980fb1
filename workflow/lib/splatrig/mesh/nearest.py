"""Exact nearest points on a triangle mesh."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree


@dataclass(frozen=True)
class Places:
    """P points on a triangle mesh, as faces and barycentric coordinates."""

    faces: NDArray[np.int64]  # [P]
    """Index of the face that each point lies on."""
    barycentric: NDArray[np.float64]  # [P, 3]
    """Barycentric coordinates: weights of the face's corners, not negative, with sum 1."""

    def on(self, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:  # [P, 3]
        """Return the positions of the points on the mesh of `vertices` [V, 3] and `faces` [T, 3], in any pose of it."""
        return np.einsum("pc,pcd->pd", self.barycentric, vertices[faces[self.faces]])

    def nearest_vertices(self, faces: NDArray[np.int64]) -> NDArray[np.int64]:  # [P]
        """Return the corner of its face with the largest weight, for each point."""
        return faces[self.faces, self.barycentric.argmax(axis=1)]


class Surface:
    """A triangle mesh, prepared for nearest-point queries."""

    def __init__(self, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> None:
        """Prepare the mesh of `vertices` [V, 3] and `faces` [T, 3], which must have a face."""
        self.vertices, self.faces = vertices, faces
        self._corners = vertices[faces]
        middles = self._corners.mean(axis=1)
        self._radii = np.linalg.norm(self._corners - middles[:, None], axis=2).max(axis=1)
        self._middles, self._tree = middles, cKDTree(middles)

    def nearest(self, points: NDArray[np.float64]) -> tuple[Places, NDArray[np.float64]]:
        """Return the nearest points of the mesh to finite `points` [P, 3], and their distances [P].

        A face can hold the nearest point only if the distance of its center minus its radius is at most another face's
        distance plus radius. Of two equally near points, the one on the first face is returned.
        """
        import trimesh  # importing takes half a second, and `Places` does not need it

        distance, index = self._tree.query(points)
        bounds = distance + self._radii[index]
        near = self._tree.query_ball_point(points, bounds + self._radii.max(), return_sorted=True)
        rows = np.repeat(np.arange(len(points)), [len(faces) for faces in near])
        faces = np.concatenate([np.asarray(faces, dtype=np.int64) for faces in near])
        reach = np.linalg.norm(self._middles[faces] - points[rows], axis=1) - self._radii[faces]
        possible = reach <= bounds[rows]
        rows, faces = rows[possible], faces[possible]
        places = trimesh.triangles.closest_point(self._corners[faces], points[rows])
        distances = np.linalg.norm(places - points[rows], axis=1)
        order = np.lexsort((faces, distances, rows))
        first = order[np.searchsorted(rows[order], np.arange(len(points)))]
        return Places(faces[first], barycentric_of(self._corners[faces[first]], places[first])), distances[first]

    def samples(self, order: int = 4) -> NDArray[np.float64]:  # [S, 3]
        """Return points of the mesh, on a grid of `order` steps along every edge of each face."""
        steps = [(i, j, order - i - j) for i in range(order + 1) for j in range(order + 1 - i)]
        return np.einsum("sc,tcd->tsd", np.array(steps) / order, self._corners).reshape(-1, 3)


def barycentric_of(corners: NDArray[np.float64], points: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the weights [P, 3] of the `corners` [P, 3, 3] of triangles, degenerate ones too, at `points` on them."""
    edges = (corners[:, 1:] - corners[:, :1]).mT
    second = np.linalg.pinv(edges) @ (points - corners[:, 0])[..., None]
    weights = np.clip(np.concatenate([1.0 - second.sum(axis=1), second[..., 0]], axis=1), 0.0, 1.0)
    return weights / weights.sum(axis=1, keepdims=True)
