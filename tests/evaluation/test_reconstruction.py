from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA

import planted
from splatrig.evaluation.method import evaluate_method
from splatrig.evaluation.reconstruction import by_energy, rebuild, standardise, usable_ks, weight_bounds
from splatrig.evaluation.shape_model import gram, pca_left_out_errors
from splatrig.evaluation.table import METHOD_COLUMNS, pick


@pytest.fixture(scope="module")
def made():
    return planted.head()


def value(table, metric, k, **where):
    rows = pick(table, metric, k=k, **where)
    assert len(rows) == 1
    return rows["value"].iloc[0]


@pytest.mark.parametrize("family", ["pca", "sldc"])
def test_all_components_rebuild_their_own_frames_exactly(made, family):
    parts = planted.components(made, family=family, attributes=planted.JOINT if family == "pca" else ("xyz",))
    table = evaluate_method("m", "base", parts, planted.rows(parts), [1, 2], 0)
    assert list(table.columns) == list(METHOD_COLUMNS)
    assert value(table, "rmse_xyz", 3, region="head") == pytest.approx(0.0, abs=1e-3)
    assert value(table, "compactness", 3) == pytest.approx(1.0, abs=1e-5)
    assert value(table, "rmse_xyz", 1, region="head") > 0.1


def test_one_planted_component_is_all_of_the_compactness(made):
    parts = planted.components(made, count=1, family="pca")
    table = evaluate_method("m", "base", parts, planted.rows(parts), [1], 0)
    assert value(table, "compactness", 1) == pytest.approx(1.0, abs=1e-6)


def test_compactness_of_two_orthogonal_components_is_their_share_of_energy(made):
    parts = planted.components(made, count=2, family="pca")
    apart = np.zeros_like(parts.C)
    apart[0, 0], apart[1, 5] = 3.0, 1.0
    W = np.zeros_like(parts.W)
    W[1::2, 0], W[2::2, 1] = 1.0, -1.0
    parts = replace(parts, C=apart, W=W)
    energy = np.array([9.0 * np.sum(W[:, 0] ** 2), np.sum(W[:, 1] ** 2)])
    table = evaluate_method("m", "base", parts, planted.rows(parts), [1, 2], 0)
    assert value(table, "compactness", 1) == pytest.approx(energy[0] / energy.sum(), rel=1e-4)


def test_a_shift_that_components_cannot_make_is_the_error(made):
    parts = planted.components(made, family="pca")
    X = parts.rows().reshape(len(parts.W), -1, 3)
    still = np.abs(parts.C).reshape(3, -1, 3).sum(axis=(0, 2)) == 0
    X[:, still] += np.float32([0.0, 3.0, 4.0])
    table = evaluate_method("m", "base", parts, planted.rows(parts, X.reshape(len(X), -1)), [3], 0)
    expected = 5.0 * np.sqrt(still.mean())
    assert value(table, "rmse_xyz", 3, region="head") == pytest.approx(expected, rel=1e-3)
    face = parts.face_mask
    assert value(table, "rmse_xyz", 3, region="face") == pytest.approx(5.0 * np.sqrt(still[face].mean()), rel=1e-3)


def test_held_out_frames_are_measured_apart(made):
    parts = planted.components(made, family="pca")
    X = parts.rows()
    X[-3:] += 1.0
    table = evaluate_method("m", "base", parts, planted.rows(parts, X, held_out=3), [3], 0)
    assert value(table, "rmse_xyz", 3, region="head", split="train") < 1e-3
    assert value(table, "rmse_xyz", 3, region="head", split="held_out") > 0.5
    assert pick(table, "rmse_xyz", k=3, region="head", split="held_out")["n"].iloc[0] == 3 * len(made.vertices)


def test_sldc_weights_stay_in_their_bounds(made):
    parts = planted.components(made)
    data = planted.rows(parts)
    standard = standardise(2 * data.X - data.X[0], parts)
    assert weight_bounds(parts) == (0.0, 1.0)
    rebuilt = rebuild(parts, standard, by_energy(parts))
    reach = np.abs(rebuilt - standard.rest).max()
    assert reach <= np.abs(parts.C * parts.std).sum(axis=0).max() + 1e-4


def test_locality_numbers_of_planted_bumps(made):
    parts = planted.components(made)
    table = evaluate_method("m", "base", parts, planted.rows(parts), [3], 0)
    lengths = np.linalg.norm(planted.bumps(made.vertices, 3), axis=2)
    assert value(table, "zero_rows", 3) == pytest.approx(np.mean(lengths == 0), abs=1e-6)
    assert 25.0 < value(table, "support_radius", 3) < 75.0
    assert value(table, "dead_components", 3) == 0


def test_dead_components_are_counted_and_left_out_of_the_means(made):
    parts = planted.components(made)
    C = parts.C.copy()
    C[1] = 0.0
    table = evaluate_method("m", "base", replace(parts, C=C), planted.rows(parts), [3], 0)
    assert value(table, "dead_components", 3) == 1
    assert np.isfinite(value(table, "hoyer", 3))


def test_specificity_of_a_model_with_one_frame_pattern_is_zero(made):
    parts = planted.components(made, count=1, frames=9)
    W = np.tile([[0.0], [0.5], [1.0]], (3, 1)).astype(np.float32)
    parts = replace(parts, W=W)
    table = evaluate_method("m", "base", parts, planted.rows(parts), [1], 0)
    assert value(table, "specificity_xyz", 1) == pytest.approx(0.0, abs=2e-3)


def test_usable_ks_end_at_all_components():
    assert usable_ks([1, 2, 5, 10], 4) == [1, 2, 4]
    assert usable_ks([1, 2, 4], 4) == [1, 2, 4]


def test_left_out_errors_equal_those_of_scikit_learn():
    generator = np.random.default_rng(0)
    X = generator.normal(size=(12, 4)) @ generator.normal(size=(4, 90)) + 0.1 * generator.normal(size=(12, 90))
    groups = np.repeat(np.arange(4), 3)
    errors = pca_left_out_errors(X.astype(np.float32), groups, [1, 3, 6], slice(0, 30))
    for k, found in errors.items():
        for group in range(4):
            kept, out = X[groups != group], X[groups == group]
            model = PCA(k, svd_solver="full")
            # through the origin, the rest face: symmetric data have mean zero
            model.fit(np.concatenate([kept, -kept]))
            axes = model.components_
            missed = (out - out @ axes.T @ axes)[:, :30]
            np.testing.assert_allclose(found[groups == group], np.square(missed).sum(axis=1), rtol=1e-4)


def test_a_planted_subspace_generalises_to_every_expression(made):
    parts = planted.components(made, family="pca", frames=15)
    table = evaluate_method("pca_xyz", "base", parts, planted.rows(parts), [1, 3], 0)
    left_out = pick(table, "generalisation_xyz")
    assert left_out[left_out["k"] == 3]["value"].iloc[0] == pytest.approx(0.0, abs=1e-2)
    assert left_out[left_out["k"] == 1]["value"].iloc[0] > 0.5
    assert set(left_out["n"]) == {4}


def test_gram_does_not_depend_on_blocks(monkeypatch):
    X = np.random.default_rng(0).normal(size=(5, 100)).astype(np.float32)
    whole = gram(X)
    monkeypatch.setattr("splatrig.evaluation.shape_model.GRAM_BLOCK", 7)
    np.testing.assert_allclose(gram(X), whole, rtol=1e-12)
