import numpy as np
import pytest
import torch
from scipy.sparse import csr_array

from splatrig.fitting.basis import Carry, Supports, product
from splatrig.fitting.trainable_rig import BasisStart, RigStart, TrainableRig
from support import known_rig


@pytest.fixture
def case() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    mask = torch.rand(4, 30, generator=generator) < 0.3
    mask[:, 7] = False  # a Gaussian that no component reaches
    mask[2] = False  # a component that reaches no Gaussian
    dense = torch.randn(4, 30, 5, generator=generator, dtype=torch.float64) * mask[..., None]
    weights = torch.randn(3, 4, generator=generator, dtype=torch.float64)
    return mask, dense, weights


def test_supports_gather_and_scatter_are_inverse(case: tuple) -> None:
    mask, dense, _ = case
    supports = Supports.from_mask(mask)
    values = supports.gather(dense)
    assert len(values) == mask.sum()
    assert torch.equal(supports.scatter(values), dense)


def test_blend_inside_supports_equals_the_dense_product(case: tuple) -> None:
    mask, dense, weights = case
    supports = Supports.from_mask(mask)
    expected = torch.einsum("bk,kna->bna", weights, dense)
    assert torch.allclose(product(weights, dense, None), expected, atol=1e-14)
    assert torch.allclose(product(weights, supports.gather(dense), supports), expected, atol=1e-14)


def test_gradients_inside_supports_equal_those_of_the_dense_product(case: tuple) -> None:
    mask, dense, weights = case
    supports = Supports.from_mask(mask)
    upstream = torch.randn(3, 30, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    inputs = weights.clone().requires_grad_(), supports.gather(dense).requires_grad_()
    to_weights, to_values = torch.autograd.grad(product(*inputs, supports), inputs, upstream)
    dense_inputs = weights.clone().requires_grad_(), dense.clone().requires_grad_()
    expected_weights, expected_dense = torch.autograd.grad(product(*dense_inputs, None), dense_inputs, upstream)
    assert torch.allclose(to_weights, expected_weights, atol=1e-13)
    assert torch.allclose(to_values, supports.gather(expected_dense), atol=1e-13)


def test_no_components_move_nothing() -> None:
    assert torch.equal(product(torch.zeros(2, 0), torch.zeros(0, 6, 3), None), torch.zeros(2, 6, 3))


def midpoints() -> csr_array:  # [9, 5]
    """Return an operator like those of subdivision: the coarse vertices, then midpoints, columns out of order."""
    rows = np.r_[np.arange(5), np.repeat(np.arange(5, 9), 2)]
    columns = np.r_[np.arange(5), [3, 0, 4, 1, 2, 4, 1, 0]]
    return csr_array((np.r_[np.ones(5), np.full(8, 0.5)], (rows, columns)), shape=(9, 5))


@pytest.mark.parametrize("batch", [1, 3])
def test_carrying_down_is_the_transpose_of_carrying_up(batch: int) -> None:
    carry = Carry.of(midpoints(), torch.device("cpu"))
    generator = torch.Generator().manual_seed(0)
    coarse = torch.randn(batch, 5, 4, generator=generator).requires_grad_()
    fine = torch.randn(batch, 9, 4, generator=generator)
    up = carry.up(coarse)
    assert torch.allclose(up, torch.einsum("nv,bva->bna", torch.as_tensor(midpoints().toarray()).float(), coarse))
    (gradient,) = torch.autograd.grad(up, [coarse], fine)
    assert torch.equal(gradient, carry.down(fine))
    assert torch.allclose((up * fine).sum(), (coarse * carry.down(fine)).sum(), atol=1e-5)


def test_components_on_a_coarser_level_are_those_of_the_gaussians_carried_there() -> None:
    """The same rows, the same gradients of weights, and a basis whose gradient is the carried one."""
    operator = midpoints()
    generator = np.random.default_rng(0)
    base = known_rig.ball(generator, 9)
    coarse = {name: generator.standard_normal((2, 5, 3)).astype(np.float32) for name in ("means", "sh0")}
    fine = {name: np.stack([operator @ rows for rows in delta]).astype(np.float32) for name, delta in coarse.items()}
    weights = generator.standard_normal((4, 2)).astype(np.float32)
    starts = [BasisStart(("means", "sh0"), fine), BasisStart(("means", "sh0"), coarse, carry=operator)]
    rigs = [TrainableRig(RigStart(base, weights, start, 0), known_rig.RATES) for start in starts]
    assert rigs[1].basis.values.shape == (2, 5, 6)
    np.testing.assert_allclose(rigs[1].basis.dense(), rigs[0].basis.dense(), atol=1e-5)
    asked = torch.as_tensor(weights[1:3])
    rows = [rig.rows(asked) for rig in rigs]
    upstream = {name: torch.as_tensor(generator.standard_normal(rows[0][name].shape)).float() for name in rows[0]}
    slopes = []
    for rig in rigs:
        with torch.no_grad():
            slopes.append(rig.pull(asked, upstream))
    for name in upstream:
        np.testing.assert_allclose(rows[1][name].detach(), rows[0][name].detach(), atol=1e-5)
        assert torch.equal(rigs[0].base[name].grad, rigs[1].base[name].grad)
    np.testing.assert_allclose(slopes[1], slopes[0], rtol=1e-4, atol=1e-5)
    gradients = [rig.basis.values.grad for rig in rigs]
    carried = np.stack([operator.T @ rows for rows in gradients[0].numpy()])
    np.testing.assert_allclose(gradients[1], carried, rtol=1e-4, atol=1e-5)
