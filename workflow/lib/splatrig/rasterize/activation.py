"""Activation: from raw parameters to the inputs of a rasterizer. Nothing is activated elsewhere."""

import torch
from torch import Tensor

from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.sh import MAX_DEGREE
from splatrig.rasterize.scene import Splats


def activate(gaussians: Gaussians[Tensor], *, unit_quats: bool = True) -> Splats:
    """Apply exp to scales, the logistic function to opacities, and normalize quaternions; concatenate the SH bands.

    Without `unit_quats` the quaternions are not normalized, since rasterizers do that themselves. Fits use this: on a
    GPU, normalizing twice is a tenth of the operations of a step.
    """
    return Splats(
        means=gaussians.means,
        quats=torch.nn.functional.normalize(gaussians.quats, dim=-1) if unit_quats else gaussians.quats,
        scales=gaussians.log_scales.exp(),
        opacities=gaussians.logit_opacities.sigmoid(),
        colors=torch.cat([gaussians.sh0, gaussians.shN], dim=-2),
        sh_degree=MAX_DEGREE,
    )
