import pytest
import torch

from splatrig.joint.basis import Supports, blend


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
    assert torch.allclose(blend(weights, dense, None), expected, atol=1e-14)
    assert torch.allclose(blend(weights, supports.gather(dense), supports), expected, atol=1e-14)


def test_gradients_inside_supports_equal_those_of_the_dense_product(case: tuple) -> None:
    mask, dense, weights = case
    supports = Supports.from_mask(mask)
    upstream = torch.randn(3, 30, 5, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    inputs = weights.clone().requires_grad_(), supports.gather(dense).requires_grad_()
    to_weights, to_values = torch.autograd.grad(blend(*inputs, supports), inputs, upstream)
    dense_inputs = weights.clone().requires_grad_(), dense.clone().requires_grad_()
    expected_weights, expected_dense = torch.autograd.grad(blend(*dense_inputs, None), dense_inputs, upstream)
    assert torch.allclose(to_weights, expected_weights, atol=1e-13)
    assert torch.allclose(to_values, supports.gather(expected_dense), atol=1e-13)


def test_no_components_move_nothing() -> None:
    assert torch.equal(blend(torch.zeros(2, 0), torch.zeros(0, 6, 3), None), torch.zeros(2, 6, 3))
