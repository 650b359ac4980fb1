"""Process column blocks in threads, with results that do not depend on the number of threads.

Blocks have a fixed size, BLAS runs one thread in each, and results come back in block order, so sums over blocks are
always taken in the same order.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from functools import cache
from typing import TypeVar

from threadpoolctl import ThreadpoolController

Item = TypeVar("Item")
Result = TypeVar("Result")


@cache
def _blas() -> ThreadpoolController:
    """Return the handles of the loaded linear algebra libraries; finding them takes milliseconds."""
    return ThreadpoolController()


def map_blocks(function: Callable[[Item], Result], items: Iterable[Item], threads: int) -> Iterator[Result]:
    """Yield `function(item)` in the order of `items`, computed by `threads` threads, each at most two results ahead.

    With one thread the work is done in the calling thread: starting another costs more than a small block.
    """
    if threads == 1:
        with _blas().limit(limits=1):
            yield from map(function, items)
        return
    with _blas().limit(limits=1), ThreadPoolExecutor(max_workers=threads) as pool:
        waiting: deque[Future[Result]] = deque()
        for item in items:
            waiting.append(pool.submit(function, item))
            if len(waiting) > 2 * threads:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


def spans(start: int, stop: int, width: int) -> list[slice]:
    """Return consecutive slices of `width` (the last one shorter) that cover `start` to `stop`."""
    return [slice(first, min(first + width, stop)) for first in range(start, stop, width)]
