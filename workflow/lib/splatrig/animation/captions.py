"""Captions below the frames of a film."""

from collections.abc import Sequence
from textwrap import shorten

import numpy as np
from numpy.typing import NDArray

from splatrig.animation.pictures import TEXT_SIZE, Picture, text_block

QUIET = 0.05
"""No component is named below this fraction of its range."""

LETTER_SHARE = 0.55
"""Mean width of a letter as a fraction of the text's size."""


def strongest(
    weights: NDArray,  # [T, K]
    names: Sequence[str],
    low: NDArray,  # [K] lower ends of the ranges, never above 0
    high: NDArray,  # [K] upper ends of the ranges, never below 0
) -> list[str]:
    """Return, for each row of `weights`, the name of the component that is farthest along its range, or ""."""
    span = np.where(weights >= 0, high, -np.asarray(low))
    shares = np.abs(weights) / np.where(span > 0, span, np.inf)
    best = shares.argmax(axis=1)
    return [names[k] if share[k] >= QUIET else "" for k, share in zip(best, shares, strict=True)]


def captioned(picture: Picture, text: str) -> Picture:
    """Return the image with one line of `text` below it, cut to fit; the strip is equally high without text."""
    wide = picture.shape[1]
    fitting = shorten(text, max(8, int(wide / (LETTER_SHARE * TEXT_SIZE))), placeholder=" …") if text else " "
    strip = text_block(fitting, width=wide, height=2 * TEXT_SIZE)
    return np.concatenate([picture, strip], axis=0)
