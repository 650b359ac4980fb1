"""Mattes by difference from the empty stage, within the visual hull of what all cameras see as foreground."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.cells import grown_to_pixels
from splatrig.capture.difference import Cells, Difference, Light, Plate, difference, measure_light
from splatrig.capture.hull import GRID_MM, hull_cells, points_around
from splatrig.capture.mattes import Photograph
from splatrig.capture.tracked import TrackedFrame
from splatrig.dataset.cameras import Cameras
from splatrig.mesh.silhouette import silhouette

BAND_MM = 40.0
"""Distance from the tracked mesh, at the head's depth, up to which mattes reach: hair, ears, a collar."""
_FOREIGN = 3.0
"""Noise of a plate, over the median of all cameras, from which it counts as that of another stage or of a moved
camera."""
_FOREIGN_LEVELS = 24.0
"""Gray levels of noise that no camera reaches."""
_KEPT_FRAMES = 2
"""Number of frames whose mattes are kept: threads may still write the last photographs of one while the next one
begins."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class FrameMattes:
    """The mattes of one frame in all cameras, with statistics of how they were found."""

    alpha: NDArray[np.uint8]  # [C, H, W]
    lights: tuple[Light | None, ...]
    """Noise and brightness of each photograph; None where too little of the background is known."""
    foreign: tuple[int, ...]
    """Cameras whose plate does not fit and was not used."""
    known: float
    """Fraction of the band around the mesh whose plate is known."""
    beyond: float
    """Coverage beyond the mesh, over that of the mesh."""
    cut: float
    """Fraction of the difference beyond the mesh that is outside of the visual hull."""


def frame_mattes(
    photographs: Sequence[NDArray[np.uint8]],  # C of [H, W, 3]
    plates: Sequence[Plate],
    vertices: NDArray[np.float64],  # [V, 3]
    faces: NDArray[np.int64],  # [T, 3]
    cameras: Cameras,
    *,
    threads: int = 1,
) -> FrameMattes:
    """Return the mattes of one frame; `cameras` and the tracked mesh are in its head space.

    Within the visual hull, a matte is the larger of the mesh's silhouette and the coverage by difference from the
    plate. Where a plate is unknown it is the silhouette alone.
    """
    count, width, height = len(cameras), cameras.width, cameras.height
    center = vertices.mean(axis=0)
    depths = cameras.viewmats[:, 2, :3] @ center + cameras.viewmats[:, 2, 3]
    pixels_a_mm = cameras.Ks[:, 0, 0] / np.maximum(depths, 1.0)
    size = max(1, round(0.5 * GRID_MM * float(np.median(pixels_a_mm))))

    def look(c: int) -> tuple[NDArray[np.uint8], Cells, Light | None]:
        alpha = silhouette(vertices, faces, cameras.viewmats[c], cameras.Ks[c], width, height)
        cells = Cells.of(alpha, size, BAND_MM * float(pixels_a_mm[c]))
        return alpha, cells, measure_light(photographs[c], plates[c], cells)

    def compare(c: int) -> Difference:
        unknown = replace(plates[c], known=np.zeros_like(plates[c].known))
        light = known_lights[c]
        used = unknown if light is None or c in foreign else plates[c]
        return difference(photographs[c], used, cells[c], light or Light.none())

    with ThreadPoolExecutor(threads) as pool:
        meshes, cells, lights = zip(*pool.map(look, range(count)), strict=True)
        known_lights, foreign = _usable(lights)
        differences = list(pool.map(compare, range(count)))
    covered, band = (np.stack([getattr(each, name) for each in cells]) for name in ("covered", "band"))
    foreground, known = (np.stack([getattr(each, name) for each in differences]) for name in ("foreground", "known"))
    hull = hull_cells(points_around(vertices, BAND_MM), cameras, covered, foreground, known, size)
    alpha = np.empty((count, height, width), dtype=np.uint8)
    of_mesh = of_all = of_hull = 0
    for c, mesh in enumerate(meshes):
        both = np.maximum(mesh, differences[c].coverage)
        alpha[c] = np.where(grown_to_pixels(hull[c], size, mesh.shape), both, mesh)
        of_mesh += int(mesh.sum(dtype=np.int64))
        of_all += int(both.sum(dtype=np.int64))
        of_hull += int(alpha[c].sum(dtype=np.int64))
    around = band & ~covered
    return FrameMattes(
        alpha,
        lights,
        foreign,
        known=float(known[around].mean()) if around.any() else 0.0,
        beyond=(of_hull - of_mesh) / max(of_mesh, 1),
        cut=(of_all - of_hull) / max(of_all - of_mesh, 1),
    )


def _usable(lights: Sequence[Light | None]) -> tuple[list[Light | None], tuple[int, ...]]:
    """Return lights with unmeasurable ones replaced by that of a median camera, and the cameras with foreign plates."""
    measured = [light for light in lights if light is not None]
    if not measured:
        return [None] * len(lights), ()
    levels = np.array([light.level for light in measured])
    most = min(_FOREIGN * float(np.median(levels)), _FOREIGN_LEVELS)
    foreign = tuple(c for c, light in enumerate(lights) if light is not None and light.level > most)
    median = measured[int(np.argsort(levels, kind="stable")[(len(levels) - 1) // 2])]
    return [replace(median, gain=1.0) if light is None else light for light in lights], foreign


class PlateMattes:
    """Mattes from plates; called from many threads, one frame after the other."""

    def __init__(
        self,
        read: Photograph,
        plates: Sequence[Plate],
        tracked: Sequence[TrackedFrame],
        faces: NDArray[np.int64],  # [T, 3]
        in_head: Sequence[Cameras],
        there: NDArray[np.bool_],  # [F, C]
        *,
        threads: int = 1,
    ) -> None:
        """Set the tracked meshes, and the cameras of each frame in its head space; `read` returns photographs.

        `there` says which cameras have a photograph of which frame.
        """
        self._read, self._plates, self._tracked, self._faces = read, plates, tracked, faces
        self._in_head, self._there, self._threads = in_head, there, threads
        self._kept: dict[int, FrameMattes] = {}
        self._lock = Lock()
        self.notes: dict[int, FrameMattes] = {}
        """Statistics of each frame over all cameras, without the mattes."""

    def __call__(self, frame: int, camera: int) -> NDArray[np.uint8]:  # [H, W]
        """Return the alpha of the photograph of frame `frame` from camera number `camera`."""
        with self._lock:
            if frame not in self._kept:
                self._kept[frame] = self._make(frame)
                for old in sorted(self._kept)[:-_KEPT_FRAMES]:
                    del self._kept[old]
            return self._kept[frame].alpha[self._there[frame, :camera].sum()]

    def _make(self, frame: int) -> FrameMattes:
        rows = np.flatnonzero(self._there[frame]).tolist()
        with ThreadPoolExecutor(self._threads) as pool:
            photographs = list(pool.map(lambda camera: self._read(frame, camera), rows))
        mattes = frame_mattes(
            photographs,
            [self._plates[camera] for camera in rows],
            self._tracked[frame].vertices,
            self._faces,
            self._in_head[frame].select(rows),
            threads=self._threads,
        )
        lights = dict(zip(rows, mattes.lights, strict=True))
        self.notes[frame] = replace(
            mattes,
            alpha=mattes.alpha[:, :0, :0],
            lights=tuple(lights.get(camera) for camera in range(len(self._plates))),
            foreign=tuple(rows[number] for number in mattes.foreign),
        )
        return mattes


def report(expression: str, notes: Sequence[FrameMattes], cameras: Sequence[str]) -> None:
    """Log how much the plates contributed in the frames of an expression, and which of them do not fit."""
    lights = [light for note in notes for light in note.lights if light is not None]
    if not lights:
        logger.warning(
            "%s: no photograph shows enough of the stage around the head to compare it with the plates; alpha is the "
            "silhouette of the tracked mesh",
            expression,
        )
        return
    gains, levels = [light.gain for light in lights], [light.level for light in lights]
    logger.info(
        "%s: plates are known in %.0f %% of the %.0f mm around the mesh; noise %.1f gray levels (%.1f to %.1f), "
        "brightness %.3f to %.3f; coverage beyond the mesh is %.1f %% of the mesh's; %.0f %% of the difference is "
        "outside the visual hull",
        *(expression, 100 * np.mean([note.known for note in notes]), BAND_MM),
        *(np.median(levels), min(levels), max(levels), min(gains), max(gains)),
        *(100 * np.mean([note.beyond for note in notes]), 100 * np.mean([note.cut for note in notes])),
    )
    for camera in sorted({camera for note in notes for camera in note.foreign}):
        level = max(note.lights[camera].level for note in notes if camera in note.foreign)  # type: ignore[union-attr]
        logger.warning(
            "%s: the plate of camera %s differs from its photographs by %.0f gray levels outside the head, in the "
            "median camera it is %.0f; its alpha there is the silhouette of the tracked mesh: camera or light may "
            "have changed",
            *(expression, cameras[camera], level, np.median(levels)),
        )
