"""Color correction of raw 8-bit photographs."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.config.choices import ColorCorrection
from splatrig.io.errors import InputError

GAIN = np.array([1.4, 1.1, 1.6]) / 1.1
"""The correction of the Multiface release, in the order of `correction_table`'s formula."""
BLACK = 3.0 / 255.0
SLOPE = 0.95 / (1.0 - BLACK)
LIFT = 15.0 / 255.0


@dataclass(frozen=True)
class _Recipe:
    """Black level, white balance and gamma: ((x - black) · gain)^(1 / gamma), x from 0 to 1."""

    black: tuple[float, float, float]
    gain: tuple[float, float, float]
    gamma: float


def _ava256() -> _Recipe:
    """Return the usual correction of Ava-256, x·g·s/(1 - b) - b·s/(1 - b), in the form of `_Recipe`."""
    scale, black, gain = 1 / 1.1059, np.array([4.4, 3.1, 4.2]) / 255.0, np.array([1.279545, 1.1059, 1.6])
    return _Recipe(tuple(black / gain), tuple(gain * scale / (1 - black)), 1.5254)


_RECIPES: dict[ColorCorrection, _Recipe] = {
    "ava256_gamma": _ava256(),
    "goliath_gamma": _Recipe((2 / 255, 1 / 255, 2 / 255), (1.4, 1.1, 1.6), 2.2),
}


def correction_table(color: ColorCorrection | None) -> NDArray[np.uint8]:
    """Return the lookup table of a color correction: the corrected value of every raw 8-bit value, per channel.

    `multiface_gamma` is the white balance and gamma of the Multiface release (utils.py of facebookresearch/multiface):
    x·gain, minus black, times .95/(1 - black), square root, minus 15/255, clipped. `ava256_gamma` and `goliath_gamma`
    are black level, white balance and gamma for the nearly linear images of these releases; Goliath publishes the first
    two, and 2.2 is the gamma of displays.

    Args:
        color: Name of the correction; None: identity.

    Returns:
        Corrected values [256, 3] of red, green and blue.
    """
    raw = np.repeat(np.arange(256)[:, None] / 255.0, 3, axis=1)
    if color is None:
        corrected = raw
    elif color == "multiface_gamma":
        corrected = np.sqrt(np.maximum(raw * GAIN - BLACK, 0.0) * SLOPE) - LIFT
    elif color in _RECIPES:
        recipe = _RECIPES[color]
        corrected = (np.maximum(raw - recipe.black, 0.0) * recipe.gain) ** (1 / recipe.gamma)
    else:
        names = ", ".join(["null", "multiface_gamma", *_RECIPES])
        raise InputError(f"capture.color: expected one of {names}, got {color!r}.")
    return np.round(255.0 * np.clip(corrected, 0.0, 1.0)).astype(np.uint8)


def corrected(image: NDArray[np.uint8], table: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return `image` [..., 3] with each channel looked up in `table` [256, 3]."""
    result = np.empty_like(image)
    for channel in range(3):
        np.take(table[:, channel], image[..., channel], out=result[..., channel])
    return result
