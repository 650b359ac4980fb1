"""Progress of long work: a bar on a terminal, one line per minute in a log."""

import sys
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(
    items: Iterable[T], description: str, *, unit: str = "it", total: int | None = None, shown: bool = True
) -> Iterator[T]:
    """Iterate over `items`, showing progress on stderr: a bar on a terminal, one line per minute otherwise.

    Args:
        items: The items.
        description: Name of the work, before the bar.
        unit: Name of one item.
        total: Number of items, if `items` has no length.
        shown: Whether to show progress at all.
    """
    yield from tqdm(items, desc=description, unit=unit, total=total, disable=not shown, **_style())


@contextmanager
def track_bytes(description: str, total: int | None = None) -> Iterator[Callable[[int], Any]]:
    """Yield a function that takes numbers of processed bytes (from any thread), and shows progress as `track` does."""
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
