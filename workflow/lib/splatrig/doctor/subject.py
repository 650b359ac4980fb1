"""Input of the doctor: the frames of a data set, their tracked meshes and reduced photographs."""

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.reduced import ReducedFrame, Tracked, read_own_mesh, read_reduced, reduced_cameras
from splatrig.doctor.looks import MOMENTS, Skin, bands_of, likeness, look_at
from splatrig.doctor.scores import Scores, scores_of, shared_looks
from splatrig.io.errors import InputError
from splatrig.jobs.progress import track
from splatrig.mesh.obj import read_obj

_PLACES = 400, 2000
"""Minimum and maximum number of points of the skin that are compared."""
_LOOKS_BYTES = 10**9
"""Memory for the appearance of all points in all photographs, bytes."""
_CALIBRATION_FRAMES = 6
"""Number of frames, equally spaced, with which other calibrations are tried."""


@dataclass(frozen=True)
class Subject:
    """The frames of a capture with their meshes, cameras and reduced photographs."""

    names: tuple[str, ...]
    """F names, `expression/frame`."""
    tracked: tuple[Tracked, ...]
    """The mesh of each frame."""
    cameras: Cameras
    """C reduced cameras in world space."""
    height: int
    """Size of the photographs before they were reduced, in pixels."""
    faces: NDArray[np.int64]  # [T, 3]
    read: Callable[[int], ReducedFrame]
    """Function that returns the reduced photographs of a frame; called from many threads."""

    @cached_property
    def skin(self) -> Skin:
        """The points that are compared; fewer in large captures, since all photographs are compared at once."""
        shared = _LOOKS_BYTES // (2 * len(MOMENTS) * len(self.names) * len(self.cameras))
        return Skin(self.faces, int(np.clip(shared, *_PLACES)))

    def scores(self, threads: int) -> tuple[Scores, list[tuple[str, ...]]]:
        """Return the scores of all photographs, and their digests, F of C."""
        shape = (len(self.names), len(MOMENTS), len(self.cameras), len(self.skin.places))
        looks, inside = np.empty(shape, dtype=np.float16), np.empty((shape[0], shape[2]))

        def examine(frame: int) -> tuple[str, ...]:
            photographs = self.read(frame)
            seen = look_at(photographs, self.skin, self.cameras)
            looks[frame], inside[frame] = seen.looks, seen.inside
            return photographs.digests

        with ThreadPoolExecutor(threads) as pool:
            frames = range(len(self.names))
            digests = list(track(pool.map(examine, frames), "frames", unit="frame", total=len(frames)))
        return scores_of(looks, inside), digests

    def sharing(self, Ks: NDArray[np.float64]) -> NDArray[np.float64]:  # [C, 3, 3] -> [C]
        """Return the agreement of all cameras with other intrinsics, as `shared_looks`, from a few frames."""
        cameras = replace(self.cameras, Ks=Ks)
        count = min(_CALIBRATION_FRAMES, len(self.names))
        rows = np.unique(np.linspace(0, len(self.names) - 1, count).round().astype(int))
        seen = [look_at(self.read(row), self.skin, cameras).looks[0] for row in rows]
        stacked = np.stack(seen)
        shown = np.isfinite(stacked).any(axis=0)
        usual = np.where(shown, np.nanmedian(np.where(shown, stacked, 0.0), axis=0), np.nan)
        return shared_looks(usual)

    def fits(
        self,
        frame: int,
        cameras: Sequence[int],
        usual: NDArray[np.floating],  # [C, P]
    ) -> NDArray[np.float64]:  # [F, c]
        """Return the correlations of the photographs of a frame, by some `cameras`, at the meshes of all frames."""
        bands = bands_of(self.read(frame))
        result = np.full((len(self.names), len(cameras)), np.nan)
        for row, mesh in enumerate(self.tracked):
            views = self.skin.views(mesh, self.cameras)
            for column, camera in enumerate(cameras):
                band = bands[camera]
                if band is not None:
                    result[row, column] = likeness(views.look(band, camera, views.shown(camera)[0]), usual[camera])
        return result

    def copy_of(self, frame: int) -> int | None:
        """Return the number of another frame with the same tracked mesh and pose; None if there is none."""
        own = self.tracked[frame]
        return next(
            (
                other
                for other, mesh in enumerate(self.tracked)
                if other != frame
                and np.array_equal(mesh.head_to_world, own.head_to_world)
                and np.array_equal(mesh.vertices, own.vertices)
            ),
            None,
        )

    def motion(self, one: int, other: int, camera: int) -> float:
        """Return the median motion of the mesh in a camera's image between two frames, in image heights."""
        pixels = []
        for frame in (one, other):
            mesh = self.tracked[frame]
            P = self.cameras.Ks[camera] @ self.cameras.in_head_space(mesh.head_to_world).viewmats[camera, :3]
            homogeneous = mesh.vertices @ P[:, :3].T + P[:, 3]
            pixels.append(homogeneous[:, :2] / np.maximum(homogeneous[:, 2:], 1.0))
        return float(np.median(np.linalg.norm(pixels[1] - pixels[0], axis=1))) / self.cameras.height


def open_subject(cameras: str | Path, names: Sequence[str]) -> Subject:
    """Open the frames `expression/frame` of the data set whose cameras are in the file `cameras`.

    Raises InputError naming a frame whose tracked mesh has another number of vertices than the first one.
    """
    dataset = Dataset.open(cameras)
    folders = [dataset.folder / name for name in names]
    tracked = [read_own_mesh(folder) for folder in folders]
    for folder, mesh in zip(folders, tracked, strict=True):
        if mesh.vertices.shape != tracked[0].vertices.shape:
            raise InputError(
                f"{folder}: expected {len(tracked[0].vertices)} vertices as in {folders[0]}, got {len(mesh.vertices)}; "
                "delete the folder and run again."
            )
    return Subject(
        tuple(names),
        tuple(tracked),
        reduced_cameras(dataset.cameras),
        dataset.cameras.height,
        read_obj(folders[0] / f"{folders[0].name}.obj").faces,
        lambda frame: read_reduced(folders[frame], dataset.cameras),
    )
