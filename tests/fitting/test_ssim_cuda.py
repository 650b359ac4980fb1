"""The Triton kernels of SSIM against torch in double precision; needs a GPU: pytest -m cuda tests/training.

With triton installed, TRITON_INTERPRET=1 runs all but the large image on the CPU, slowly.
"""

import os
from importlib.util import find_spec

import pytest
import torch

from splatrig.fitting import losses, ssim
from splatrig.io.errors import InputError

INTERPRETED = os.environ.get("TRITON_INTERPRET") == "1"
DEVICE = "cpu" if INTERPRETED else "cuda"

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not (INTERPRETED or torch.cuda.is_available()), reason="needs a CUDA device"),
    pytest.mark.skipif(find_spec("triton") is None, reason="needs triton"),
]
needs_device = pytest.mark.skipif(INTERPRETED, reason="not for the interpreter")

# Eleven-term sums of values near 1 and differences of squares in float32; gradients relative to the largest.
VALUE_TOLERANCE, GRADIENT_TOLERANCE = 2e-6, 2e-5
MAP_TOLERANCE = 1e-10  # of sums in double precision, in another order

SIZES = [(1, 1), (7, 5), (16, 16), (33, 47), (3, 50), (203, 150), pytest.param((1334, 2048), marks=needs_device)]


def pair(height: int, width: int, seed: int = 3) -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(seed)
    first = torch.rand((height, width, 3), generator=generator)
    second = (first + 0.2 * torch.randn(first.shape, generator=generator)).clamp(0, 1)
    return first.to(DEVICE), second.to(DEVICE)


def smooth_pair(height: int, width: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Return a bright blob on black and a dimmer, shifted one: flat regions, whose variances are small differences."""
    y, x = torch.meshgrid(torch.linspace(-2, 2, height), torch.linspace(-2, 2, width), indexing="ij")
    blob = torch.exp(-2 * (x**2 + y**2))[..., None] * torch.tensor([0.95, 0.7, 0.5])
    first = torch.where(blob > 0.02, blob, 0.0)
    return first.to(DEVICE), (0.9 * first.roll(2, dims=1)).to(DEVICE)


def fused(first: torch.Tensor, second: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the mean SSIM by the kernels, and the gradient of three times it."""
    from splatrig.fitting.ssim_triton import mean_ssim

    leaf = first.clone().requires_grad_()
    value = mean_ssim(leaf, second)
    (gradient,) = torch.autograd.grad(3 * value, leaf)
    return value.detach(), gradient


def assert_agrees_with_double_precision(first: torch.Tensor, second: torch.Tensor) -> None:
    value, gradient = fused(first, second)
    leaf = first.double().requires_grad_()
    reference = ssim.ssim_map(leaf, second.double()).mean()
    (expected,) = torch.autograd.grad(3 * reference, leaf)
    assert value.shape == () and value.dtype == torch.float32
    assert value.item() == pytest.approx(reference.item(), abs=VALUE_TOLERANCE)
    assert gradient.shape == first.shape and gradient.dtype == torch.float32
    assert float((gradient - expected).abs().max()) <= GRADIENT_TOLERANCE * float(expected.abs().max())


@pytest.mark.parametrize("size", SIZES)
def test_value_and_gradient_agree_with_double_precision(size):
    assert_agrees_with_double_precision(*pair(*size))


def test_smooth_images_on_black_agree_with_double_precision():
    assert_agrees_with_double_precision(*smooth_pair(40, 45))


def test_crops_that_are_views_agree_with_double_precision():
    first, second = pair(30, 31)
    assert_agrees_with_double_precision(first[3:20, 5:-2], second[4:21, 2:-5])


@pytest.mark.parametrize("size", [(33, 47), pytest.param((1334, 2048), marks=needs_device)])
def test_two_runs_give_equal_bits(size):
    runs = [fused(*pair(*size)) for _ in range(2)]
    assert torch.equal(runs[0][0], runs[1][0])
    assert torch.equal(runs[0][1], runs[1][1])


def test_black_images_are_alike_and_at_rest():
    black = torch.zeros((20, 9, 3), device=DEVICE)
    value, gradient = fused(black, black)
    assert value.item() == pytest.approx(1.0, abs=1e-6)
    assert not gradient.any()


@pytest.mark.parametrize("weight", [0.4, 1.0])
def test_the_loss_in_one_kernel_is_the_stated_mixture(weight):
    from splatrig.fitting.ssim_triton import photometric_loss

    first, second = pair(33, 47)
    first[:3] = second[:3]  # where the slope of |x - y| is none
    leaf = first.clone().requires_grad_()
    value = photometric_loss(leaf, second, weight)
    (gradient,) = torch.autograd.grad(3 * value, leaf)
    reference = first.double().requires_grad_()
    absolute = (reference - second.double()).abs().mean()
    expected = (1 - weight) * absolute + weight * (1 - ssim.ssim_map(reference, second.double()).mean())
    (slope,) = torch.autograd.grad(3 * expected, reference)
    assert value.item() == pytest.approx(expected.item(), abs=VALUE_TOLERANCE)
    assert float((gradient - slope).abs().max()) <= GRADIENT_TOLERANCE * float(slope.abs().max())


@pytest.mark.parametrize(("make", "size"), [(pair, (33, 47)), (pair, (1, 1)), (smooth_pair, (40, 45))])
def test_the_map_that_is_measured_agrees_with_the_convolutions_in_double_precision(make, size):
    from splatrig.fitting.ssim_triton import ssim_map

    first, second = (image.double() for image in make(*size))
    similarity = ssim_map(first, second)
    assert similarity.dtype == torch.float64
    torch.testing.assert_close(similarity, ssim.ssim_map(first, second), atol=MAP_TOLERANCE, rtol=0)


def test_images_of_other_shape_or_type_are_refused():
    from splatrig.fitting.ssim_triton import mean_ssim

    first, second = pair(6, 5)
    for other in (second[:, :-1], second.double(), second[..., :2]):
        with pytest.raises(InputError, match="second image"):
            mean_ssim(first, other)


@needs_device
def test_training_uses_the_kernels_without_waiting_for_the_device():
    first, second = pair(33, 47)
    expected, expected_gradient = fused(first, second)
    leaf = first.clone().requires_grad_()
    ssim.mean_ssim(leaf, second)  # compiles and tries the device, once
    mode = torch.cuda.get_sync_debug_mode()
    torch.cuda.set_sync_debug_mode("error")
    try:
        value = ssim.mean_ssim(leaf, second)
        (gradient,) = torch.autograd.grad(3 * value, leaf)
    finally:
        torch.cuda.set_sync_debug_mode(mode)
    assert torch.equal(value, expected)
    assert torch.equal(gradient, expected_gradient)


@needs_device
def test_fits_use_the_loss_in_one_kernel(monkeypatch):
    first, second = pair(20, 17)
    expected = losses.photometric_loss(first, second, 0.4)
    monkeypatch.setattr(losses, "mean_ssim", None)
    assert torch.equal(losses.photometric_loss(first, second, 0.4), expected)


@needs_device
def test_double_precision_on_the_device_takes_the_convolution():
    first, second = (image.double() for image in pair(8, 9))
    torch.testing.assert_close(ssim.mean_ssim(first, second), ssim.ssim_map(first, second).mean(), atol=0, rtol=0)
