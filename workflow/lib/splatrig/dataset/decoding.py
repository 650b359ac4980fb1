"""Decode photographs in threads of this process or in separate processes.

Decoding one photograph holds Python's global lock for milliseconds at a time, and a fit on a GPU needs that lock for
every operation that it starts, so decoding threads slow such a fit down. Processes decode instead and write into memory
that they share with the fit. They are forked before the fit uses the GPU, and end with it.
"""

import mmap
import multiprocessing
import os
import signal
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from queue import SimpleQueue
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.io.errors import InputError
from splatrig.io.files import unreadable
from splatrig.jobs.parent_watchdog import die_with

CROP_MARGIN = 16
"""Pixels kept around the silhouette: more than the SSIM window and soft edges need."""

NICENESS = 10
"""`nice` value of the decoding processes, so that they do not delay the thread that launches all GPU operations."""

Crop = tuple[int, int, int, int]
"""Top, bottom, left and right of a crop, in pixels."""


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


@dataclass(frozen=True)
class _Work:
    """Memory and function that the decoding processes share."""

    images: NDArray[np.uint8]  # [P, H, W, 4]
    per_frame: Callable[[int], Any] | None


_work: _Work | None = None
"""Work of a process of `DecodingProcesses`; None in the main process."""


class DecodingProcesses:
    """Processes that decode photographs of one size into memory shared with this process; Linux only (fork)."""

    def __init__(self, size: tuple[int, int], count: int, per_frame: Callable[[int], Any] | None = None) -> None:
        """Fork `count` processes for photographs of `size` (width, height); on request they compute `per_frame`."""
        shape = (count, size[1], size[0], 4)
        length = int(np.prod(shape))
        memory = np.frombuffer(mmap.mmap(-1, max(1, length)), np.uint8)[:length]
        self._images = memory.reshape(shape)
        context = multiprocessing.get_context("fork")
        work = _Work(self._images, per_frame)
        self._pool = ProcessPoolExecutor(count, context, _begin_process, (work, os.getpid()))
        self._pool.submit(int).result()  # forks all of them now
        self._places: SimpleQueue[int] = SimpleQueue()
        for place in range(count):
            self._places.put(place)

    @contextmanager
    def decoded(self, path: Path) -> Iterator[tuple[NDArray[np.uint8], Crop]]:  # [H, W, 4]
        """Yield a photograph and its `silhouette_box`, which the next one overwrites; several threads may call this.

        Raises InputError naming the photograph that is missing, unreadable or of another size.
        """
        place = self._places.get()
        try:
            crop = self._pool.submit(_decode_in_process, place, path).result()
            yield self._images[place], crop
        finally:
            self._places.put(place)

    def compute(self, index: int) -> Future[Any]:
        """Start to compute `per_frame(index)` in a process, which pickles the result."""
        return self._pool.submit(_compute_in_process, index)

    def close(self) -> None:
        """End the processes."""
        self._pool.shutdown(wait=True, cancel_futures=True)


def _begin_process(work: _Work, parent: int) -> None:
    """Start a process with a lower priority than the fit, that dies with it and leaves interrupts to it."""
    global _work
    _work = work
    os.nice(NICENESS)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    die_with(parent)


def _decode_in_process(place: int, path: Path) -> Crop:
    assert _work is not None  # `_begin_process` ran first
    _, height, width, _ = _work.images.shape
    _work.images[place] = read_photograph(path, width, height)
    return silhouette_box(_work.images[place, ..., 3])


def _compute_in_process(index: int) -> Any:
    assert _work is not None and _work.per_frame is not None  # `_begin_process` ran first
    return _work.per_frame(index)


def read_photograph(path: Path, width: int, height: int) -> NDArray[np.uint8]:  # [H, W, 4]
    """Decode an RGBA image of the expected size, whose alpha is the matte; an RGB image is opaque everywhere."""
    try:
        with Image.open(path) as image:
            pixels = np.asarray(image if image.mode == "RGBA" else image.convert("RGBA"))  # conversion copies
    except FileNotFoundError as error:
        raise InputError(f"{path}: the photograph is missing; restructure this frame again.") from error
    except (OSError, SyntaxError, ValueError) as error:
        raise unreadable(path, error, f"the photograph cannot be read ({error}); replace it.") from error
    if pixels.shape != (height, width, 4):
        raise InputError(
            f"{path}: expected an image of {width}×{height} pixels as in cameras.json, "
            f"got {pixels.shape[1]}×{pixels.shape[0]}."
        )
    return pixels


def silhouette_box(alpha: NDArray[np.uint8]) -> Crop:
    """Return top, bottom, left and right of the covered pixels of `alpha` [H, W] with `CROP_MARGIN` around them.

    An image without any coverage gives the whole image: the Gaussians must learn to be absent there.
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
