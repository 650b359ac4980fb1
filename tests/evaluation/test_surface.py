import numpy as np
import pytest
import trimesh

from splatrig.evaluation.surface import POINTS, SurfaceWalk, spread_vertices
from support import planted


@pytest.fixture(scope="module")
def made():
    return planted.head(3)


def test_points_on_the_surface_are_at_no_distance(made):
    walk = SurfaceWalk(made.faces)
    assert walk.distances(made.vertices, made.vertices).max() == 0.0


def test_a_shift_along_the_normal_is_that_shift_and_one_along_the_surface_is_none():
    x, y = np.meshgrid(np.arange(9.0), np.arange(9.0))
    sheet = np.stack([x.ravel(), y.ravel(), np.zeros(81)], axis=1)
    corner = (np.arange(8)[:, None] * 9 + np.arange(8)).ravel()
    faces = np.concatenate(
        [np.stack([corner, corner + 1, corner + 9], 1), np.stack([corner + 1, corner + 10, corner + 9], 1)]
    )
    walk = SurfaceWalk(faces)
    np.testing.assert_allclose(walk.distances(sheet + np.array([0.0, 0.0, 3.0]), sheet), 3.0)
    inside = (x.ravel() < 6) & (y.ravel() < 6)
    np.testing.assert_allclose(walk.distances(sheet + np.array([2.3, 1.6, 0.0]), sheet)[inside], 0.0, atol=1e-12)


def test_distances_are_those_to_the_nearest_of_all_triangles(made):
    generator = np.random.default_rng(0)
    points = made.vertices + generator.normal(scale=4.0, size=made.vertices.shape)
    found = SurfaceWalk(made.faces).distances(points, made.vertices)
    corners = made.vertices[made.faces]
    wanted = np.empty(len(points))
    for i, point in enumerate(points):
        nearest = trimesh.triangles.closest_point(corners, np.broadcast_to(point, (len(corners), 3)))
        wanted[i] = np.linalg.norm(nearest - point, axis=1).min()
    assert np.all(found >= wanted - 1e-9)
    np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize(
    "corner", [(0.0, 0.0, 0.0), (10.0, 0.0, 0.0), (4.0, 0.0, 0.0), (-3.0, 0.0, 0.0), (4.0, 1e-9, 0.0)]
)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_flat_triangles_are_their_edges(corner, kind):
    """Tracked meshes have collapsed faces and slivers."""
    vertices = np.array([(0.0, 0.0, 0.0), (10.0, 0.0, 0.0), corner], dtype=kind)
    points = np.array([(2.0, 3.0, 4.0), (13.0, 0.0, 4.0), (-7.0, 3.0, 0.0)])
    low, high = min(0.0, corner[0]), max(10.0, corner[0])
    nearest = np.array([(x.clip(low, high), 0.0, 0.0) for x in points[:, 0]])
    found = SurfaceWalk(np.array([[0, 1, 2]])).distances(points, vertices)
    np.testing.assert_allclose(found, np.linalg.norm(points - nearest, axis=1), rtol=1e-6)


@pytest.mark.parametrize("seed", range(5))
def test_distances_from_one_triangle_are_those_of_trimesh(seed):
    generator = np.random.default_rng(seed)
    vertices, points = generator.normal(size=(3, 3)), 2.0 * generator.normal(size=(3, 3))
    nearest = trimesh.triangles.closest_point(np.tile(vertices, (3, 1, 1)), points)
    found = SurfaceWalk(np.array([[0, 1, 2]])).distances(points, vertices)
    np.testing.assert_allclose(found, np.linalg.norm(points - nearest, axis=1), rtol=1e-9)


def test_vertices_without_a_triangle_are_points(made):
    vertices = np.concatenate([made.vertices, [[0.0, 0.0, 200.0]]])
    points = vertices + np.array([0.0, 3.0, 4.0])
    assert SurfaceWalk(made.faces).distances(points, vertices)[-1] == pytest.approx(5.0)
    assert SurfaceWalk(np.empty((0, 3), np.int64)).distances(points[:2], vertices[:2]) == pytest.approx([5.0, 5.0])


def test_frames_are_measured_one_by_one(made):
    truths = np.stack([made.vertices, 1.1 * made.vertices])
    found = SurfaceWalk(made.faces).of_frames(truths * 1.01, truths)
    assert found.shape == (2, len(spread_vertices(len(made.vertices))))
    np.testing.assert_allclose(found[0] * 1.1, found[1])


def test_spread_vertices_are_all_of_few_and_some_of_many():
    np.testing.assert_array_equal(spread_vertices(7), np.arange(7))
    many = spread_vertices(50_000)
    assert len(many) == POINTS
    assert many[[0, -1]].tolist() == [0, 49_999]


def test_points_may_belong_to_any_vertices(made):
    at = np.array([5, 600, 2])
    walk = SurfaceWalk(made.faces)
    points = 1.02 * made.vertices
    np.testing.assert_array_equal(
        walk.distances(points[at], made.vertices, at), walk.distances(points, made.vertices)[at]
    )
