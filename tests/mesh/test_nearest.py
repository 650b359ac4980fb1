"""The nearest places on a mesh, held against all faces one by one, and against trimesh."""

import numpy as np
import trimesh
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.mesh.nearest import Surface
from support.ellipsoid import ellipsoid_head


def cloud(count: int = 60) -> np.ndarray:
    return np.random.default_rng(3).uniform(-150, 150, (count, 3))


def test_places_are_as_near_as_the_nearest_of_all_faces():
    vertices, faces = ellipsoid_head(2)
    points = cloud()
    places, distances = Surface(vertices, faces).nearest(points)
    for row, point in enumerate(points):
        every = trimesh.triangles.closest_point(vertices[faces], np.tile(point, (len(faces), 1)))
        assert_allclose(distances[row], np.linalg.norm(every - point, axis=1).min(), atol=1e-9)
    assert_allclose(np.linalg.norm(places.on(vertices, faces) - points, axis=1), distances, atol=1e-9)


def test_weights_are_barycentric():
    vertices, faces = ellipsoid_head(2)
    places, _ = Surface(vertices, faces).nearest(cloud())
    assert (places.barycentric >= 0).all()
    assert_allclose(places.barycentric.sum(axis=1), 1.0)


def test_a_large_face_far_from_its_middle_is_not_missed():
    vertices = np.array([[-500.0, 0, 0], [500, 0, 0], [0, 1, 0], [300, 0, 9], [301, 0, 9], [300, 1, 9]])
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    places, distances = Surface(vertices, faces).nearest(np.array([[300.0, 0.1, 2.0]]))
    assert places.faces.tolist() == [0]
    assert_allclose(distances, 2.0)


def test_a_point_on_the_mesh_is_its_own_place_and_a_vertex_is_found():
    vertices, faces = ellipsoid_head(1)
    places, distances = Surface(vertices, faces).nearest(vertices[faces].reshape(-1, 3))
    assert_allclose(distances, 0.0, atol=1e-9)
    assert_array_equal(places.nearest_vertices(faces), faces.ravel())


def test_a_sliver_has_places_too():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    places, distances = Surface(vertices, np.array([[0, 1, 2]])).nearest(np.array([[1.5, 1.0, 0.0]]))
    assert_allclose(distances, 1.0)
    assert_allclose(places.on(vertices, np.array([[0, 1, 2]])), [[1.5, 0, 0]], atol=1e-9)


def test_samples_lie_on_the_mesh_and_hold_its_corners():
    vertices, faces = ellipsoid_head(1)
    surface = Surface(vertices, faces)
    samples = surface.samples()
    assert_allclose(surface.nearest(samples)[1], 0.0, atol=1e-9)
    assert {tuple(v) for v in np.round(vertices[np.unique(faces)], 6)} <= {tuple(s) for s in np.round(samples, 6)}
