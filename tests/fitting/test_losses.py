import pytest
import torch

from splatrig.fitting.losses import composite, drift_loss, photometric_loss, size_loss
from splatrig.fitting.ssim import ssim_map


def test_composite_weighs_photograph_and_background_by_alpha():
    rgba = torch.tensor([[[255, 0, 51, 255], [255, 255, 255, 0], [255, 0, 0, 51]]], dtype=torch.uint8)
    background = torch.tensor([0.0, 1.0, 0.5])
    expected = torch.tensor([[[1.0, 0.0, 0.2], [0.0, 1.0, 0.5], [0.2, 0.8, 0.4]]])
    torch.testing.assert_close(composite(rgba, background), expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("weight", [0.0, 0.4, 1.0])
def test_photometric_loss_is_the_stated_mixture(weight):
    generator = torch.Generator().manual_seed(1)
    first, second = torch.rand((2, 20, 16, 3), generator=generator, dtype=torch.float64)
    expected = (1 - weight) * (first - second).abs().mean() + weight * (1 - ssim_map(first, second).mean())
    assert float(photometric_loss(first, second, weight)) == pytest.approx(float(expected), abs=1e-12)


def test_photometric_loss_of_equal_images_is_zero():
    image = torch.rand((12, 12, 3), generator=torch.Generator().manual_seed(2), dtype=torch.float64)
    assert float(photometric_loss(image, image, 0.4)) == pytest.approx(0.0, abs=1e-12)


def test_drift_of_one_edge_length_costs_one_whatever_the_unit():
    anchors = torch.zeros((4, 3))
    for edge in (0.5, 20.0):
        means = anchors + torch.tensor([0.0, edge, 0.0])
        loss = drift_loss(means, anchors, torch.full((4, 1), 1 / edge))
        assert float(loss) == pytest.approx(1.0, rel=1e-6)


def test_size_grows_with_the_fourth_power():
    scales = torch.tensor([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    inverse_edges = torch.ones((2, 1))
    assert float(size_loss(2 * scales, inverse_edges)) == pytest.approx(16 * float(size_loss(scales, inverse_edges)))


def test_regularizers_are_the_stated_means():
    generator = torch.Generator().manual_seed(5)
    means, anchors = torch.randn((2, 30, 3), generator=generator, dtype=torch.float64)
    inverse_edges = torch.rand((30, 1), generator=generator, dtype=torch.float64) + 0.5
    expected = ((means - anchors) * inverse_edges).square().sum(dim=-1).square().mean()
    torch.testing.assert_close(drift_loss(means, anchors, inverse_edges), expected)
    torch.testing.assert_close(size_loss(means - anchors, inverse_edges), expected)


def test_regularizer_gradients_agree_with_finite_differences():
    generator = torch.Generator().manual_seed(4)
    means, anchors, scales = torch.rand((3, 5, 3), generator=generator, dtype=torch.float64)
    inverse_edges = torch.rand((5, 1), generator=generator, dtype=torch.float64) + 0.5
    assert torch.autograd.gradcheck(lambda x: drift_loss(x, anchors, inverse_edges), means.requires_grad_())
    assert torch.autograd.gradcheck(lambda x: size_loss(x, inverse_edges), scales.requires_grad_())
