"""Progress of long work: a bar on a terminal, a line a minute in a log."""

import sys
from collections.abc import Iterable, Iterator
from typing import TypeVar

from tqdm import tqdm

T = TypeVar("T")


def track(items: Iterable[T], description: str, *, unit: str = "it", total: int | None = None) -> Iterator[T]:
    """Iterate over `items`, showing progress on stderr: a live bar on a terminal, a line a minute otherwise."""
    on_terminal = sys.stderr.isatty()
    bar = tqdm(
        items,
        desc=description,
        unit=unit,
        total=total,
        mininterval=0.1 if on_terminal else 60.0,
        maxinterval=60.0,
        ascii=not on_terminal,
        dynamic_ncols=on_terminal,
        leave=True,
    )
    yield from bar
