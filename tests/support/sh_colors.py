"""Colors of spherical harmonics and the directions that they are seen from: what the kernels are held against."""

import torch
from torch import Tensor

from splatrig.gaussians.sh import sh_basis


def sh_to_rgb(sh: Tensor, directions: Tensor, degree: int) -> Tensor:
    """Return the colors max(0, value + 0.5) [N, 3] of coefficients [N, K, 3] along unit `directions` [N, 3]."""
    basis = sh_basis(directions, degree)
    return (torch.einsum("nk,nkc->nc", basis, sh[:, : basis.shape[1]]) + 0.5).clamp_min(0)


def view_directions(means: Tensor, viewmat: Tensor) -> Tensor:
    """Return unit directions [N, 3] to `means` [N, 3] from the center of the camera `viewmat` [4, 4]."""
    center = -viewmat[:3, :3].T @ viewmat[:3, 3]
    return torch.nn.functional.normalize(means - center, dim=-1)
