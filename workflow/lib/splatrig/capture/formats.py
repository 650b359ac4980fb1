"""Choice of the reader for a capture's format."""

from collections.abc import Callable
from functools import cache
from pathlib import Path

from splatrig.capture.codec_avatars import open_ava256, open_goliath
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.nerf import NerfCapture
from splatrig.capture.reader import Reader

_READERS: dict[str, Callable[[Path], Reader]] = {"ava256": open_ava256, "goliath": open_goliath, "nerf": NerfCapture}
"""Reader by `capture.source`; all other sources have, or create, the raw layout."""
READ_IN_PLACE = ("local", *_READERS)
"""Sources whose captures are there before the run."""


@cache
def open_capture(source: str, root: Path) -> Reader:
    """Return the reader of the capture in the folder `root`; readers cache what they have read.

    Args:
        source: `capture.source` of the configuration.
        root: Folder of the capture.
    """
    read = _READERS.get(source, CaptureLayout)
    return read(root)
