from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import lsq_linear, nnls

from splatrig.components.rig import Rig
from splatrig.components.weights import fit_weights, weights_of_rows
from splatrig.io.errors import InputError
from support import planted

FLOAT32 = 1e-5


@pytest.fixture(scope="module")
def made():
    return planted.head()


def test_rig_reproduces_a_training_frame(made):
    parts = planted.components(made, family="pca", attributes=planted.ALL_ATTRIBUTES)
    rig = Rig.of(parts, made.neutral)
    row = rig.pose(parts.W[4])
    expected = parts.rows()[4]
    np.testing.assert_allclose(row.means.reshape(-1), expected[: 3 * len(made.neutral)], rtol=FLOAT32, atol=1e-4)
    np.testing.assert_allclose(row.log_scales.reshape(-1), expected[parts.columns["scale"]], atol=1e-5)


def test_weights_zero_give_the_neutral_with_unit_quaternions(made):
    rig = Rig.of(planted.components(made, family="pca", attributes=planted.ALL_ATTRIBUTES), made.neutral)
    rest = rig.pose(np.zeros(3))
    for name, array in made.neutral.items():
        np.testing.assert_allclose(getattr(rest, name), array, atol=2e-5, err_msg=name)
    np.testing.assert_allclose(np.linalg.norm(rig.pose(np.ones(3)).quats, axis=1), 1.0, atol=1e-6)


def test_attributes_that_components_lack_stay_the_neutral(made):
    moved = Rig.of(planted.components(made), made.neutral).pose(np.ones(3))
    assert not np.array_equal(moved.means, made.neutral.means)
    for name in ("quats", "log_scales", "logit_opacities", "sh0", "shN"):
        np.testing.assert_allclose(getattr(moved, name), getattr(made.neutral, name), atol=1e-6)


def test_sparse_basis_gives_the_same_rows_as_the_dense_one(made):
    parts = planted.components(made)
    rig = Rig.of(parts, made.neutral)
    assert not isinstance(rig.bases[0], np.ndarray)
    np.testing.assert_allclose(parts.rows(parts.W), parts.W @ (parts.C * parts.std) + parts.rest, atol=1e-4)
    assert parts.rows(parts.W[2]).shape == (parts.C.shape[1],)


def test_fit_recovers_the_weights_of_training_frames(made):
    parts = planted.components(made, family="pca", attributes=planted.ALL_ATTRIBUTES)
    np.testing.assert_allclose(weights_of_rows(parts, parts.rows()), parts.W, atol=1e-4)


def test_fit_over_a_mask_ignores_the_other_gaussians(made):
    parts = planted.components(made)
    mask = np.abs(parts.by_gaussian()).sum((0, 2)) > 0
    spoiled = parts.rows().reshape(len(parts.W), -1, 3)
    spoiled[:, ~mask] += 50.0
    fitted = weights_of_rows(parts, spoiled.reshape(len(parts.W), -1), mask=mask)
    np.testing.assert_allclose(fitted, parts.W, atol=1e-4)


def test_ridge_shrinks_weights(made):
    parts = replace(planted.components(made), limits=None)
    free, shrunk = weights_of_rows(parts, parts.rows()), weights_of_rows(parts, parts.rows(), ridge=1.0)
    assert np.linalg.norm(shrunk) < 0.8 * np.linalg.norm(free)


@pytest.mark.parametrize("seed", range(5))
def test_bounded_fit_agrees_with_scipy(seed):
    generator = np.random.default_rng(seed)
    C = generator.normal(size=(6, 40))
    targets = generator.normal(size=(4, 40)) + generator.random((4, 6)) @ C
    np.testing.assert_allclose(
        fit_weights(targets, C, limits=(0.0, np.inf)), [nnls(C.T, row)[0] for row in targets], atol=1e-5
    )
    boxed = [lsq_linear(C.T, row, bounds=(0, 1), tol=1e-12).x for row in targets]
    np.testing.assert_allclose(fit_weights(targets, C, limits=(0.0, 1.0)), boxed, atol=1e-4)


def test_repeated_and_empty_components_do_not_break_the_fit():
    C = np.array([[1.0, 0.0, 2.0], [1.0, 0.0, 2.0], [0.0, 0.0, 0.0]])
    weights = fit_weights(np.array([[2.0, 0.0, 4.0]]), C)
    np.testing.assert_allclose(weights, [[1.0, 1.0, 0.0]], atol=1e-6)
    np.testing.assert_allclose(
        fit_weights(np.array([[2.0, 0.0, 4.0]]), C, limits=(0.0, 3.0)) @ C, [[2.0, 0.0, 4.0]], atol=1e-5
    )


def test_coarse_components_on_a_fine_neutral_are_refused(made):
    with pytest.raises(InputError, match="upsample coarse components"):
        Rig.of(planted.components(planted.head(1)), made.neutral)


def test_a_wrong_number_of_weights_is_refused(made):
    with pytest.raises(InputError, match="expected 3 values"):
        Rig.of(planted.components(made), made.neutral).pose(np.zeros(4))


def test_a_rig_without_components_is_refused(made):
    parts = planted.components(made)
    with pytest.raises(InputError, match=r"components \(sldc\): expected one or more, got none"):
        Rig.of(replace(parts, W=parts.W[:, :0], C=parts.C[:0]), made.neutral)
