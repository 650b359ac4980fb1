import numpy as np
import pytest

from splatrig.components.matrix import in_memory, standardize
from splatrig.components.pca import principal_components
from splatrig.components.upsampling import orthonormal, upsample
from splatrig.io.errors import InputError
from support.synthetic import pca_components, small_template


def two_levels():
    """Return a coarse matrix, the midpoint operator, and the fine matrix that interpolates it exactly."""
    template = small_template()
    operator = template.between("base", "subd1")
    rng = np.random.default_rng(0)
    new, old = operator.shape
    coarse = {
        name: np.float32(size) * rng.normal(size=(9, old, width)).astype(np.float32)
        for name, width, size in [("xyz", 3, 1.0), ("rotation", 4, 0.1)]
    }
    fine = {name: np.stack([operator @ frame for frame in rows]).astype(np.float32) for name, rows in coarse.items()}
    assert new > old
    return (
        in_memory({n: a.reshape(9, -1) for n, a in coarse.items()}),
        operator,
        in_memory({n: a.reshape(9, -1) for n, a in fine.items()}),
    )


def test_linear_fields_are_carried_exactly():
    coarse_matrix, operator, fine_matrix = two_levels()
    coarse = pca_components(coarse_matrix, principal_components(coarse_matrix, 8))
    fine = standardize(fine_matrix, "neutral")
    found = upsample(coarse, operator, fine)
    W, C, variances = found.W, found.C, found.explained_variance
    rebuilt = fine.mean + fine.std * (fine.offset + W @ C)
    np.testing.assert_allclose(rebuilt, np.concatenate(fine_matrix.sources, axis=1), atol=2e-5)
    np.testing.assert_allclose(C @ C.T, np.eye(len(C)), atol=1e-5)
    np.testing.assert_allclose(W.T @ W, np.diag(variances * 8), atol=1e-2)
    assert (np.diff(variances) <= 0).all()


def test_a_uniform_shift_stays_a_uniform_shift_in_millimetres():
    template = small_template()
    operator = template.between("base", "subd1")
    new, old = operator.shape
    shift = np.array([0.0, 1.0, 2.0, 3.0], np.float32)
    rows = {size: np.tile(shift[:, None, None], (1, size, 3)).reshape(4, -1) for size in (old, new)}
    matrix = in_memory({"xyz": rows[old]})
    coarse = pca_components(matrix, principal_components(matrix, 1))
    fine = standardize(in_memory({"xyz": rows[new]}), "neutral")
    found = upsample(coarse, operator, fine)
    W, C = found.W, found.C
    np.testing.assert_allclose(fine.std * (W @ C), rows[new], atol=1e-5)


def test_orthonormalizing_keeps_the_product_and_drops_what_is_not_there():
    rng = np.random.default_rng(0)
    W, C = rng.normal(size=(10, 4)).astype(np.float32), rng.normal(size=(4, 50)).astype(np.float32)
    C[3] = C[2]
    new_W, new_C, variances = orthonormal(W, C)
    assert new_C.shape == (3, 50)
    np.testing.assert_allclose(new_W @ new_C, W @ C, atol=1e-4)
    np.testing.assert_allclose(variances, np.linalg.svd(W @ C)[1][:3] ** 2 / 9, rtol=1e-4)


def test_components_that_move_nothing_are_refused():
    with pytest.raises(InputError, match="expected coarse components that move something"):
        orthonormal(np.ones((4, 2), np.float32), np.zeros((2, 9), np.float32))


def test_levels_that_do_not_belong_together_are_refused():
    coarse_matrix, operator, fine_matrix = two_levels()
    coarse = pca_components(coarse_matrix, principal_components(coarse_matrix, 3))
    with pytest.raises(InputError, match="the operator is for"):
        upsample(coarse, operator[:, :-1], standardize(fine_matrix, "neutral"))
    with pytest.raises(InputError, match="expected the same attributes at both levels"):
        upsample(coarse, operator, standardize(in_memory({"xyz": fine_matrix.sources[0]}), "neutral"))
