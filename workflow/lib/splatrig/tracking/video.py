"""Videos as photographs: decoded to one PNG per frame."""

import logging
from pathlib import Path

import imageio.v3 as iio

from splatrig.io.errors import InputError

RATE_TOLERANCE = 0.01
"""Largest relative difference of frame rates that is ignored."""

logger = logging.getLogger(__name__)


def decode_video(path: Path, folder: Path, frames_per_second: float) -> None:
    """Write the frames of a video as `folder/{number:06d}.png`.

    Raises InputError for a file that cannot be decoded, and for a frame rate other than `frames_per_second`, which the
    numbers in frame names would contradict.
    """
    folder.mkdir()
    try:
        rate = float(iio.immeta(path, plugin="FFMPEG")["fps"])
        if abs(rate / frames_per_second - 1.0) > RATE_TOLERANCE:
            raise InputError(
                f"{path}: got {rate:g} frames per second, expected {frames_per_second:g}; set "
                f"capture.frame_numbers_per_second to {rate:g}."
            )
        count = 0
        for count, frame in enumerate(iio.imiter(path, plugin="FFMPEG"), start=1):
            iio.imwrite(folder / f"{count:06d}.png", frame, compress_level=1)
    except InputError:
        raise
    except (OSError, RuntimeError, ValueError, KeyError, IndexError) as error:
        raise InputError(f"{path}: cannot be decoded as a video ({error}); export it again as H.264.") from error
    logger.info("%s: %d frames at %g per second", path, count, rate)
