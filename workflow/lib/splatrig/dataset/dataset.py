"""The data set of one subject, `results/{subject}/dataset`: the files of each frame and the cameras that see it."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.cameras import Cameras, read_cameras
from splatrig.dataset.pose import moved, read_pose
from splatrig.io.errors import InputError
from splatrig.mesh.obj import read_obj
from splatrig.mesh.template import Template


@dataclass(frozen=True)
class Frame:
    """One frame of the data set."""

    expression: str
    frame: str
    folder: Path
    """Folder with `{camera}.png` (the photographs), `{frame}.obj` (the tracked mesh) and `{frame}_transform.txt`."""
    cameras: Cameras
    """C cameras; `viewmats` map this frame's head space to the camera."""

    @property
    def name(self) -> str:
        """`expression/frame`, as in tables and messages."""
        return f"{self.expression}/{self.frame}"

    def photograph(self, camera: int) -> Path:
        """Return the file of a camera's photograph; its alpha channel is the matte."""
        return self.folder / f"{self.cameras.names[camera]}.png"

    def has(self, camera: int) -> bool:
        """Return whether there is a photograph from a camera; captures may lack some."""
        return self.photograph(camera).is_file()

    @property
    def photographed(self) -> "Frame":
        """The frame with only those of its cameras that have a photograph of it."""
        there = np.array([self.has(camera) for camera in range(len(self.cameras))], dtype=bool)
        return self if there.all() else replace(self, cameras=self.cameras.select(there))


@dataclass(frozen=True)
class Dataset:
    """The cameras and the folders of all frames of one subject."""

    folder: Path
    """Folder with `{expression}/{frame}/`."""
    cameras: Cameras
    """Cameras in the capture's world space."""
    plates: Path | None = None
    """Folder of the photographs of the empty stage, `{camera}.png`, if the capture has them."""
    motions: Mapping[str, NDArray[np.floating]] = field(default_factory=dict)  # of [3, 4]
    """Rigid motions in head space by `expression/frame` that correct head poses; other frames keep the tracked pose."""

    @classmethod
    def open(cls, cameras: str | Path, plates: str | Path | None = None) -> "Dataset":
        """Open the data set whose calibrated cameras are in the file `cameras`, `dataset/cameras.json`.

        Args:
            cameras: The file; its folder is that of the data set.
            plates: Folder of the photographs of the empty stage, if any.

        Raises:
            InputError: The file is missing or malformed; names it.
        """
        return cls(Path(cameras).parent, read_cameras(cameras), None if plates is None else Path(plates))

    def corrected(self, motions: Mapping[str, NDArray[np.floating]]) -> "Dataset":  # of [3, 4]
        """Return the data set with head poses corrected by rigid `motions` in head space, by `expression/frame`."""
        known = {name: moved(self.motions[name], own) for name, own in motions.items() if name in self.motions}
        return replace(self, motions=dict(self.motions) | dict(motions) | known)

    def frame(self, name: str) -> Frame:
        """Return the frame `expression/frame`; raise InputError naming a pose that is missing or malformed."""
        expression, _, frame = name.rpartition("/")
        folder = self.folder / expression / frame
        pose = read_pose(folder / f"{frame}_transform.txt")
        if name in self.motions:
            pose = moved(pose, self.motions[name])
        return Frame(expression, frame, folder, self.cameras.in_head_space(pose))

    def frames(self, names: Sequence[str]) -> list[Frame]:
        """Return the frames `expression/frame` in order."""
        return [self.frame(name) for name in names]


def photographed_pairs(frames: Sequence[Frame], cameras: Iterable[int]) -> list[tuple[int, int]]:
    """Return the pairs (frame, camera), indices into `frames` and their cameras, that have a photograph, in order."""
    chosen = [int(camera) for camera in cameras]
    return [(index, camera) for index, frame in enumerate(frames) for camera in chosen if frame.has(camera)]


def read_tracked_mesh(folder: Path, template: Template) -> NDArray[np.float64]:  # [V, 3]
    """Read the tracked vertices of the frame in `folder` of a data set, in head space and millimeters.

    Raises InputError naming the file if its vertices are not finite or their number is not the template's.
    """
    path, expected = folder / f"{folder.name}.obj", template.base.vertices
    vertices = read_obj(path).vertices
    if vertices.shape != expected.shape:
        raise InputError(
            f"{path}: expected {len(expected)} vertices as in the template, got {len(vertices)}; restructure it again."
        )
    if not np.isfinite(vertices).all():
        raise InputError(f"{path}: expected finite vertices, got NaN or infinity; track this frame again.")
    return vertices
