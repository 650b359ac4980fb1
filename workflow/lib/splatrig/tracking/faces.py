"""Where the network sees faces in the photographs of a segment, and where their points are in space."""

import logging
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.color import corrected
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.photographs import read_image
from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path
from splatrig.jobs.progress import track
from splatrig.landmarks.network import FaceFinder
from splatrig.landmarks.points import POINTS
from splatrig.tracking.shots import photographed_frames

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class SegmentFaces:
    """What the network sees of a segment."""

    frames: tuple[str, ...]
    """In time order."""
    cameras: tuple[str, ...]
    seen: NDArray[np.float32]  # [F, C, L, 2]
    """Points in fractions of the image's width and height; NaN where no face was seen."""

    def of(self, frame: str, cameras: Cameras) -> NDArray[np.float64]:  # [C, L, 2]
        """Return the points of a frame in pixels of `cameras`; NaN for cameras that were not asked."""
        row = self.seen[self.frames.index(frame)].astype(np.float64) * [cameras.width, cameras.height]
        nothing = np.full(row.shape[1:], np.nan)
        places = {name: number for number, name in enumerate(self.cameras)}
        return np.stack([row[places[name]] if name in places else nothing for name in cameras.names])


def find_faces(
    layout: CaptureLayout,
    segment: str,
    cameras: tuple[str, ...],
    finder: FaceFinder,
    color_table: NDArray[np.uint8],  # [256, 3]
) -> SegmentFaces:
    """Return what the network sees in all photographs of a segment; raise InputError naming one that is damaged."""
    frames = photographed_frames(layout, segment, cameras)
    if not frames:
        raise InputError(f"{layout.root}/images/{segment}: expected photographs, got none; check capture.root.")
    seen = np.full((len(frames), len(cameras), len(POINTS), 2), np.nan, dtype=np.float32)
    photographs = 0
    for row, frame in enumerate(track(frames, segment, unit="frame", total=len(frames))):
        for column, camera in enumerate(cameras):
            path = layout.image(segment, camera, frame)
            if not path.is_file():
                continue
            photographs += 1
            pixels = corrected(np.asarray(read_image(path)), color_table)
            points = finder.find(np.ascontiguousarray(pixels))
            if points is not None:
                seen[row, column] = points[list(POINTS)] / [pixels.shape[1], pixels.shape[0]]
    faces = int(np.isfinite(seen).all(axis=(2, 3)).sum())
    logger.info("%s: a face in %d of %d photographs of %d frames", segment, faces, photographs, len(frames))
    return SegmentFaces(frames, cameras, seen)


def write_faces(path: str | Path, faces: SegmentFaces) -> None:
    """Write what was seen as a compressed .npz."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, frames=np.array(faces.frames), cameras=np.array(faces.cameras), seen=faces.seen)


def read_faces(path: str | Path) -> SegmentFaces:
    """Read what `write_faces` wrote."""
    with np.load(path) as data:
        return SegmentFaces(tuple(data["frames"].tolist()), tuple(data["cameras"].tolist()), data["seen"])
