"""Interface of raw captures for restructuring; every format implements it in its own module."""

from collections.abc import Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.frame_files import FrameFiles
from splatrig.capture.krt import KrtCamera
from splatrig.capture.tracked import Tracker
from splatrig.io.files import File


class Reader(Protocol):
    """A raw capture below one folder. Readers check what they read; InputError names the file."""

    @property
    def root(self) -> Path:
        """The folder of the capture."""
        ...

    @property
    def krt(self) -> Path:
        """The file with the calibration."""
        ...

    @property
    def tex_mean(self) -> Path:
        """The mean texture; optional."""
        ...

    def segments(self) -> list[str]:
        """Return the names of all segments, sorted."""
        ...

    def calibration(self) -> dict[str, KrtCamera]:
        """Return the calibrated cameras by name: OpenCV axes, millimeters, from the capture's world."""
        ...

    def cameras(self, segment: str) -> tuple[str, ...]:
        """Return the cameras that have images of a segment, sorted."""
        ...

    def frames(self, segment: str, cameras: Sequence[str]) -> tuple[FrameFiles, ...]:
        """Return the files of every frame of a segment, in time order."""
        ...

    def tracker(self, neutral: FrameFiles) -> Tracker:
        """Return the reader of the tracked meshes; all have the topology of the frame `neutral`."""
        ...

    def first_image(self, segment: str, camera: str) -> File | None:
        """Return the first photograph of a camera in a segment."""
        ...

    def image(self, segment: str, camera: str, frame: str) -> File:
        """Return one photograph, which must exist."""
        ...

    def matte(self, segment: str, camera: str, frame: str, width: int, height: int) -> NDArray[np.uint8]:  # [H, W]
        """Return the capture's mask of a photograph, 255 on the head, scaled to `width` × `height` pixels."""
        ...
