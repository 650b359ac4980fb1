"""Blendshapes of the template on another head of any topology: laid over it by landmarks, then read off it.

A similarity puts the landmarks of the template on those of the head; kernel ridge regression bends what is left
between them. Every vertex of the head then takes the displacements of the nearest place of the template that faces the
same way, which keeps the lips apart.
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
"""Landmarks that both heads must have."""
BENT_MM = 40.0
"""How far the residual of a landmark bends its surroundings: standard deviation of the Gaussian kernel."""
BENDING_RIDGE = 3.0
"""Of kernel ridge regression: a residual that a landmark shares with few others is noise of the network."""
TURNED_MM = 5.0
"""Millimeters that the difference between two unit normals is worth when the nearest place is looked for."""
CANDIDATES = 24
"""Triangles around each vertex that are looked at."""
TRUSTED_MM = 4.0
"""A vertex at distance d from its place counts exp(-(d / TRUSTED_MM)²): the farther ones follow their neighbors."""
SMOOTHING_MM2 = 2.0
"""Square of the length along which trusted displacements are smoothed."""
LEAST_TRUST = 1e-4
"""Of vertices that are far from the template: where no neighbor moves they do not either."""


def register(face: TemplateFace, landmarks: NDArray[np.float64]) -> TemplateFace:  # [L, 3], NaN where not found
    """Lay the template over the head with these landmarks.

    Raises InputError where too few landmarks were found to do so.
    """
    known = np.isfinite(landmarks).all(axis=1)
    if known.sum() < FEWEST:
        raise InputError(
            f"landmarks: expected at least {FEWEST} points to put ARKit's blendshapes on this head, got "
            f"{int(known.sum())}; give your own (capture.landmarks), or take arkit out of learned.families."
        )
    from sklearn.kernel_ridge import KernelRidge  # takes a second to import

    by = similarity_to(landmarks, face.landmarks)
    laid, vertices = by.of(face.landmarks), by.of(face.vertices)
    bend = KernelRidge(alpha=BENDING_RIDGE, kernel="rbf", gamma=0.5 / BENT_MM**2)
    bend.fit(laid[known], landmarks[known] - laid[known])
    shapes = by.scale * face.shapes @ by.turn.T
    return TemplateFace(vertices + bend.predict(vertices), face.faces, shapes, laid + bend.predict(laid))


def transfer(
    registered: TemplateFace,
    vertices: NDArray[np.float64],  # [V, 3] of the neutral, head space, millimeters
    faces: NDArray[np.int64],  # [T, 3]
) -> NDArray[np.float64]:  # [52, V, 3]
    """Return the displacements of a head's vertices by the blendshapes of a template that lies on it.

    Vertices far from their place, and those that close an opening of the template, follow their neighbors over the
    mesh: a screened Poisson equation, weighted by the trust in each.
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
    """Return the places of a dense mesh that are near to points and face as they do, and their distances [V]."""
    import trimesh  # takes half a second

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
