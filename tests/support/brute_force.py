"""A slow rasterizer to compare with: full covariance matrices, every Gaussian on every pixel, plain autograd."""

import torch
from torch import Tensor

EPS_2D = 0.3
NEAR = 0.01
MIN_ALPHA = 1 / 255
MAX_ALPHA = 0.999
MIN_TRANSMITTANCE = 1e-4


def brute_force(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4]
    scales: Tensor,  # [N, 3]
    opacities: Tensor,  # [N]
    colors: Tensor,  # [N, 3]
    viewmat: Tensor,  # [4, 4]
    K: Tensor,  # [3, 3]
    width: int,
    height: int,
) -> tuple[Tensor, Tensor]:
    """Return the image [H, W, 3] on black and alpha [H, W, 1] of one view, differentiable."""
    centers, covariances, depths = project_by_matrices(means, quats, scales, viewmat, K, width, height)
    inverses = torch.linalg.inv(covariances)
    rows, columns = torch.arange(height) + 0.5, torch.arange(width) + 0.5
    pixels = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), -1).to(means.dtype)  # [H, W, 2] as (x, y)
    transmittance = torch.ones(height, width, dtype=means.dtype)
    image = torch.zeros(height, width, 3, dtype=means.dtype)
    is_open = torch.ones(height, width, dtype=torch.bool)
    for g in torch.argsort(depths, stable=True).tolist():
        if depths[g] < NEAR:
            continue
        offsets = pixels - centers[g]
        sigma = 0.5 * torch.einsum("hwi,ij,hwj->hw", offsets, inverses[g], offsets)
        alpha = (opacities[g] * torch.exp(-sigma)).clamp_max(MAX_ALPHA)
        touched = (alpha >= MIN_ALPHA) & (sigma >= 0) & is_open
        after = transmittance * (1 - alpha)
        blended = touched & (after > MIN_TRANSMITTANCE)
        is_open = is_open & ~(touched & ~blended)
        weight = torch.where(blended, alpha * transmittance, torch.zeros_like(alpha))
        image = image + weight[..., None] * colors[g]
        transmittance = torch.where(blended, after, transmittance)
    return image, (1 - transmittance)[..., None]


def project_by_matrices(
    means: Tensor, quats: Tensor, scales: Tensor, viewmat: Tensor, K: Tensor, width: int, height: int
) -> tuple[Tensor, Tensor, Tensor]:
    """Return 2D centers [N, 2], 2D covariances [N, 2, 2] and depths [N] by J W Σ Wᵀ Jᵀ, written out."""
    W, t = viewmat[:3, :3], viewmat[:3, 3]
    x, y, z = (means @ W.T + t).unbind(-1)
    z = torch.where(z < NEAR, torch.ones_like(z), z)
    w, i, j, k = (quats / quats.norm(dim=-1, keepdim=True)).unbind(-1)
    skew = torch.stack([0 * w, -k, j, k, 0 * w, -i, -j, i, 0 * w], -1).view(-1, 3, 3)
    rotations = torch.eye(3, dtype=means.dtype) + 2 * w[:, None, None] * skew + 2 * skew @ skew  # Rodrigues
    sigma = rotations @ torch.diag_embed(scales**2) @ rotations.transpose(1, 2)
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    tan_x, tan_y = 0.5 * width / fx, 0.5 * height / fy
    x_clamped = z * (x / z).clamp(-cx / fx - 0.3 * tan_x, (width - cx) / fx + 0.3 * tan_x)
    y_clamped = z * (y / z).clamp(-cy / fy - 0.3 * tan_y, (height - cy) / fy + 0.3 * tan_y)
    zero = torch.zeros_like(z)
    J = torch.stack([fx / z, zero, -fx * x_clamped / z**2, zero, fy / z, -fy * y_clamped / z**2], -1).view(-1, 2, 3)
    covariances = J @ W @ sigma @ W.T @ J.transpose(1, 2) + EPS_2D * torch.eye(2, dtype=means.dtype)
    return torch.stack([fx * x / z + cx, fy * y / z + cy], -1), covariances, (means @ W.T + t)[:, 2].detach()
