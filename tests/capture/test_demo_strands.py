import numpy as np
import pytest
from embreex import rtcore_scene
from embreex.mesh_construction import TriangleMesh
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.capture.demo.head import tile
from splatrig.capture.demo.lighting import THROUGH_HAIR, illuminate_strands, stage_lights
from splatrig.capture.demo.rig import REST_POSE
from splatrig.capture.demo.strands import ribbons

NODES = 5


@pytest.fixture
def strands():
    """Twenty straight strands of 10 mm that start in the plane y = 0."""
    rng = np.random.default_rng(3)
    roots = rng.uniform(-20.0, 20.0, (20, 1, 3)) * [1.0, 0.0, 1.0]
    ways = rng.normal(size=(20, 1, 3))
    ways /= np.linalg.norm(ways, axis=-1, keepdims=True)
    points = roots + np.linspace(0.0, 10.0, NODES)[:, None] * ways
    return ribbons(points, 1.0, rng.uniform(0.0, np.pi, 20), rng.uniform(size=20), np.arange(20) // 4 * 4)


def test_ribbons_are_as_wide_as_asked_at_the_root_and_end_in_a_point(strands):
    edges = strands.vertices.reshape(20, NODES, 2, 3)
    widths = np.linalg.norm(edges[:, :, 1] - edges[:, :, 0], axis=-1)
    assert_allclose(widths[:, 0], 1.0, atol=1e-5)
    assert (np.diff(widths, axis=1) < 0.0).all() and widths[:, -1].max() < 0.01
    assert_allclose(edges.mean(axis=2), strands.points, atol=1e-5)
    along = np.gradient(strands.points, axis=1)
    assert_allclose(np.einsum("sjd,sjd->sj", along, strands.sides), 0.0, atol=1e-5)


def test_triangles_cover_the_ribbon_and_lie_in_its_strand(strands):
    triangles = strands.triangles
    assert triangles.shape == (2 * 20 * (NODES - 1), 3)
    assert_array_equal(np.ptp(triangles // (2 * NODES), axis=1), 0)
    corners = strands.vertices[triangles]
    areas = 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)
    # taper sqrt(1 - t) in straight pieces
    taper = np.sqrt(1.0 - np.linspace(0.0, 1.0, NODES))
    assert areas.sum() == pytest.approx(20 * 10.0 * np.trapezoid(taper, dx=1.0 / (NODES - 1)), rel=0.01)


def test_normals_are_of_length_one_and_open_from_edge_to_edge(strands):
    normals = strands.normals.reshape(20, NODES, 2, 3)
    assert_allclose(np.linalg.norm(normals, axis=-1), 1.0, atol=1e-5)
    assert_allclose(np.einsum("sjd,sjd->sj", normals[:, :, 0], normals[:, :, 1]), 0.0, atol=1e-4)


def test_colors_come_from_the_tile_of_hair(strands):
    corner, size = tile("hair")
    assert (strands.triangle_uvs > corner).all() and (strands.triangle_uvs < corner + size).all()


def test_a_roof_takes_three_quarters_of_the_light_that_comes_through_it(strands):
    lights = stage_lights()
    below = np.array([[-1e4, -50.0, -1e4], [1e4, -50.0, -1e4], [0.0, -50.0, 2e4]], dtype=np.float32)
    shell = np.array([[x, y, z] for x in (-1e3, 1e3) for y in (-1e3, 1e3) for z in (-1e3, 1e3)], dtype=np.float32)
    box = np.array([[0, 1, 3], [0, 3, 2], [4, 7, 5], [4, 6, 7], [0, 5, 1], [0, 4, 5]], dtype=np.int32)
    box = np.concatenate([box, [[2, 3, 7], [2, 7, 6], [0, 2, 6], [0, 6, 4], [1, 7, 3], [1, 5, 7]]]).astype(np.int32)
    found = {}
    for name, vertices, faces in (("open", below - 1e5, np.array([[0, 1, 2]], dtype=np.int32)), ("inside", shell, box)):
        scene = rtcore_scene.EmbreeScene()
        TriangleMesh(scene, vertices, faces)
        found[name], rays = illuminate_strands(scene, strands, lights, REST_POSE)
        assert rays == 5 * 3 * len(lights.directions)
    assert_allclose(found["inside"].irradiance, THROUGH_HAIR * found["open"].irradiance, rtol=1e-4)
    assert_allclose(found["open"].visible, 1.0)
    lit = found["open"].irradiance.reshape(20, NODES, 2, 3)
    assert_array_equal(lit[:, :, 0], lit[:, :, 1])
    assert_array_equal(lit[0], lit[3])
