"""Where a raw capture in the Multiface layout keeps its files, and which of them are there."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from splatrig.capture.frame_list import in_time_order, read_frame_list
from splatrig.io.errors import InputError


@dataclass(frozen=True)
class FrameFiles:
    """What a capture has of one frame; None where a file is missing."""

    segment: str
    frame: str
    mesh: Path | None
    """`tracked_mesh/{segment}/{frame}.obj`."""
    positions: Path | None
    """`….bin`: head-space positions, little-endian float32."""
    pose: Path | None
    """`…_transform.txt`: head to world."""
    cameras: tuple[str, ...]
    """The cameras, of those asked for, that have an image of this frame."""
    masked: tuple[str, ...]
    """The cameras, of those asked for, that have a mask of this frame."""


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
        """List of frames; a capture may lack it."""
        return self.root / "frame_list.txt"

    @property
    def tex_mean(self) -> Path:
        """Mean texture; a capture may lack it."""
        return self.root / "tex_mean.png"

    def image(self, segment: str, camera: str, frame: str) -> Path:
        """One photograph."""
        return self.root / "images" / segment / camera / f"{frame}.png"

    def mask(self, segment: str, camera: str, frame: str) -> Path:
        """Return the file of a photograph's matte; a capture may lack it."""
        return self.root / "masks" / segment / camera / f"{frame}.png"

    def plate(self, camera: str) -> Path:
        """Return the file of a camera's photograph of the empty stage; a capture may lack it."""
        return self.root / "plates" / f"{camera}.png"

    def labels(self, segment: str, camera: str, frame: str) -> Path:
        """Return the file of a photograph's labels; a capture may lack it."""
        return self.root / "labels" / segment / camera / f"{frame}.png"

    def cameras(self, segment: str) -> tuple[str, ...]:
        """Return the names of the cameras that have a folder of images of a segment, sorted."""
        folder = self.root / "images" / segment
        if not folder.is_dir():
            raise InputError(f"{folder}: segment {segment} has no images; check capture.root and capture.expressions.")
        return tuple(sorted(name for name in _names(folder) if (folder / name).is_dir()))

    def images(self, segment: str, camera: str) -> tuple[Path, ...]:
        """Return the photographs of one camera of a segment, sorted by name."""
        folder = self.root / "images" / segment / camera
        return tuple(folder / name for name in sorted(_names(folder)) if name.endswith(".png"))

    def frames(self, segment: str, cameras: Sequence[str]) -> tuple[FrameFiles, ...]:
        """Return what there is of every listed frame of a segment, in time order.

        Frames come from frame_list.txt or, where the capture has none, from the tracked meshes. Raises InputError
        when the segment has no tracked meshes, or a frame list does not know it.
        """
        folder = self.root / "tracked_mesh" / segment
        if not folder.is_dir():
            raise InputError(
                f"{folder}: segment {segment} has no tracked meshes; check capture.root and capture.expressions."
            )
        tracked = _names(folder)
        pictured = {camera: _names(self.image(segment, camera, "").parent) for camera in cameras}
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
                cameras=tuple(camera for camera in cameras if f"{frame}.png" in pictured[camera]),
                masked=tuple(camera for camera in cameras if f"{frame}.png" in masked[camera]),
            )
            for frame in self._frame_names(segment, tracked)
        )

    def _frame_names(self, segment: str, tracked: Collection[str]) -> tuple[str, ...]:
        """Return the names of a segment's frames in time order."""
        if not self.frame_list.is_file():
            return in_time_order(name.removesuffix(".obj") for name in tracked if name.endswith(".obj"))
        segments = read_frame_list(self.frame_list)
        if segment not in segments:
            raise InputError(
                f"{self.frame_list}: segment {segment} is not listed; it has {len(segments)} others, "
                f"{min(segments)} to {max(segments)}. Remove the list to take the frames from tracked_mesh/."
            )
        return segments[segment]


def _names(folder: Path) -> frozenset[str]:
    """Return the names in a folder, none if it does not exist, without hidden ones (as macOS leaves beside files)."""
    if not folder.is_dir():
        return frozenset()
    return frozenset(path.name for path in folder.iterdir() if not path.name.startswith("."))
