"""The plain-text files of a capture: the line format that KRT, head poses and frame lists share."""

import math

from splatrig.io.errors import InputError
from splatrig.io.files import File, opened_text


def read_lines(path: str | File) -> list[tuple[int, list[str]]]:
    """Return number and words of every line that is not blank; a byte order mark and CRLF are ignored.

    Raises InputError when there is no such file.
    """
    try:
        text = opened_text(path).read()
    except (FileNotFoundError, IsADirectoryError) as error:
        raise InputError(
            f"{path}: expected a file, got none; bring it back, or where splatrig made its folder delete that."
        ) from error
    return [(number, line.split()) for number, line in enumerate(text.split("\n"), start=1) if line.strip()]


def finite_numbers(words: list[str], count: int, where: str) -> list[float]:
    """Return `words` as `count` finite numbers; raise InputError beginning with `where` if they are not."""
    if len(words) != count:
        raise InputError(f"{where}: expected {count} numbers, got {len(words)}.")
    try:
        values = [float(word) for word in words]
    except ValueError:
        raise InputError(f"{where}: expected {count} numbers, got {' '.join(words)!r}.") from None
    if not all(map(math.isfinite, values)):
        raise InputError(f"{where}: expected finite numbers, got {' '.join(words)!r}.")
    return values
