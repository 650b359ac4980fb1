"""Transfer the template's blendshapes to a head of any topology: register by landmarks, then sample.

A similarity transform aligns the landmarks of the template with those of the head; kernel ridge regression bends the
remaining differences. Every vertex of the head then takes the displacements of the nearest point of the template with a
similar normal, which keeps the lips apart.
"""

import numpy as np
import potpourri3d
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import splu
from scipy.spatial import cKDTree

from splatrig.blendshapes.template_face import TemplateFace
from splatrig.io.errors import InputError
from splatrig.landmarks.canonical import similarity_to
from splatrig.mesh.nearest import Places, barycentric_of
from splatrig.mesh.normals import face_normals, vertex_areas, vertex_normals

FEWEST = 12
"""Minimum number of landmarks that both heads must have."""
BENT_MM = 40.0
"""Standard deviation of the Gaussian kernel: how far the residual of a landmark bends its surroundings."""
BENDING_RIDGE = 3.0
"""Ridge of the kernel regression: residuals that few neighboring landmarks share are treated as detector noise."""
TURNED_MM = 5.0
"""Distance (mm) that the difference between two unit normals is worth in the nearest-point search."""
CANDIDATES = 24
"""Number of triangles around each vertex that are tested."""
TRUSTED_MM = 4.0
"""A vertex at distance d from its nearest point has the weight exp(-(d / TRUSTED_MM)²); others follow their
neighbors."""
SMOOTHING_MM2 = 2.0
"""Square of the length along which trusted displacements are smoothed."""
LEAST_TRUST = 1e-4
"""Minimum weight of vertices that are far from the template, so that they stay still where no neighbor moves."""


def register(face: TemplateFace, landmarks: NDArray[np.float64]) -> TemplateFace:  # [L, 3], NaN where not found
    """Register the template face to a head with the given landmarks.

    Raises InputError if too few landmarks were found.
    """
    known = np.isfinite(landmarks).all(axis=1)
    if known.sum() < FEWEST:
        raise InputError(
            f"landmarks: expected at least {FEWEST} points to put ARKit's blendshapes on this head, got "
            f"{int(known.sum())}; give your own (capture.landmarks), or take arkit out of learned.families."
        )
    from sklearn.kernel_ridge import KernelRidge  # importing takes a second

    by = similarity_to(landmarks, face.landmarks)
    laid, vertices = by.of(face.landmarks), by.of(face.vertices)
    bend = KernelRidge(alpha=BENDING_RIDGE, kernel="rbf", gamma=0.5 / BENT_MM**2)
    bend.fit(laid[known], landmarks[known] - laid[known])
    shapes = by.scale * face.shapes @ by.turn.T
    return TemplateFace(vertices + bend.predict(vertices), face.faces, shapes, laid + bend.predict(laid))


def transfer(
    registered: TemplateFace,
    vertices: NDArray[np.float64],  # [V, 3] vertices of the neutral, head space, millimeters
    faces: NDArray[np.int64],  # [T, 3]
) -> NDArray[np.float64]:  # [52, V, 3]
    """Return the displacements of a head's vertices by the blendshapes of a template registered to it.

    Vertices far from the template, and those that close one of its openings, follow their neighbors on the mesh: a
    screened Poisson equation, weighted by the trust in each vertex.
    """
    places, distances = nearest_facing(registered.vertices, registered.faces, vertices, vertex_normals(vertices, faces))
    read = np.stack([places.on(shape, registered.faces) for shape in registered.shapes])
    weights = vertex_areas(vertices, faces) * (np.exp(-((distances / TRUSTED_MM) ** 2)) + LEAST_TRUST)
    system = sp.diags_array(weights) + SMOOTHING_MM2 * potpourri3d.cotan_laplacian(vertices, faces)
    columns = (weights[:, None, None] * read.transpose(1, 0, 2)).reshape(len(vertices), -1)
    solved = splu(sp.csc_array(system)).solve(columns)
    return solved.reshape(len(vertices), len(read), 3).transpose(1, 0, 2)


def nearest_facing(
    vertices: NDArray[np.float64],  # [P, 3]
    faces: NDArray[np.int64],  # [Q, 3]
    points: NDArray[np.float64],  # [V, 3]
    normals: NDArray[np.float64],  # [V, 3]
) -> tuple[Places, NDArray[np.float64]]:
    """Return the points of a dense mesh nearest to given points with similar normals, and their distances [V]."""
    import trimesh  # importing takes half a second

    corners, own = vertices[faces], face_normals(vertices, faces)
    own = own / np.maximum(np.linalg.norm(own, axis=1, keepdims=True), 1e-12)
    tree = cKDTree(np.hstack([corners.mean(axis=1), TURNED_MM * own]))
    count = min(CANDIDATES, len(faces))
    _, near = tree.query(np.hstack([points, TURNED_MM * normals]), k=count)
    near = near.reshape(len(points), count)
    flat = trimesh.triangles.closest_point(corners[near.ravel()], np.repeat(points, count, axis=0))
    distances = np.linalg.norm(flat.reshape(len(points), count, 3) - points[:, None], axis=2)
    turned = 0.5 * TURNED_MM * np.linalg.norm(own[near] - normals[:, None], axis=2)
    row, best = np.arange(len(points)), np.hypot(distances, turned).argmin(axis=1)
    chosen = near[row, best]
    closest = flat.reshape(len(points), count, 3)[row, best]
    return Places(chosen, barycentric_of(corners[chosen], closest)), distances[row, best]
