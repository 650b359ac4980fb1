"""`frame_list.txt`: the captured frames, one line `SEGMENT FRAME` each."""

import re
from collections.abc import Iterable
from pathlib import Path

from splatrig.config.names import NAME
from splatrig.io.errors import InputError
from splatrig.io.plain_text import read_lines

_DIGITS = re.compile(r"[0-9]+")


def read_frame_list(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read the frames of each segment in time order; blank lines, CRLF and a byte order mark do not matter.

    A frame listed twice counts once. Raises InputError naming file and line for a wrong count or a name that is
    none (letters, digits, `_`, `-` and `.`, beginning with a letter or a digit).
    """
    segments: dict[str, set[str]] = {}
    for number, words in read_lines(path):
        if len(words) != 2:
            raise InputError(
                f"{path} line {number}: expected `SEGMENT FRAME`, got {len(words)} words: {' '.join(words)!r}."
            )
        for word in words:
            if NAME.fullmatch(word) is None:
                raise InputError(f"{path} line {number}: expected the name of a segment and of a frame, got {word!r}.")
        segments.setdefault(words[0], set()).add(words[1])
    if not segments:
        raise InputError(f"{path}: expected frames, got an empty file.")
    return {segment: in_time_order(frames) for segment, frames in segments.items()}


def in_time_order(frames: Iterable[str]) -> tuple[str, ...]:
    """Return names of frames sorted by the numbers in them: `9` before `10`, with leading zeros or without."""
    return tuple(sorted(frames, key=lambda name: ([int(digits) for digits in _DIGITS.findall(name)], name)))
