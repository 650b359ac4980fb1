"""How far points are from a surface: the error that the eye sees, since sliding along a surface changes nothing."""

import numba
import numpy as np
from numpy.typing import NDArray

POINTS = 2000
"""Vertices at which frames are measured: enough for three digits, and an eighth of the demo's."""


class SurfaceWalk:
    """Distances to surfaces of one topology, from points that belong to its vertices.

    Point i starts at vertex i, walks along edges as long as a neighbour is nearer, and is measured against all
    triangles around the vertex where it stops. That is the true distance unless another sheet of the surface (the other
    lip) is nearer than the one that the point belongs to, and never below it.
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
        """Return the distance in mm of each of `points` [P, 3] from the surface whose vertices are `vertices` [N, 3].

        `at` [P] are the vertices that the points belong to, by default the first P.
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


@numba.njit(cache=True, inline="always")
def _squared(points, i, vertices, j):  # type: ignore[no-untyped-def]
    x, y, z = points[i, 0] - vertices[j, 0], points[i, 1] - vertices[j, 1], points[i, 2] - vertices[j, 2]
    return x * x + y * y + z * z


@numba.njit(cache=True)
def _walk(points, starts, vertices, faces, around, first):  # type: ignore[no-untyped-def]
    """Return the distance of every point from the triangles around the vertex that its walk ends at."""
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


@numba.njit(cache=True)
def _triangle(p, a, b, c):  # type: ignore[no-untyped-def]
    """Return the squared distance of a point from a triangle: Ericson, Real-Time Collision Detection (2005), §5.1.5."""
    a0, a1, a2 = np.float64(a[0]), np.float64(a[1]), np.float64(a[2])
    ab0, ab1, ab2 = b[0] - a0, b[1] - a1, b[2] - a2
    ac0, ac1, ac2 = c[0] - a0, c[1] - a1, c[2] - a2
    ap0, ap1, ap2 = p[0] - a0, p[1] - a1, p[2] - a2
    d1, d2 = ab0 * ap0 + ab1 * ap1 + ab2 * ap2, ac0 * ap0 + ac1 * ap1 + ac2 * ap2
    bp0, bp1, bp2 = p[0] - b[0], p[1] - b[1], p[2] - b[2]
    d3, d4 = ab0 * bp0 + ab1 * bp1 + ab2 * bp2, ac0 * bp0 + ac1 * bp1 + ac2 * bp2
    cp0, cp1, cp2 = p[0] - c[0], p[1] - c[1], p[2] - c[2]
    d5, d6 = ab0 * cp0 + ab1 * cp1 + ab2 * cp2, ac0 * cp0 + ac1 * cp1 + ac2 * cp2
    va, vb, vc = d3 * d6 - d5 * d4, d5 * d2 - d1 * d6, d1 * d4 - d3 * d2
    if d1 <= 0 and d2 <= 0:
        v, w = 0.0, 0.0
    elif d3 >= 0 and d4 <= d3:
        v, w = 1.0, 0.0
    elif d6 >= 0 and d5 <= d6:
        v, w = 0.0, 1.0
    elif vc <= 0 and d1 >= 0 and d3 <= 0:
        v, w = d1 / (d1 - d3), 0.0
    elif vb <= 0 and d2 >= 0 and d6 <= 0:
        v, w = 0.0, d2 / (d2 - d6)
    elif va <= 0 and d4 - d3 >= 0 and d5 - d6 >= 0:
        w = (d4 - d3) / ((d4 - d3) + (d5 - d6))
        v = 1.0 - w
    else:
        v, w = vb / (va + vb + vc), vc / (va + vb + vc)
    x, y, z = ap0 - v * ab0 - w * ac0, ap1 - v * ab1 - w * ac1, ap2 - v * ab2 - w * ac2
    return x * x + y * y + z * z
