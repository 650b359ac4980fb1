"""Normals and rotations: closed forms, equivariance, and degenerate meshes."""

import numpy as np
import pytest
import trimesh
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation

from splatrig.mesh.normals import faces_outward, tangent_frames, vertex_normals, vertex_rotations
from support.ellipsoid import ellipsoid_head

ROTATION_TOLERANCE = 1e-7
"""Radians: the identity pull of 1e-9 and rounding."""


def rotations_of(quats):
    return Rotation.from_quat(quats, scalar_first=True)


def angles_between(quats, expected):
    return (rotations_of(quats) * expected.inv()).magnitude()


def test_normals_of_a_sphere_point_outwards_at_unit_length():
    sphere = trimesh.creation.icosphere(subdivisions=3)
    normals = vertex_normals(np.asarray(sphere.vertices), np.asarray(sphere.faces))
    assert_allclose(np.linalg.norm(normals, axis=1), 1.0, atol=1e-12)
    assert np.sum(normals * sphere.vertices, axis=1).min() > 0.999


def test_faces_look_outwards_or_inwards_wherever_the_head_is_and_also_when_it_is_open():
    vertices, faces = ellipsoid_head(2)
    front = faces[vertices[faces].mean(axis=1)[:, 2] > 20]
    for part in (faces, front):
        assert faces_outward(vertices + np.array([900, -400, 3000]), part) > 0.99
        assert faces_outward(vertices, part[:, ::-1]) < -0.99


def test_normals_agree_with_a_loop_over_faces():
    vertices, faces = ellipsoid_head(1)
    expected = np.zeros_like(vertices)
    for a, b, c in faces:
        expected[[a, b, c]] += np.cross(vertices[b] - vertices[a], vertices[c] - vertices[a])
    expected /= np.linalg.norm(expected, axis=1, keepdims=True)
    assert_allclose(vertex_normals(vertices, faces), expected, atol=1e-12)


def test_vertices_without_area_get_a_unit_normal():
    vertices = np.array([[0.0, 0, 0], [1, 0, 0], [2, 0, 0], [5, 5, 5]])
    assert_array_equal(vertex_normals(vertices, np.array([[0, 1, 2]])), np.tile([0.0, 0.0, 1.0], (4, 1)))


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_frames_are_rotations_that_turn_with_the_mesh(seed):
    vertices, faces = ellipsoid_head(1)
    turn = Rotation.random(rng=seed).as_matrix()
    frames = tangent_frames(vertices, faces)
    assert_allclose(np.linalg.det(frames), 1.0, atol=1e-9)
    assert_allclose(frames @ np.swapaxes(frames, 1, 2), np.broadcast_to(np.eye(3), frames.shape), atol=1e-9)
    assert_allclose(frames[:, :, 2], vertex_normals(vertices, faces), atol=1e-12)
    assert_allclose(tangent_frames(vertices @ turn.T + 7.0, faces), turn @ frames, atol=1e-9)


def test_frames_stay_rotations_on_degenerate_meshes():
    vertices = np.array([[0.0, 0, 0], [0, 0, 0], [0, 0, 1], [5, 5, 5]])
    frames = tangent_frames(vertices, np.array([[0, 1, 2]]))
    assert_allclose(np.linalg.det(frames), 1.0, atol=1e-9)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_a_turned_mesh_has_turned_everywhere_alike(seed):
    vertices, faces = ellipsoid_head(2)
    turn = Rotation.random(rng=seed)
    quats = vertex_rotations(vertices, turn.apply(vertices) + 5.0, faces)
    assert angles_between(quats, turn).max() < ROTATION_TOLERANCE
    assert_allclose(np.linalg.norm(quats, axis=1), 1.0, atol=1e-12)
    assert quats[:, 0].min() >= 0


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=20, deadline=None)
def test_rotations_commute_with_rigid_motion_of_either_pose(seed):
    vertices, faces = ellipsoid_head(2)
    rng = np.random.default_rng(seed)
    bent = vertices + 3.0 * np.sin(vertices[:, [1, 2, 0]] / 40.0) + rng.normal(scale=0.1, size=vertices.shape)
    turn = Rotation.random(rng=rng)
    plain = rotations_of(vertex_rotations(vertices, bent, faces))
    after = vertex_rotations(vertices, turn.apply(bent), faces)
    before = vertex_rotations(turn.apply(vertices), bent, faces)
    assert angles_between(after, turn * plain).max() < ROTATION_TOLERANCE
    assert angles_between(before, plain * turn.inv()).max() < ROTATION_TOLERANCE


def test_no_motion_and_uniform_scaling_are_no_rotation():
    vertices, faces = ellipsoid_head(2)
    for scale in (1.0, 0.01, 50.0):
        quats = vertex_rotations(vertices, scale * vertices, faces)
        assert_allclose(quats, np.tile([1.0, 0, 0, 0], (len(vertices), 1)), atol=1e-7)


def test_rotations_and_back_cancel():
    vertices, faces = ellipsoid_head(2)
    bent = vertices + 5.0 * np.cos(vertices[:, [1, 2, 0]] / 50.0)
    there, back = (rotations_of(vertex_rotations(*pair, faces)) for pair in ((vertices, bent), (bent, vertices)))
    assert (there * back).magnitude().max() < 1e-6


def test_a_bent_strip_turns_by_the_angle_of_its_tangent():
    angle = np.linspace(0, np.pi / 2, 31)
    flat = np.stack([100.0 * angle, np.zeros(31), np.zeros(31)], axis=1)
    bent = 100.0 * np.stack([np.sin(angle), np.zeros(31), 1 - np.cos(angle)], axis=1)
    rows = [np.concatenate([row, row + np.array([0, 3.0, 0])]) for row in (flat, bent)]
    corner = np.arange(30)
    faces = np.concatenate(
        [np.stack([corner, corner + 1, corner + 32], 1), np.stack([corner, corner + 32, corner + 31], 1)]
    )
    turned = rotations_of(vertex_rotations(*rows, faces)).magnitude()
    assert_allclose(turned[1:30], angle[1:30], atol=0.03)


@pytest.mark.parametrize("collapse", [0, 1, 2])
def test_collapsed_surroundings_give_the_identity_and_never_nan(collapse):
    vertices, faces = ellipsoid_head(1)
    poses = [vertices.copy(), vertices.copy()]
    if collapse < 2:
        poses[collapse][:] = 0.0
    else:
        poses[0][:], poses[1][:] = 0.0, 0.0
    quats = vertex_rotations(*poses, faces)
    assert_allclose(quats, np.tile([1.0, 0, 0, 0], (len(vertices), 1)), atol=1e-12)


def test_degenerate_faces_leave_the_rotation_of_their_vertices_alone():
    vertices, faces = ellipsoid_head(2)
    turn = Rotation.from_euler("xyz", [20, -35, 10], degrees=True)
    spoilt = np.concatenate([faces, [[0, 0, 1], [2, 2, 2]]])
    assert angles_between(vertex_rotations(vertices, turn.apply(vertices), spoilt), turn).max() < ROTATION_TOLERANCE
