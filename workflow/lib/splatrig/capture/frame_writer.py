"""Write the frames of a data set: meshes of all levels, the pose, and photographs with a matte."""

import logging
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.capture.color import corrected, correction_table
from splatrig.capture.frame_files import FrameFiles
from splatrig.capture.lenses import Lenses
from splatrig.capture.mattes import Matte, Photograph
from splatrig.capture.photographs import read_image, read_photograph, write_photograph
from splatrig.capture.reader import Reader
from splatrig.capture.texture import colors_of_levels
from splatrig.capture.tracked import Topology, TrackedFrame
from splatrig.config.choices import ColorCorrection
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.pose import write_pose
from splatrig.dataset.reduced import Reduced, Tracked, reduced, reduced_cameras, write_reduced
from splatrig.io.errors import InputError
from splatrig.jobs.progress import track
from splatrig.mesh.normals import vertex_normals
from splatrig.mesh.obj import write_obj
from splatrig.mesh.ply import PlyMesh, write_ply
from splatrig.mesh.subdivision import subdivide

PLY_SUFFIXES = ("", "_subd", "_subd2", "_subd3")
"""File name endings of a frame's meshes: `{frame}.ply`, `{frame}_subd.ply`, …"""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class LevelMesh:
    """Data of one subdivision level that the meshes of all frames share."""

    faces: NDArray[np.int64]
    step: csr_array | None
    colors: NDArray[np.uint8] | None


def meshes_of_levels(
    topology: Topology, subdivisions: int, tex_mean: Path, color: ColorCorrection | None
) -> list[LevelMesh]:
    """Return faces, operators and mean-texture colors of the base and every subdivision level."""
    faces, count = topology.pruning.faces, len(topology.pruning.kept)
    all_faces: list[NDArray[np.int64]] = [faces]
    steps: list[csr_array | None] = [None]
    for _ in range(subdivisions):
        subdivision = subdivide(all_faces[-1], count)
        count = subdivision.step.shape[0]
        all_faces.append(subdivision.faces)
        steps.append(subdivision.step)
    colors: list[NDArray[np.uint8]] | list[None] = [None] * len(all_faces)
    if topology.uv_faces is None or not tex_mean.is_file():
        logger.info("no vertex colors: %s", "no texture coordinates" if tex_mean.is_file() else f"no {tex_mean}")
    else:
        texture = corrected(np.asarray(read_image(tex_mean)), correction_table(color))
        colors = colors_of_levels(texture, topology.mesh.uvs, topology.uv_faces, all_faces)
    return [LevelMesh(*parts) for parts in zip(all_faces, steps, colors, strict=True)]


def write_meshes(
    folder: Path, frame: str, tracked: TrackedFrame, topology: Topology, levels: Sequence[LevelMesh]
) -> None:
    """Write a frame's OBJ, PLYs and pose, in head space."""
    vertices = tracked.vertices
    write_obj(folder / f"{frame}.obj", vertices, levels[0].faces, topology.mesh.uvs, topology.uv_faces)
    write_pose(folder / f"{frame}_transform.txt", tracked.head_to_world)
    for level, suffix in zip(levels, PLY_SUFFIXES, strict=False):
        if level.step is not None:
            vertices = level.step @ vertices
        normals = vertex_normals(vertices, level.faces).astype(np.float32)
        mesh = PlyMesh(vertices.astype(np.float32), level.faces, normals, level.colors)
        write_ply(folder / f"{frame}{suffix}.ply", mesh)


@dataclass(frozen=True)
class RawPhotographs:
    """Photographs of a raw capture as the data set has them: scaled, color corrected and undistorted."""

    capture: Reader
    cameras: Cameras
    chosen: Sequence[FrameFiles]
    seeing: NDArray[np.bool_]  # [F, C]
    """Cameras that see the head, per frame."""
    image_scale: float
    color_table: NDArray[np.uint8]  # [256, 3]
    lenses: Lenses

    def read(self, frame: int, camera: int) -> NDArray[np.uint8]:  # [H, W, 3]
        """Return the photograph of frame number `frame` from camera number `camera`.

        Raises InputError for a photograph that cannot be read, or that has a single color although its camera sees the
        head.
        """
        files = self.chosen[frame]
        path = self.capture.image(files.segment, self.cameras.names[camera], files.frame)
        size = self.cameras.size_of(camera)
        rgb = self.lenses.undo(read_photograph(path, *size, self.image_scale, self.color_table), camera)
        if self.seeing[frame, camera] and _is_blank(rgb):
            raise InputError(
                f"{path}: expected a photograph of the head, got one color all over; copy it again, or remove it, so "
                "that capture.holes: skip leaves this frame out."
            )
        return rgb


def write_photographs(
    read: Photograph,
    chosen: Sequence[FrameFiles],
    cameras: Cameras,
    matte: Matte,
    meshes: Sequence[Mapping[int, Tracked]],
    target: Path,
    *,
    threads: int,
) -> NDArray[np.float64]:  # [F, C]
    """Write the photographs of the chosen frames below `target`, `threads` at a time, and a frame's reduced ones.

    `meshes` are the tracked ones of each frame (0) and around it (-1, 1). Returns the mean of each matte, 0 to 1; NaN
    where a camera has no photograph.
    """
    names, small = cameras.names, reduced_cameras(cameras)
    jobs = [(frame, names.index(camera)) for frame, files in enumerate(chosen) for camera in files.cameras]
    size = small.width, small.height
    coverage = np.full((len(chosen), len(names)), np.nan)

    def write_one(job: tuple[int, int]) -> Reduced:
        frame, camera = job
        rgb = read(frame, camera)
        alpha = cameras.framed(matte(frame, camera), camera)
        coverage[job] = alpha.mean(dtype=np.float64) / 255.0
        write_photograph(target / chosen[frame].frame / f"{names[camera]}.png", rgb, alpha)
        return reduced(rgb, alpha, size)

    with ThreadPoolExecutor(max_workers=threads) as pool:
        try:
            written = track(pool.map(write_one, jobs), "photographs", unit="image", total=len(jobs))
            by_frame = groupby(zip(jobs, written, strict=True), key=lambda pair: pair[0][0])
            for frame, pairs in by_frame:
                own = {camera: each for (_, camera), each in pairs}
                write_reduced(target / chosen[frame].frame, size, own, len(names), meshes[frame])
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return coverage


def _is_blank(rgb: NDArray[np.uint8]) -> bool:  # [H, W, 3]
    """Return whether an image has a single color; in most images a few pixels tell."""
    return bool((rgb[::8, ::8] == rgb[0, 0]).all() and (rgb == rgb[0, 0]).all())
