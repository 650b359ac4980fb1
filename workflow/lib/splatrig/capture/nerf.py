"""Reader of VHAP's NeRF-style export with a mesh per timestep, on which GaussianAvatars and other methods train.

`transforms.json` lists photographs with camera-to-world matrices in OpenGL's axes (x right, y up, z backwards), in
meters, with a principal point counted from the lower border. A union of sequences names the files of the folders next
to it, each in its own world space.
"""

import json
import logging
import math
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.frame_files import FrameFiles
from splatrig.capture.frame_list import in_time_order
from splatrig.capture.krt import KrtCamera, check_camera
from splatrig.capture.photographs import read_mask
from splatrig.capture.tracked import (
    Topology,
    TrackedFrame,
    check_size,
    check_topology,
    read_topology,
    rigid_fit,
)
from splatrig.dataset.cameras import check_rotation
from splatrig.dataset.pose import to_head
from splatrig.io.errors import InputError
from splatrig.mesh.obj import read_obj

MM = 1000.0
"""Millimeters per unit of the export."""
OPENGL_TO_OPENCV = np.diag([1.0, -1.0, -1.0, 1.0])
_WORLD_TOLERANCE_MM = 0.1
"""Largest disagreement of cameras on the motion between the worlds of two frames, 1 m away from them."""
_SAME_PX = 1e-3
"""Largest difference between the intrinsics of a camera in different frames."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Photo:
    """One entry of the list of photographs."""

    camera: str
    image: Path
    mask: Path | None
    mesh: Path | None
    K: NDArray[np.float64]  # [3, 3]
    size: tuple[int, int]
    viewmat: NDArray[np.float64]  # [4, 4] from the world of its sequence, millimeters


Place = tuple[str, str]
"""Name of a segment and name of a frame."""


class NerfCapture:
    """An export below one folder: of one sequence, or of a union of sequences."""

    def __init__(self, root: Path) -> None:
        """Set the folder with `transforms.json`, or with those of a union; nothing is read yet."""
        self.root = root

    @property
    def krt(self) -> Path:
        """The first of the calibration files."""
        return self.documents[0]

    @property
    def documents(self) -> list[Path]:
        """The lists of photographs: a single one, or those of the training, validation and test split."""
        names = ["transforms.json"] if (self.root / "transforms.json").is_file() else []
        names = names or [f"transforms_{split}.json" for split in ("train", "val", "test")]
        found = [self.root / name for name in names if (self.root / name).is_file()]
        if not found:
            raise InputError(f"{self.root}: expected transforms.json, or transforms_train.json; check capture.root.")
        return found

    @property
    def tex_mean(self) -> Path:
        """Path of the mean texture, which exports do not have."""
        return self.root / "tex_mean.png"

    @property
    def folders(self) -> dict[str, Path]:
        """The folder of each segment, which has `images` and `meshes`."""
        return {segment: photos[0].image.parent.parent for (segment, _), photos in self._photos.items()}

    def segments(self) -> list[str]:
        """Return the names of all segments, sorted: those of the sequences' folders."""
        return sorted({segment for segment, _ in self._photos})

    def calibration(self) -> dict[str, KrtCamera]:
        """Return the cameras by name, from the world of the first frame."""
        found = {}
        for photo in (photo for photos in self._photos.values() for photo in photos):
            if photo.camera not in found:
                viewmat = self._viewmats[photo.camera]
                found[photo.camera] = KrtCamera(photo.camera, photo.K, np.zeros(5), viewmat[:3], photo.size)
                check_camera(found[photo.camera], f"{self.krt}, camera {photo.camera}")
            elif np.abs(found[photo.camera].K - photo.K).max() > _SAME_PX or found[photo.camera].size != photo.size:
                raise InputError(
                    f"{self.krt}: camera {photo.camera} has other intrinsics at {photo.image} than before, expected "
                    "the same in all frames; export sequences of one calibration and one image size together."
                )
        return found

    def cameras(self, segment: str) -> tuple[str, ...]:
        """Return the cameras that have images of a segment, sorted."""
        photos = (photo for place, photos in self._photos.items() if place[0] == segment for photo in photos)
        return tuple(sorted({photo.camera for photo in photos if photo.image.is_file()}))

    def frames(self, segment: str, cameras: Sequence[str]) -> tuple[FrameFiles, ...]:
        """Return the files of every frame of a segment, in time order."""
        frames = in_time_order(frame for name, frame in self._photos if name == segment)
        if not frames:
            raise InputError(
                f"{self.krt}: no sequence is named {segment}, there are {', '.join(self.segments())}; check "
                "capture.expressions."
            )
        made = []
        for frame in frames:
            photos = {photo.camera: photo for photo in self._photos[segment, frame]}
            mesh = next((photo.mesh for photo in photos.values() if photo.mesh is not None), None)
            there = [name for name in cameras if name in photos]
            made.append(
                FrameFiles(
                    segment=segment,
                    frame=frame,
                    mesh=mesh if mesh is not None and mesh.is_file() else None,
                    pose=self.krt,
                    cameras=tuple(name for name in there if photos[name].image.is_file()),
                    masked=tuple(name for name in there if (mask := photos[name].mask) and mask.is_file()),
                )
            )
        return tuple(made)

    def tracker(self, neutral: FrameFiles) -> "NerfTracking":
        """Return the reader of the tracked meshes."""
        assert neutral.mesh is not None
        return NerfTracking(read_topology(neutral.mesh), self._canonical, self._to_world)

    def first_image(self, segment: str, camera: str) -> Path | None:
        """Return the first photograph of a camera in a segment."""
        for (name, _), photos in sorted(self._photos.items()):
            found = next((p.image for p in photos if (name, p.camera) == (segment, camera) and p.image.is_file()), None)
            if found is not None:
                return found
        return None

    def image(self, segment: str, camera: str, frame: str) -> Path:
        """Return one photograph."""
        return self._photo(segment, camera, frame).image

    def matte(self, segment: str, camera: str, frame: str, width: int, height: int) -> NDArray[np.uint8]:  # [H, W]
        """Return the mask of a photograph at `width` × `height` pixels."""
        photo = self._photo(segment, camera, frame)
        assert photo.mask is not None  # frames() says which cameras have masks
        return read_mask(photo.mask, photo.image, width, height)

    def _photo(self, segment: str, camera: str, frame: str) -> _Photo:
        return next(photo for photo in self._photos[segment, frame] if photo.camera == camera)

    @cached_property
    def _photos(self) -> dict[Place, list[_Photo]]:
        """The photographs of each frame, in time order, without duplicates."""
        found: dict[Place, dict[str, _Photo]] = defaultdict(dict)
        for document in self.documents:
            for number, entry in enumerate(_entries(document)):
                photo = _photo(document, number, entry)
                segment = _name(photo.image.parent.parent.name)
                frame = photo.image.stem.partition("_")[0]
                found[segment, frame].setdefault(photo.camera, photo)
        if not any(photo.mesh for photos in found.values() for photo in photos.values()):
            raise InputError(
                f"{self.krt}: expected photographs with a mesh_path, got none; export with flame_mode=mesh, "
                "since splatrig does not evaluate FLAME's parameters."
            )
        return {place: list(found[place].values()) for place in sorted(found)}

    @cached_property
    def _worlds(self) -> tuple[dict[str, NDArray[np.float64]], dict[Place, NDArray[np.float64]]]:
        """The cameras in the world of the first frame, and the motion from the world of each frame to that world.

        Exports of several sequences have their origin at the mean of their heads. The motion between these worlds
        follows from cameras that have not moved relative to each other; a moving camera stands for a moving head.
        """
        cameras: dict[str, NDArray[np.float64]] = {}
        motions: dict[Place, NDArray[np.float64]] = {}
        for place, photos in self._photos.items():
            known = [photo for photo in photos if photo.camera in cameras]
            if cameras and not known:
                raise InputError(
                    f"{self.krt}: frame {'/'.join(place)} has no camera in common with the frames before it, so its "
                    "place is not known; export sequences of one rig together."
                )
            steps = np.array([np.linalg.inv(cameras[p.camera]) @ p.viewmat for p in known] or [np.eye(4)])
            spread = np.abs(steps - steps[0]) * [MM, MM, MM, 1.0]
            if spread.max() > _WORLD_TOLERANCE_MM:
                worst = known[int(spread.max(axis=(1, 2)).argmax())].camera
                raise InputError(
                    f"{self.krt}: frame {'/'.join(place)}: camera {worst} has moved against camera {known[0].camera} "
                    f"by {spread.max():.3g} mm since the first frame, expected a rig that keeps still; export "
                    "sequences of one calibration together."
                )
            motions[place] = steps[0]
            for photo in photos:
                cameras.setdefault(photo.camera, photo.viewmat @ np.linalg.inv(steps[0]))
        return cameras, motions

    @property
    def _viewmats(self) -> dict[str, NDArray[np.float64]]:
        return self._worlds[0]

    def _to_world(self, files: FrameFiles) -> NDArray[np.float64]:  # [4, 4]
        """Return the motion from the world of a frame to the world of the calibration."""
        return self._worlds[1][files.segment, files.frame]

    @cached_property
    def _canonical(self) -> Path:
        """The mesh whose position defines head space: `canonical.obj`, or else that of the first frame."""
        places = [folder / "canonical.obj" for folder in (self.root, *self.folders.values())]
        meshes = [photo.mesh for photos in self._photos.values() for photo in photos if photo.mesh is not None]
        found = next((path for path in [*places, *meshes] if path.is_file()), None)
        if found is None:
            raise InputError(f"{self.krt}: the meshes that it names are not there; copy the folder meshes, too.")
        return found


class NerfTracking:
    """Reader of tracked frames in meters.

    The head pose is the motion from the canonical mesh to where most of its vertices are.
    """

    def __init__(
        self, topology: Topology, canonical: Path, to_world: Callable[[FrameFiles], NDArray[np.float64]]
    ) -> None:
        """Set the mesh at rest in head space, and the function that returns a frame's motion to the common world."""
        self.topology = topology
        self._to_world = to_world
        mesh = read_obj(canonical)
        check_topology(canonical, mesh, topology)
        self._rest = topology.pruned(canonical, MM * mesh.vertices)

    def read(self, files: FrameFiles) -> TrackedFrame:
        """Read one frame; raise InputError naming the file if the topology differs or the unit is not meters."""
        assert files.mesh is not None
        mesh = read_obj(files.mesh)
        check_topology(files.mesh, mesh, self.topology)
        vertices = self.topology.pruned(files.mesh, MM * mesh.vertices)
        check_size(files.mesh, vertices)
        turn, step = rigid_fit(self._rest, vertices)
        pose = np.column_stack([turn.as_matrix(), step])
        return TrackedFrame(to_head(vertices, pose), self._to_world(files)[:3] @ np.vstack([pose, [0, 0, 0, 1]]))

    def positions(self, files: FrameFiles) -> NDArray[np.float64]:  # [V, 3]
        """Return the head-space positions of one frame."""
        return self.read(files).vertices


def _entries(document: Path) -> list[dict[str, Any]]:
    """Return the photographs of a list, each with the values that all share."""
    try:
        content = json.loads(document.read_text(encoding="utf-8-sig"))
        shared = {key: value for key, value in content.items() if key != "frames"}
        return [{**shared, **entry} for entry in content["frames"]]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise InputError(f"{document}: not a list of photographs ({error!r}); export it again.") from error


def _photo(document: Path, number: int, entry: dict[str, Any]) -> _Photo:
    """Return one entry with cameras in OpenCV's axes and millimeters."""
    where = f"{document}, frames[{number}]"
    try:
        matrix = np.array(entry["transform_matrix"], dtype=np.float64).reshape(4, 4)
        width, height = int(entry["w"]), int(entry["h"])
        fx, fy, cx, cy = (float(entry[key]) for key in ("fl_x", "fl_y", "cx", "cy"))
        image = _below(document, entry["file_path"])
        mask, mesh = (_below(document, entry[key]) if key in entry else None for key in ("fg_mask_path", "mesh_path"))
        camera = _name(str(entry.get("camera_id", image.stem.rpartition("_")[2])))
    except (KeyError, TypeError, ValueError) as error:
        raise InputError(f"{where}: not a photograph of VHAP's export ({error!r}); export it again.") from error
    if not (np.isfinite(matrix).all() and math.isfinite(fx + fy + cx + cy)):
        raise InputError(
            f"{where}: expected finite numbers in transform_matrix, fl_x, fl_y, cx and cy; export it again."
        )
    check_rotation(matrix[:3, :3], f"{where}: transform_matrix")
    viewmat = np.linalg.inv(matrix @ OPENGL_TO_OPENCV).astype(np.float64)
    viewmat[:3, 3] *= MM
    K = np.array([[fx, 0.0, cx], [0.0, fy, height - cy], [0.0, 0.0, 1.0]])
    return _Photo(camera, image, mask, mesh, K, (width, height), viewmat)


def _below(document: Path, path: str) -> Path:
    """Return the file of a path relative to its list, without the `..` of unions."""
    file = document.parent / path
    return file.resolve() if ".." in Path(path).parts else file


def _name(text: str) -> str:
    """Convert a text to the name of a segment or a camera."""
    return re.sub(r"[^A-Za-z0-9_.-]+", "_", text).lstrip("_.-") or "0"
