"""What a fit minimises: the photometric loss and two regularisers measured in edge lengths."""

import torch
from torch import Tensor

from splatrig.training.ssim import mean_ssim


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
    """Return (1 - λ) L1 + λ (1 - SSIM), Kerbl et al. 2023, eq. 7."""
    absolute = (rendered - photographed).abs().mean()
    if lambda_dssim == 0.0:
        return absolute
    return (1.0 - lambda_dssim) * absolute + lambda_dssim * (1.0 - mean_ssim(rendered, photographed))


def drift_loss(
    means: Tensor,  # [N, 3] millimetres
    anchors: Tensor,  # [N, 3] millimetres, vertices of the tracked mesh
    inverse_edges: Tensor,  # [N, 1] one over the mean edge length at each vertex
) -> Tensor:  # []
    """Return the mean of (|x - x0| / edge)⁴ over the Gaussians: how far centres have left the mesh."""
    return ((means - anchors) * inverse_edges).square().sum(dim=-1).square().mean()


def size_loss(
    scales: Tensor,  # [N, 3] millimetres, activated
    inverse_edges: Tensor,  # [N, 1]
) -> Tensor:  # []
    """Return the mean of (|s| / edge)⁴ over the Gaussians."""
    return (scales * inverse_edges).square().sum(dim=-1).square().mean()
