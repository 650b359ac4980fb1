"""Raw parameters of Gaussians as the linear values that files of other programs hold, and back, in numpy.

What a rasterizer takes is activated in `splatrig.rasterize.activation`, on tensors.
"""

import numpy as np
from numpy.typing import NDArray

from splatrig.gaussians.gaussians import Gaussians

OPACITY_MARGIN = 1e-9
"""Opacities read from files are kept this far from 0 and 1, so that their logits are finite."""


def linear_scales(gaussians: Gaussians) -> NDArray[np.float64]:  # [..., N, 3]
    """Return the standard deviations, in the unit of the centers."""
    return np.exp(gaussians.log_scales.astype(np.float64))


def linear_opacities(gaussians: Gaussians) -> NDArray[np.float64]:  # [..., N]
    """Return the opacities, in [0, 1]."""
    return 1.0 / (1.0 + np.exp(-gaussians.logit_opacities.astype(np.float64)))


def logits(opacities: NDArray) -> NDArray[np.float64]:  # of any shape
    """Return opacities as logits, 0 and 1 as finite ones; inverse of `linear_opacities`."""
    inside = np.clip(opacities, OPACITY_MARGIN, 1.0 - OPACITY_MARGIN)
    return np.log(inside / (1.0 - inside))
