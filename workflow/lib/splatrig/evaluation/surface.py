"""Distance of points from a surface: the visible error, since sliding along a surface changes nothing."""

import numpy as np
from numpy.typing import NDArray

from splatrig.jobs.kernels import cached_njit

POINTS = 2000
"""Number of vertices at which frames are measured: enough for three digits, and an eighth of the demo's."""

FLAT = 1e-10
"""Squared sine of a triangle's first corner below which its area is negligible and its edges are used instead."""


class SurfaceWalk:
    """Distances to surfaces of one topology, from points that correspond to its vertices.

    Point i starts at vertex i, walks along edges while a neighbor is closer, and is measured against all triangles
    around its last vertex. The result is never below the true distance, and equals it unless another sheet of the
    surface (the other lip) is closer than the point's own.
    """

    def __init__(self, faces: NDArray[np.int64]) -> None:
        """Prepare for triangles `faces` [T, 3]; vertices without a triangle are measured as points."""
        self._faces = np.ascontiguousarray(faces, dtype=np.int64)
        flat = self._faces.ravel()
        self._around = np.argsort(flat, kind="stable") // 3
        self._first = np.zeros(int(flat.max(initial=-1)) + 2, dtype=np.int64)
        np.cumsum(np.bincount(flat), out=self._first[1:])

    def distances(
        self, points: NDArray, vertices: NDArray, at: NDArray[np.int64] | None = None
    ) -> NDArray[np.float64]:  # [P] mm
        """Return the distance (mm) of each of `points` [P, 3] from the surface with `vertices` [N, 3].

        `at` [P] are the vertices that the points correspond to, by default the first P.
        """
        starts = np.arange(len(points)) if at is None else np.asarray(at, dtype=np.int64)
        points, vertices = np.ascontiguousarray(points, dtype=np.float64), np.ascontiguousarray(vertices)
        return _walk(points, starts, vertices, self._faces, self._around, self._first)

    def of_frames(self, estimates: NDArray, truths: NDArray) -> NDArray[np.float64]:  # [F, P] mm
        """Return the distances at `POINTS` vertices, frame by frame, of `estimates` from `truths` (both [F, N, 3])."""
        at = spread_vertices(truths.shape[1])
        return np.stack(
            [self.distances(points[at], surface, at) for points, surface in zip(estimates, truths, strict=True)]
        )


def spread_vertices(count: int) -> NDArray[np.int64]:
    """Return at most `POINTS` of `count` vertices, equally spaced by index."""
    return np.unique(np.linspace(0, count - 1, min(count, POINTS)).astype(np.int64))


@cached_njit(inline="always")
def _squared(points, i, vertices, j):  # type: ignore[no-untyped-def]
    x, y, z = points[i, 0] - vertices[j, 0], points[i, 1] - vertices[j, 1], points[i, 2] - vertices[j, 2]
    return x * x + y * y + z * z


@cached_njit()
def _walk(points, starts, vertices, faces, around, first):  # type: ignore[no-untyped-def]
    """Return the distance of every point from the triangles around the last vertex of its walk."""
    out = np.empty(len(points))
    for i in range(len(points)):
        at, best = starts[i], _squared(points, i, vertices, starts[i])
        moved = at + 1 < len(first)
        while moved:
            moved = False
            start = at
            for entry in range(first[start], first[start + 1]):
                for corner in range(3):
                    other = faces[around[entry], corner]
                    squared = _squared(points, i, vertices, other)
                    if squared < best:
                        at, best, moved = other, squared, True
        if at + 1 < len(first):
            for entry in range(first[at], first[at + 1]):
                face = around[entry]
                corners = vertices[faces[face, 0]], vertices[faces[face, 1]], vertices[faces[face, 2]]
                best = min(best, _triangle(points[i], *corners))
        out[i] = np.sqrt(best)
    return out


@cached_njit()
def _triangle(p, a, b, c):  # type: ignore[no-untyped-def]
    """Return the squared distance of a point from a triangle: from its plane, or from the edges it is outside of."""
    ab, ac, ap = _minus(b, a), _minus(c, a), _minus(p, a)
    normal = _cross(ab, ac)
    area = _dot(normal, normal)
    if area <= FLAT * _dot(ab, ab) * _dot(ac, ac):
        return min(_segment(p, a, b), _segment(p, b, c), _segment(p, c, a))
    beta, gamma = _dot(_cross(ap, ac), normal), _dot(_cross(ab, ap), normal)
    if beta >= 0.0 and gamma >= 0.0 and beta + gamma <= area:
        return _dot(ap, normal) ** 2 / area
    nearest = np.inf
    if beta < 0.0:
        nearest = _segment(p, c, a)
    if gamma < 0.0:
        nearest = min(nearest, _segment(p, a, b))
    if beta + gamma > area:
        nearest = min(nearest, _segment(p, b, c))
    return nearest


@cached_njit()
def _segment(p, a, b):  # type: ignore[no-untyped-def]
    ab, ap = _minus(b, a), _minus(p, a)
    along, length = _dot(ap, ab), _dot(ab, ab)
    share = 0.0 if along <= 0.0 else min(1.0, along / length)
    x, y, z = ap[0] - share * ab[0], ap[1] - share * ab[1], ap[2] - share * ab[2]
    return x * x + y * y + z * z


@cached_njit()
def _minus(a, b):  # type: ignore[no-untyped-def]
    return np.float64(a[0]) - b[0], np.float64(a[1]) - b[1], np.float64(a[2]) - b[2]


@cached_njit()
def _cross(a, b):  # type: ignore[no-untyped-def]
    return a[1] * b[2] - a[2] * b[1], a[2] * b[0] - a[0] * b[2], a[0] * b[1] - a[1] * b[0]


@cached_njit()
def _dot(a, b):  # type: ignore[no-untyped-def]
    return a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
