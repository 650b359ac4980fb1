"""Photographs of (frame, camera) pairs, decoded ahead of their use and kept in memory while they are needed."""

import sys
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from queue import SimpleQueue

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.decoding import Crop, Decoders, cores, read_photograph, silhouette_box
from splatrig.fitting.trainer import View
from splatrig.learned.schedule import Pair, Schedule, Window

BYTES_A_PIXEL = 4
"""Photographs are RGBA of 8 bits a channel."""
CAMERA_BYTES = 128
"""Before a photograph in memory: view matrix and intrinsics, 25 float32, and bytes that keep what follows aligned."""


@dataclass(frozen=True)
class FrameViews:
    """One frame as the joint fit takes it: where its photographs are and what its cameras see."""

    expression: str
    frame: str
    folder: Path
    """Holds `{camera}.png`."""
    cameras: Cameras
    """In this frame's head space."""

    @property
    def name(self) -> str:
        """`expression/frame`, as in tables and messages."""
        return f"{self.expression}/{self.frame}"


@dataclass(frozen=True)
class Shot:
    """One photograph to be matched."""

    frame: int
    """Row of the weights."""
    view: View


@dataclass(frozen=True)
class _Decoded:
    """A photograph cropped to the silhouette and its camera, in one piece of host memory: one copy to a GPU."""

    memory: Tensor  # [CAMERA_BYTES + h * w * 4] uint8
    crop: Crop


class Photographs:
    """Decode photographs on demand or ahead of time; hold what was asked to be held.

    Where a GPU learns, processes decode (see `splatrig.dataset.decoding`): best made before the GPU is used.
    """

    def __init__(
        self,
        frames: Sequence[FrameViews],
        device: torch.device | str = "cpu",
        *,
        plates: Path | None = None,
        cropped: bool = True,
        workers: int | None = None,
        processes: bool | None = None,
    ) -> None:
        """Serve photographs of `frames` as views on `device`, cropped to the silhouette or whole.

        `plates` is the folder of the photographs of the empty stage, `{camera}.png`, where the capture has them;
        `workers` is the number of photographs that are decoded at a time (default: the cores, 16 at most), in
        `processes` (default: on a GPU) or in threads.
        """
        self.frames = tuple(frames)
        self.device = torch.device(device)
        self.plates, self.cropped = plates, cropped
        self._stage: dict[int, Tensor] = {}
        workers = workers or min(16, cores())
        self._decoders: Decoders[None] | None = None
        self._places: SimpleQueue[int] = SimpleQueue()
        if self.frames and (self.device.type == "cuda" if processes is None else processes) and sys.platform == "linux":
            places = [str(place) for place in range(workers)]
            size = (self.frames[0].cameras.width, self.frames[0].cameras.height)
            self._decoders = Decoders(places, size, lambda _: None, workers, processes=True)
            for place in range(workers):
                self._places.put(place)
        self._pool = ThreadPoolExecutor(workers)
        self._held: dict[Pair, Future[_Decoded]] = {}
        self.waited_seconds = 0.0
        """How long callers have waited for photographs that were not decoded yet."""

    def close(self) -> None:
        """Stop decoding."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._decoders is not None:
            self._decoders.close()

    def __enter__(self) -> "Photographs":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hold(self, pairs: Sequence[Pair]) -> None:
        """Begin to decode `pairs`, in this order, and keep them until they are dropped."""
        for pair in pairs:
            if pair not in self._held:
                self._held[pair] = self._pool.submit(self._decode, pair)

    def drop(self, pairs: Sequence[Pair]) -> None:
        """Forget `pairs`; those not decoded yet never will be."""
        for pair in pairs:
            future = self._held.pop(pair, None)
            if future is not None:
                future.cancel()

    def view(self, pair: Pair) -> View:
        """Return a pair's photograph and camera on the device; raise InputError naming an unreadable file."""
        begin = time.perf_counter()
        held = self._held.get(pair)
        decoded = self._decode(pair) if held is None else held.result()
        self.waited_seconds += time.perf_counter() - begin
        memory = decoded.memory.to(self.device, non_blocking=True)
        camera = memory[: 25 * 4].view(torch.float32)
        top, bottom, left, right = decoded.crop
        return View(
            camera=self.frames[pair[0]].cameras.names[pair[1]],
            image=memory[CAMERA_BYTES:].view(bottom - top, right - left, BYTES_A_PIXEL),
            plate=None if self.plates is None else self._plate(self.plates, pair[1])[top:bottom, left:right],
            viewmats=camera[:16].view(1, 4, 4),
            Ks=camera[16:].view(1, 3, 3),
        )

    def _plate(self, folder: Path, camera: int) -> Tensor:  # [H, W, 3] uint8
        """Return a camera's empty stage."""
        if camera not in self._stage:
            cameras = self.frames[0].cameras
            pixels = read_photograph(folder / f"{cameras.names[camera]}.png", cameras.width, cameras.height)
            self._stage[camera] = torch.from_numpy(pixels[..., :3].copy()).to(self.device)
        return self._stage[camera]

    def _decode(self, pair: Pair) -> _Decoded:
        frame, camera = pair
        cameras = self.frames[frame].cameras
        path = self.frames[frame].folder / f"{cameras.names[camera]}.png"
        if self._decoders is None:
            pixels = read_photograph(path, cameras.width, cameras.height)
            return self._kept(pixels, silhouette_box(pixels[..., 3]), cameras, camera)
        place = self._places.get()
        try:
            return self._kept(*self._decoders.shared(place, path), cameras, camera)
        finally:
            self._places.put(place)

    def _kept(self, pixels: NDArray[np.uint8], crop: Crop, cameras: Cameras, camera: int) -> _Decoded:
        """Return a copy of what is needed of a photograph [H, W, 4], in memory that a GPU reads directly."""
        top, bottom, left, right = crop = crop if self.cropped else (0, pixels.shape[0], 0, pixels.shape[1])
        size = CAMERA_BYTES + (bottom - top) * (right - left) * BYTES_A_PIXEL
        memory = torch.empty(size, dtype=torch.uint8, pin_memory=self.device.type == "cuda")
        K = cameras.Ks[camera].copy()
        K[:2, 2] -= (left, top)
        numbers = np.concatenate([cameras.viewmats[camera].reshape(-1), K.reshape(-1)]).astype(np.float32)
        memory.numpy()[: numbers.nbytes] = numbers.view(np.uint8)
        picture = memory.numpy()[CAMERA_BYTES:].reshape(bottom - top, right - left, BYTES_A_PIXEL)
        np.copyto(picture, pixels[top:bottom, left:right])
        return _Decoded(memory, crop)


def pairs_in_memory(cameras: Cameras, memory_gib: float) -> int:
    """Return how many whole photographs fit into `memory_gib`, at least one."""
    return max(1, int(memory_gib * 2**30 / (cameras.width * cameras.height * BYTES_A_PIXEL)))


def stream(
    photographs: Photographs, schedule: Schedule, lanes: Sequence[int], first_step: int = 0
) -> Iterator[list[list[Shot]]]:
    """Yield the shots that each step takes from some lanes, a frame's from each, beginning with step `first_step`.

    The next window is decoded while the current one is being used. On a GPU the next step's photographs are copied
    while the current step computes.
    """
    shots = _host_steps(photographs, schedule, lanes, first_step)
    if photographs.device.type != "cuda":
        yield from shots
        return
    side = torch.cuda.Stream(photographs.device)
    while True:
        with torch.cuda.stream(side):
            following = next(shots)
        current = torch.cuda.current_stream(photographs.device)
        current.wait_stream(side)
        for shot in (shot for group in following for shot in group):
            shot.view.image.record_stream(current)  # and with it the camera, which shares its memory
        yield following


def _host_steps(
    photographs: Photographs, schedule: Schedule, lanes: Sequence[int], first_step: int
) -> Iterator[list[list[Shot]]]:
    windows = [_from_step(schedule.windows(lane), first_step) for lane in lanes]
    begun = [next(rest) for rest in windows]
    for pairs in zip_longest(*[window.pairs for window, _ in begun]):  # in the order in which steps need them
        photographs.hold([pair for pair in pairs if pair is not None])
    shots = [_lane(photographs, *first, rest) for first, rest in zip(begun, windows, strict=True)]
    yield from map(list, zip(*shots, strict=True))


def _lane(
    photographs: Photographs, window: Window, skipped: int, windows: Iterator[tuple[Window, int]]
) -> Iterator[list[Shot]]:
    """Yield the shots of each step of one lane, from step `skipped` of its window `window` on."""
    while True:
        following, _ = next(windows)
        photographs.hold(following.pairs)
        for step in window.steps[skipped:]:
            yield [Shot(pair[0], photographs.view(pair)) for pair in step]
        kept = set(following.pairs)
        photographs.drop([pair for pair in window.pairs if pair not in kept])
        window, skipped = following, 0


def _from_step(windows: Iterator[Window], first_step: int) -> Iterator[tuple[Window, int]]:
    """Yield windows from the one that holds `first_step`, each with the number of its steps to skip."""
    for window in windows:
        if first_step >= len(window.steps):
            first_step -= len(window.steps)
            continue
        yield window, first_step
        first_step = 0
