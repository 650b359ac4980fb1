"""Colour correction of raw 8-bit photographs."""

import numpy as np
from numpy.typing import NDArray

from splatrig.config.choices import ColorCorrection
from splatrig.io.errors import InputError

GAIN = np.array([1.4, 1.1, 1.6]) / 1.1
"""The correction of the Multiface release, in the order of `correction_table`'s formula."""
BLACK = 3.0 / 255.0
SLOPE = 0.95 / (1.0 - BLACK)
LIFT = 15.0 / 255.0


def correction_table(color: ColorCorrection | None) -> NDArray[np.uint8]:
    """Return the corrected value [256, 3] of every raw 8-bit value of red, green and blue.

    `none` changes nothing. `multiface_gamma` is the white balance and gamma of the Multiface release (utils.py of
    facebookresearch/multiface): x·gain, minus black, times .95/(1 - black), square root, minus 15/255, clipped.
    """
    raw = np.repeat(np.arange(256)[:, None] / 255.0, 3, axis=1)
    if color is None:
        corrected = raw
    elif color == "multiface_gamma":
        corrected = np.sqrt(np.maximum(raw * GAIN - BLACK, 0.0) * SLOPE) - LIFT
    else:
        raise InputError(f"capture.color: expected null or multiface_gamma, got {color!r}.")
    return np.round(255.0 * np.clip(corrected, 0.0, 1.0)).astype(np.uint8)


def corrected(image: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `image` [..., 3] with each channel looked up in `table` [256, 3]."""
    result = np.empty_like(image)
    for channel in range(3):
        np.take(table[:, channel], image[..., channel], out=result[..., channel])
    return result
