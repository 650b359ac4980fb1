"""Squared errors of renderings by region, as sums to pool over images, since small regions are noisy in one image."""

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.regions import MEMBERS
from splatrig.jobs.kernels import cached_njit


def region_errors(
    rendered: NDArray[np.float32],  # [H, W, 3] in 0 to 1
    photographed: NDArray[np.float32],  # [H, W, 3]
    flags: NDArray[np.uint8],  # [H, W]
) -> tuple[float, ...]:
    """Return the values of `REGION_COLUMNS` for a rendering and its photograph, with the regions `flags`."""
    sums, pixels = _by_flags(rendered, photographed, flags, len(MEMBERS))
    both = np.stack([sums @ MEMBERS, pixels @ MEMBERS], axis=1)
    both[both[:, 1] == 0] = np.nan
    return tuple(both.ravel().tolist())


@cached_njit(nogil=True)
def _by_flags(rendered, photographed, flags, count):  # type: ignore[no-untyped-def]
    """Return squared errors and pixel counts [count] by the value of the pixels' flags; 0 is skipped."""
    sums, pixels = np.zeros(count), np.zeros(count)
    for row in range(flags.shape[0]):
        for column in range(flags.shape[1]):
            flag = flags[row, column]
            if flag > 0:
                squared = 0.0
                for channel in range(3):
                    squared += (np.float64(rendered[row, column, channel]) - photographed[row, column, channel]) ** 2
                sums[flag] += squared / 3.0
                pixels[flag] += 1.0
    return sums, pixels
