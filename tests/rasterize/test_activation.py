from dataclasses import replace

import numpy as np
import torch

from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.tensors import on_device
from splatrig.rasterize import activate
from support.random_gaussians import random_gaussians


def test_activated_values_are_what_the_rasterizer_takes():
    gaussians = random_gaussians(50)
    activated = activate(on_device(gaussians))
    np.testing.assert_allclose(activated.scales.numpy(), np.exp(gaussians.log_scales), rtol=1e-6)
    np.testing.assert_allclose(activated.opacities.numpy(), 1 / (1 + np.exp(-gaussians.logit_opacities)), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(activated.quats.numpy(), axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(activated.colors[:, :1].numpy(), gaussians.sh0)
    np.testing.assert_array_equal(activated.colors[:, 1:].numpy(), gaussians.shN)
    np.testing.assert_array_equal(activated.means.numpy(), gaussians.means)


def test_activation_is_differentiable_in_every_parameter():
    parameters = {
        name: torch.as_tensor(values, dtype=torch.float64).requires_grad_()
        for name, values in random_gaussians(3, seed=1).items()
    }

    def activated(*values: torch.Tensor) -> tuple[torch.Tensor, ...]:
        return tuple(tensor for _, tensor in activate(Gaussians(*values)).items())

    assert torch.autograd.gradcheck(activated, tuple(parameters.values()))


def test_the_length_of_a_quaternion_does_not_matter():
    gaussians = random_gaussians(5)
    tensors = on_device(gaussians)
    longer = activate(replace(tensors, quats=tensors.quats * 3))
    torch.testing.assert_close(longer.quats, activate(tensors).quats)


def test_quaternions_keep_their_lengths_where_the_rasterizer_takes_them_off():
    tensors = on_device(random_gaussians(5))
    longer = 3 * tensors.quats
    assert activate(replace(tensors, quats=longer), unit_quats=False).quats is longer
