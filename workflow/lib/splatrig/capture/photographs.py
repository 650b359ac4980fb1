"""Photographs: reading and checks, scaling, color correction, and writing with a matte in the alpha channel."""

import struct
import zlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import ExifTags, Image

from splatrig.capture.color import corrected
from splatrig.dataset.cameras import scaled_size
from splatrig.io.errors import InputError
from splatrig.io.files import File, opened

_UPRIGHT = 1
"""EXIF orientation of an image that is shown as it is stored."""
_PNG = b"\x89PNG\r\n\x1a\n"
UNREADABLE = (OSError, SyntaxError, ValueError, EOFError, struct.error, zlib.error, Image.DecompressionBombError)
"""Exceptions that PIL raises for broken files."""


def image_size(path: File) -> tuple[int, int]:
    """Return width and height in pixels from an image's header; raise InputError naming the file if it has none."""
    try:
        with Image.open(opened(path)) as image:
            return image.size
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as an image ({error}); copy or download it again.") from error


def is_png_of_16_bits(content: bytes) -> bool:
    """Return whether the content of a file begins as a PNG with 16 bits per channel (PNG specification, 11.2.1)."""
    return content[:8] == _PNG and content[24:25] == b"\x10"


def read_image(path: File) -> Image.Image:
    """Read an 8-bit image as RGB; raise InputError naming the file when it is truncated, damaged, rotated or not 8-bit.

    Pillow silently keeps the upper 8 of 16 bits, but no file says which of the 16 bits a camera has used. Nor does a
    file say whether a calibration is for the stored image or for the image rotated by EXIF.
    """
    content = opened(path)
    try:
        with Image.open(content) as image:
            if is_png_of_16_bits(content.getvalue()):
                raise InputError(
                    f"{path}: expected 8 bits per channel, got 16; scale the range that the camera has used to 0 to "
                    "255 and save 8 bits."
                )
            turned = image.getexif().get(ExifTags.Base.Orientation, _UPRIGHT)
            if turned != _UPRIGHT:
                raise InputError(
                    f"{path}: expected an image without EXIF orientation, got orientation {turned}; save it without, "
                    "rotated as the camera is calibrated."
                )
            if image.mode not in ("RGB", "RGBA", "L", "P"):
                raise InputError(f"{path}: expected an 8-bit RGB image, got mode {image.mode}; convert it.")
            return image.convert("RGB")
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as an image ({error}); copy or download it again.") from error


def read_photograph(
    path: File, width: int, height: int, scale: float, table: NDArray[np.uint8]
) -> NDArray[np.uint8]:  # [H, W, 3]
    """Read one photograph at `width` × `height` pixels, scaled by `scale`, with colors from `table` [256, 3].

    It is scaled by area averages of the raw values, which are proportional to light, then corrected. Raises InputError
    naming the file when it is damaged or of another size than the calibrated cameras.
    """
    image = read_image(path)
    if scaled_size(*image.size, scale) != (width, height):
        raise InputError(
            f"{path}: expected an image that gives {width}×{height} pixels at capture.image_scale {scale:g}, "
            f"got {image.size[0]}×{image.size[1]}; give all images of a camera one size."
        )
    if image.size != (width, height):
        image = image.resize((width, height), Image.Resampling.BOX)
    return corrected(np.asarray(image), table)


@dataclass(frozen=True)
class Companion:
    """Words for messages about a kind of image that accompanies a photograph and has its size."""

    name: str
    """Name of the kind with its article, as in "expected a mask of 8×8 pixels"."""
    its: str
    it: str
    modes: tuple[str, ...]
    """Pillow modes that it may have."""
    form: str
    """Description of the expected image, after "expected"."""
    remedy: str
    """Advice for an image of another mode."""


MASK = Companion("a mask", "its", "it", ("L",), "an 8-bit gray mask, white on the head", "save it as a gray PNG")


def read_companion(path: File, photograph: File, kind: Companion) -> Image.Image:
    """Read an image of one channel that has the size of `photograph`.

    Raises InputError naming the file when it is damaged, of another mode, or of another size.
    """
    try:
        with Image.open(opened(path)) as image:
            if image.mode not in kind.modes:
                raise InputError(f"{path}: expected {kind.form}, got mode {image.mode}; {kind.remedy}.")
            image.load()
            read = Image.fromarray(np.asarray(image))  # palette images give indices
    except InputError:
        raise
    except UNREADABLE as error:
        raise InputError(f"{path}: cannot be read as {kind.name} ({error}); make or copy it again.") from error
    expected = image_size(photograph)
    if read.size != expected:
        raise InputError(
            f"{path}: expected {kind.name} of {expected[0]}×{expected[1]} pixels as {kind.its} photograph {photograph} "
            f"has, got {read.size[0]}×{read.size[1]}; make {kind.it} from that photograph."
        )
    return read


def read_mask(path: File, photograph: File, width: int, height: int) -> NDArray[np.uint8]:  # [H, W]
    """Read the matte of a photograph, 255 on the head, scaled to `width` × `height` as photographs are.

    Raises InputError naming the file when it is damaged, not 8-bit gray, or of another size than its photograph.
    """
    mask = read_companion(path, photograph, MASK)
    return np.asarray(mask if mask.size == (width, height) else mask.resize((width, height), Image.Resampling.BOX))


def write_photograph(path: Path, rgb: NDArray[np.uint8], alpha: NDArray[np.uint8]) -> None:
    """Write `rgb` [H, W, 3] with `alpha` [H, W] as an 8-bit RGBA PNG.

    Photographs are noisy, so zlib finds hardly more than runs: its default level takes four times as long and saves
    nothing.
    """
    Image.fromarray(np.dstack([rgb, alpha])).save(path, compress_level=1, compress_type=zlib.Z_RLE)
