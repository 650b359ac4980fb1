import numpy as np
import pytest

from splatrig.components.matrix import StandardizedRows, standardize
from splatrig.components.mbspca import MAX_ENTRIES, sparse_components
from splatrig.io.errors import InputError
from support.synthetic import random_matrix


def rows_of(matrix) -> np.ndarray:
    return StandardizedRows(matrix, standardize(matrix, "neutral")).less_rest()


def test_weights_are_the_best_for_the_components_and_rebuild_the_rows():
    rows = rows_of(random_matrix(noise=0.0))
    found = sparse_components(rows, 6, 0.1, seed=0)
    W, C = found.W, found.C
    np.testing.assert_allclose(W, np.linalg.lstsq(C.T, rows.T, rcond=None)[0].T, atol=1e-3)
    assert ((rows - W @ C) ** 2).sum() < 0.02 * (rows**2).sum()


def test_more_alpha_makes_more_zeros():
    rows = rows_of(random_matrix())
    zeros = [(sparse_components(rows, 4, alpha, seed=0).C == 0).mean() for alpha in (0.1, 1.0, 2.0)]
    assert zeros[0] < zeros[1] < zeros[2]


def test_the_same_seed_gives_the_same_bits():
    rows = rows_of(random_matrix())
    first, second = (sparse_components(rows, 4, 1.0, 7) for _ in range(2))
    np.testing.assert_array_equal(first.W, second.W)
    np.testing.assert_array_equal(first.C, second.C)


def test_it_says_whether_it_converged(monkeypatch):
    rows = rows_of(random_matrix())
    found = sparse_components(rows, 4, 1.0, 7)
    assert found.solver.converged
    assert 1 <= found.solver.iterations < 20
    monkeypatch.setattr("splatrig.components.mbspca.MAX_PASSES", found.solver.iterations)
    assert not sparse_components(rows, 4, 1.0, 7).solver.converged
    assert found.solver.converged


def test_a_matrix_that_is_too_large_is_refused_with_the_way_out():
    rows = np.broadcast_to(np.float32(0), (10, MAX_ENTRIES // 10 + 1))
    with pytest.raises(InputError, match="run it on a coarser level"):
        sparse_components(rows, 2, 1.0, 0)


def test_more_components_than_frames_are_refused():
    with pytest.raises(InputError, match="expected 1 to 12"):
        sparse_components(rows_of(random_matrix()), 13, 1.0, 0)
