import numpy as np
import pytest
from scipy.optimize import lsq_linear

from splatrig.components.weights import fit_weights, solve_weights


@pytest.mark.parametrize("seed", range(20))
@pytest.mark.parametrize("repeated", [False, True], ids=["all differ", "some repeat others or move nothing"])
def test_bounded_weights_are_as_good_as_those_of_a_slow_reference(seed, repeated):
    generator = np.random.default_rng(seed)
    count, columns = int(generator.integers(3, 30)), int(generator.integers(1, 60))
    basis, targets = generator.normal(size=(count, columns)), 5 * generator.normal(size=(3, columns))
    if repeated:
        basis[1], basis[2] = basis[0], 0.0
    low, high = -generator.random(count) * generator.integers(0, 2, count), generator.random(count)
    found = solve_weights(basis @ basis.T, targets @ basis.T, limits=(low, high))
    assert (found >= low).all()
    assert (found <= high).all()
    for weights, target in zip(found, targets, strict=True):
        expected = lsq_linear(basis.T, target, (low, high), method="bvls", tol=1e-14).x
        cost, least = (np.square(w @ basis - target).sum() for w in (weights, expected))
        assert cost <= least * (1 + 1e-9) + 1e-9


def test_free_weights_of_repeated_components_have_the_smallest_norm():
    basis = np.array([[1.0, 0.0, 2.0], [1.0, 0.0, 2.0], [0.0, 1.0, 0.0]])
    np.testing.assert_allclose(fit_weights(np.array([[2.0, 3.0, 4.0]]), basis), [[1.0, 1.0, 3.0]], atol=1e-6)


def test_one_sided_limits_are_those_of_non_negative_least_squares():
    basis, target = np.array([[1.0, 0.0], [1.0, 1.0]]), np.array([[1.0, -1.0]])
    found = solve_weights(basis @ basis.T, target @ basis.T, limits=(0.0, np.inf))
    np.testing.assert_allclose(found, [[1.0, 0.0]], atol=1e-12)
