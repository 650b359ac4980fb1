from dataclasses import replace

import numpy as np
import pytest
from sklearn.decomposition import PCA

from splatrig.components.component_file import Solver
from splatrig.evaluation.reconstruction import Projection, rebuild, usable_ks
from splatrig.evaluation.shape_model import LeftOut, RandomFaces, gram, left_out_errors, pca_left_out_mixtures
from splatrig.evaluation.table import METHOD_COLUMNS, pick
from splatrig.io.errors import InputError
from support import planted
from support.planted import evaluate_method


@pytest.fixture(scope="module")
def made():
    return planted.head()


def value(table, metric, k, **where):
    rows = pick(table, metric, k=k, **where)
    assert len(rows) == 1
    return rows["value"].iloc[0]


@pytest.mark.parametrize("family", ["pca", "sldc"])
def test_all_components_rebuild_their_own_frames_exactly(made, family):
    parts = planted.components(made, family=family, attributes=planted.ALL_ATTRIBUTES if family == "pca" else ("xyz",))
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
    assert parts.limits == (0.0, 1.0)
    rebuilt = rebuild(parts, 2 * data.X - data.X[0])
    reach = np.abs(rebuilt - parts.rest).max()
    assert reach <= np.abs(parts.C * parts.std).sum(axis=0).max() + 1e-4


@pytest.mark.parametrize("family", ["pca", "learned"])
def test_rows_of_another_capture_or_level_are_refused(made, family):
    base = made.neutral if family == "learned" else None
    parts = replace(planted.components(made, family="pca"), family=family, base=base)
    strangers = replace(planted.rows(parts), frames=tuple(f"Z/{row}" for row in range(12)))
    with pytest.raises(InputError, match=r"E000/000000 to E003/000011 among them, got 486 values of Z/0 to Z/11"):
        evaluate_method("m", "base", parts, strangers, [1], 0)
    finer = planted.components(planted.head(3), family="pca")
    with pytest.raises(InputError, match=r"expected rows of 486 values, .*, got 1926 values"):
        evaluate_method("m", "base", parts, planted.rows(finer), [1], 0)


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
    mixtures = pca_left_out_mixtures(gram(X), groups, range(4), [1, 3, 6])
    for k, mixture in mixtures.items():
        found = left_out_errors(mixture, gram(X[:, :30]))
        np.testing.assert_allclose(found, np.square(X - mixture @ X)[:, :30].sum(axis=1), rtol=1e-8)
        for group in range(4):
            kept, out = X[groups != group], X[groups == group]
            model = PCA(k, svd_solver="full")
            # through the origin, the rest face: symmetric data have mean zero
            model.fit(np.concatenate([kept, -kept]))
            axes = model.components_
            missed = (out - out @ axes.T @ axes)[:, :30]
            np.testing.assert_allclose(found[groups == group], np.square(missed).sum(axis=1), rtol=1e-4)


def test_a_planted_subspace_generalizes_to_every_expression(made):
    parts = planted.components(made, family="pca", frames=15)
    table = evaluate_method("pca_xyz", "base", parts, planted.rows(parts), [1, 3], 0)
    left_out = pick(table, "generalization_xyz")
    assert left_out[left_out["k"] == 3]["value"].iloc[0] == pytest.approx(0.0, abs=1e-2)
    assert left_out[left_out["k"] == 1]["value"].iloc[0] > 0.5
    assert set(left_out["n"]) == {4}


@pytest.mark.parametrize("frames", [2, 3])
def test_one_expression_is_measured_without_leaving_it_out(made, frames):
    parts = planted.components(made, family="pca", count=1, frames=frames)
    table = evaluate_method("pca_xyz", "base", parts, planted.rows(parts), [1], 0)
    assert value(table, "rmse_xyz", 1, region="head") < 1e-3
    assert not table["metric"].str.startswith("generalization").any()


def test_no_more_components_are_left_out_than_the_other_frames_have(made):
    """Of 3 + 3 + 1 frames, 4 are left without the second expression, and 6 without the third."""
    parts = planted.components(made, family="pca", frames=7)
    data = planted.rows(parts)
    left_out = LeftOut(Projection(parts, data.X), data, range(1, 9))
    assert sorted(left_out.mixtures) == [1, 2, 3, 4, 5]
    assert [left_out.folds(k) for k in (3, 4)] == [["E001", "E002"], ["E002"]]
    rows = pick(evaluate_method("pca_xyz", "base", parts, planted.rows(parts), [3, 5], 0), "generalization_xyz")
    assert rows.set_index("k")["n"].to_dict() == {3: 2, 5: 1}
    assert rows.set_index("k")["low"].isna().to_dict() == {3: False, 5: True}


def test_gram_does_not_depend_on_blocks(monkeypatch):
    X = np.random.default_rng(0).normal(size=(5, 100)).astype(np.float32)
    whole = gram(X)
    monkeypatch.setattr("splatrig.evaluation.measures.GRAM_BLOCK", 7)
    np.testing.assert_allclose(gram(X), whole, rtol=1e-12)


@pytest.mark.parametrize("family", ["pca", "sldc"])
def test_a_projection_makes_what_rebuilding_from_all_columns_makes(made, family):
    parts = planted.components(made, family=family)
    data = planted.rows(parts, 1.3 * parts.rows() + np.float32(0.5))
    projection = Projection(parts, data.X)
    for k in (1, 2, 3):
        order = parts.by_energy()[:k]
        wanted = rebuild(replace(parts, W=parts.W[:, order], C=parts.C[order]), data.X)
        np.testing.assert_allclose(projection.estimate(k), wanted, atol=2e-3)
        left = np.square((wanted - data.X) / parts.std, dtype=np.float64).sum(axis=1)
        np.testing.assert_allclose(projection.left(k), left, rtol=1e-3)


def test_influence_of_planted_orthogonal_components_is_their_share_of_displacement(made):
    parts = planted.components(made, family="pca", attributes=planted.ALL_ATTRIBUTES)
    columns = parts.columns["xyz"].stop
    C = np.zeros_like(parts.C)
    C[0, 0], C[1, 5], C[2, 9] = 4.0, 2.0, 1.0
    C[:, columns:] = np.eye(3, C.shape[1] - columns) * [[1.0], [2.0], [8.0]]
    W = np.zeros_like(parts.W)
    for k in range(3):
        W[k + 1 :: 3, k] = 1.0
    parts = replace(parts, C=C, W=W)
    uses = np.square(W).sum(axis=0)
    table = evaluate_method("pca_all", "subd2", parts, planted.rows(parts), [3], 0)
    whole = uses * np.square(C).sum(axis=1)
    order = np.argsort(-whole)
    for metric, energy in (("compactness", whole), ("explained_xyz", uses * np.array([16.0, 4.0, 1.0]))):
        wanted = np.cumsum(energy[order]) / energy.sum()
        found = pick(table, metric, split="train").sort_values("k")["value"]
        np.testing.assert_allclose(found, wanted, rtol=1e-3)


def test_random_faces_are_no_farther_than_the_change_of_the_other_weights(made):
    parts = planted.components(made, count=2, frames=9)
    data = planted.rows(parts)
    faces = RandomFaces(Projection(parts, data.X), data, 2, np.random.default_rng(0))
    lengths = np.sqrt(np.square(planted.bumps(made.vertices, 2)).sum(axis=(1, 2)) / len(made.vertices))
    farthest = np.ptp(parts.W, axis=0) * lengths
    assert faces.distances.max() <= farthest[1:].sum() + farthest[:1].sum()
    # a face shares its first weight with some frame, so only the other weight can keep it away, and the other way round
    assert faces.distances.max() <= farthest.min() + 1e-3
    rows = faces.rows(slice(None))
    nearest = data.X[faces.nearest]
    measured = np.sqrt(np.square(rows - nearest).sum(axis=1) / len(made.vertices))
    np.testing.assert_allclose(measured, faces.distances, atol=2e-3)


def test_local_learned_rigs_keep_their_weights_in_bounds(made):
    parts = replace(planted.components(made), family="learned", base=made.neutral)
    beyond = parts.rows(2 * parts.W)
    bounded, free = (Projection(replace(parts, limits=limits), beyond).weights(3) for limits in (parts.limits, None))
    assert bounded.min() >= 0.0
    assert bounded.max() <= 1.0
    assert free.max() > 1.5


@pytest.mark.parametrize(("last", "converged"), [(30.01, 1.0), (31.0, 0.0)])
def test_learned_rigs_have_converged_when_the_last_quarter_gains_little(made, last, converged):
    history = np.array([[100.0, 0.1, 25.0], [200.0, 0.1, 29.0], [300.0, 0.1, 30.0], [400.0, 0.1, last]])
    parts = replace(planted.components(made), family="learned", base=made.neutral, solver=Solver(history=history))
    table = evaluate_method("learned_global", "subd2", parts, planted.rows(parts), [3], 0)
    assert value(table, "converged", 3) == converged
    assert value(table, "iterations", 3) == 400.0


def test_distance_from_the_surface_is_never_above_that_of_the_centers(made):
    parts = planted.components(made, family="pca")
    table = evaluate_method("pca_xyz", "base", parts, planted.rows(parts), [1, 3], 0)
    for surface, centers in (("surface_xyz", "rmse_xyz"), ("generalization_surface", "generalization_xyz")):
        assert value(table, surface, 1) <= value(table, centers, 1, region="head") + 1e-6
    assert value(table, "surface_xyz", 3) == pytest.approx(0.0, abs=1e-3)


def test_learned_rigs_are_measured_with_their_own_weights(made):
    parts = planted.components(made, count=2, frames=6)
    fitted = parts.rows() + np.float32([0.0, 3.0, 4.0] * len(made.vertices))
    W = parts.W[:, ::-1].copy()
    learned = replace(parts, family="learned", base=made.neutral, W=W)
    table = evaluate_method("learned_global", "subd2", learned, planted.rows(parts, fitted), [2], 0)
    difference = (parts.W - W) @ (parts.C * parts.std) + np.float32([0.0, 3.0, 4.0] * len(made.vertices))
    wanted = np.sqrt(np.square(difference).sum() / (6 * len(made.vertices)))
    assert value(table, "rmse_xyz", 2, region="head") == pytest.approx(wanted, rel=1e-3)
    assert value(table, "compactness", 2) == pytest.approx(1.0, abs=1e-5)
    moved = parts.W @ (parts.C * parts.std)
    share = 1 - np.square((parts.W - W) @ (parts.C * parts.std)).sum() / np.square(moved).sum()
    assert value(table, "explained_xyz", 2) == pytest.approx(share, abs=1e-3)


def test_a_perfect_learned_rig_explains_everything_whatever_its_rest_face(made):
    parts = planted.components(made, frames=6)
    learned = replace(parts, family="learned", base=made.neutral, mean=parts.mean + np.float32(2.0))
    table = evaluate_method("learned_local", "subd2", learned, planted.rows(parts), [3], 0)
    assert value(table, "explained_xyz", 3) == pytest.approx(1.0, abs=1e-4)
    assert value(table, "rmse_xyz", 3, region="head") == pytest.approx(2.0 * np.sqrt(3), rel=1e-3)
