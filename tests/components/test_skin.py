import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from splatrig.components.rig import Rig
from splatrig.components.skin import MOST_STRETCH, skin_of
from splatrig.components.skin_torch import device_skin, quat_product, quats_of, rotation_matrices
from splatrig.mesh.normals import vertex_rotations
from support import planted


@pytest.fixture(scope="module")
def made():
    return planted.head(3)


@pytest.fixture(scope="module")
def surface(made):
    return skin_of(made.vertices, made.faces)


def follow(surface, made, moved):
    moves = (np.asarray(moved) - made.vertices).astype(np.float32)
    return surface.follow(moves, made.neutral.quats, made.neutral.log_scales)


def degrees(a, b):
    """Angles between rotations; through the chord, which keeps small ones apart in single precision."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    chord = np.minimum(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    return np.degrees(4 * np.arcsin(chord / 2))


def test_nothing_changes_at_rest(made, surface):
    quats, log_scales = follow(surface, made, made.vertices)
    np.testing.assert_array_equal(quats, made.neutral.quats)
    np.testing.assert_array_equal(log_scales, made.neutral.log_scales)


def test_what_is_far_from_a_move_stays_to_the_bit(made, surface):
    near = np.linalg.norm(made.vertices - made.vertices[5], axis=1) < 20
    quats, log_scales = follow(surface, made, made.vertices * np.where(near, 1.1, 1.0)[:, None])
    far = np.linalg.norm(made.vertices - made.vertices[5], axis=1) > 45
    np.testing.assert_array_equal(quats[far], made.neutral.quats[far])
    np.testing.assert_array_equal(log_scales[far], made.neutral.log_scales[far])
    assert degrees(quats[near], made.neutral.quats[near]).max() > 1


def test_gaussians_turn_rigidly_with_the_head(made, surface):
    turn = Rotation.from_rotvec([0.3, -0.7, 0.4])
    quats, log_scales = follow(surface, made, turn.apply(made.vertices) + np.array([5, -3, 8]))
    expected = (turn * Rotation.from_quat(made.neutral.quats, scalar_first=True)).as_quat(scalar_first=True)
    assert degrees(quats, expected).max() < 0.1
    np.testing.assert_allclose(log_scales, made.neutral.log_scales, atol=1e-4)


def test_gaussians_grow_in_the_skin_and_not_across_it(made, surface):
    _, log_scales = follow(surface, made, 1.5 * made.vertices)
    grown = np.exp(log_scales - made.neutral.log_scales)
    axes = Rotation.from_quat(made.neutral.quats, scalar_first=True).as_matrix()
    normals = made.vertices / np.linalg.norm(made.vertices, axis=1, keepdims=True)
    across = np.einsum("nca,nc->na", axes, normals) ** 2
    # around its irregular vertices the skin of a coarse sphere leans a little
    np.testing.assert_allclose(grown, np.sqrt(1.5**2 * (1 - across) + across), rtol=0.02)


def test_nothing_shrinks_and_nothing_grows_beyond_the_limit(made, surface):
    _, smaller = follow(surface, made, 0.5 * made.vertices)
    np.testing.assert_allclose(smaller, made.neutral.log_scales, atol=1e-4)
    _, larger = follow(surface, made, 50 * made.vertices)
    assert (larger - made.neutral.log_scales).max() == pytest.approx(np.log(MOST_STRETCH), abs=1e-4)


def test_a_collapsed_skin_leaves_gaussians_as_they_are(made, surface):
    quats, log_scales = follow(surface, made, np.zeros_like(made.vertices))
    np.testing.assert_array_equal(quats, made.neutral.quats)
    np.testing.assert_array_equal(log_scales, made.neutral.log_scales)


def test_quaternions_of_any_length_give_the_same_rotation(made, surface):
    moves = (0.2 * made.vertices * np.sin(made.vertices[:, :1] / 30)).astype(np.float32)
    quats, log_scales = surface.follow(moves, made.neutral.quats, made.neutral.log_scales)
    longer, same = surface.follow(moves, 3.0 * made.neutral.quats, made.neutral.log_scales)
    assert degrees(longer, quats).max() < 1e-3
    np.testing.assert_allclose(same, log_scales, atol=1e-6)


def test_batches_of_tensors_agree_with_one_pose_at_a_time(made, surface):
    generator = np.random.default_rng(4)
    moves = generator.normal(0, 3, size=(3, *made.vertices.shape)).astype(np.float32)
    moves[1] = -made.vertices  # flat
    moves[2, made.vertices[:, 0] > 0] = 0
    quats, log_scales = device_skin(surface, "cpu").follow(
        torch.as_tensor(moves), torch.as_tensor(made.neutral.quats), torch.as_tensor(made.neutral.log_scales)
    )
    for pose in range(3):
        one, grown = surface.follow(moves[pose], made.neutral.quats, made.neutral.log_scales)
        assert degrees(quats[pose].numpy(), one).max() < 0.01
        np.testing.assert_allclose(log_scales[pose].numpy(), grown, atol=1e-5)


def test_small_turns_agree_with_those_of_warm_starts(made, surface):
    bump = 1 + 0.08 * np.exp(-(((made.vertices - made.vertices[5]) / 40) ** 2).sum(axis=1))
    moved = made.vertices * bump[:, None]
    quats, _ = follow(surface, made, moved)
    turns = Rotation.from_quat(vertex_rotations(made.vertices, moved, made.faces), scalar_first=True)
    expected = (turns * Rotation.from_quat(made.neutral.quats, scalar_first=True)).as_quat(scalar_first=True)
    assert np.percentile(degrees(quats, expected), 99) < 1.5


def test_quaternions_agree_with_scipy():
    quats = Rotation.random(200, rng=0).as_quat(scalar_first=True)
    others = Rotation.random(200, rng=1).as_quat(scalar_first=True)
    a, b = torch.as_tensor(quats), torch.as_tensor(others)
    matrices = Rotation.from_quat(quats, scalar_first=True).as_matrix()
    np.testing.assert_allclose(rotation_matrices(a).numpy(), matrices, atol=1e-12)
    assert degrees(quats_of(torch.as_tensor(matrices)).numpy(), quats).max() < 1e-5
    product = Rotation.from_quat(quats, scalar_first=True) * Rotation.from_quat(others, scalar_first=True)
    assert degrees(quat_product(a, b).numpy(), product.as_quat(scalar_first=True)).max() < 1e-5


def test_only_rigs_of_centers_alone_follow(made, surface):
    weights = np.array([1.0, 0.5, 0.0])
    parts = planted.components(made)
    still, following = Rig.of(parts, made.neutral), Rig.of(parts, made.neutral, surface)
    assert following.follows
    assert not still.follows
    a, b = still.pose(weights), following.pose(weights)
    np.testing.assert_array_equal(a.means, b.means)
    assert np.all(b.log_scales >= a.log_scales - 1e-4)
    assert b.log_scales.max() > a.log_scales.max() + 0.01
    full = Rig.of(planted.components(made, family="pca", attributes=planted.ALL_ATTRIBUTES), made.neutral, surface)
    assert not full.follows
