"""Midpoint subdivision: counts, order, exactness, and a peer library."""

import numpy as np
import pytest
import trimesh
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.mesh.subdivision import identity_step, subdivide, subdivide_corners
from splatrig.mesh.topology import unique_edges
from support.ellipsoid import ellipsoid_head
from support.topology import euler_characteristic


def areas(vertices, faces):
    corners = vertices[faces]
    return 0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1)


@pytest.fixture
def open_mesh():
    vertices, faces = ellipsoid_head(2)
    return vertices, faces[5:]  # a hole, so that there is a boundary


def test_there_is_one_new_vertex_an_edge_and_four_faces_a_face(open_mesh):
    vertices, faces = open_mesh
    result = subdivide(faces, len(vertices))
    assert result.step.shape == (len(vertices) + len(unique_edges(faces).ends), len(vertices))
    assert len(result.faces) == 4 * len(faces)
    assert euler_characteristic(result.faces) == euler_characteristic(faces)


def test_old_vertices_come_first_and_new_ones_follow_in_sorted_edge_order(open_mesh):
    vertices, faces = open_mesh
    fine = subdivide(faces, len(vertices)).step @ vertices
    assert_array_equal(fine[: len(vertices)], vertices)
    ends = unique_edges(faces).ends
    assert_array_equal(ends, sorted(ends.tolist()))
    assert_allclose(fine[len(vertices) :], vertices[ends].mean(axis=1), atol=1e-12)


def test_each_face_keeps_its_place_area_and_orientation(open_mesh):
    vertices, faces = open_mesh
    result = subdivide(faces, len(vertices))
    fine = result.step @ vertices
    assert_allclose(areas(fine, result.faces).reshape(-1, 4), np.repeat(areas(vertices, faces)[:, None] / 4, 4, 1))
    normals = trimesh.triangles.normals(fine[result.faces])[0].reshape(-1, 4, 3)
    parents = trimesh.triangles.normals(vertices[faces])[0]
    assert_allclose(normals, np.repeat(parents[:, None], 4, 1), atol=1e-9)


def test_operators_are_exact_for_linear_fields(open_mesh):
    vertices, faces = open_mesh
    gradient = np.random.default_rng(0).normal(size=(3, 5))
    step = subdivide(faces, len(vertices)).step
    assert_allclose(step @ (vertices @ gradient + 1.0), (step @ vertices) @ gradient + 1.0, atol=1e-9)


def test_unreferenced_vertices_are_carried_along():
    result = subdivide(np.array([[0, 2, 3]]), 5)
    assert result.step.shape == (8, 5)
    assert_array_equal(result.step.toarray()[:5], np.eye(5))


def test_values_at_corners_follow_the_faces():
    vertices, faces = ellipsoid_head(1)
    result = subdivide(faces, len(vertices))
    corners = subdivide_corners(vertices[faces])
    assert_allclose(corners, (result.step @ vertices)[result.faces], atol=1e-12)


def test_it_agrees_with_trimesh_as_a_surface():
    vertices, faces = ellipsoid_head(2)
    result = subdivide(faces, len(vertices))
    ours = trimesh.Trimesh(result.step @ vertices, result.faces, process=False)
    theirs = trimesh.Trimesh(vertices, faces, process=False).subdivide()
    assert len(ours.vertices) == len(theirs.vertices)
    assert ours.volume == pytest.approx(theirs.volume)
    assert ours.area == pytest.approx(theirs.area)


def test_the_step_of_the_base_is_the_identity():
    assert_array_equal(identity_step(4).toarray(), np.eye(4))
