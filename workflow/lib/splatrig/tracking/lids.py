"""Where the skin moves by itself: not around the openings of the eyes, in which eyeballs are seen."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

LID_CLEAR_MM, LID_SOFT_MM = 7.0, 4.0
"""Around the openings of the eyes nothing is moved: what is seen there is an eyeball, which moves by itself."""


def away_from_lids(points: NDArray[np.float64], lids: NDArray[np.float64]) -> NDArray[np.float64]:  # [p]
    """Return 0 at the openings of the eyes [M, 3] and 1 away from them, of places [p, 3] of the neutral."""
    return np.clip((cKDTree(lids).query(points)[0] - LID_CLEAR_MM) / LID_SOFT_MM, 0.0, 1.0)
