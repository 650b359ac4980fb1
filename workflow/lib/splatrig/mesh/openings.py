"""Openings of a head's mesh, lids and lips, behind which a capture shows more than the surface."""

import numpy as np
from numpy.typing import NDArray
from scipy.cluster.vq import kmeans2

from splatrig.mesh.topology import unique_edges

LARGEST_MM = 120.0
"""Maximum length of an opening; a longer loop is where the mesh ends, at the neck."""
LEAST_VERTICES = 8
"""Minimum number of vertices of an opening; shorter loops are holes of the mesh, not of the face."""
STRETCHED = 0.01
"""Fraction of the triangles of a closed mesh that are assumed to cover its openings, and their minimum number."""
LEAST_STRETCHED = 20
COVERS = 3
"""Number of places where a closed mesh is stretched: a mouth and two eyes."""


def boundary_loops(faces: NDArray[np.int64]) -> list[NDArray[np.int64]]:
    """Return the vertices of each closed loop of the boundary, in order, where every vertex has one successor."""
    edges = unique_edges(faces)
    open_edge = edges.face_count[edges.of_face] == 1  # [T, 3]
    starts, ends = faces[open_edge], np.roll(faces, -1, axis=1)[open_edge]
    following = dict(zip(starts.tolist(), ends.tolist(), strict=True))
    loops = []
    while following:
        start, vertex = following.popitem()
        loop = [start]
        while vertex in following:
            loop.append(vertex)
            vertex = following.pop(vertex)
        if vertex == start:
            loops.append(np.array(loop, dtype=np.int64))
    return sorted(loops, key=lambda loop: int(loop.min()))


def small_loops(
    vertices: NDArray[np.float64],  # [V, 3] millimeters
    faces: NDArray[np.int64],  # [T, 3]
) -> list[NDArray[np.int64]]:
    """Return the boundary loops that may be openings of the face: neither a missing triangle nor the neck."""
    return [
        loop
        for loop in boundary_loops(faces)
        if len(loop) >= LEAST_VERTICES and np.ptp(vertices[loop], axis=0).max() < LARGEST_MM
    ]


def openings(
    vertices: NDArray[np.float64],  # [V, 3] vertices of the neutral, millimeters
    faces: NDArray[np.int64],  # [T, 3]
    posed: NDArray[np.float64],  # [F, V, 3] vertices in other expressions
) -> list[NDArray[np.int64]]:
    """Return the vertices around each opening.

    They are the small loops of the boundary. A mesh that is closed over mouth and eyes has none; there they are the
    vertices around the places where its triangles stretch most.
    """
    return small_loops(vertices, faces) or _stretched(vertices, faces, posed)


def _stretched(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], posed: NDArray[np.float64]
) -> list[NDArray[np.int64]]:
    areas = np.stack([_areas(frame, faces) for frame in posed])  # [F, T]
    usual = np.median(areas, axis=0)
    stretch = areas.max(axis=0) / np.maximum(usual, 1e-3 * np.median(areas))
    count = min(len(faces), max(LEAST_STRETCHED, int(STRETCHED * len(faces))))
    chosen = np.unique(faces[np.argsort(-stretch, kind="stable")[:count]])
    if len(chosen) <= COVERS:
        return []
    labels = kmeans2(vertices[chosen], COVERS, minit="++", rng=np.random.default_rng(0))[1]
    places = [chosen[labels == label] for label in range(COVERS)]
    return [place for place in places if len(place) > COVERS]


def _areas(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:  # [T]
    a, b, c = (vertices[corner] for corner in faces.T)
    return 0.5 * np.linalg.norm(np.cross(b - a, c - a), axis=1)
