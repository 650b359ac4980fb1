import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from splatrig.components.matrix import StandardizedRows, standardize
from splatrig.components.pca import principal_components
from splatrig.components.sldc import (
    SldcOptions,
    SolverOptions,
    Start,
    project_weights,
    sparse_localized_components,
    update_weights,
)
from splatrig.components.sldc_cpu import AdmmOptions, CpuEngine
from splatrig.components.support import Locality
from splatrig.config.support_maps import GaussMap, TrapezoidMap
from splatrig.io.errors import InputError
from splatrig.mesh.geodesic import GeodesicSolver
from support.sldc_reference import plain_sldc
from support.synthetic import matched_correlations, sheet_with_bumps

PLAIN = AdmmOptions(rho=10.0, relaxation=1.0, iterations=10, tolerance=0.0)
"""The published ADMM: no over-relaxation, always ten iterations."""


def planar(X: np.ndarray, size: int = 100) -> list[np.ndarray]:
    """Return X [F, N, d] as the blocks [F, d, B] that the engine takes."""
    return [np.ascontiguousarray(X[:, i : i + size].swapaxes(1, 2)) for i in range(0, X.shape[1], size)]


def standardized(sheet, noise_mm: float = 0.0) -> tuple[np.ndarray, float]:
    """Return the sheet's rows X [F, N, 3] less the rest shape in standardized units, and the STD."""
    matrix = sheet.matrix(noise_mm)
    standardization = standardize(matrix, "neutral")
    rows = StandardizedRows(matrix, standardization).less_rest()
    return rows.reshape(len(rows), -1, 3), float(standardization.scales[0])


SMOOTH = GaussMap(sigma=15.0)


def locality_of(sheet, support=SMOOTH) -> Locality:
    return Locality(GeodesicSolver(sheet.vertices, sheet.faces), support, 1.0)


def run(X: np.ndarray, locate, k: int, lambda_: float = 1.0, *, threads: int = 1, signed: bool = False, **solver):
    engine = CpuEngine(planar(X), k, threads)
    weights = "signed" if signed else "nonnegative"
    return sparse_localized_components(
        engine, locate, SldcOptions(k, lambda_, weights=weights, solver=SolverOptions(**solver))
    )


@pytest.mark.parametrize("signed", [False, True])
@pytest.mark.parametrize("support", [GaussMap(sigma=15.0), TrapezoidMap(d_min=5.0, d_max=40.0)])
def test_equal_steps_give_the_objective_of_the_published_algorithm(support, signed):
    sheet = sheet_with_bumps(size=15, frames=20)
    X = standardized(sheet, 0.1)[0].astype(np.float64)
    locality = locality_of(sheet, support)
    W, C, objectives = plain_sldc(X, lambda i: locality.rows(np.array([i]))[0], 6, 1.0, 8, signed=signed)
    published = {"admm": PLAIN, "sweeps": 1, "momentum": 0.0, "slack": 0.0, "reseed": False}
    found = run(X, locality.rows, 6, **published, max_iterations=8, tolerance=0.0, signed=signed)
    np.testing.assert_allclose(found.objective, objectives, rtol=1e-9)
    order = np.argsort(-(W**2).sum(axis=0) * (C**2).sum(axis=(1, 2)), kind="stable")
    np.testing.assert_allclose(found.W, W[:, order], atol=1e-6)
    np.testing.assert_allclose(found.C, C[order], atol=1e-6)


def test_the_weight_update_is_that_of_the_full_residual():
    rng = np.random.default_rng(0)
    X, C, W = rng.normal(size=(30, 200)), rng.normal(size=(7, 200)), rng.uniform(size=(30, 7))
    expected = W.copy()
    for k in range(7):
        residual = X - expected @ C + np.outer(expected[:, k], C[k])
        expected[:, k] = project_weights(residual @ C[k] / (C[k] @ C[k]), signed=False)
    update_weights(W, C @ C.T, X @ C.T, signed=False)
    np.testing.assert_allclose(W, expected, atol=1e-12)


@pytest.mark.parametrize("support", [GaussMap(sigma=15.0), TrapezoidMap(d_min=5.0, d_max=40.0)])
@pytest.mark.parametrize(("noise_mm", "least"), [(0.0, 0.95), (0.15, 0.95)])
def test_planted_bumps_are_recovered_and_pca_does_not_recover_them(support, noise_mm, least):
    sheet = sheet_with_bumps()
    X, _ = standardized(sheet, noise_mm)
    found = run(X, locality_of(sheet, support).rows, 5)
    assert matched_correlations(found.C, sheet.components).min() >= least
    spacing = np.linalg.norm(sheet.vertices[1] - sheet.vertices[0])
    for center in found.places.vertices:
        assert np.linalg.norm(sheet.vertices[sheet.centers] - sheet.vertices[center], axis=1).min() <= 1.5 * spacing
    pca = principal_components(sheet.matrix(noise_mm), 5)
    assert matched_correlations(pca.C, sheet.components).min() < 0.9


def test_planted_weights_are_recovered():
    sheet = sheet_with_bumps()
    X, _ = standardized(sheet)
    found = run(X, locality_of(sheet).rows, 5)
    a, b = found.W / np.linalg.norm(found.W, axis=0), sheet.weights / np.linalg.norm(sheet.weights, axis=0)
    cosines = b.T @ a
    rows, columns = linear_sum_assignment(-cosines)
    assert cosines[rows, columns].min() > 0.99
    np.testing.assert_allclose(found.W[:, columns], sheet.weights, atol=0.1)


def test_weights_lie_in_the_unit_interval_with_maximum_one():
    X, _ = standardized(sheet_with_bumps(), 0.1)
    sheet = sheet_with_bumps()
    W = run(X, locality_of(sheet).rows, 8).W
    assert W.min() >= 0.0
    np.testing.assert_allclose(W.max(axis=0)[W.any(axis=0)], 1.0, atol=1e-6)
    signed = run(X, locality_of(sheet).rows, 8, signed=True).W
    np.testing.assert_allclose(np.abs(signed).max(axis=0)[signed.any(axis=0)], 1.0, atol=1e-6)


def test_the_objective_falls_and_the_run_converges():
    sheet = sheet_with_bumps()
    X, _ = standardized(sheet, 0.1)
    found = run(X, locality_of(sheet).rows, 5, max_iterations=200)
    assert found.converged
    assert found.objective[-1] < found.objective[0]
    residual = ((X - np.tensordot(found.W, found.C, 1)) ** 2).sum()
    assert residual < found.objective[-1]


def test_the_objective_never_rises_while_centers_stay_and_nothing_is_extrapolated():
    sheet = sheet_with_bumps()
    X = standardized(sheet, 0.1)[0].astype(np.float64)
    asked = tuple(int(center) for center in sheet.centers)
    solver = SolverOptions(25, tolerance=0.0, momentum=0.0, admm=AdmmOptions(iterations=100, tolerance=0.0))
    options = SldcOptions(5, centers=asked, solver=solver)
    found = sparse_localized_components(CpuEngine(planar(X), 5), locality_of(sheet).rows, options)
    assert len(found.objective) == 25
    assert (np.diff(found.objective) <= 1e-6 * found.objective[0]).all()


def test_with_momentum_and_moving_centers_the_run_ends_at_its_lowest_objective():
    sheet = sheet_with_bumps(bumps=9, frames=60)
    X, _ = standardized(sheet, 0.1)
    objective = run(X, locality_of(sheet).rows, 12, 0.3, max_iterations=200).objective
    assert objective[-1] <= 1.001 * objective.min()
    assert (np.diff(objective) <= 0.05 * objective[:-1]).all()


def test_a_component_starts_on_the_side_that_moves_and_not_on_evenly_small_noise():
    """The authors' program scales both sides to maximum 1 and then prefers the noise, which has more frames."""
    rng = np.random.default_rng(0)
    X = np.zeros((40, 9, 3))
    X[:4, 4, 0] = [10.0, 7.0, 4.0, 1.0]
    X[4:, 4, 0] = -1e-9 * rng.uniform(0.8, 1.0, size=36)
    found = run(X, lambda centers: np.zeros((len(centers), 9), np.float32), 1, 1e-3, max_iterations=1)
    np.testing.assert_allclose(found.W[:4, 0], [1.0, 0.7, 0.4, 0.1], atol=1e-6)
    np.testing.assert_allclose(found.W[4:, 0], 0.0, atol=1e-6)


@pytest.mark.parametrize("seed", [0, 1, 2])
def test_rounding_of_the_input_does_not_decide_what_is_found(seed):
    sheet = sheet_with_bumps(bumps=9, frames=60, seed=seed)
    X = standardized(sheet, 0.05)[0].astype(np.float64)
    nudged = X * (1 + 1e-12 * np.random.default_rng(seed).normal(size=X.shape))
    options = {"max_iterations": 10, "tolerance": 0.0}
    a, b = (run(rows, locality_of(sheet).rows, 15, 0.3, **options) for rows in (X, nudged))
    np.testing.assert_allclose(b.objective, a.objective, rtol=1e-7)


def test_momentum_and_sweeps_reach_a_lower_objective_in_as_many_iterations():
    sheet = sheet_with_bumps(bumps=9, frames=60)
    X, _ = standardized(sheet, 0.1)
    quick = run(X, locality_of(sheet).rows, 12, 0.3, max_iterations=15, tolerance=0.0)
    published = run(X, locality_of(sheet).rows, 12, 0.3, max_iterations=15, tolerance=0.0, sweeps=1, momentum=0.0)
    assert quick.objective[-1] < published.objective[-1]


def test_over_relaxation_and_early_stopping_reach_the_objective_of_many_plain_steps():
    sheet = sheet_with_bumps()
    X, _ = standardized(sheet, 0.1)
    locate = locality_of(sheet).rows
    thorough = run(X, locate, 5, admm=AdmmOptions(relaxation=1.0, iterations=200, tolerance=0.0), max_iterations=60)
    quick = run(X, locate, 5, max_iterations=60)
    assert quick.objective[-1] <= 1.01 * thorough.objective[-1]


def test_more_lambda_leaves_fewer_rows():
    sheet = sheet_with_bumps()
    X, _ = standardized(sheet, 0.1)
    locate = locality_of(sheet).rows
    zero = [(~run(X, locate, 5, lambda_).C.any(axis=2)).mean() for lambda_ in (0.1, 1.0, 5.0)]
    assert zero[0] < zero[1] < zero[2]


def test_frame_order_does_not_matter():
    sheet = sheet_with_bumps()
    X, _ = standardized(sheet, 0.1)
    order = np.random.default_rng(0).permutation(len(X))
    a, b = run(X, locality_of(sheet).rows, 5), run(X[order], locality_of(sheet).rows, 5)
    np.testing.assert_allclose(b.W, a.W[order], atol=1e-3)
    np.testing.assert_allclose(b.C, a.C, atol=1e-2)


def test_rigid_motion_of_the_input_turns_the_components_and_changes_nothing_else():
    sheet = sheet_with_bumps()
    X, _ = standardized(sheet, 0.1)
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(3, 3)))[0]
    moved = GeodesicSolver(sheet.vertices @ rotation.T + np.array([5.0, -300.0, 70.0]), sheet.faces)
    a = run(X, locality_of(sheet).rows, 5)
    b = run((X @ rotation.T).astype(np.float32), Locality(moved, GaussMap(sigma=15.0), 1.0).rows, 5)
    np.testing.assert_allclose(b.W, a.W, atol=5e-3)
    np.testing.assert_allclose(b.C, a.C @ rotation.T, atol=3e-2)


def test_thread_count_changes_no_bit():
    sheet = sheet_with_bumps()
    X, _ = standardized(sheet, 0.1)
    one, two = (run(X, locality_of(sheet).rows, 5, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.W, two.W)
    np.testing.assert_array_equal(one.C, two.C)
    np.testing.assert_array_equal(one.objective, two.objective)


def test_more_components_than_motions_stay_finite():
    sheet = sheet_with_bumps(bumps=2, frames=6)
    X, _ = standardized(sheet)
    found = run(X, locality_of(sheet).rows, 6)
    assert np.isfinite(found.C).all()
    assert np.isfinite(found.W).all()


def test_a_penalty_that_allows_nothing_ends_with_zeros_after_starting_anew():
    X, _ = standardized(sheet_with_bumps(), 0.05)
    found = run(X, lambda centers: np.ones((len(centers), X.shape[1]), np.float32), 3, 1e6)
    assert found.reseeded == 6
    np.testing.assert_array_equal(found.C, 0.0)
    np.testing.assert_array_equal(found.W, 0.0)
    np.testing.assert_allclose(found.objective[-1], (X**2).sum(), rtol=1e-5)


def test_two_pieces_and_an_isolated_vertex_give_no_nan():
    sheet = sheet_with_bumps(size=12, bumps=3, frames=10)
    vertices = np.concatenate([sheet.vertices, sheet.vertices + np.array([400.0, 0.0, 0.0]), [[900.0, 0.0, 0.0]]])
    faces = np.concatenate([sheet.faces, sheet.faces + len(sheet.vertices)])
    X, _ = standardized(sheet)
    both = np.concatenate([X, 2 * X[:, :, ::-1], X[:, :1]], axis=1)
    locality = Locality(GeodesicSolver(vertices, faces), GaussMap(sigma=15.0), 1.0)
    found = run(both, locality.rows, 4)
    assert np.isfinite(found.C).all()
    assert found.W.max() == 1.0


def test_frames_that_equal_the_rest_shape_are_refused():
    with pytest.raises(InputError, match="expected training frames that differ"):
        run(np.zeros((4, 30, 3), np.float32), lambda centers: np.zeros((len(centers), 30), np.float32), 2)


def test_all_attributes_vanish_together():
    sheet = sheet_with_bumps()
    X, _ = standardized(sheet, 0.05)
    together = np.concatenate([X, X @ np.float32([[0, 1, 0], [0, 0, 1], [1, 0, 0]]), X[:, :, :1] * 0.3], axis=2)
    C = run(together, locality_of(sheet).rows, 5).C
    assert C.shape[2] == 7
    np.testing.assert_array_equal((C != 0).all(axis=2), (C != 0).any(axis=2))


@pytest.mark.parametrize("device", ["cpu", pytest.param("cuda", marks=pytest.mark.cuda)])
def test_the_torch_engine_agrees_with_the_cpu_engine(device):
    torch = pytest.importorskip("torch")
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("no CUDA device")
    from splatrig.components.sldc_torch import TorchEngine

    sheet = sheet_with_bumps(size=15, frames=20)
    X = standardized(sheet, 0.1)[0].astype(np.float64)
    locate = locality_of(sheet).rows
    options = SldcOptions(6, solver=SolverOptions(8, tolerance=0.0, admm=AdmmOptions(tolerance=0.0)))
    a = sparse_localized_components(CpuEngine(planar(X), 6), locate, options)
    b = sparse_localized_components(TorchEngine(planar(X), 6, device), locate, options)
    np.testing.assert_allclose(b.objective, a.objective, rtol=1e-9)
    np.testing.assert_allclose(b.W, a.W, atol=1e-6)
    np.testing.assert_allclose(b.C, a.C, atol=1e-6)


def test_the_torch_engine_starts_dead_components_anew_and_stops_early():
    pytest.importorskip("torch")
    from splatrig.components.sldc_torch import TorchEngine

    X, _ = standardized(sheet_with_bumps(), 0.05)
    nothing = lambda centers: np.ones((len(centers), X.shape[1]), np.float32)  # noqa: E731
    found = sparse_localized_components(TorchEngine(planar(X), 3, "cpu"), nothing, SldcOptions(3, 1e6))
    assert found.reseeded == 6
    np.testing.assert_array_equal(found.C, 0.0)


def test_a_run_that_starts_from_a_result_stays_there():
    sheet = sheet_with_bumps()
    X, _ = standardized(sheet, 0.1)
    locate = locality_of(sheet).rows
    first = run(X, locate, 5, max_iterations=200)
    options = SldcOptions(5, solver=SolverOptions(4, tolerance=0.0))
    again = sparse_localized_components(
        CpuEngine(planar(X), 5), locate, options, start=Start(first.W, first.C, first.places)
    )
    np.testing.assert_allclose(again.objective[-1], first.objective[-1], rtol=1e-2)
    np.testing.assert_array_equal(np.sort(again.places.vertices), np.sort(first.places.vertices))


def test_fixed_centers_stay_and_the_others_find_their_own():
    sheet = sheet_with_bumps()
    X, _ = standardized(sheet)
    asked = (int(sheet.centers[3]), 7)
    options = SldcOptions(6, centers=asked)
    found = sparse_localized_components(CpuEngine(planar(X), 6), locality_of(sheet).rows, options)
    assert set(found.places.vertices[found.places.fixed]) == set(asked)
    assert found.places.fixed.sum() == 2
    assert matched_correlations(found.C, sheet.components).min() > 0.9


def test_symmetric_components_are_centered_opposite_each_other():
    sheet = sheet_with_bumps()
    X, _ = standardized(sheet, 0.05)
    grid = np.arange(25 * 25).reshape(25, 25)
    mirror = grid[::-1].ravel().copy()
    mirror[grid[11:14].ravel()] = grid[11:14].ravel()
    found = sparse_localized_components(
        CpuEngine(planar(X), 7), locality_of(sheet).rows, SldcOptions(7, symmetric=True), mirror
    )
    vertices, partner, _ = found.places
    paired = partner >= 0
    assert paired.sum() >= 4
    np.testing.assert_array_equal(partner[partner[paired]], np.flatnonzero(paired))
    leads = mirror[vertices[paired]] == vertices[partner[paired]]
    assert (leads | leads[np.searchsorted(np.flatnonzero(paired), partner[paired])]).all()
