"""Background work during a fit: read the next frame and save the previous one."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any, TypeVar

A = TypeVar("A")
T = TypeVar("T")


def one_ahead(read: Callable[[A], T], items: Sequence[A]) -> Iterator[T]:
    """Return an iterator over `read(item)` in which a thread reads each item while its predecessor is used.

    The first item is read from this call on. Exceptions of `read` are raised in place of its result.
    """
    if not items:
        return iter(())
    thread = ThreadPoolExecutor(1)

    def results(pending: Future[T]) -> Iterator[T]:
        with thread:
            for item in items[1:]:
                result = pending.result()
                pending = thread.submit(read, item)
                yield result
            yield pending.result()

    return results(thread.submit(read, items[0]))


class BackgroundQueue:
    """A thread that runs tasks in order; use it as a context manager."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._tasks: list[Future[None]] = []

    def do(self, task: Callable[..., None], *arguments: Any) -> None:
        """Schedule `task`; raise the exception of an earlier task that has failed."""
        for done in [other for other in self._tasks if other.done()]:
            done.result()
        self._tasks.append(self._thread.submit(task, *arguments))

    def __enter__(self) -> "BackgroundQueue":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown(wait=True)
        if kind is None:
            for task in self._tasks:
                task.result()
