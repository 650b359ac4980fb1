"""Read frames, by threads or by processes of their own.

Decoding one picture holds Python's lock for milliseconds at a time, and a fit on a GPU needs that lock for every
operation that it starts: decoding in threads beside such a fit slows it down. So it is left to processes, which write
into one piece of memory that they share with the fit. They are forked before the fit touches the GPU, and die with it.
"""

import mmap
import multiprocessing
import os
import signal
import sys
from collections.abc import Callable, Sequence
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, Generic, TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.io.errors import InputError
from splatrig.jobs.parent_watchdog import die_with

CROP_MARGIN = 16
"""Pixels kept around the silhouette: more than the SSIM window and the softness of the edge need."""

NICENESS = 10
"""Of the processes: one thread starts every operation of a fit, and must not wait for a core behind decoders."""

B = TypeVar("B")
Crop = tuple[int, int, int, int]


@dataclass(frozen=True)
class FrameFiles(Generic[B]):
    """What was read of one frame."""

    images: NDArray[np.uint8]  # [C, H, W, 4]
    """The photographs; those that processes have decoded are overwritten by the next frame's."""
    crops: NDArray[np.int64]  # [C, 4]
    """Of `silhouette_box`."""
    beside: B
    """What was computed beside them."""


@dataclass(frozen=True)
class _Work(Generic[B]):
    """What the workers share."""

    images: NDArray[np.uint8]  # [C, H, W, 4]
    beside: Callable[[Path], B]

    def decode(self, index: int, path: Path) -> Crop:
        """Decode one photograph into its place; return its crop."""
        self.images[index] = read_photograph(path, self.images.shape[2], self.images.shape[1])
        return silhouette_box(self.images[index, ..., 3])


_work: _Work | None = None
"""In a process of `Decoders`: its work."""


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Decoders(Generic[B]):
    """Workers that read one frame after another; use it as a context manager."""

    def __init__(
        self,
        names: Sequence[str],
        size: tuple[int, int],
        beside: Callable[[Path], B],
        workers: int = 1,
        *,
        processes: bool = False,
    ) -> None:
        """Decode `{name}.png` of `size` (width, height) and call `beside` with the folder they are in.

        By `processes` only where they can be forked (Linux).
        """
        self.names = tuple(names)
        self._shape = (len(self.names), size[1], size[0], 4)
        self._beside = beside
        self._shared: _Work[B] | None = None
        self._pool: Executor
        if processes and sys.platform == "linux":
            count = int(np.prod(self._shape))
            memory = np.frombuffer(mmap.mmap(-1, max(1, count)), np.uint8)[:count]
            self._shared = _Work(memory.reshape(self._shape), beside)
            context = multiprocessing.get_context("fork")
            self._pool = ProcessPoolExecutor(workers, context, _begin_process, (self._shared, os.getpid()))
            self._pool.submit(int).result()  # forks all workers now
        else:
            self._pool = ThreadPoolExecutor(workers)

    def __enter__(self) -> "Decoders[B]":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the workers."""
        self._pool.shutdown(wait=True, cancel_futures=True)

    def read(self, folder: Path) -> FrameFiles[B]:
        """Return the photographs in `folder` and what was computed beside them.

        Raises InputError naming the photograph that is missing, unreadable or of another size.
        """
        paths = [folder / f"{name}.png" for name in self.names]
        if self._shared is None:
            work = _Work(np.empty(self._shape, np.uint8), self._beside)
            beside = self._pool.submit(work.beside, folder)
            crops = list(self._pool.map(work.decode, range(len(paths)), paths))
        else:
            work = self._shared
            beside = self._pool.submit(_beside_in_process, folder)
            crops = list(self._pool.map(_decode_in_process, range(len(paths)), paths))
        return FrameFiles(work.images, np.array(crops, dtype=np.int64).reshape(-1, 4), beside.result())

    def shared(self, index: int, path: Path) -> tuple[NDArray[np.uint8], Crop]:  # [H, W, 4]
        """Return any photograph, decoded by a process into place `index`, and its crop; threads may ask side by side.

        The next one that is decoded there overwrites it.
        """
        assert self._shared is not None  # only processes share their memory
        crop = self._pool.submit(_decode_in_process, index, path).result()
        return self._shared.images[index], crop


def _begin_process(work: _Work, parent: int) -> None:
    """Take up the work, behind the fit; die when it dies, however it dies, and leave an interrupt to it."""
    global _work
    _work = work
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent)


def _decode_in_process(index: int, path: Path) -> Crop:
    assert _work is not None  # `_begin_process` ran first
    return _work.decode(index, path)


def _beside_in_process(folder: Path) -> Any:
    assert _work is not None  # `_begin_process` ran first
    return _work.beside(folder)


def read_photograph(path: Path, width: int, height: int) -> NDArray[np.uint8]:  # [H, W, 4]
    """Decode an RGBA picture of the expected size; an RGB one is opaque everywhere."""
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image.convert("RGBA"))
    except FileNotFoundError as error:
        raise InputError(f"{path}: the photograph is missing; restructure this frame again.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise InputError(f"{path}: the photograph cannot be read ({error}); replace it.") from error
    if pixels.shape != (height, width, 4):
        raise InputError(
            f"{path}: expected a picture of {width}×{height} pixels as in cameras.json, "
            f"got {pixels.shape[1]}×{pixels.shape[0]}."
        )
    return pixels


def silhouette_box(alpha: NDArray[np.uint8]) -> Crop:
    """Return top, bottom, left, right of the covered pixels of `alpha` [H, W] with `CROP_MARGIN` around them.

    A picture without any coverage gives the whole picture: the Gaussians must learn to be absent there.
    """
    height, width = alpha.shape
    rows, columns = np.flatnonzero(alpha.any(axis=1)), np.flatnonzero(alpha.any(axis=0))
    if len(rows) == 0:
        return 0, height, 0, width
    return (
        max(0, int(rows[0]) - CROP_MARGIN),
        min(height, int(rows[-1]) + 1 + CROP_MARGIN),
        max(0, int(columns[0]) - CROP_MARGIN),
        min(width, int(columns[-1]) + 1 + CROP_MARGIN),
    )
