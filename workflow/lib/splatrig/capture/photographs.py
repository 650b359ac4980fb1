"""Photographs: read and checked, scaled, colour-corrected, and written with a matte in the alpha channel."""

import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.capture.color import corrected
from splatrig.dataset.cameras import scaled_size
from splatrig.io.errors import InputError

UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""What PIL raises for broken files."""


def image_size(path: Path) -> tuple[int, int]:
    """Return width and height in pixels from an image's header; raise InputError naming the file if it has none."""
    try:
        with Image.open(path) as image:
            return image.size
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as an image ({error}); copy or download it again.") from error


def read_image(path: Path) -> Image.Image:
    """Read an 8-bit image as RGB; raise InputError naming the file when it is truncated, damaged or not 8-bit."""
    try:
        with Image.open(path) as image:
            if image.mode not in ("RGB", "RGBA", "L", "P"):
                raise InputError(f"{path}: expected an 8-bit RGB image, got mode {image.mode}; convert it.")
            return image.convert("RGB")
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as an image ({error}); copy or download it again.") from error


def read_photograph(
    path: Path, width: int, height: int, scale: float, table: NDArray[np.uint8]
) -> NDArray[np.uint8]:  # [H, W, 3]
    """Read one photograph at `width` × `height` pixels after scaling by `scale`, colours looked up in `table` [256, 3].

    It is scaled by area averages of the raw values, which are proportional to light, then corrected. Raises InputError
    naming the file when it is damaged or of another size than the calibrated cameras.
    """
    image = read_image(path)
    if scaled_size(*image.size, scale) != (width, height):
        raise InputError(
            f"{path}: expected an image that gives {width}×{height} pixels at capture.image_scale {scale:g}, "
            f"got {image.size[0]}×{image.size[1]}; all images of a capture have one size."
        )
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BOX)
    return corrected(np.asarray(image), table)


def read_mask(path: Path, photograph: Path, width: int, height: int) -> NDArray[np.uint8]:  # [H, W]
    """Read the matte of a photograph, 255 on the head, scaled to `width` × `height` as photographs are.

    Raises InputError naming the file when it is damaged, not 8-bit gray, or of another size than its photograph.
    """
    try:
        with Image.open(path) as image:
            if image.mode != "L":
                raise InputError(
                    f"{path}: expected an 8-bit gray mask, white on the head, got mode {image.mode}; save it as a gray "
                    "PNG."
                )
            image.load()
            mask = image.copy()
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as a mask ({error}); make or copy it again.") from error
    expected = image_size(photograph)
    if mask.size != expected:
        raise InputError(
            f"{path}: expected a mask of {expected[0]}×{expected[1]} pixels as its photograph {photograph} has, got "
            f"{mask.size[0]}×{mask.size[1]}; make it from that photograph."
        )
    return np.asarray(mask if mask.size == (width, height) else mask.resize((width, height), Image.Resampling.BOX))


def write_photograph(path: Path, rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> None:
    """Write `rgb` [H, W, 3] with `alpha` [H, W] as an 8-bit RGBA PNG.

    Photographs are noise, in which zlib finds nothing but runs: its default takes four times as long and saves nothing.
    """
    Image.fromarray(np.dstack([rgb, alpha])).save(path, compress_level=1, compress_type=zlib.Z_RLE)
