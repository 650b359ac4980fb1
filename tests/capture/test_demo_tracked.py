import numpy as np
import pytest
import trimesh
from scipy.spatial import cKDTree

from splatrig.capture.demo.tracked import build_tracked_mesh, tracking_noise


@pytest.fixture(scope="module")
def mesh(head, fine):
    return build_tracked_mesh(head, (fine.operator @ head.neutral)[: len(head.neutral)], 600)


def test_it_is_one_closed_surface_of_the_size_asked_for_with_unreferenced_vertices(head, fine, mesh):
    surface = trimesh.Trimesh(mesh.positions(fine.operator @ head.neutral), mesh.faces, process=False)
    assert surface.is_watertight and surface.is_winding_consistent and surface.volume > 3e6
    assert surface.euler_number == 2
    used = np.unique(mesh.faces)
    assert abs(len(used) - 600) <= 6
    assert len(mesh.offsets) > len(used) + 200
    assert not np.array_equal(used, np.arange(len(used)))


def test_a_head_with_fewer_vertices_than_asked_for_keeps_all_of_them(head, fine):
    mesh = build_tracked_mesh(head, (fine.operator @ head.neutral)[: len(head.neutral)], 20_000)
    surface = trimesh.Trimesh(mesh.positions(fine.operator @ head.neutral), mesh.faces, process=False)
    assert surface.is_watertight and surface.euler_number == 2
    assert 3_000 < len(np.unique(mesh.faces)) < 4_000
    assert len(mesh.uvs) > len(np.unique(mesh.faces)) and np.ptp(mesh.uvs[mesh.face_uvs], axis=1).max() < 0.25


def test_vertices_lie_on_the_full_surface_in_every_frame(head, fine, mesh):
    for weights in ({}, {"jawOpen": 0.8, "mouthSmileLeft": 1.0}):
        vertices = fine.operator @ head.posed(weights)
        distances, _ = cKDTree(vertices).query(mesh.positions(vertices))
        assert np.percentile(distances, 95) < 1e-6


def test_it_opens_with_the_mouth_and_closes_with_the_lids(head, fine, mesh):
    neutral = mesh.positions(fine.operator @ head.neutral)
    opened = mesh.positions(fine.operator @ head.posed({"jawOpen": 1.0}))
    blinked = mesh.positions(fine.operator @ head.posed({"eyeBlinkLeft": 1.0}))
    used = np.unique(mesh.faces)
    assert (opened - neutral)[used, 1].min() < -20.0
    moved = used[np.linalg.norm((blinked - neutral)[used], axis=1) > 2.0]
    assert len(moved) >= 8 and (neutral[moved, 0] > 0).all()


def test_uvs_are_in_the_texture_and_no_face_spans_it(mesh):
    corners = mesh.uvs[mesh.face_uvs]
    assert corners.min() >= 0.0 and corners.max() <= 1.0
    assert len(mesh.uvs) > len(np.unique(mesh.faces))
    assert np.ptp(corners, axis=1).max() < 0.25


def test_noise_has_the_deviation_asked_for_is_smooth_in_space_and_time_and_follows_the_seed(mesh):
    noise = tracking_noise(mesh, 6, 0.15, np.random.default_rng(0))
    used = np.unique(mesh.faces)
    assert noise[:, used].std() == pytest.approx(0.15, rel=0.15)
    ends = np.concatenate([mesh.faces[:, [0, 1]], mesh.faces[:, [1, 2]]])
    neighbors = np.corrcoef(noise[0, ends[:, 0], 0], noise[0, ends[:, 1], 0])[0, 1]
    successive = np.corrcoef(noise[2, used].ravel(), noise[3, used].ravel())[0, 1]
    assert neighbors > 0.5 and successive > 0.35
    np.testing.assert_array_equal(noise, tracking_noise(mesh, 6, 0.15, np.random.default_rng(0)))
