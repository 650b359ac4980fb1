"""Squared errors of renderings by region: sums that are pooled over images, for small regions say nothing in one."""

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.regions import MEMBERS, REGIONS

REGION_COLUMNS: tuple[str, ...] = tuple(f"{what}_{region}" for region in REGIONS for what in ("sse", "pixels"))
"""Columns of tables of images: the sum over a region's pixels of the squared error (values in 0 to 1, mean over the
color channels), and how many these are. Both are empty where an image shows nothing of a region, or where its regions
are not known."""

UNKNOWN: tuple[float, ...] = (float("nan"),) * len(REGION_COLUMNS)
"""Values of `REGION_COLUMNS` for an image whose regions are not known."""


def region_errors(
    squared: NDArray[np.floating],  # [P, 3] squared differences of colors
    flags: NDArray[np.integer],  # [P]
) -> tuple[float, ...]:
    """Return the values of `REGION_COLUMNS` for the pixels of an image that are in some region."""
    per_pixel = squared.mean(axis=1, dtype=np.float64)
    pixels = np.bincount(flags, minlength=len(MEMBERS)) @ MEMBERS
    sums = np.bincount(flags, weights=per_pixel, minlength=len(MEMBERS)) @ MEMBERS
    both = np.stack([sums, pixels.astype(np.float64)], axis=1)
    both[pixels == 0] = np.nan
    return tuple(both.ravel().tolist())
