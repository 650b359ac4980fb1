from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from scipy.sparse import csr_array, eye_array

from splatrig.components.sldc import SldcOptions, SolverOptions
from splatrig.components.sldc_cpu import AdmmOptions
from splatrig.config.support_maps import GaussMap, TrapezoidMap
from splatrig.evaluation.relearn import Learner, Sweeps
from splatrig.evaluation.summary import comparison, remarks, side_by_side
from splatrig.evaluation.table import RUNTIME_COLUMNS, SWEEP_COLUMNS, pick
from splatrig.mesh.template import Level
from support import planted
from support.planted import evaluate_method

OPTIONS = SldcOptions(3, 0.5, solver=SolverOptions(15, admm=AdmmOptions(rho=10.0, tolerance=1e-3)))


@pytest.fixture(scope="module")
def learner():
    made = planted.head()
    level = Level(made.vertices, made.faces, csr_array(eye_array(len(made.vertices))), made.vertices[:, 2] > 0)
    return Learner("neutral", level, 0, sldc=OPTIONS, support=GaussMap(sigma=0.2), alpha=1.0)


@pytest.fixture(scope="module")
def data():
    return planted.rows(planted.components(planted.head(), frames=15))


@pytest.mark.parametrize("method", ["pca_xyz", "mbspca_xyz", "sldc_gauss_xyz", "sldc_trapezoid_xyz"])
def test_every_family_is_learned_around_the_neutral(learner, data, method):
    support = TrapezoidMap(d_min=0.1, d_max=0.6) if "trapezoid" in method else learner.support
    components = replace(learner, support=support).learn(method, data, np.arange(15), 2)
    assert len(components.C) == 2
    assert components.frames == data.frames
    rest = components.mean + components.std * components.offset
    np.testing.assert_allclose(rest, data.X[0], atol=1e-3)


def test_fewer_components_than_fixed_centers_are_at_the_first_ones(learner, data):
    fixed = replace(learner, sldc=replace(learner.sldc, centers=[5, 60, 100]))
    for k in (1, 3):
        components = fixed.learn("sldc_gauss_xyz", data, np.arange(15), k)
        assert set(components.centers.tolist()) == set([5, 60, 100][:k])


def test_a_planted_subspace_generalizes_and_fewer_components_do_worse(learner, data):
    sweeps = Sweeps(learner, "pca_xyz", "base", data)
    sweeps.leave_one_expression_out([1, 3])
    table = sweeps.frame()
    assert tuple(table.columns) == SWEEP_COLUMNS
    found = pick(table, "generalization_xyz", region="head").set_index("k")
    assert found.loc[3, "value"] == pytest.approx(0.0, abs=0.02)
    assert found.loc[1, "value"] > 0.5
    assert found.loc[1, "n"] == 4
    assert found.loc[1, "low"] <= found.loc[1, "value"] <= found.loc[1, "high"]
    surface = pick(table, "generalization_surface").set_index("k")["value"]
    assert (surface <= found["value"] + 1e-9).all()
    assert surface[1] > 0.1


def test_more_components_than_frames_have_are_passed_over(learner, data):
    """Without one of five expressions 12 frames are left: 11 principal components about the neutral."""
    sweeps = Sweeps(learner, "pca_xyz", "base", data)
    sweeps.against_k([14, 15])
    sweeps.leave_one_expression_out([11, 12])
    table = sweeps.frame()
    assert set(table.loc[table["metric"] == "rmse_xyz", "k"]) == {14}
    assert set(table.loc[table["sweep"] == "left_out", "k"]) == {11}


@pytest.mark.parametrize("rest", ["neutral", "mean"])
def test_folds_solved_in_one_gram_matrix_are_those_learned_anew(learner, rest):
    parts = planted.components(planted.head(), family="pca", frames=15)
    noise = np.random.default_rng(5).normal(size=parts.rows().shape)
    data = planted.rows(parts, parts.rows() + 0.5 * noise)
    anew = replace(learner, rest=rest)
    sweeps = Sweeps(anew, "pca_xyz", "base", data)
    sweeps.leave_one_expression_out([1, 2, 5])
    table = evaluate_method("pca_xyz", "base", anew.learn("pca_xyz", data, np.arange(15), 5), data, [1, 2, 5], 0)
    for metric in ("generalization_xyz", "generalization_surface"):
        wanted, found = (pick(rows, metric, region="head").set_index("k")["value"] for rows in (sweeps.frame(), table))
        np.testing.assert_allclose(found[[1, 2, 5]], wanted[[1, 2, 5]], rtol=1e-4)


@pytest.mark.parametrize("method", ["pca_xyz", "mbspca_xyz", "sldc_gauss_xyz"])
def test_folds_that_leave_the_neutral_alone_are_passed_over(learner, method):
    """Two frames, one of them the neutral: nothing is left to learn from without the other."""
    parts = planted.components(planted.head(), frames=4)
    two = planted.rows(parts).chosen([0, 3])
    sweeps = Sweeps(learner, method, "base", two)
    sweeps.against_k([1])
    sweeps.leave_one_expression_out([1])
    table = sweeps.frame()
    assert set(table["sweep"]) == {"k"}
    assert table["value"].dtype == np.float64


def test_more_sparsity_weight_gives_more_zero_rows_and_more_error(learner, data):
    sweeps = Sweeps(learner, "sldc_gauss_xyz", "base", data)
    sweeps.against_lambda([0.05, 50.0], 3)
    table = sweeps.frame()
    zero = pick(table, "zero_rows").set_index("lambda")["value"]
    error = pick(table, "rmse_xyz", region="head").set_index("lambda")["value"]
    assert zero[50.0] > zero[0.05]
    assert error[50.0] > error[0.05]
    assert set(pick(table, "converged")["value"]) <= {0.0, 1.0}


def test_the_curve_against_k_falls_and_has_no_lambda_for_pca(learner, data):
    sweeps = Sweeps(learner, "pca_xyz", "base", data)
    sweeps.against_k([1, 2, 3, 99])
    table = sweeps.frame()
    error = pick(table, "rmse_xyz", region="head").set_index("k")["value"]
    assert error.index.tolist() == [1, 2, 3]
    assert error.is_monotonic_decreasing
    assert table["lambda"].isna().all()
    runtimes = sweeps.runtimes()
    assert tuple(runtimes.columns) == RUNTIME_COLUMNS
    assert (runtimes["seconds"] > 0).all()


def test_held_out_frames_enter_no_learning(learner):
    parts = planted.components(planted.head(), frames=15)
    X = parts.rows()
    spoiled = X.copy()
    spoiled[-3:] += 40.0
    tables = []
    for rows in (X, spoiled):
        sweeps = Sweeps(learner, "pca_xyz", "base", planted.rows(parts, rows, held_out=3))
        sweeps.against_k([2])
        tables.append(pick(sweeps.frame(), "rmse_xyz", region="head").set_index("split")["value"])
    assert tables[0]["train"] == tables[1]["train"]
    assert tables[1]["held_out"] > tables[0]["held_out"] + 10


class Recorder:
    """Stands for the scene: remembers what would be rendered."""

    def __init__(self):
        self.places, self.rows = [], []

    def posing(self, _components):
        return lambda row: row

    def compare(self, place, row):
        self.places.append(place)
        self.rows.append(row)


def test_the_peak_of_every_left_out_expression_is_rendered(learner, data):
    recorder = Recorder()
    Sweeps(learner, "pca_xyz", "base", data).leave_one_expression_out([3], recorder)
    peaks = [data.frames[row] for row in data.peaks() if data.expressions[row] != data.expressions[data.neutral_row]]
    assert [place.frame for place in recorder.places] == peaks
    assert {(place.test, place.k, place.role) for place in recorder.places} == {("generalization", 3, "left_out")}
    truth = np.stack([data.X[data.frames.index(name)] for name in peaks])
    np.testing.assert_allclose(np.stack(recorder.rows), truth, atol=0.1)


def test_a_solver_that_was_stopped_early_is_said_to_not_have_converged_in_the_main_table(learner, data):
    short = replace(learner, sldc=replace(learner.sldc, solver=SolverOptions(1, tolerance=1e-12)))
    stopped = short.learn("sldc_gauss_xyz", data, np.arange(15), 2)
    methods = evaluate_method("sldc_gauss_xyz", "base", stopped, data, [2], 0)
    sweeps = Sweeps(short, "sldc_gauss_xyz", "base", data)
    sweeps.against_k([2])
    table = comparison(methods, sweeps.frame(), sweeps.runtimes(), None)
    wide = side_by_side(table).set_index("quantity")
    assert wide.loc["converged", "local (Gaussian SLDC)"] == "NO (1 iterations)"
    assert "Did not converge: local (Gaussian SLDC)." in remarks(pd.DataFrame(columns=["split", "metric", "n"]), table)
