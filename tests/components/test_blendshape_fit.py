"""Planted blendshapes on a patch of vertices, shown by frames under noise."""

import numpy as np
import pytest

from splatrig.components.blendshape_fit import TOLD, blendshape_weights, fit_blendshapes

V, K, F = 60, 8, 30
AREAS = np.random.default_rng(1).uniform(0.5, 2.0, V)


def planted(seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Return smooth bumps of different size [K, V, 3] and weights [F, K] of which few are used, the last never."""
    generator = np.random.default_rng(seed)
    places = np.linspace(0, 1, V)
    bumps = np.exp(-(((places - np.linspace(0, 1, K)[:, None]) / 0.12) ** 2))
    shapes = bumps[..., None] * generator.normal(size=(K, 1, 3)) * np.geomspace(20.0, 2.0, K)[:, None, None]
    W = generator.uniform(0.2, 1.0, (F, K)) * (generator.random((F, K)) < 0.35)
    W[0], W[:, -1] = 0.0, 0.0
    return shapes, W


def test_weights_are_exact_but_for_the_sparsity_without_noise():
    shapes, W = planted()
    found = fit_blendshapes(shapes, np.tensordot(W, shapes, 1), AREAS)
    np.testing.assert_allclose(found.weights, W, atol=0.1)  # neighbors that overlap share the penalty
    assert (found.weights[W == 0] < 0.05).all()


def test_small_blendshapes_are_found_as_well_as_large_ones_under_noise():
    shapes, W = planted()
    noise = np.random.default_rng(2).normal(0.0, 0.2, (F, V, 3))
    found = fit_blendshapes(shapes, np.tensordot(W, shapes, 1) + noise, AREAS)
    for k in range(K - 1):
        assert np.corrcoef(found.weights[:, k], W[:, k])[0, 1] > 0.9, k


def test_what_the_capture_does_not_show_keeps_the_templates_shape_and_no_weight():
    shapes, W = planted()
    noise = np.random.default_rng(3).normal(0.0, 0.1, (F, V, 3))
    found = fit_blendshapes(shapes, np.tensordot(W, shapes, 1) + noise, AREAS)
    assert not found.told[-1]
    np.testing.assert_array_equal(found.shapes[-1], shapes[-1])
    assert not found.weights[:, ~found.told].any()
    assert (found.weights[:, found.told].max(axis=0) >= TOLD / 2).all()


def test_shapes_come_closer_to_those_of_the_capture():
    shapes, W = planted()
    generator = np.random.default_rng(4)
    true = shapes * generator.uniform(0.8, 1.25, (K, V, 1))
    many = np.tile(W, (8, 1))
    found = fit_blendshapes(shapes, np.tensordot(many, true, 1), AREAS)
    before, after = np.linalg.norm(shapes - true, axis=(1, 2)), np.linalg.norm(found.shapes - true, axis=(1, 2))
    assert (after[:-1] < before[:-1]).mean() > 0.8


def test_weights_scale_with_the_motion_and_stay_within_their_bounds():
    shapes, _ = planted()
    share = AREAS / AREAS.sum()
    prices = np.full((K, K), 0.03)
    halves = blendshape_weights(shapes, 0.5 * shapes, share, prices)
    doubles = blendshape_weights(shapes, 2.0 * shapes, share, prices)
    assert np.diag(halves) == pytest.approx(0.47, abs=0.06)
    assert doubles.max() <= 1.0
    assert not blendshape_weights(shapes, np.zeros((1, V, 3)), share, prices[:1]).any()


def test_a_blendshape_that_moves_nothing_is_not_told():
    shapes, W = planted()
    shapes[3] = 0.0
    found = fit_blendshapes(shapes, np.tensordot(W, shapes, 1), AREAS)
    assert not found.told[3]
    assert not found.shapes[3].any()


def test_a_promised_blendshape_comes_before_others_that_explain_as_well():
    shapes, _ = planted()
    shapes[1] = 0.5 * (shapes[2] + shapes[3])  # one explains what two do
    moved = np.tile(0.8 * shapes[1], (6, 1, 1))
    promised = np.zeros((6, K), bool)
    promised[3:, 2:4] = True
    found = fit_blendshapes(shapes, moved, AREAS, promised)
    assert (found.weights[:3, 1] > 0.6).all()
    assert (found.weights[3:, 1] < 0.1).all()
    assert (found.weights[3:, 2:4] > 0.3).all()
