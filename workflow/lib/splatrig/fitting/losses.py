"""Terms of the losses: the photometric loss and two regularizers measured in edge lengths."""

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from splatrig.fitting.ssim import has_kernels, mean_ssim


def composite(
    rgba: Tensor,  # [H, W, 4] uint8
    background: Tensor,  # [3]
) -> Tensor:  # [H, W, 3]
    """Return the photograph over `background`, weighted by its alpha, as float32 in [0, 1]."""
    values = rgba.to(torch.float32) * (1.0 / 255.0)
    alpha = values[..., 3:]
    return torch.lerp(background, values[..., :3], alpha)


def photometric_loss(
    rendered: Tensor,  # [H, W, 3]
    photographed: Tensor,  # [H, W, 3]
    lambda_dssim: float,
) -> Tensor:  # []
    """Return (1 - λ) L1 + λ (1 - SSIM), Kerbl et al. 2023, eq. 7; differentiable in `rendered`."""
    if lambda_dssim > 0.0 and has_kernels(rendered):
        from splatrig.fitting.ssim_triton import photometric_loss as fused

        return fused(rendered, photographed, lambda_dssim)
    absolute = (rendered - photographed).abs().mean()
    if lambda_dssim == 0.0:
        return absolute
    return (1.0 - lambda_dssim) * absolute + lambda_dssim * (1.0 - mean_ssim(rendered, photographed))


def drift_loss(
    means: Tensor,  # [N, 3] millimeters
    anchors: Tensor,  # [N, 3] millimeters, vertices of the tracked mesh
    inverse_edges: Tensor,  # [N, 1] one over the mean edge length at each vertex
) -> Tensor:  # []
    """Return the mean of (|x - x0| / edge)⁴ over the Gaussians, which penalizes centers that leave the mesh."""
    return _MeanFourthPower.apply(means - anchors, inverse_edges)


def size_loss(
    scales: Tensor,  # [..., N, 3] millimeters, activated
    inverse_edges: Tensor,  # [N, 1]
) -> Tensor:  # []
    """Return the mean of (|s| / edge)⁴ over the Gaussians (of all frames), which penalizes large ones."""
    return _MeanFourthPower.apply(scales, inverse_edges)


class _MeanFourthPower(torch.autograd.Function):
    """Mean of |v u|⁴ over vectors v [..., N, 3] with units u [N, 1], with a third of the operations of torch's own."""

    @staticmethod
    def forward(ctx: Any, vectors: Tensor, units: Tensor) -> Tensor:
        scaled = vectors * units
        squares = (scaled * scaled).sum(dim=-1, keepdim=True)
        ctx.save_for_backward(scaled, squares * units)
        squares = squares.reshape(-1)
        return torch.dot(squares, squares) / len(squares)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None]:
        scaled, factors = ctx.saved_tensors
        return scaled * (factors * (upstream * (4.0 / (scaled.numel() // 3)))), None
