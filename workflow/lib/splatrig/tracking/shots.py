"""The photographs of one segment as tracking reads them, frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.capture.frame_list import in_time_order
from splatrig.capture.layout import CaptureLayout, photographed
from splatrig.capture.lenses import Lenses
from splatrig.capture.photographs import read_photograph
from splatrig.dataset.cameras import Cameras

FINEST_MM = 1.0
"""Least size of a pixel at the head: larger photographs are reduced, for tracking only."""


def tracking_cameras(cameras: Cameras, head_center: NDArray[np.float64]) -> Cameras:  # [3] world
    """Return the cameras of photographs reduced so that a pixel spans `FINEST_MM` or more at the head."""
    return cameras.scaled(min(1.0, cameras.pixel_size(head_center) / FINEST_MM))


def photographed_frames(layout: CaptureLayout, segment: str, cameras: Sequence[str]) -> tuple[str, ...]:
    """Return the frames of a segment that any of the cameras has photographed, in time order."""
    folders = [layout.image(segment, camera, "").parent for camera in cameras]
    return in_time_order({frame for folder in folders for frame in photographed(folder)})


@dataclass(frozen=True)
class Shots:
    """The photographs of a segment."""

    layout: CaptureLayout
    segment: str
    frames: tuple[str, ...]
    cameras: Cameras
    """Cameras for images of the size of the data set."""
    size: tuple[int, int]
    """Width and height of the images for tracking."""
    image_scale: float
    color_table: NDArray[np.uint8]  # [256, 3]
    lenses: Lenses

    def gray(self, frame: str) -> list[NDArray[np.float32] | None]:  # C of [H, W]
        """Return the photographs of a frame, 0 to 1; None for cameras that have none.

        Raises InputError naming a file that cannot be read.
        """
        return [self._one(frame, camera) for camera in range(len(self.cameras))]

    def has(self, frame: str, camera: int) -> bool:
        """Return whether a camera has a photograph of a frame."""
        return self.layout.image(self.segment, self.cameras.names[camera], frame).is_file()

    def color(self, frame: str, camera: int) -> NDArray[np.uint8]:  # [H, W, 3]
        """Return a photograph as it will be in the data set: scaled, corrected, undistorted."""
        path = self.layout.image(self.segment, self.cameras.names[camera], frame)
        size = self.cameras.size_of(camera)
        return self.lenses.undo(read_photograph(path, *size, self.image_scale, self.color_table), camera)

    def _one(self, frame: str, camera: int) -> NDArray[np.float32] | None:
        if not self.has(frame, camera):
            return None
        size, rgb = (self.cameras.width, self.cameras.height), self.color(frame, camera)
        if size != self.size:
            rgb = np.asarray(Image.fromarray(rgb).resize(self.size, Image.Resampling.BOX))
        return rgb.mean(axis=2, dtype=np.float32) / np.float32(255.0)
