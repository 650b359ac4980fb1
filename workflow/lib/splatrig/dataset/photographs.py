"""Reader of photographs that decodes them ahead of use, keeps them in host memory, and returns views on a device."""

import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Frame
from splatrig.dataset.decoding import Crop, DecodingProcesses, cores, read_photograph, silhouette_box

Pair = tuple[int, int]
"""Pair of a frame and a camera, indices into the frames of a reader and into their cameras."""

BYTES_PER_PIXEL = 4
"""Bytes per pixel: photographs are RGBA with 8 bits per channel."""
CAMERA_BYTES = 256
"""Bytes before a photograph in memory: view matrix, intrinsics and those of the crop, 34 float32, and padding."""


@dataclass(frozen=True)
class View:
    """A camera's photograph of one frame, on a device."""

    camera: str
    image: Tensor  # [h, w, 4] uint8
    """Photograph with the matte as its alpha channel."""
    plate: Tensor | None  # [h, w, 3] uint8
    """Image of the empty stage, if the capture has it."""
    viewmats: Tensor  # [1, 4, 4]
    """Matrix from the head space of the frame to the camera, in millimeters."""
    Ks: Tensor  # [1, 3, 3]
    """Intrinsics in pixels of `image`."""
    crop: "View | None" = None
    """Part of a whole photograph in the same memory; see `silhouette`."""

    @property
    def silhouette(self) -> "View":
        """The view cropped to the silhouette; the view itself if it is cropped already."""
        return self.crop or self

    def moved(self, motion: Tensor) -> "View":  # [4, 4]
        """Return the view of a head that is moved by a rigid `motion` in head space."""
        crop = None if self.crop is None else self.crop.moved(motion)
        return replace(self, viewmats=self.viewmats @ motion, crop=crop)

    @property
    def width(self) -> int:
        """Width of the image in pixels."""
        return self.image.shape[1]

    @property
    def height(self) -> int:
        """Height of the image in pixels."""
        return self.image.shape[0]

    @property
    def inside(self) -> Tensor:  # [h, w] bool
        """Pixels that the silhouette covers by more than half: the region `mask` of all metrics."""
        return self.image[..., 3] > 127


@dataclass(frozen=True)
class Photograph:
    """A photograph and its camera in one block of host memory, so that one copy moves both to a GPU."""

    camera: str
    memory: Tensor  # [CAMERA_BYTES + h * w * 4] uint8
    box: Crop
    """The part of the whole photograph that is in memory."""
    silhouette: Crop
    """Position of the silhouette in the whole photograph."""

    @classmethod
    def of(
        cls,
        pixels: NDArray[np.uint8],  # [H, W, 4]
        silhouette: Crop,
        cameras: Cameras,
        camera: int,
        *,
        cropped: bool,
        pinned: bool = False,
    ) -> "Photograph":
        """Copy a whole photograph, or only its silhouette; `pinned` memory is read by a GPU directly."""
        box = silhouette if cropped else (0, pixels.shape[0], 0, pixels.shape[1])
        top, bottom, left, right = box
        size = CAMERA_BYTES + (bottom - top) * (right - left) * BYTES_PER_PIXEL
        memory = torch.empty(size, dtype=torch.uint8, pin_memory=pinned)
        intrinsics = [_shifted(cameras.Ks[camera], part).reshape(-1) for part in (box, silhouette)]
        numbers = np.concatenate([cameras.viewmats[camera].reshape(-1), *intrinsics]).astype(np.float32)
        memory.numpy()[: numbers.nbytes] = numbers.view(np.uint8)
        image = memory.numpy()[CAMERA_BYTES:].reshape(bottom - top, right - left, BYTES_PER_PIXEL)
        np.copyto(image, pixels[top:bottom, left:right])
        return cls(cameras.names[camera], memory, box, silhouette)

    def view(self, device: torch.device, plate: Tensor | None = None) -> View:
        """Return the photograph on a device, in front of a whole `plate` [H, W, 3], without waiting for the copy."""
        memory = self.memory.to(device, non_blocking=True)
        numbers = memory[: 34 * 4].view(torch.float32)
        top, bottom, left, right = self.box
        image = memory[CAMERA_BYTES:].view(bottom - top, right - left, BYTES_PER_PIXEL)
        viewmats, Ks = numbers[:16].view(1, 4, 4), numbers[16:25].view(1, 3, 3)
        behind = None if plate is None else plate[top:bottom, left:right]
        if self.box == self.silhouette:
            return View(self.camera, image, behind, viewmats, Ks)
        top, bottom, left, right = self.silhouette
        behind_crop = None if plate is None else plate[top:bottom, left:right]
        crop = View(self.camera, image[top:bottom, left:right], behind_crop, viewmats, numbers[25:34].view(1, 3, 3))
        return View(self.camera, image, behind, viewmats, Ks, crop)


def _shifted(K: NDArray[np.float64], box: Crop) -> NDArray[np.float64]:  # [3, 3] both
    """Return the intrinsics of a crop of an image."""
    shifted = K.copy()
    shifted[:2, 2] -= (box[2], box[0])
    return shifted


class Photographs:
    """Photographs of some frames, decoded on demand or ahead of time.

    The caller chooses which ones stay in memory: all of them, windows of a schedule, or a frame and the next one. For a
    GPU, processes decode and memory is pinned (`splatrig.dataset.decoding`): best created before the GPU is used.
    """

    def __init__(
        self,
        frames: Sequence[Frame],
        device: torch.device | str = "cpu",
        *,
        plates: Path | None = None,
        cropped: bool = True,
        workers: int | None = None,
        processes: bool | None = None,
        per_frame: Callable[[int], Any] | None = None,
    ) -> None:
        """Serve photographs of `frames` as views on `device`, cropped to the silhouette or whole.

        `plates` is the folder of the photographs of the empty stage, `{camera}.png`, if the capture has them; `workers`
        is the number of photographs that are decoded at a time (default: the number of cores, at most 16), in
        `processes` (default: on a GPU) or in threads. `per_frame` is a function of a frame's index that workers compute
        on request.
        """
        self.frames = tuple(frames)
        self.device = torch.device(device)
        self.waited_seconds = 0.0
        """Time that callers have waited for photographs that were not decoded yet."""
        self._plates, self._cropped, self._per_frame = plates, cropped, per_frame
        self._stage: dict[str, Tensor] = {}
        self._held: dict[Pair, Future[Photograph]] = {}
        self._processes: DecodingProcesses | None = None
        workers = workers or min(16, cores())
        if self.frames and (self.device.type == "cuda" if processes is None else processes) and sys.platform == "linux":
            cameras = self.frames[0].cameras
            self._processes = DecodingProcesses((cameras.width, cameras.height), workers, per_frame)
        self._pool = ThreadPoolExecutor(workers)

    def close(self) -> None:
        """Stop decoding."""
        self._pool.shutdown(wait=True, cancel_futures=True)
        if self._processes is not None:
            self._processes.close()

    def __enter__(self) -> "Photographs":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def hold(self, pairs: Sequence[Pair]) -> None:
        """Start to decode `pairs`, in this order, and keep them until they are dropped."""
        for pair in pairs:
            if pair not in self._held:
                self._held[pair] = self._pool.submit(self._decode, pair)

    def drop(self, pairs: Sequence[Pair]) -> None:
        """Release `pairs`; those not decoded yet will not be."""
        for pair in pairs:
            future = self._held.pop(pair, None)
            if future is not None:
                future.cancel()

    def compute(self, frame: int) -> Future[Any]:
        """Start to compute `per_frame` of a frame on a worker."""
        if self._processes is not None:
            return self._processes.compute(frame)
        assert self._per_frame is not None  # only callers that passed it ask for it
        return self._pool.submit(self._per_frame, frame)

    def view(self, pair: Pair) -> View:
        """Return a pair's photograph and camera on the device; raise InputError naming an unreadable file."""
        begin = time.perf_counter()
        held = self._held.get(pair)
        photograph = self._decode(pair) if held is None else held.result()
        self.waited_seconds += time.perf_counter() - begin
        return photograph.view(self.device, None if self._plates is None else self._plate(self._plates, pair))

    def views(self, frame: int) -> tuple[View, ...]:
        """Return the photographs of a frame from all cameras on the device, decoded concurrently and not kept."""
        pairs = [(frame, camera) for camera in range(len(self.frames[frame].cameras))]
        self.hold(pairs)
        try:
            return tuple(self.view(pair) for pair in pairs)
        finally:
            self.drop(pairs)

    def _plate(self, folder: Path, pair: Pair) -> Tensor:  # [H, W, 3] uint8
        """Return the empty stage that the camera of a pair sees."""
        cameras = self.frames[pair[0]].cameras
        camera = cameras.names[pair[1]]
        if camera not in self._stage:
            pixels = read_photograph(folder / f"{camera}.png", cameras.width, cameras.height)
            self._stage[camera] = torch.from_numpy(pixels[..., :3].copy()).to(self.device)
        return self._stage[camera]

    def _decode(self, pair: Pair) -> Photograph:
        frame, camera = self.frames[pair[0]], pair[1]
        path = frame.photograph(camera)
        if self._processes is None:
            pixels = read_photograph(path, frame.cameras.width, frame.cameras.height)
            return self._kept(pixels, silhouette_box(pixels[..., 3]), frame.cameras, camera)
        with self._processes.decoded(path) as (pixels, crop):
            return self._kept(pixels, crop, frame.cameras, camera)

    def _kept(self, pixels: NDArray[np.uint8], crop: Crop, cameras: Cameras, camera: int) -> Photograph:
        on_gpu = self.device.type == "cuda"
        return Photograph.of(pixels, crop, cameras, camera, cropped=self._cropped, pinned=on_gpu)


def pairs_in_memory(cameras: Cameras, memory_gib: float) -> int:
    """Return the number of whole photographs that fit into `memory_gib`, at least one."""
    return max(1, int(memory_gib * 2**30 / (cameras.width * cameras.height * BYTES_PER_PIXEL)))


@contextmanager
def on_copy_stream(device: torch.device, *, wait: bool = False) -> Iterator[None]:
    """Run the copies to a GPU that start inside the block on their own stream, concurrently with computation.

    With `wait` the calling thread waits for them at the end. Call `take_over` before the views are used.
    """
    if device.type != "cuda":
        yield
        return
    side = _copying_stream(device)
    with torch.cuda.stream(side):
        yield
    if wait:
        side.synchronize()


def take_over(device: torch.device, views: Iterable[View]) -> None:
    """Make the device's current stream wait for the copies of `views`, and own their memory from then on."""
    if device.type != "cuda":
        return
    current = torch.cuda.current_stream(device)
    current.wait_stream(_copying_stream(device))
    for view in views:
        view.image.record_stream(current)  # and the camera's, which shares its memory


@cache
def _copying_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)
