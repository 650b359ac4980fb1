"""Progress of long work: a bar on a terminal, a line a minute in a log."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(
    items: Iterable[T], description: str, *, unit: str = "it", total: int | None = None, shown: bool = True
) -> Iterator[T]:
    """Iterate over `items`, showing progress on stderr: a live bar on a terminal, a line a minute otherwise."""
    yield from tqdm(items, desc=description, unit=unit, total=total, disable=not shown, **_style())


@contextmanager
def track_bytes(description: str, total: int | None = None) -> Iterator[Callable[[int], Any]]:
    """Yield a function that takes numbers of bytes as they are done (from any thread), showing progress as `track`."""
    with tqdm(desc=description, unit="B", unit_scale=True, total=total, **_style()) as bar:
        yield bar.update


def _style() -> dict[str, Any]:
    on_terminal = sys.stderr.isatty()
    return {
        "mininterval": 0.1 if on_terminal else 60.0,
        "maxinterval": 60.0,
        "ascii": not on_terminal,
        "dynamic_ncols": on_terminal,
        "leave": True,
    }
