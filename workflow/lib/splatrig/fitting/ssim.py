"""Structural similarity of images, as a map and with its gradient.

Variant (Wang et al. 2004, eq. 13): Gaussian window of 11×11 pixels with σ = 1.5, statistics weighted by the window (no
n-1 correction), C1 = 0.01² and C2 = 0.03² for values in [0, 1], separate color channels, images padded with zeros. In
the interior, five pixels from the border, it equals the values of torchmetrics and scikit-image; near the border,
padding changes it.

Kernels are imported on first use, since numba on a GPU, or Triton on a CPU, would only slow down the start.
"""

import logging
from functools import cache
from subprocess import CalledProcessError
from typing import Any

import torch
from torch import Tensor

from splatrig.fitting.ssim_window import C1, C2, WINDOW, window

_RADIUS = WINDOW // 2

_LOG = logging.getLogger(__name__)


def ssim_map(
    first: Tensor,  # [H, W, 3] in [0, 1]
    second: Tensor,  # [H, W, 3]
) -> Tensor:  # [H, W, 3]
    """Return the SSIM of each pixel and channel; differentiable, on any device.

    One grouped convolution per direction filters the five stacked moments.
    """
    kernel = _kernel(first.dtype, first.device)
    moments = torch.stack([first, second, first * first, second * second, first * second])  # [5, H, W, 3]
    stacked = moments.permute(0, 3, 1, 2).reshape(1, 15, *first.shape[:2])
    filtered = torch.nn.functional.conv2d(stacked, kernel, padding=(0, _RADIUS), groups=15)
    filtered = torch.nn.functional.conv2d(filtered, kernel.mT, padding=(_RADIUS, 0), groups=15)
    mean_1, mean_2, square_1, square_2, product = filtered.reshape(5, 3, *first.shape[:2])
    covariance = product - mean_1 * mean_2
    variances = (square_1 - mean_1 * mean_1) + (square_2 - mean_2 * mean_2)
    similarity = (2 * mean_1 * mean_2 + C1) * (2 * covariance + C2)
    similarity = similarity / ((mean_1 * mean_1 + mean_2 * mean_2 + C1) * (variances + C2))
    return similarity.permute(1, 2, 0)


@cache
def _kernel(dtype: torch.dtype, device: torch.device) -> Tensor:  # [15, 1, 1, 11]
    return torch.as_tensor(window(), dtype=dtype, device=device).expand(15, 1, 1, WINDOW).contiguous()


class _MeanSsim(torch.autograd.Function):
    """Mean SSIM by compiled kernels; the gradient is computed with the value and kept for `backward`."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor) -> Tensor:
        from splatrig.fitting.ssim_numba import mean_ssim_with_gradient

        value, gradient = mean_ssim_with_gradient(first.detach().numpy(), second.detach().numpy())
        ctx.save_for_backward(torch.from_numpy(gradient))
        return torch.tensor(value, dtype=first.dtype)

    @staticmethod
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        (gradient,) = ctx.saved_tensors
        return upstream * gradient, None


def mean_ssim(
    first: Tensor,  # [H, W, 3], differentiated
    second: Tensor,  # [H, W, 3], constant
) -> Tensor:  # []
    """Return the mean SSIM over pixels and channels, differentiable in `first`, by the device's fastest method."""
    if first.device.type == "cpu":
        return _MeanSsim.apply(first.contiguous(), second.contiguous())
    if has_kernels(first):
        from splatrig.fitting.ssim_triton import mean_ssim as fused

        return fused(first, second)
    return ssim_map(first, second).mean()


def has_kernels(image: Tensor) -> bool:
    """Return whether `splatrig.fitting.ssim_triton` supports this image: float32 on a device where Triton starts."""
    return image.device.type != "cpu" and image.dtype == torch.float32 and _triton_starts(image.device)


@cache
def _triton_starts(device: torch.device) -> bool:
    """Return whether the Triton kernels can start, by a test on one pixel.

    Triton comes with torch on Linux, but it needs a C compiler and Python's headers to build its launchers.
    """
    try:
        from splatrig.fitting.ssim_triton import mean_ssim as fused

        pixel = torch.zeros((1, 1, 3), device=device)
        fused(pixel, pixel)
    except (ImportError, RuntimeError, OSError, CalledProcessError) as error:
        _LOG.warning("SSIM on %s: Triton cannot start (%s); using the slower convolutions of torch", device, error)
        return False
    return True


@torch.no_grad()
def measured_ssim(
    first: Tensor,  # [H, W, 3]
    second: Tensor,  # [H, W, 3]
) -> Tensor:  # [H, W, 3] float64
    """Return the SSIM map in float64 (variances are differences of squares), without a gradient."""
    first, second = first.double(), second.double()
    if first.device.type != "cpu":
        if not _triton_starts(first.device):
            return ssim_map(first, second)
        from splatrig.fitting.ssim_triton import ssim_map as fused_map

        return fused_map(first, second)
    from splatrig.fitting.ssim_numba import similarity_map

    return torch.from_numpy(similarity_map(first.numpy(), second.numpy()))
