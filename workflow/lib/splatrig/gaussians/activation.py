"""From raw parameters to what a rasteriser takes. Activation happens here and nowhere else."""

from typing import NamedTuple

import torch
from torch import Tensor

from splatrig.gaussians.gaussians import Gaussians

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic, 1 / (2 sqrt(pi))."""


class Activated(NamedTuple):
    """Rasteriser-ready Gaussians, in the argument order of `splatrig.rasterize.rasterize`."""

    means: Tensor  # [N, 3] millimetres
    quats: Tensor  # [N, 4] wxyz, unit
    scales: Tensor  # [N, 3] millimetres
    opacities: Tensor  # [N] in (0, 1)
    sh: Tensor  # [N, 16, 3]


def activate(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4]
    log_scales: Tensor,  # [N, 3]
    logit_opacities: Tensor,  # [N]
    sh0: Tensor,  # [N, 1, 3]
    shN: Tensor,  # [N, 15, 3]
) -> Activated:
    """Apply exp to scales, the logistic function to opacities, unit length to quaternions; join the SH bands."""
    return Activated(
        means=means,
        quats=torch.nn.functional.normalize(quats, dim=-1),
        scales=log_scales.exp(),
        opacities=logit_opacities.sigmoid(),
        sh=torch.cat([sh0, shN], dim=-2),
    )


def activate_gaussians(gaussians: Gaussians, device: str | torch.device = "cpu") -> Activated:
    """Activate stored Gaussians as float32 tensors on `device`."""
    return activate(**{name: torch.as_tensor(array, device=device) for name, array in gaussians.items()})
