"""EWA projection of Gaussians to the image, in torch (Zwicker et al. 2002; gsplat's conventions).

A Gaussian with centre m and covariance Σ is projected to the centre of m and the covariance J W Σ Wᵀ Jᵀ + eps I, with
W the camera's rotation and J the Jacobian of the perspective division at m. Where m lies outside the image by more
than 0.15 of its size, J is taken at the border of that area instead: it grows without bound otherwise.
"""

from typing import NamedTuple

import torch
from torch import Tensor

EPS_2D = 0.3
"""Added to both variances in pixels²: no splat is thinner than a pixel."""
NEAR = 0.01
"""Gaussians nearer than this (millimetres of depth) are not drawn."""
FRUSTUM_MARGIN = 0.15
"""Of the image size: how far outside the image J follows the centre."""


class Projection(NamedTuple):
    """N splats in pixels of one view."""

    means2d: Tensor  # [N, 2]
    conics: Tensor  # [N, 3]
    """Inverse covariance (a, b, c): exponent -(a dx² + 2 b dx dy + c dy²) / 2."""
    covariances: Tensor  # [N, 3]
    """(xx, xy, yy), with EPS_2D."""
    depths: Tensor  # [N]
    """Millimetres along the optical axis."""


def rotation_matrices(quats: Tensor) -> Tensor:
    """Return rotation matrices [N, 3, 3] of quaternions wxyz [N, 4] of any length but zero."""
    w, x, y, z = torch.nn.functional.normalize(quats, dim=-1).unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, dim=-1).view(-1, 3, 3)


def project(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4]
    scales: Tensor,  # [N, 3]
    viewmat: Tensor,  # [4, 4]
    K: Tensor,  # [3, 3]
    width: int,
    height: int,
) -> Projection:
    """Project Gaussians into one view; those nearer than NEAR get values without meaning (see `depths`)."""
    W = viewmat[:3, :3]
    x, y, z = (means @ W.T + viewmat[:3, 3]).unbind(-1)
    z = torch.where(z > NEAR, z, torch.ones_like(z)) if (z <= NEAR).any() else z
    fx, fy, cx, cy = K[0, 0], K[1, 1], K[0, 2], K[1, 2]
    u, v = x / z, y / z
    u_clamped = u.clamp(-(cx + FRUSTUM_MARGIN * width) / fx, (width - cx + FRUSTUM_MARGIN * width) / fx)
    v_clamped = v.clamp(-(cy + FRUSTUM_MARGIN * height) / fy, (height - cy + FRUSTUM_MARGIN * height) / fy)

    # Σ = M Mᵀ with M = W R S, so J Σ Jᵀ needs only the two rows of J M: no [N, 3, 3] products
    M = torch.matmul(W, rotation_matrices(quats) * scales[:, None, :])
    j0 = (fx / z)[:, None] * (M[:, 0] - u_clamped[:, None] * M[:, 2])
    j1 = (fy / z)[:, None] * (M[:, 1] - v_clamped[:, None] * M[:, 2])
    xx = (j0 * j0).sum(-1) + EPS_2D
    xy = (j0 * j1).sum(-1)
    yy = (j1 * j1).sum(-1) + EPS_2D
    det = xx * yy - xy * xy
    return Projection(
        means2d=torch.stack([fx * u + cx, fy * v + cy], -1),
        conics=torch.stack([yy / det, -xy / det, xx / det], -1),
        covariances=torch.stack([xx, xy, yy], -1),
        depths=(means.detach() @ W.T[:, 2] + viewmat[2, 3]),
    )
