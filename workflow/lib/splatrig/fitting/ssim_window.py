"""The window and the constants of structural similarity; see `splatrig.fitting.ssim` for the variant."""

import numpy as np
from numpy.typing import NDArray

WINDOW = 11
"""Window width in pixels."""
SIGMA = 1.5
"""Standard deviation of the window in pixels."""
C1 = 0.01**2
"""Stabilizes the luminance term where both images are black."""
C2 = 0.03**2
"""Stabilizes the contrast term where both images are flat."""


def window() -> NDArray[np.float64]:  # [11]
    """Return the one-dimensional Gaussian window, normalized to sum 1."""
    offsets = np.arange(WINDOW) - WINDOW // 2
    weights = np.exp(-0.5 * (offsets / SIGMA) ** 2)
    return weights / weights.sum()
