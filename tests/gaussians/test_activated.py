import numpy as np
import torch

from splatrig.gaussians.activated import linear_opacities, linear_scales, logits
from splatrig.gaussians.tensors import on_device
from splatrig.rasterize.activation import activate
from support.random_gaussians import random_gaussians


def test_values_are_those_that_the_rasterizer_takes():
    gaussians = random_gaussians(200)
    splats = activate(on_device(gaussians, torch.device("cpu")))
    np.testing.assert_allclose(linear_scales(gaussians), splats.scales, rtol=1e-6)
    np.testing.assert_allclose(linear_opacities(gaussians), splats.opacities, rtol=1e-6, atol=1e-9)


def test_logits_are_the_inverse_and_finite_at_the_ends():
    raw = np.linspace(-15, 15, 31)
    np.testing.assert_allclose(logits(1 / (1 + np.exp(-raw))), raw, atol=1e-6)
    ends = logits(np.array([0.0, 1.0]))
    assert np.isfinite(ends).all()
    np.testing.assert_allclose(ends.sum(), 0, atol=1e-6)
