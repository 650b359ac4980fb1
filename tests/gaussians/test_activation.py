import numpy as np
import torch

from gaussians.random_gaussians import random_gaussians
from splatrig.gaussians.activation import activate, activate_for_rasterizer, activate_gaussians
from splatrig.gaussians.gaussians import SH_C0


def test_activated_values_are_what_the_rasteriser_takes():
    gaussians = random_gaussians(50)
    activated = activate_gaussians(gaussians)
    np.testing.assert_allclose(activated.scales.numpy(), np.exp(gaussians.log_scales), rtol=1e-6)
    np.testing.assert_allclose(activated.opacities.numpy(), 1 / (1 + np.exp(-gaussians.logit_opacities)), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(activated.quats.numpy(), axis=1), 1, atol=1e-6)
    np.testing.assert_array_equal(activated.sh[:, :1].numpy(), gaussians.sh0)
    np.testing.assert_array_equal(activated.sh[:, 1:].numpy(), gaussians.shN)
    np.testing.assert_array_equal(activated.means.numpy(), gaussians.means)


def test_activation_is_differentiable_in_every_parameter():
    parameters = {
        name: torch.as_tensor(values, dtype=torch.float64).requires_grad_()
        for name, values in random_gaussians(3, seed=1).items()
    }
    assert torch.autograd.gradcheck(lambda *values: tuple(activate(*values)), tuple(parameters.values()))


def test_the_length_of_a_quaternion_does_not_matter():
    gaussians = random_gaussians(5)
    tensors = {name: torch.as_tensor(values) for name, values in gaussians.items()}
    longer = activate(**(tensors | {"quats": tensors["quats"] * 3}))
    torch.testing.assert_close(longer.quats, activate(**tensors).quats)


def test_quaternions_keep_their_lengths_where_the_rasteriser_takes_them_off():
    tensors = {name: torch.as_tensor(values) for name, values in random_gaussians(5).items()}
    longer = 3 * tensors["quats"]
    assert activate_for_rasterizer(**(tensors | {"quats": longer})).quats is longer


def test_the_constant_harmonic_integrates_to_one_over_the_sphere():
    np.testing.assert_allclose(SH_C0**2 * 4 * np.pi, 1.0, rtol=1e-12)
