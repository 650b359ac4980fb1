"""`frame_list.txt`: the captured frames, one line `SEGMENT FRAME` each."""

import re
from pathlib import Path

from splatrig.errors import InputError

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")


def read_frame_list(path: str | Path) -> dict[str, tuple[str, ...]]:
    """Read the frames of each segment, sorted by name (which is time); blank lines and CRLF do not matter.

    A frame listed twice counts once. Raises InputError naming file and line for a wrong count or a name that is
    none (letters, digits, `_`, `-` and `.`, beginning with a letter or a digit).
    """
    segments: dict[str, set[str]] = {}
    text = Path(path).read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(text, start=1):
        words = line.split()
        if not words:
            continue
        if len(words) != 2:
            raise InputError(
                f"{path} line {number}: expected `SEGMENT FRAME`, got {len(words)} words: {line.strip()!r}."
            )
        for word in words:
            if _NAME.fullmatch(word) is None:
                raise InputError(f"{path} line {number}: expected the name of a segment and of a frame, got {word!r}.")
        segments.setdefault(words[0], set()).add(words[1])
    if not segments:
        raise InputError(f"{path}: expected frames, got an empty file.")
    return {segment: tuple(sorted(frames)) for segment, frames in segments.items()}
