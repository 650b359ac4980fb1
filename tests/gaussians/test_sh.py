import numpy as np
import pytest
import torch
from scipy.special import sph_harm_y

from splatrig.gaussians.gaussians import SH_C0
from splatrig.gaussians.sh import sh_basis
from splatrig.io.errors import InputError
from support.sh_colors import sh_to_rgb, view_directions


def random_directions(count: int, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    directions = torch.randn(count, 3, generator=generator, dtype=torch.float64)
    return directions / directions.norm(dim=1, keepdim=True)


def real_basis(directions: np.ndarray, degree: int) -> np.ndarray:
    """Real spherical harmonics from scipy's complex ones, which carry the Condon-Shortley phase."""
    x, y, z = directions.T
    polar, azimuth = np.arccos(z), np.arctan2(y, x)
    columns = []
    for order in range(degree + 1):
        for m in range(-order, order + 1):
            value = sph_harm_y(order, abs(m), polar, azimuth)
            columns.append(value.real if m == 0 else np.sqrt(2) * (value.imag if m < 0 else value.real))
    return np.stack(columns, axis=1)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_basis_equals_scipys_spherical_harmonics(degree):
    directions = random_directions(50)
    expected = real_basis(directions.numpy(), degree)
    np.testing.assert_allclose(sh_basis(directions, degree).numpy(), expected, atol=1e-14)


def test_basis_is_orthonormal_over_the_sphere():
    nodes, node_weights = np.polynomial.legendre.leggauss(12)
    azimuth = np.arange(24) * 2 * np.pi / 24
    z, phi = (grid.ravel() for grid in np.meshgrid(nodes, azimuth, indexing="ij"))
    weights = np.repeat(node_weights, 24) * 2 * np.pi / 24
    radius = np.sqrt(1 - z**2)
    basis = sh_basis(torch.from_numpy(np.stack([radius * np.cos(phi), radius * np.sin(phi), z], 1)), 3).numpy()
    np.testing.assert_allclose(basis.T @ (weights[:, None] * basis), np.eye(16), atol=1e-13)


def test_color_is_half_for_zero_coefficients_and_never_negative():
    directions = random_directions(10)
    assert (sh_to_rgb(torch.zeros(10, 16, 3, dtype=torch.float64), directions, 3) == 0.5).all()
    dark = torch.zeros(10, 16, 3, dtype=torch.float64)
    dark[:, 0] = -5
    assert (sh_to_rgb(dark, directions, 3) == 0).all()


def test_coefficients_above_the_degree_are_ignored():
    directions, sh = random_directions(20), torch.randn(20, 16, 3, dtype=torch.float64)
    assert torch.equal(sh_to_rgb(sh, directions, 1), sh_to_rgb(sh[:, :4], directions, 1))


def test_gradients_pass_gradcheck():
    sh = torch.randn(5, 16, 3, dtype=torch.float64, requires_grad=True)
    directions = random_directions(5).requires_grad_()
    assert torch.autograd.gradcheck(lambda s, d: sh_to_rgb(s, d, 3), (sh, directions))


def test_view_directions_point_from_the_camera_center():
    angle = 0.3
    rotation = torch.tensor([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    center = torch.tensor([10.0, -20.0, 500.0], dtype=torch.float64)
    viewmat = torch.eye(4, dtype=torch.float64)
    viewmat[:3, :3], viewmat[:3, 3] = rotation, -rotation @ center
    means = torch.tensor([[10.0, -20.0, 400.0]], dtype=torch.float64)
    torch.testing.assert_close(view_directions(means, viewmat), torch.tensor([[0.0, 0.0, -1.0]], dtype=torch.float64))


def test_an_unsupported_degree_is_refused():
    with pytest.raises(InputError, match="degree 4 is not supported; expected 0 to 3"):
        sh_basis(random_directions(3), 4)


def test_the_constant_harmonic_integrates_to_one_over_the_sphere():
    np.testing.assert_allclose(SH_C0**2 * 4 * np.pi, 1.0, rtol=1e-12)
