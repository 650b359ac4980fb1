"""Renderings of a head from the front, alone and next to those of others."""

from collections.abc import Mapping

import numpy as np

from splatrig.animation.family import frontal_order
from splatrig.animation.pictures import Picture, contact_sheet, enlarge
from splatrig.animation.render import lens_blur, picture_cameras, render, to_bytes, widened
from splatrig.dataset.cameras import Cameras
from splatrig.gaussians.gaussians import Gaussians

MOST_COLUMNS = 8
"""Largest number of heads in one row of a sheet."""


def portrait(gaussians: Gaussians, cameras: Cameras, height: int, device: str = "cpu") -> Picture:
    """Return the Gaussians from the most frontal of the cameras, in head space, as an image of `height` pixels."""
    frontal = cameras.select(frontal_order(cameras, gaussians.means)[:1])
    shown = picture_cameras(frontal, height)
    soft = widened(gaussians, lens_blur(cameras, gaussians.means.mean(axis=0), shown))
    return to_bytes(render(soft, shown, device=device)[0][0])


def sheet_of_heads(portraits: Mapping[str, Picture]) -> Picture:
    """Return the portraits side by side, each with its name below; all get the height of the highest."""
    height = max(len(picture) for picture in portraits.values())
    scaled = [enlarge(picture, height) if len(picture) < height else picture for picture in portraits.values()]
    width = max(picture.shape[1] for picture in scaled)
    padded = [_centered(picture, width) for picture in scaled]
    columns = min(MOST_COLUMNS, len(padded))
    names, blank = list(portraits), np.full_like(padded[0], 255)
    missing = -len(padded) % columns
    padded, names = padded + [blank] * missing, names + [""] * missing
    rows = [slice(start, start + columns) for start in range(0, len(padded), columns)]
    return contact_sheet([padded[row] for row in rows], captions=[names[row] for row in rows])


def _centered(picture: Picture, width: int) -> Picture:
    """Return an image in the middle of black as wide as `width`."""
    left = (width - picture.shape[1]) // 2
    return np.pad(picture, ((0, 0), (left, width - picture.shape[1] - left), (0, 0)))
