"""Read the photographs, the mesh and the cameras of one restructured frame."""

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.decoding import Decoders, FrameFiles, cores
from splatrig.dataset.pose import read_pose
from splatrig.io.errors import InputError
from splatrig.mesh.obj import read_obj
from splatrig.mesh.template import Template

B = TypeVar("B")
P = TypeVar("P")
T = TypeVar("T")


@dataclass(frozen=True)
class FrameData:
    """One frame as the trainer takes it: the tracked mesh in head space, cameras in head space, photographs."""

    expression: str
    frame: str
    vertices: NDArray[np.float64]  # [V, 3]
    """Vertices of the finest level in head space, millimetres."""
    cameras: Cameras
    """C cameras; `viewmats` map this frame's head space to the camera."""
    images: Tensor  # [C, H, W, 4] uint8
    """Photographs with the silhouette's coverage as alpha, in the order of `cameras`."""
    crops: NDArray[np.int64]  # [C, 4] top, bottom, left, right
    """Rows and columns that hold the silhouette with a margin; the whole picture where nothing is masked."""
    plates: Tensor | None = None  # [C, H, W, 3] uint8
    """Photographs of the stage without the head, if the capture has them."""

    @property
    def name(self) -> str:
        """`expression/frame`, as in tables and messages."""
        return f"{self.expression}/{self.frame}"

    def to(self, device: torch.device | str) -> "FrameData":
        """Return the same frame with its photographs on `device` (uint8); waits for the copies, which may be dropped.

        The copies to a GPU run on a stream of their own, beside what the device is doing.
        """
        device = torch.device(device)
        if device.type == "cpu":
            return self
        side = _copying_stream(device)
        with torch.cuda.stream(side):
            moved = [None if tensor is None else tensor.to(device) for tensor in (self.images, self.plates)]
        side.synchronize()
        for tensor in moved:
            if tensor is not None:
                tensor.record_stream(torch.cuda.default_stream(device))
        images, plates = moved
        assert images is not None  # only plates may be absent
        return FrameData(self.expression, self.frame, self.vertices, self.cameras, images, self.crops, plates)


@cache
def _copying_stream(device: torch.device) -> torch.cuda.Stream:
    return torch.cuda.Stream(device)


@dataclass(frozen=True)
class FrameSource:
    """Where frames are read from: the restructured dataset of one subject."""

    dataset: Path
    """The folder that holds `{expression}/{frame}/`."""
    cameras: Cameras
    """The cameras in the capture's world space."""
    template: Template
    plates: Path | None = None
    """The folder of the photographs of the empty stage, `{camera}.png`, if the capture has them."""

    def load(self, expression: str, frame: str) -> FrameData:
        """Read one frame; raise InputError naming the file that is missing, unreadable or malformed."""
        with self._decoders(self._mesh) as decoders:
            files = decoders.read(self.dataset / expression / frame)
        return self._assembled(expression, frame, files, files.beside)

    def _mesh(self, folder: Path) -> NDArray[np.float64]:  # [V, 3]
        """Read the tracked mesh of a frame; return the vertices of its finest level."""
        return self.template.up @ read_tracked_mesh(folder, self.template)

    def _assembled(
        self, expression: str, frame: str, files: FrameFiles[Any], vertices: NDArray[np.float64]
    ) -> FrameData:
        pose = read_pose(self.dataset / expression / frame / f"{frame}_transform.txt")
        return FrameData(
            expression=expression,
            frame=frame,
            vertices=vertices,
            cameras=self.cameras.in_head_space(pose),
            images=torch.from_numpy(files.images),
            crops=files.crops,
            plates=None if self.plates is None else self._stage,
        )

    @cached_property
    def _stage(self) -> Tensor:  # [C, H, W, 3] uint8
        assert self.plates is not None  # asked only where there are plates
        with self._decoders(lambda _: None, cores()) as decoders:
            return torch.from_numpy(decoders.read(self.plates).images[..., :3].copy())

    def _decoders(self, beside: Callable[[Path], B], workers: int = 1, *, processes: bool = False) -> Decoders[B]:
        cameras = self.cameras
        return Decoders(cameras.names, (cameras.width, cameras.height), beside, workers, processes=processes)

    def stream(
        self,
        expression: str,
        frames: Sequence[str],
        place: Callable[[NDArray[np.float64]], P],
        prepare: Callable[[FrameData, P], T],
        *,
        workers: int,
        processes: bool = False,
    ) -> Iterator[T]:
        """Return an iterator over `prepare(frame, place(its vertices))` in order, each read ahead by `workers`.

        The first frame is read from this call on, any other from when its predecessor is handed out; `place` is
        called while the photographs are decoded. With `processes` the next frame's photographs overwrite this one's,
        so `prepare` must copy them elsewhere, and what `place` returns is pickled; see `splatrig.dataset.decoding`.
        """

        def beside(folder: Path) -> tuple[NDArray[np.float64], P]:
            vertices = self._mesh(folder)
            return vertices, place(vertices)

        if not frames:
            return iter(())
        decoders = self._decoders(beside, workers, processes=processes)
        ahead = ThreadPoolExecutor(1)

        def read(frame: str) -> T:
            files = decoders.read(self.dataset / expression / frame)
            vertices, placed = files.beside
            return prepare(self._assembled(expression, frame, files, vertices), placed)

        def results(pending: Future[T]) -> Iterator[T]:
            with decoders, ahead:
                for following in frames[1:]:
                    result = pending.result()
                    pending = ahead.submit(read, following)
                    yield result
                yield pending.result()

        return results(ahead.submit(read, frames[0]))


def read_tracked_mesh(folder: Path, template: Template) -> NDArray[np.float64]:  # [V, 3]
    """Read the tracked vertices of the frame in `folder` of a data set, in head space and millimetres.

    Raises InputError naming the file whose number of vertices is not the template's or that is not finite.
    """
    path, expected = folder / f"{folder.name}.obj", template.base.vertices
    vertices = read_obj(path).vertices
    if vertices.shape != expected.shape:
        raise InputError(f"{path}: expected {len(expected)} vertices as in the template, got {len(vertices)}.")
    if not np.isfinite(vertices).all():
        raise InputError(f"{path}: expected finite vertices, got NaN or infinity; track this frame again.")
    return vertices
