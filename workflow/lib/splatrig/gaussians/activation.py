"""From raw parameters to what a rasteriser takes. Activation happens here and nowhere else."""

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from splatrig.gaussians.gaussians import Gaussians


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
    unit = torch.nn.functional.normalize(quats, dim=-1)
    return activate_for_rasterizer(means, unit, log_scales, logit_opacities, sh0, shN)


def activate_for_rasterizer(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4]
    log_scales: Tensor,  # [N, 3]
    logit_opacities: Tensor,  # [N]
    sh0: Tensor,  # [N, 1, 3]
    shN: Tensor,  # [N, 15, 3]
) -> Activated:
    """Do what `activate` does, but leave the quaternions' lengths to the rasteriser, which takes them off itself.

    For fits: on a GPU, taking them off twice is a tenth of the operations that a step starts.
    """
    return Activated(
        means=means,
        quats=quats,
        scales=log_scales.exp(),
        opacities=logit_opacities.sigmoid(),
        sh=torch.cat([sh0, shN], dim=-2),
    )


def activate_gaussians(gaussians: Gaussians, device: str | torch.device = "cpu") -> Activated:
    """Activate stored Gaussians as float32 tensors on `device`."""
    writable = {name: np.require(array, np.float32, "W") for name, array in gaussians.items()}  # as torch wants it
    return activate(**{name: torch.as_tensor(array, device=device) for name, array in writable.items()})
