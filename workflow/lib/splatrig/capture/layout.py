"""File layout of a raw Multiface capture, and the files that it has."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.frame_files import FrameFiles
from splatrig.capture.frame_list import in_time_order, read_frame_list
from splatrig.capture.krt import KrtCamera, read_krt
from splatrig.capture.photographs import read_mask
from splatrig.capture.tracked import Tracking, read_topology
from splatrig.config.names import check_name
from splatrig.io.errors import InputError
from splatrig.io.files import is_stray

PHOTOGRAPHS = (".png", ".jpg", ".jpeg", ".avif")
"""File endings of photographs, in either case. Masks and labels are PNG: lossy formats blur their borders."""


@dataclass(frozen=True)
class CaptureLayout:
    """A raw capture below one folder: KRT, lists, tex_mean.png, images/, masks/, labels/, plates/ and tracked_mesh/."""

    root: Path

    @property
    def krt(self) -> Path:
        """Camera calibration."""
        return self.root / "KRT"

    @property
    def frame_list(self) -> Path:
        """List of frames; optional."""
        return self.root / "frame_list.txt"

    @property
    def tex_mean(self) -> Path:
        """Mean texture; optional."""
        return self.root / "tex_mean.png"

    def calibration(self) -> dict[str, KrtCamera]:
        """Return the calibrated cameras by name."""
        return read_krt(self.krt)

    def segments(self) -> list[str]:
        """Return the names of the segments with tracked meshes, sorted; raise InputError if there are none."""
        missing = [name for name in ("KRT", "images", "tracked_mesh") if not (self.root / name).exists()]
        if missing:
            raise InputError(
                f"capture.root: {self.root} has no {' and no '.join(missing)}, expected a capture in Multiface's "
                "layout for capture.source: local; name its folder, or add what is missing (docs/captures.md)."
            )
        folder = self.root / "tracked_mesh"
        return sorted(name for name in _names(folder) if (folder / name).is_dir())

    def image(self, segment: str, camera: str, frame: str) -> Path:
        """Return the file of a photograph, with the ending `.png` if it does not exist."""
        return photograph_in(self.root / "images" / segment / camera, frame)

    def mask(self, segment: str, camera: str, frame: str) -> Path:
        """Return the file of a photograph's mask, which need not exist."""
        return self.root / "masks" / segment / camera / f"{frame}.png"

    def labels(self, segment: str, camera: str, frame: str) -> Path:
        """Return the file of a photograph's labels, which need not exist."""
        return self.root / "labels" / segment / camera / f"{frame}.png"

    def cameras(self, segment: str) -> tuple[str, ...]:
        """Return the names of the cameras that have a folder of images of a segment, sorted."""
        folder = self.root / "images" / segment
        if not folder.is_dir():
            raise InputError(f"{folder}: segment {segment} has no images; check capture.root and capture.expressions.")
        return tuple(sorted(name for name in _names(folder) if (folder / name).is_dir()))

    def first_image(self, segment: str, camera: str) -> Path | None:
        """Return the first photograph by name of one camera of a segment."""
        folder = self.root / "images" / segment / camera
        return next((folder / name for name in sorted(_names(folder)) if is_photograph(name)), None)

    def matte(self, segment: str, camera: str, frame: str, width: int, height: int) -> NDArray[np.uint8]:  # [H, W]
        """Return the mask of a photograph at `width` × `height` pixels."""
        place = segment, camera, frame
        return read_mask(self.mask(*place), self.image(*place), width, height)

    def tracker(self, neutral: FrameFiles) -> Tracking:
        """Return the reader of tracked meshes with the topology of `neutral`."""
        assert neutral.mesh is not None
        return Tracking(read_topology(neutral.mesh))

    def frames(self, segment: str, cameras: Sequence[str]) -> tuple[FrameFiles, ...]:
        """Return the files of every listed frame of a segment, in time order.

        Frames come from frame_list.txt or, where the capture has none, from the tracked meshes. Raises InputError
        when the segment has no tracked meshes, or a frame list does not know it.
        """
        folder = self.root / "tracked_mesh" / segment
        if not folder.is_dir():
            raise InputError(
                f"{folder}: segment {segment} has no tracked meshes; check capture.root and capture.expressions."
            )
        tracked = _names(folder)
        pictured = {camera: photographed(self.root / "images" / segment / camera) for camera in cameras}
        masked = {camera: _names(self.mask(segment, camera, "").parent) for camera in cameras}

        def present(name: str) -> Path | None:
            return folder / name if name in tracked else None

        return tuple(
            FrameFiles(
                segment=segment,
                frame=frame,
                mesh=present(f"{frame}.obj"),
                positions=present(f"{frame}.bin"),
                pose=present(f"{frame}_transform.txt"),
                cameras=tuple(camera for camera in cameras if frame in pictured[camera]),
                masked=tuple(camera for camera in cameras if f"{frame}.png" in masked[camera]),
            )
            for frame in self._frame_names(segment, tracked)
        )

    def _frame_names(self, segment: str, tracked: Collection[str]) -> tuple[str, ...]:
        """Return the names of a segment's frames in time order."""
        if not self.frame_list.is_file():
            frames = [name.removesuffix(".obj") for name in sorted(tracked) if name.endswith(".obj")]
            for frame in frames:
                check_name(frame, f"{self.root}/tracked_mesh/{segment}/{frame}.obj")
            return in_time_order(frames)
        segments = read_frame_list(self.frame_list)
        if segment not in segments:
            raise InputError(
                f"{self.frame_list}: segment {segment} is not listed; it has {len(segments)} others, "
                f"{min(segments)} to {max(segments)}. Remove the list to take the frames from tracked_mesh/."
            )
        return segments[segment]


def is_photograph(name: str) -> bool:
    """Return whether a file has the ending of a photograph."""
    return name.lower().endswith(PHOTOGRAPHS)


def photograph_in(folder: Path, name: str) -> Path:
    """Return the file of the photograph `name` (without ending) in a folder; ends in `.png` if there is none."""
    endings = (*PHOTOGRAPHS, *map(str.upper, PHOTOGRAPHS))
    found = (path for ending in endings if (path := folder / f"{name}{ending}").is_file())
    return next(found, folder / f"{name}.png")


def photographed(folder: Path) -> frozenset[str]:
    """Return the names without endings of the photographs in a folder; raise InputError for one with two endings."""
    files = sorted(name for name in _names(folder) if is_photograph(name))
    stems = [name.rpartition(".")[0] for name in files]
    twice = next((number for number in range(1, len(stems)) if stems[number] == stems[number - 1]), None)
    if twice is not None:
        raise InputError(
            f"{folder}: got {files[twice - 1]} and {files[twice]}, expected one photograph per name; remove one."
        )
    return frozenset(stems)


def _names(folder: Path) -> frozenset[str]:
    """Return the names in a folder without stray files; none if the folder does not exist."""
    if not folder.is_dir():
        return frozenset()
    return frozenset(path.name for path in folder.iterdir() if not is_stray(path.name))
