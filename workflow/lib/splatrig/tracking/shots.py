"""The photographs of one segment as tracking reads them, frame by frame."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.capture.frame_list import in_time_order
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.photographs import read_photograph
from splatrig.dataset.cameras import Cameras

FINEST_MM = 1.0
"""What a pixel spans at the head at least: larger photographs are reduced, for tracking alone."""


def tracking_cameras(cameras: Cameras, head_center: NDArray[np.float64]) -> Cameras:  # [3] world
    """Return the cameras of photographs reduced so far that a pixel spans `FINEST_MM` or more at the head."""
    return cameras.scaled(min(1.0, cameras.pixel_size(head_center) / FINEST_MM))


def photographed_frames(layout: CaptureLayout, segment: str, cameras: Sequence[str]) -> tuple[str, ...]:
    """Return the frames of a segment that any of the cameras has photographed, in time order."""
    return in_time_order({path.stem for camera in cameras for path in layout.images(segment, camera)})


@dataclass(frozen=True)
class Shots:
    """The photographs of a segment."""

    layout: CaptureLayout
    segment: str
    frames: tuple[str, ...]
    cameras: Cameras
    """At the size of the data set."""
    size: tuple[int, int]
    """Width and height for tracking."""
    image_scale: float
    color_table: NDArray[np.uint8]  # [256, 3]

    def gray(self, frame: str) -> list[NDArray[np.float32] | None]:  # C of [H, W]
        """Return the photographs of a frame, 0 to 1; None for cameras that have none.

        Raises InputError naming a file that cannot be read.
        """
        return [self._one(frame, camera) for camera in self.cameras.names]

    def _one(self, frame: str, camera: str) -> NDArray[np.float32] | None:
        path = self.layout.image(self.segment, camera, frame)
        if not path.is_file():
            return None
        size = self.cameras.width, self.cameras.height
        rgb = read_photograph(path, *size, self.image_scale, self.color_table)
        if size != self.size:
            rgb = np.asarray(Image.fromarray(rgb).resize(self.size, Image.Resampling.BOX))
        return rgb.mean(axis=2, dtype=np.float32) / np.float32(255.0)
