"""Reader of Meta's 2024 releases, Ava-256 and Goliath, in place from one archive per camera.

`camera_calibration.json` is for the whole sensor and has its matrices transposed; its distortion is taken off the
published images already. Tracked meshes are positions in head space; their topology is one OBJ file.
"""

import csv
import json
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.capture.frame_files import FrameFiles
from splatrig.capture.krt import KrtCamera, check_camera
from splatrig.capture.photographs import UNREADABLE
from splatrig.capture.tracked import TemplateTracking, read_topology
from splatrig.capture.zip_index import FrameZip, Member
from splatrig.config.names import NAME
from splatrig.io.errors import InputError
from splatrig.io.files import opened, opened_text

SENSOR = 2668, 4096
"""Width and height in pixels of the images that the calibration is for."""
CLASSES = 11
"""Number of classes of the segmentation: background, hair, body, chair, apparel, lenses, lips (2), teeth (2),
tongue."""
NOT_THE_SUBJECT = (0, 3)
"""Classes that are not part of the subject: background and chair."""
_SEGMENT_COLUMNS = ("seg_id", "segment", "segment_id")
_FRAME_COLUMNS = ("frame_id", "frame")

_Content = TypeVar("_Content")

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Release:
    """Differences between the releases."""

    frame_list: str
    """The table of segments and frames."""
    topology: str
    """The OBJ file whose faces and texture coordinates all frames have."""
    remedy: str
    """Advice for a capture without the topology file, at the end of an error message."""
    lights: str | None = None
    """File with the lighting pattern of each frame; frames that only some lamps light have no tracked mesh."""


AVA256 = Release(
    "frame_list.csv",
    "face_topology.obj",
    "copy assets/face_topology.obj of the repository facebookresearch/ava-256 there",
)
GOLIATH = Release(
    "frame_segments_list.csv",
    "kinematic_tracking/template_mesh.obj",
    "copy it from the release",
    lights="lights/light_pattern_per_frame.json",
)


class CodecAvatarCapture:
    """One person of a release, below one folder."""

    def __init__(self, root: Path, release: Release) -> None:
        """Set the folder with `camera_calibration.json`; nothing is read yet."""
        self.root = root
        self._release = release
        self._zips: dict[str, FrameZip | None] = {}

    @property
    def krt(self) -> Path:
        """The file with the calibration."""
        return self.root / "camera_calibration.json"

    @property
    def frame_list(self) -> Path:
        """The table of segments and frames."""
        return self.root / self._release.frame_list

    @property
    def tex_mean(self) -> Path:
        """The mean texture."""
        return self.root / "uv_image" / "color_mean.png"

    def segments(self) -> list[str]:
        """Return the names of all segments, sorted."""
        return sorted(self._listed)

    def calibration(self) -> dict[str, KrtCamera]:
        """Return the cameras by name, for the size of the sensor; some may have no archive of images."""
        return read_calibration(self.krt)

    def cameras(self, segment: str) -> tuple[str, ...]:
        """Return the cameras that have images of a segment, sorted; an archive without an index is named in the log."""
        frames = self._frames_of(segment)
        names = sorted(path.stem.removeprefix("cam") for path in (self.root / "image").glob("cam*.zip"))
        return tuple(name for name in names if self._has("image", name, frames).any())

    def frames(self, segment: str, cameras: Sequence[str]) -> tuple[FrameFiles, ...]:
        """Return the files of every listed frame of a segment, in time order."""
        numbers = self._frames_of(segment)
        pictured, masked = (
            {camera: self._has(kind, camera, numbers) for camera in cameras} for kind in ("image", "segmentation_parts")
        )
        meshes, poses = self._needed("kinematic_tracking/registration_vertices"), self._needed("head_pose/head_pose")
        return tuple(
            FrameFiles(
                segment=segment,
                frame=f"{number:06d}",
                mesh=meshes.member(number),
                pose=poses.member(number),
                cameras=tuple(camera for camera in cameras if pictured[camera][row]),
                masked=tuple(camera for camera in cameras if masked[camera][row]),
            )
            for row, number in enumerate(numbers.tolist())
        )

    def tracker(self, neutral: FrameFiles) -> TemplateTracking:  # noqa: ARG002 — the topology is a file of its own
        """Return the reader of the tracked meshes."""
        path = self.root / self._release.topology
        if not path.is_file():
            raise InputError(f"{path}: expected the topology of the tracked meshes, got none; {self._release.remedy}.")
        return TemplateTracking(read_topology(path))

    def first_image(self, segment: str, camera: str) -> Member | None:
        """Return the first photograph of a camera in a segment."""
        frames = self._frames_of(segment)
        there = frames[self._has("image", camera, frames)]
        return self.image(segment, camera, str(there[0])) if len(there) else None

    def image(self, segment: str, camera: str, frame: str) -> Member:
        """Return one photograph; raise InputError where it is missing."""
        return self._member("image", segment, camera, frame)

    def matte(self, segment: str, camera: str, frame: str, width: int, height: int) -> NDArray[np.uint8]:  # [H, W]
        """Return the mask of the subject, without the chair, from the segmentation, at `width` × `height` pixels.

        Segmentations may be smaller than their photographs.
        """
        member = self._member("segmentation_parts", segment, camera, frame)
        classes = read_classes(member)
        mask = Image.fromarray(np.where(np.isin(classes, NOT_THE_SUBJECT), np.uint8(0), np.uint8(255)))
        shrunk = mask.width >= width
        return np.asarray(mask.resize((width, height), Image.Resampling.BOX if shrunk else Image.Resampling.BILINEAR))

    @cached_property
    def _listed(self) -> dict[str, list[int]]:
        """The fully lit frames of each segment, sorted."""
        lit = None if self._release.lights is None else read_fully_lit(self.root / self._release.lights)
        listed = read_frame_table(self.frame_list)
        if lit is None:
            return listed
        kept = {segment: [frame for frame in frames if frame in lit] for segment, frames in listed.items()}
        return {segment: frames for segment, frames in kept.items() if frames}

    def _frames_of(self, segment: str) -> NDArray[np.int64]:  # [F]
        if segment not in self._listed:
            names = self.segments()
            raise InputError(
                f"{self.frame_list}: segment {segment} is not listed; it has {len(names)}: {', '.join(names[:5])}, …; "
                "check capture.expressions."
            )
        return np.array(self._listed[segment], dtype=np.int64)

    def _path(self, kind: str, camera: str) -> Path:
        return self.root / kind / f"cam{camera}.zip"

    def _has(self, kind: str, camera: str, frames: NDArray[np.int64]) -> NDArray[np.bool_]:  # [F], [F]
        """Return which frames an archive of a camera has; none if the archive is missing or has no index."""
        name = f"{kind}/cam{camera}"
        if name not in self._zips:
            try:
                self._zips[name] = FrameZip(self._path(kind, camera)) if self._path(kind, camera).exists() else None
            except InputError as error:
                logger.warning("%s", error)
                self._zips[name] = None
        index = self._zips[name]
        return np.zeros(len(frames), dtype=bool) if index is None else np.isin(frames, index.frames)

    def _needed(self, name: str) -> FrameZip:
        """Return an archive that every capture has; raise InputError if it is missing or unreadable."""
        found = self._zips.get(name)
        if found is None:
            found = self._zips[name] = FrameZip(self.root / f"{name}.zip")
        return found

    def _member(self, kind: str, segment: str, camera: str, frame: str) -> Member:
        number = int(frame)
        self._has(kind, camera, np.array([number]))
        index = self._zips[f"{kind}/cam{camera}"]
        found = None if index is None else index.member(number)
        if found is None:
            raise InputError(
                f"{self._path(kind, camera)}: expected frame {frame} of {segment}, got none; set capture.holes to skip."
            )
        return found


def open_ava256(root: Path) -> CodecAvatarCapture:
    """Return the reader of a subject of Ava-256, `root` the folder `decoder`."""
    return CodecAvatarCapture(root, AVA256)


def open_goliath(root: Path) -> CodecAvatarCapture:
    """Return the reader of a head of Goliath."""
    return CodecAvatarCapture(root, GOLIATH)


def read_calibration(path: Path) -> dict[str, KrtCamera]:
    """Read `camera_calibration.json` by camera, for images of the size `SENSOR`, without distortion.

    Raises:
        InputError: A matrix is missing or is no camera matrix; names file and camera.
    """
    cameras: dict[str, KrtCamera] = {}
    for entry in _json(path, lambda document: [dict(each) for each in document["KRT"]]):
        name = str(entry.get("cameraId", "?"))
        where = f"{path}, camera {name}"
        try:
            K, T = (np.array(entry[key], dtype=np.float64).T for key in "KT")
        except (KeyError, TypeError, ValueError) as error:
            raise InputError(
                f"{where}: expected matrices K and T ({error}); copy or download the file again."
            ) from None
        if K.shape != (3, 3) or T.shape != (4, 4) or not (np.isfinite(K).all() and np.isfinite(T).all()):
            raise InputError(
                f"{where}: expected finite K, 3 × 3, and T, 4 × 4, got {K.tolist()} and {T.tolist()}; copy or "
                "download the file again."
            )
        if name in cameras:
            raise InputError(f"{where}: expected names of cameras, each once; copy or download the file again.")
        cameras[name] = KrtCamera(name, K, np.zeros(5), T[:3], SENSOR)
        check_camera(cameras[name], where)
    if not cameras:
        raise InputError(f"{path}: expected cameras, got none; copy or download the file again.")
    return cameras


def read_frame_table(path: Path) -> dict[str, list[int]]:
    """Read the frames of each segment, sorted, from a CSV with a column of segments and one of frame numbers."""
    if not path.is_file():
        raise InputError(f"{path}: expected the table of segments and frames, got none; check capture.root.")
    segments: dict[str, set[int]] = {}
    with opened_text(path) as stream:
        rows = csv.DictReader(stream)
        header = rows.fieldnames or []
        segment_column, frame_column = (
            next((name for name in names if name in header), None) for names in (_SEGMENT_COLUMNS, _FRAME_COLUMNS)
        )
        if segment_column is None or frame_column is None:
            raise InputError(
                f"{path}: expected the columns seg_id and frame_id, got {', '.join(header) or 'nothing'}; download "
                "it again."
            )
        for row in rows:
            segment, frame = row[segment_column] or "", row[frame_column] or ""
            if NAME.fullmatch(segment) is None or not frame.isdecimal():
                raise InputError(
                    f"{path} line {rows.line_num}: expected the name of a segment and the number of a frame, got "
                    f"{segment!r} and {frame!r}."
                )
            segments.setdefault(segment, set()).add(int(frame))
    if not segments:
        raise InputError(f"{path}: expected frames, got none; copy or download the file again.")
    return {segment: sorted(frames) for segment, frames in segments.items()}


def read_fully_lit(path: Path) -> set[int]:
    """Read the numbers of the frames that all lamps light: pattern 0 of the `[frame, pattern]` pairs."""
    return _json(path, lambda document: {int(frame) for frame, pattern in document if int(pattern) == 0})


def read_classes(member: Member) -> NDArray[np.uint8]:  # [H, W]
    """Read a segmentation; raise InputError naming the file if it is damaged or has unknown classes."""
    try:
        with Image.open(opened(member)) as image:
            mode, classes = image.mode, np.asarray(image)
    except UNREADABLE as error:
        raise InputError(f"{member}: cannot be read as a segmentation ({error}); download it again.") from error
    if mode not in ("L", "P"):
        raise InputError(f"{member}: expected a class per pixel in 8 bits, got mode {mode}; download it again.")
    if classes.max(initial=0) >= CLASSES:
        raise InputError(f"{member}: expected classes 0 to {CLASSES - 1}, got {classes.max()}; download it again.")
    return classes


def _json(path: Path, take: Callable[..., _Content]) -> _Content:
    """Apply `take` to a JSON file and return its result; raise InputError naming the file if something is missing."""
    try:
        return take(json.loads(path.read_text(encoding="utf-8-sig")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise InputError(
            f"{path}: cannot be read as {path.name} of the release ({error!r}); copy or download it again."
        ) from error
