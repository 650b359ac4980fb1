"""Convert raw parameters of Gaussians to the linear values that other programs' files hold, and back, in NumPy.

For rasterizers, Gaussians are activated in `splatrig.rasterize.activation`, on tensors.
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
    """Return opacities as logits, finite for 0 and 1 too; inverse of `linear_opacities`."""
    inside = np.clip(opacities, OPACITY_MARGIN, 1.0 - OPACITY_MARGIN)
    return np.log(inside / (1.0 - inside))
