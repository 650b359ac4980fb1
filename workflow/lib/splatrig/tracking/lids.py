"""Mask of the free displacement: it is zero around the openings of the eyes, where eyeballs are seen and not skin."""

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

LID_CLEAR_MM, LID_SOFT_MM = 7.0, 4.0
"""Distance from the openings of the eyes within which nothing is displaced, since an eyeball is seen there that moves
by itself, and width of the transition."""


def away_from_lids(points: NDArray[np.float64], lids: NDArray[np.float64]) -> NDArray[np.float64]:  # [p]
    """Return 0 at the openings of the eyes [M, 3] and 1 away from them, for points [p, 3] of the neutral."""
    return np.clip((cKDTree(lids).query(points)[0] - LID_CLEAR_MM) / LID_SOFT_MM, 0.0, 1.0)
