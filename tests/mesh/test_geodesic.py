"""Heat-method geodesics against closed forms, exact polyhedral geodesics, and awkward meshes."""

import numpy as np
import pytest
import trimesh
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.io.errors import InputError
from splatrig.mesh.geodesic import GeodesicSolver

exact = pytest.importorskip("pygeodesic.geodesic", reason="it has no wheel for ARM Linux")

HEAT_TOLERANCE = 0.05
"""Relative to the largest distance: the heat method smooths by about an edge length (Crane et al. 2013, table 1)."""


def grid(count: int) -> tuple[np.ndarray, np.ndarray]:
    x, y = np.meshgrid(np.arange(count, dtype=float), np.arange(count, dtype=float))
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(count * count)], axis=1)
    corner = (np.arange(count - 1)[:, None] * count + np.arange(count - 1)).ravel()
    lower = np.stack([corner, corner + 1, corner + count + 1], axis=1)
    upper = np.stack([corner, corner + count + 1, corner + count], axis=1)
    return vertices, np.concatenate([lower, upper])


def test_distances_on_a_plane_are_euclidean():
    vertices, faces = grid(41)
    source = 20 * 41 + 20
    distances = GeodesicSolver(vertices, faces).distances([source])[0]
    expected = np.linalg.norm(vertices - vertices[source], axis=1)
    assert np.abs(distances - expected).max() < HEAT_TOLERANCE * expected.max()


def test_distances_on_a_sphere_are_great_circles():
    sphere = trimesh.creation.icosphere(subdivisions=4, radius=100.0)
    distances = GeodesicSolver(sphere.vertices, sphere.faces).distances([0])[0]
    cosine = sphere.vertices @ sphere.vertices[0] / 100.0**2
    expected = 100.0 * np.arccos(np.clip(cosine, -1, 1))
    assert np.abs(distances - expected).max() < HEAT_TOLERANCE * expected.max()


def test_distances_agree_with_exact_polyhedral_geodesics():
    ellipsoid = trimesh.creation.icosphere(subdivisions=4)
    vertices = ellipsoid.vertices * [70.0, 110.0, 90.0]
    solver = GeodesicSolver(vertices, ellipsoid.faces)
    reference = exact.PyGeodesicAlgorithmExact(vertices, np.asarray(ellipsoid.faces))
    for source in (3, 700, 2000):
        expected, _ = reference.geodesicDistances(np.array([source]), None)
        assert np.abs(solver.distances([source])[0] - expected).max() < HEAT_TOLERANCE * expected.max()


def test_a_batch_equals_its_sources_one_by_one():
    sphere = trimesh.creation.icosphere(subdivisions=2)
    solver = GeodesicSolver(sphere.vertices, sphere.faces)
    batch = solver.distances([5, 0, 5, 17])
    assert batch.dtype == np.float32
    assert_array_equal(batch, np.concatenate([solver.distances(source) for source in (5, 0, 5, 17)]))
    assert_array_equal(batch[np.arange(4), [5, 0, 5, 17]], 0.0)


def test_distances_do_not_depend_on_the_numbering():
    sphere = trimesh.creation.icosphere(subdivisions=3)
    order = np.random.default_rng(0).permutation(len(sphere.vertices))
    position = np.argsort(order)
    shuffled = GeodesicSolver(sphere.vertices[order], position[sphere.faces]).distances([position[7]])[0]
    assert_allclose(shuffled[position], GeodesicSolver(sphere.vertices, sphere.faces).distances([7])[0], atol=1e-4)


def test_other_pieces_and_unreferenced_vertices_are_at_infinity_and_nothing_is_nan():
    sphere = trimesh.creation.icosphere(subdivisions=2)
    count = len(sphere.vertices)
    vertices = np.concatenate([[[9.0, 9.0, 9.0]], sphere.vertices, sphere.vertices + 5.0, [[0.0, 0.0, 0.0]]])
    faces = np.concatenate([sphere.faces + 1, sphere.faces + 1 + count])
    distances = GeodesicSolver(vertices, faces).distances([1, 1 + count, 0])
    assert not np.isnan(distances).any()
    first, second = slice(1, 1 + count), slice(1 + count, 1 + 2 * count)
    assert np.isfinite(distances[0, first]).all()
    assert np.isinf(distances[0, second]).all()
    assert np.isinf(distances[1, first]).all()
    assert_allclose(distances[0, first], distances[1, second], atol=1e-5)
    assert np.isinf(distances[:2, [0, -1]]).all()
    assert distances[2, 0] == 0.0
    assert np.isinf(distances[2, 1:]).all()


def test_degenerate_faces_do_no_harm():
    vertices, faces = grid(11)
    clean = GeodesicSolver(vertices, faces).distances([60])
    spoilt = np.concatenate([faces, [[3, 3, 4]], [[0, 1, 2]]])  # a repeated corner; three corners in a line
    assert_allclose(GeodesicSolver(vertices, spoilt).distances([60]), clean, atol=0.5)


def test_a_piece_of_zero_area_has_finite_distances():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0]])
    distances = GeodesicSolver(vertices, [[0, 1, 2]]).distances([0])[0]
    assert np.isfinite(distances).all()
    assert_allclose(distances, [0, 1, 2], atol=0.5)


@pytest.mark.parametrize(
    ("vertices", "faces", "sources", "words"),
    [
        (np.full((3, 3), np.nan), [[0, 1, 2]], [0], "finite"),
        (np.eye(3), [[0, 1, 3]], [0], "face 0 is"),
        (np.eye(3), [[0.0, 1.0, 2.0]], [0], "integers"),
        (np.eye(3), [[0, 1, 2]], [3], "vertex 3 does not exist"),
        (np.eye(3), [[0, 1, 2]], [0.5], "vertex indices"),
    ],
)
def test_bad_input_is_named(vertices, faces, sources, words):
    with pytest.raises(InputError, match=words):
        GeodesicSolver(vertices, faces).distances(sources)


def test_a_piece_that_has_collapsed_to_a_point_has_zero_distances():
    vertices, faces = np.random.default_rng(0).normal(size=(7, 3)), np.array([[0, 1, 2], [3, 4, 5], [5, 4, 6]])
    vertices[3:] = [1.0, 2.0, 3.0]
    distances = GeodesicSolver(vertices, faces).distances([4])[0]
    assert_allclose(distances[3:], 0.0, atol=1e-30)
    assert np.isinf(distances[:3]).all()
