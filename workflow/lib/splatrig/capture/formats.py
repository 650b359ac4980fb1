"""Which reader a capture's format has."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from splatrig.capture.codec_avatars import open_ava256, open_goliath
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.nerf import NerfCapture
from splatrig.capture.reader import Reader

_READERS: dict[str, Callable[[Path], Reader]] = {"ava256": open_ava256, "goliath": open_goliath, "nerf": NerfCapture}
"""By `capture.source`; every other one has, or makes, the raw layout."""
READ_IN_PLACE = ("local", *_READERS)
"""Sources whose captures are there before the run."""


@cache
def open_capture(source: str, root: Path) -> Reader:
    """Return what reads the capture in the folder `root`; readers keep what they have read."""
    read = _READERS.get(source, CaptureLayout)
    return read(root)
