"""Counts, order and round trips of mesh topology."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.io.errors import InputError
from splatrig.mesh.topology import (
    bad_edges,
    checked_faces,
    mean_edge_lengths,
    merged_seams,
    pieces,
    prune_unreferenced,
    unique_edges,
    vertex_adjacency,
)
from support.topology import boundary_edges, euler_characteristic


@st.composite
def random_faces(draw):
    count = draw(st.integers(3, 12))
    corner = st.lists(st.integers(0, count - 1), min_size=3, max_size=3, unique=True)
    return count, np.array(draw(st.lists(corner, min_size=1, max_size=20)), dtype=np.int64)


@given(random_faces())
def test_edges_are_sorted_unique_and_found_again_from_each_face(mesh):
    _, faces = mesh
    edges = unique_edges(faces)
    expected = sorted({tuple(sorted((face[k], face[(k + 1) % 3]))) for face in faces.tolist() for k in range(3)})
    assert_array_equal(edges.ends, expected)
    for k in range(3):
        ends = np.sort(np.stack([faces[:, k], faces[:, (k + 1) % 3]], axis=1), axis=1)
        assert_array_equal(edges.ends[edges.of_face[:, k]], ends)
    assert edges.face_count.sum() == 3 * len(faces)


@given(random_faces())
@settings(deadline=None)
def test_adjacency_is_symmetric_and_joins_the_ends_of_edges(mesh):
    count, faces = mesh
    matrix = vertex_adjacency(faces, count).toarray()
    assert_array_equal(matrix, matrix.T)
    assert_array_equal(np.argwhere(np.triu(matrix)), unique_edges(faces).ends)


@given(random_faces())
def test_pruning_keeps_order_and_geometry(mesh):
    count, faces = mesh
    pruning = prune_unreferenced(faces, count)
    assert_array_equal(pruning.kept[pruning.faces], faces)
    assert_array_equal(pruning.kept, np.sort(pruning.kept))
    assert_array_equal(np.unique(pruning.faces), np.arange(len(pruning.kept)))
    assert_array_equal(pruning.new_index[pruning.kept], np.arange(len(pruning.kept)))
    assert (pruning.new_index == -1).sum() == count - len(pruning.kept)


def test_a_closed_surface_has_characteristic_two_and_no_boundary():
    sphere = trimesh.creation.icosphere(subdivisions=2)
    faces = np.asarray(sphere.faces)
    assert euler_characteristic(faces) == 2
    assert len(boundary_edges(faces)) == 0
    assert euler_characteristic(np.asarray(trimesh.creation.torus(2, 1).faces)) == 0


def test_boundary_of_one_triangle_is_its_three_edges():
    assert_array_equal(boundary_edges(np.array([[2, 0, 1]])), [[0, 1], [0, 2], [1, 2]])


def test_pieces_are_numbered_and_unreferenced_vertices_belong_to_none():
    assert_array_equal(pieces(np.array([[1, 2, 3], [5, 6, 7]]), 9), [-1, 0, 0, 0, -1, 1, 1, 1, -1])


def test_mean_edge_lengths_of_a_right_triangle():
    vertices = np.array([[0.0, 0, 0], [3, 0, 0], [0, 4, 0], [9, 9, 9]])
    assert_allclose(mean_edge_lengths(vertices, np.array([[0, 1, 2]])), [3.5, 4.0, 4.5, 0.0])


@pytest.mark.parametrize(("faces", "words"), [([[0, 1, 5]], "face 0"), ([[0, 1, -1]], "face 0"), ([[0, 1]], "shape")])
def test_faces_outside_the_mesh_are_refused(faces, words):
    with pytest.raises(InputError, match=words):
        checked_faces(faces, 3)


@pytest.mark.parametrize(
    ("faces", "expected"),
    [
        ([[0, 1, 2], [2, 1, 3]], (0, 0)),
        ([[0, 1, 2], [1, 2, 3]], (0, 1)),
        ([[0, 1, 2], [2, 1, 3], [1, 2, 4]], (1, 0)),
        ([[0, 1, 2], [0, 1, 2]], (0, 3)),
    ],
)
def test_edges_that_no_surface_can_have_are_counted(faces, expected):
    assert bad_edges(np.array(faces)) == expected


def torn(vertices, faces, cut):
    """Return a mesh whose faces from number `cut` on have vertices of their own, and the original of each vertex."""
    first, second = np.unique(faces[:cut]), np.unique(faces[cut:])
    own = np.full(len(vertices), -1)
    own[second] = len(first) + np.arange(len(second))
    renamed = np.full(len(vertices), -1)
    renamed[first] = np.arange(len(first))
    return np.concatenate([renamed[faces[:cut]], own[faces[cut:]]]), np.concatenate([first, second])


@pytest.mark.parametrize("cut", [40, 100, 200])
def test_a_mesh_torn_at_seams_is_one_again(cut):
    sphere = trimesh.creation.icosphere(subdivisions=2)
    vertices, whole = np.asarray(sphere.vertices) * 80, np.asarray(sphere.faces, dtype=np.int64)
    faces, originals = torn(vertices, whole, cut)
    assert pieces(faces, len(originals)).max() >= 1
    merged = merged_seams(vertices[originals], faces)
    assert_array_equal(originals[merged[faces]], whole)
    assert np.count_nonzero(merged != np.arange(len(merged))) == len(originals) - len(vertices)
    assert_array_equal(merged[merged], merged)
    assert pieces(merged[faces], len(originals)).max() == 0


def test_borders_that_are_apart_stay_apart():
    sphere = trimesh.creation.icosphere(subdivisions=2)
    vertices, whole = np.asarray(sphere.vertices) * 80, np.asarray(sphere.faces, dtype=np.int64)
    faces, originals = torn(vertices, whole, 100)
    moved = vertices[originals] + (np.arange(len(originals)) > faces[:100].max())[:, None] * [0.0, 0.0, 0.05]
    assert_array_equal(merged_seams(moved, faces), np.arange(len(originals)))


def test_a_sound_mesh_and_pieces_that_touch_at_a_vertex_have_no_seams():
    sphere = trimesh.creation.icosphere(subdivisions=1)
    vertices, faces = np.asarray(sphere.vertices), np.asarray(sphere.faces, dtype=np.int64)
    assert_array_equal(merged_seams(vertices, faces), np.arange(len(vertices)))
    points = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [0, 0, 0], [-1, 0, 0], [0, -1, 0.0]])
    assert_array_equal(merged_seams(points, np.array([[0, 1, 2], [3, 4, 5]])), np.arange(6))


def test_a_mesh_without_extent_has_no_seams():
    assert_array_equal(merged_seams(np.zeros((6, 3)), np.array([[0, 1, 2], [3, 4, 5]])), np.arange(6))
