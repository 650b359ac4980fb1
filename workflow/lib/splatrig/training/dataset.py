"""Read the photographs, the mesh and the cameras of one restructured frame."""

import logging
import os
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image
from torch import Tensor

from splatrig.capture.cameras import Cameras
from splatrig.errors import InputError
from splatrig.mesh.obj import read_obj
from splatrig.mesh.template import Template

_LOG = logging.getLogger(__name__)

T = TypeVar("T")

CROP_MARGIN = 16
"""Pixels kept around the silhouette: more than the SSIM window and the softness of the edge need."""


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
        """Return the same frame with its photographs on `device` (uint8; through pinned memory to a GPU)."""
        if torch.device(device).type == "cpu":
            return self
        moved = [
            None if tensor is None else tensor.pin_memory().to(device, non_blocking=True)
            for tensor in (self.images, self.plates)
        ]
        images, plates = moved
        assert images is not None  # only plates may be absent
        return FrameData(self.expression, self.frame, self.vertices, self.cameras, images, self.crops, plates)


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

    def load(self, expression: str, frame: str, pool: ThreadPoolExecutor | None = None) -> FrameData:
        """Read one frame; raise InputError naming the file that is missing, unreadable or malformed."""
        folder = self.dataset / expression / frame
        pose = read_pose(folder / f"{frame}_transform.txt")
        levels = list(self.template.levels)
        base = self.template.levels[levels[0]]
        mesh_path = folder / f"{frame}.obj"
        vertices = read_obj(mesh_path).vertices
        if vertices.shape != base.vertices.shape:
            raise InputError(
                f"{mesh_path}: expected {len(base.vertices)} vertices as in the template, got {len(vertices)}."
            )
        if not np.isfinite(vertices).all():
            raise InputError(f"{mesh_path}: expected finite vertices, got NaN or infinity; track this frame again.")
        fine = self.template.between(levels[0], levels[-1]) @ vertices
        images = self._photographs(folder, pool)
        stage = None if self.plates is None else self._stage
        crops = np.array([silhouette_box(image[..., 3]) for image in images])
        return FrameData(
            expression=expression,
            frame=frame,
            vertices=fine,
            cameras=self.cameras.in_head_space(pose),
            images=torch.from_numpy(images),
            crops=crops,
            plates=stage,
        )

    @cached_property
    def _stage(self) -> Tensor:  # [C, H, W, 3] uint8
        assert self.plates is not None  # asked only where there are plates
        return torch.from_numpy(self._photographs(self.plates, None)[..., :3].copy())

    def _photographs(self, folder: Path, pool: ThreadPoolExecutor | None) -> NDArray[np.uint8]:  # [C, H, W, 4]
        images = np.empty((len(self.cameras), self.cameras.height, self.cameras.width, 4), np.uint8)

        def decode(index: int) -> None:
            path = folder / f"{self.cameras.names[index]}.png"
            images[index] = read_photograph(path, self.cameras.width, self.cameras.height)

        indices = range(len(self.cameras))
        list(map(decode, indices) if pool is None else pool.map(decode, indices))
        return images

    def stream(
        self,
        expression: str,
        frames: Sequence[str],
        prepare: Callable[[FrameData], T],
        workers: int | None = None,
    ) -> Iterator[T]:
        """Return an iterator over `prepare(frame)` in order, each read by `workers` threads ahead of its use.

        The first frame is read from this call on, any other from when its predecessor is handed out.
        """
        decoders = ThreadPoolExecutor(workers or min(16, os.cpu_count() or 1))
        ahead = ThreadPoolExecutor(1)

        def submit(frame: str) -> Future[T]:
            return ahead.submit(lambda: prepare(self.load(expression, frame, decoders)))

        def results(pending: Future[T] | None) -> Iterator[T]:
            with decoders, ahead:
                for following in [*frames[1:], None]:
                    if pending is None:
                        return
                    result = pending.result()
                    pending = None if following is None else submit(following)
                    yield result

        return results(submit(frames[0]) if frames else None)


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


def read_pose(path: Path) -> NDArray[np.float64]:  # [3, 4]
    """Read `_transform.txt`, the rigid map [R|t] from head to world space in millimetres."""
    try:
        pose = np.loadtxt(path, dtype=np.float64)
    except (OSError, ValueError) as error:
        raise InputError(f"{path}: the head pose cannot be read ({error}).") from error
    if pose.shape != (3, 4):
        raise InputError(f"{path}: expected a head pose of 3 rows of 4 numbers, got shape {pose.shape}.")
    if not np.isfinite(pose).all():
        raise InputError(f"{path}: expected finite numbers in the head pose, got NaN or infinity; leave it out.")
    return pose


def silhouette_box(alpha: NDArray[np.uint8]) -> tuple[int, int, int, int]:
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
