import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

import planted
from splatrig.animation.rig import Rig
from splatrig.animation.surface import MOST_STRETCH, quat_product, quats_of, rotation_matrices, surface_of
from splatrig.mesh.normals import vertex_rotations


@pytest.fixture(scope="module")
def made():
    return planted.head(3)


@pytest.fixture(scope="module")
def surface(made):
    return surface_of(made.vertices, made.faces)


def follow(surface, made, moved):
    moves = torch.as_tensor(np.asarray(moved) - made.vertices, dtype=torch.float32)[None]
    quats, log_scales = surface.follow(
        moves, torch.as_tensor(made.neutral.quats), torch.as_tensor(made.neutral.log_scales)
    )
    return quats[0].numpy(), log_scales[0].numpy()


def degrees(a, b):
    """Angles between rotations; through the chord, which keeps small ones apart in single precision."""
    a, b = np.asarray(a, float), np.asarray(b, float)
    chord = np.minimum(np.linalg.norm(a - b, axis=1), np.linalg.norm(a + b, axis=1))
    return np.degrees(4 * np.arcsin(chord / 2))


def test_nothing_changes_at_rest(made, surface):
    quats, log_scales = follow(surface, made, made.vertices)
    assert degrees(quats, made.neutral.quats).max() < 0.1
    np.testing.assert_allclose(log_scales, made.neutral.log_scales, atol=1e-4)


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


def test_only_rigs_of_centres_alone_follow(made, surface):
    weights = np.array([1.0, 0.5, 0.0])
    parts = planted.components(made)
    still, following = Rig(parts, made.neutral), Rig(parts, made.neutral, surface)
    assert following.follows
    assert not still.follows
    a, b = still.gaussians(weights), following.gaussians(weights)
    np.testing.assert_array_equal(a.means, b.means)
    assert np.all(b.log_scales >= a.log_scales - 1e-4)
    assert b.log_scales.max() > a.log_scales.max() + 0.01
    full = Rig(planted.components(made, family="pca", attributes=planted.JOINT), made.neutral, surface)
    assert not full.follows
