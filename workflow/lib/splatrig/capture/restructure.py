"""From the raw capture to the data set: one expression's frames in head space, photographs with silhouettes."""

import logging
import time
from collections import Counter
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.capture.color import corrected, correction_table
from splatrig.capture.layout import CaptureLayout, FrameFiles
from splatrig.capture.photographs import read_image, read_photograph, write_photograph
from splatrig.capture.texture import colors_of_levels
from splatrig.capture.tracked import Topology, TrackedFrame, Tracking, read_topology, rigid_motion
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.frames import ChosenFrame, select_frames
from splatrig.dataset.pose import write_pose
from splatrig.io.errors import InputError
from splatrig.jobs.progress import track
from splatrig.mesh.normals import vertex_normals
from splatrig.mesh.obj import write_obj
from splatrig.mesh.ply import PlyMesh, write_ply
from splatrig.mesh.silhouette import silhouette
from splatrig.mesh.subdivision import subdivide

_MOTION_MM, _MOTION_DEGREES = 15.0, 10.0
"""Heads that have moved and turned less than that in head space pass: trackers differ, and faces are not rigid."""

_log = logging.getLogger(__name__)

PLY_SUFFIXES = ("", "_subd", "_subd2", "_subd3")
"""File name endings of a frame's meshes: `{frame}.ply`, `{frame}_subd.ply`, …"""


@dataclass(frozen=True)
class RestructureOptions:
    """What to make of a capture: the configuration's values that the data set depends on."""

    neutral: str
    """The expression whose first chosen frame is the neutral and whose topology all frames share."""
    frames_per_expression: int
    frame_selection: str
    """`first`, `uniform` or `spread`."""
    holes: str
    """`skip` frames with missing files, or `refuse` them."""
    image_scale: float
    color: str
    silhouettes: bool
    """Whether alpha is the silhouette of the tracked mesh; 255 otherwise."""
    subdivisions: int


@dataclass(frozen=True)
class _LevelMesh:
    """What the meshes of one level have in common in all frames."""

    faces: NDArray[np.int64]
    step: csr_array | None
    colors: NDArray[np.uint8] | None


def restructure(
    layout: CaptureLayout,
    expression: str,
    cameras: Cameras,
    options: RestructureOptions,
    target: Path,
    *,
    threads: int = 1,
) -> list[ChosenFrame]:
    """Write one expression's data set below `target` and return the rows of its table.

    `cameras` are those of `calibration.json`: selected, scaled, world to camera. Each chosen frame gets a folder with
    mesh, levels, pose and photographs. The result does not depend on `threads`. Raises InputError naming the file.
    """
    started = time.perf_counter()
    usable = _usable_frames(layout, expression, cameras, options.holes)
    neutral = _neutral_files(layout, options.neutral, usable)
    topology = read_topology(neutral)
    tracking = Tracking(topology)
    chosen = [
        usable[i]
        for i in select_frames(
            options.frames_per_expression,
            len(usable),
            options.frame_selection,
            lambda i: tracking.positions(usable[i]),
        )
    ]
    _log.info(
        "%s: frames %s, %s of %d", expression, ", ".join(f.frame for f in chosen), options.frame_selection, len(usable)
    )
    levels = _levels(topology, options, layout.tex_mean)
    tracked = []
    for files in chosen:
        (target / files.frame).mkdir(parents=True)
        tracked.append(tracking.read(files))
        _write_meshes(target / files.frame, files.frame, tracked[-1], topology, levels)
    _check_motion(chosen, tracked, tracking.positions(neutral))
    meshed = time.perf_counter()
    images = _write_photographs(layout, cameras, options, chosen, tracked, levels[0].faces, target, threads)
    seconds = time.perf_counter() - meshed
    _log.info(
        "%s: %d frames of meshes in %.2f s; %d images in %.2f s, %.1f ms each on %d threads",
        expression, len(chosen), meshed - started, images, seconds, 1e3 * seconds / max(images, 1), threads,
    )  # fmt: skip
    return [
        ChosenFrame(
            expression=expression,
            frame=files.frame,
            image_count=len(files.cameras),
            mesh=str(files.mesh.relative_to(layout.root)) if files.mesh else "",
            pose=str(files.pose.relative_to(layout.root)) if files.pose else "",
            neutral=expression == options.neutral and number == 0,
        )
        for number, files in enumerate(chosen)
    ]


def _usable_frames(layout: CaptureLayout, expression: str, cameras: Cameras, holes: str) -> list[FrameFiles]:
    """Return the frames with mesh, pose and an image of every camera; log or refuse the others."""
    frames = layout.frames(expression, cameras.names)
    usable = []
    lacked: Counter[str] = Counter()
    for files in frames:
        missing = [name for name, path in (("mesh", files.mesh), ("pose", files.pose)) if path is None]
        lacking = [camera for camera in cameras.names if camera not in files.cameras]
        lacked.update([*missing, *(f"image of camera {camera}" for camera in lacking)])
        if lacking:
            missing.append(f"image of camera {', '.join(lacking)}" if files.cameras else "image")
        if not missing:
            usable.append(files)
            continue
        what = " and ".join(missing)
        if holes == "refuse":
            raise InputError(
                f"{layout.root}: frame {expression}/{files.frame} has no {what}; complete the capture, or set "
                "capture.holes to skip."
            )
        _log.warning("%s/%s: no %s; left out", expression, files.frame, what)
    if not usable:
        most = ", ".join(f"{count} have no {what}" for what, count in lacked.most_common(4))
        raise InputError(
            f"{layout.root}: none of the {len(frames)} frames of {expression} has a mesh, a pose and an image of every "
            f"camera ({most}); complete the capture, or leave out the camera (capture.cameras) or the expression."
        )
    return usable


def _neutral_files(layout: CaptureLayout, neutral: str, usable: Sequence[FrameFiles]) -> FrameFiles:
    """Return the first tracked frame of the neutral expression, whose topology all frames share."""
    own = usable[0].segment == neutral
    candidates = usable if own else [files for files in layout.frames(neutral, ()) if files.mesh and files.pose]
    if not candidates:
        raise InputError(f"{layout.root}/tracked_mesh/{neutral}: the neutral expression has no tracked frame.")
    return candidates[0]


def _check_motion(
    chosen: Sequence[FrameFiles],
    tracked: Sequence[TrackedFrame],
    neutral: NDArray[np.float64],  # [V, 3]
) -> None:
    """Name in the log the frames whose head is not where the neutral's is: head space is there to take that away."""
    for files, frame in zip(chosen, tracked, strict=True):
        millimetres, degrees = rigid_motion(neutral, frame.vertices)
        if millimetres > _MOTION_MM or degrees > _MOTION_DEGREES:
            _log.warning(
                "%s/%s: in head space the tracked head is moved by %.0f mm and turned by %.0f° against the neutral; "
                "its mesh or its pose is wrong, and the motion enters the components: track it again or remove it",
                *(files.segment, files.frame, millimetres, degrees),
            )


def _levels(topology: Topology, options: RestructureOptions, tex_mean: Path) -> list[_LevelMesh]:
    """Return faces, operators and mean-texture colours of the base and every subdivision level."""
    faces, count = topology.pruning.faces, len(topology.pruning.kept)
    all_faces: list[NDArray[np.int64]] = [faces]
    steps: list[csr_array | None] = [None]
    for _ in range(options.subdivisions):
        subdivision = subdivide(all_faces[-1], count)
        count = subdivision.step.shape[0]
        all_faces.append(subdivision.faces)
        steps.append(subdivision.step)
    colors: list[NDArray[np.uint8]] | list[None] = [None] * len(all_faces)
    if topology.uv_faces is None or not tex_mean.is_file():
        _log.info("no vertex colours: %s", "no texture coordinates" if tex_mean.is_file() else f"no {tex_mean}")
    else:
        texture = corrected(np.asarray(read_image(tex_mean)), correction_table(options.color))
        colors = colors_of_levels(texture, topology.mesh.uvs, topology.uv_faces, all_faces)
    return [_LevelMesh(*parts) for parts in zip(all_faces, steps, colors, strict=True)]


def _write_meshes(
    folder: Path, frame: str, tracked: TrackedFrame, topology: Topology, levels: Sequence[_LevelMesh]
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


def _check_views(
    layout: CaptureLayout, chosen: Sequence[FrameFiles], tracked: Sequence[TrackedFrame], in_head: Sequence[Cameras]
) -> NDArray[np.bool_]:  # [F, C]
    """Return which cameras see the head of each frame; name in the log those that do not.

    Raises InputError for a frame that no camera sees.
    """
    rows = []
    for files, frame, views in zip(chosen, tracked, in_head, strict=True):
        seeing = views.see(frame.vertices)
        if not seeing.any():
            raise InputError(
                f"{layout.root}: frame {files.segment}/{files.frame}: no vertex of the tracked mesh is in the image of "
                f"any of {len(views)} cameras; KRT, poses and meshes must be of one capture, in millimetres, with "
                "OpenCV cameras (x right, y down, z forward) and poses from head to world."
            )
        blind = [name for name, sees in zip(views.names, seeing, strict=True) if not sees]
        if blind:
            _log.warning("%s/%s: camera %s does not see the head", files.segment, files.frame, ", ".join(blind))
        rows.append(seeing)
    return np.array(rows)


def _is_blank(rgb: NDArray[np.uint8]) -> bool:  # [H, W, 3]
    """Return whether a picture has one colour all over; of most pictures few pixels tell."""
    return bool((rgb[::8, ::8] == rgb[0, 0]).all() and (rgb == rgb[0, 0]).all())


def _write_photographs(
    layout: CaptureLayout,
    cameras: Cameras,
    options: RestructureOptions,
    chosen: Sequence[FrameFiles],
    tracked: Sequence[TrackedFrame],
    faces: NDArray[np.int64],
    target: Path,
    threads: int,
) -> int:
    """Write all photographs of the chosen frames, `threads` at a time; return their number.

    The silhouette is that of the base mesh: midpoint subdivision does not move the surface. It is not dilated: on
    the demo head 0.14 % of the masked area is then stage and 0.6 % of the head is left out; one pixel more would let
    in 1.1 % of stage.
    """
    table = correction_table(options.color)
    in_head = [cameras.in_head_space(frame.head_to_world) for frame in tracked]
    seeing = _check_views(layout, chosen, tracked, in_head)
    jobs = [(f, camera) for f, files in enumerate(chosen) for camera in files.cameras]

    def write_one(job: tuple[int, str]) -> None:
        f, camera = job
        files, row = chosen[f], cameras.names.index(camera)
        path = layout.image(files.segment, camera, files.frame)
        rgb = read_photograph(path, cameras.width, cameras.height, options.image_scale, table)
        if seeing[f, row] and _is_blank(rgb):
            raise InputError(
                f"{path}: expected a photograph of the head, got one colour all over; copy it again, or remove it, so "
                "that capture.holes: skip leaves this frame out."
            )
        alpha = np.full(rgb.shape[:2], 255, dtype=np.uint8)
        if options.silhouettes:
            views = in_head[f]
            alpha = silhouette(
                tracked[f].vertices, faces, views.viewmats[row], views.Ks[row], cameras.width, cameras.height
            )
        write_photograph(target / files.frame / f"{camera}.png", rgb, alpha)

    with ThreadPoolExecutor(max_workers=threads) as pool:
        try:
            for _ in track(pool.map(write_one, jobs), "photographs", unit="image", total=len(jobs)):
                pass
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
    return len(jobs)
