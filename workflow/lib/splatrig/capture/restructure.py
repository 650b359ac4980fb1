"""Conversion of the raw capture to the data set: an expression's frames in head space, and photographs with mattes."""

import logging
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.color import correction_table
from splatrig.capture.frame_files import FrameFiles
from splatrig.capture.frame_selection import choose_frames, neutral_frame, usable_frames
from splatrig.capture.frame_writer import RawPhotographs, meshes_of_levels, write_meshes, write_photographs
from splatrig.capture.lenses import Lenses
from splatrig.capture.mattes import Matte, Photograph, check_coverage, check_side, masks, opaque, segmented, silhouettes
from splatrig.capture.plate_mattes import PlateMattes, report
from splatrig.capture.plates import read_plates
from splatrig.capture.reader import Reader
from splatrig.capture.tracked import TrackedFrame, Tracker, rigid_motion
from splatrig.config.choices import Background, ColorCorrection, FrameSelection, Holes
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.frames import ChosenFrame
from splatrig.dataset.reduced import Tracked
from splatrig.io.errors import InputError
from splatrig.landmarks.segmentation import Segmenter

_MOTION_MM, _MOTION_DEGREES = 15.0, 10.0
"""Rigid motion of the head in head space that is tolerated: trackers differ, and faces are not rigid."""

ALPHA_OF: Mapping[Background, str] = {
    "silhouette": "the silhouette of the tracked mesh",
    "masks": "the capture's masks",
    "plate": "the difference from the plates, or the silhouette of the tracked mesh if that is more",
    "segmentation": "the silhouette of the tracked mesh, and what a network takes for a person close around it",
    "none": "255: photographs are taken as they are",
}
"""Source of the alpha channel of the data set, in words."""

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class RestructureOptions:
    """Values of the configuration that the data set depends on."""

    neutral: str
    """The expression whose first chosen frame is the neutral and whose topology all frames share."""
    frames_per_expression: int
    frame_selection: FrameSelection
    holes: Holes
    """Whether to `skip` missing photographs and frames without mesh, pose or most photographs, or to `refuse` them."""
    image_scale: float
    color: ColorCorrection | None
    background: Background
    """Source of the alpha channel: the silhouette of the tracked mesh, the capture's masks, the difference from the
    empty stage (`plate`), the person that a network sees (`segmentation`), or none: alpha is 255."""
    subdivisions: int


def restructure(
    capture: Reader,
    expression: str,
    cameras: Cameras,
    options: RestructureOptions,
    target: Path,
    *,
    plates: Path | None = None,
    segmenter: Path | None = None,
    threads: int = 1,
) -> list[ChosenFrame]:
    """Write one expression's data set below `target` and return the rows of its table.

    Each chosen frame gets a folder with mesh, levels, pose and photographs. The result does not depend on `threads`.

    Args:
        capture: Reader of the raw capture.
        expression: Name of the expression.
        cameras: Cameras of `calibration.json`: selected and scaled, world to camera.
        options: Values of the configuration.
        target: Folder that receives the frames.
        plates: Folder of the empty stage, for the background `plate`.
        segmenter: Network for the background `segmentation`.
        threads: Number of photographs that are written at a time.

    Returns:
        One row per frame.

    Raises:
        InputError: A file is missing or invalid; names it.
    """
    started = time.perf_counter()
    masked = options.background == "masks"
    usable = usable_frames(capture, expression, cameras.names, options.holes, masks=masked)
    neutral = neutral_frame(capture, options.neutral, usable)
    tracking = capture.tracker(neutral)
    topology = tracking.topology
    chosen = choose_frames(usable, options.frames_per_expression, options.frame_selection, tracking)
    names = ", ".join(files.frame for files in chosen)
    logger.info("%s: frames %s, %s of %d", expression, names, options.frame_selection, len(usable))
    levels = meshes_of_levels(topology, options.subdivisions, capture.tex_mean, options.color)
    tracked = []
    for files in chosen:
        (target / files.frame).mkdir(parents=True)
        tracked.append(tracking.read(files))
        write_meshes(target / files.frame, files.frame, tracked[-1], topology, levels)
    _check_motion(chosen, tracked, tracking.positions(neutral))
    meshed = time.perf_counter()
    in_head = [cameras.in_head_space(frame.head_to_world) for frame in tracked]
    there = np.array([[name in files.cameras for name in cameras.names] for files in chosen])
    seeing = _check_views(capture, chosen, tracked, in_head) & there
    table = correction_table(options.color)
    lenses = Lenses(capture.calibration(), cameras)
    read: Photograph = RawPhotographs(capture, cameras, chosen, seeing, options.image_scale, table, lenses).read
    matte: Matte
    if masked:
        matte = masks(capture, chosen, cameras, lenses)
        check_side(matte, capture.root, chosen[0], tracked[0], in_head[0], seeing[0])
    elif options.background == "silhouette":
        matte = silhouettes(tracked, levels[0].faces, in_head)
    elif options.background == "plate":
        assert plates is not None  # the rule follows the configuration
        read = lru_cache(len(cameras))(read)  # one frame at a time, for mattes and for writing
        stage = read_plates(plates, cameras)
        matte = PlateMattes(read, stage, tracked, levels[0].faces, in_head, there, threads=threads)
    elif options.background == "segmentation":
        assert segmenter is not None
        read = lru_cache(len(cameras))(read)
        matte = segmented(read, Segmenter(segmenter).alpha, silhouettes(tracked, levels[0].faces, in_head), in_head)
    else:
        matte = opaque(cameras.width, cameras.height)
    logger.info("%s: alpha is %s", expression, ALPHA_OF[options.background])
    around = [
        _neighbors(tracking, usable, files) | {0: Tracked(files.frame, frame.vertices, frame.head_to_world)}
        for files, frame in zip(chosen, tracked, strict=True)
    ]
    coverage = write_photographs(read, chosen, cameras, matte, around, target, threads=threads)
    if isinstance(matte, PlateMattes):
        report(expression, [matte.notes[frame] for frame in range(len(chosen))], cameras.names)
    if masked:
        check_coverage(coverage, chosen, capture.root, cameras.names, seeing)
    images = int(np.isfinite(coverage).sum())
    seconds = time.perf_counter() - meshed
    logger.info(
        "%s: %d frames of meshes in %.2f s; %d images in %.2f s, %.1f ms each on %d threads",
        expression, len(chosen), meshed - started, images, seconds, 1e3 * seconds / max(images, 1), threads,
    )  # fmt: skip
    return [
        ChosenFrame(
            expression=expression,
            frame=files.frame,
            image_count=len(files.cameras),
            mesh=str(files.mesh).removeprefix(f"{capture.root}/"),
            pose=str(files.pose).removeprefix(f"{capture.root}/"),
            neutral=expression == options.neutral and number == 0,
        )
        for number, files in enumerate(chosen)
    ]


def _neighbors(tracking: Tracker, usable: Sequence[FrameFiles], files: FrameFiles) -> dict[int, Tracked]:
    """Return the tracked meshes just before (-1) and after (1) a frame, which a camera out of sync shows."""
    row, found = usable.index(files), {}
    for side in (-1, 1):
        if 0 <= row + side < len(usable):
            with suppress(InputError):  # unused frames may be damaged
                frame = tracking.read(usable[row + side])
                found[side] = Tracked(usable[row + side].frame, frame.vertices, frame.head_to_world)
    return found


def _check_motion(
    chosen: Sequence[FrameFiles],
    tracked: Sequence[TrackedFrame],
    neutral: NDArray[np.float64],  # [V, 3]
) -> None:
    """Name in the log the frames whose head moves against the neutral's, which head space should prevent."""
    for files, frame in zip(chosen, tracked, strict=True):
        millimetres, degrees = rigid_motion(neutral, frame.vertices)
        if millimetres > _MOTION_MM or degrees > _MOTION_DEGREES:
            logger.warning(
                "%s/%s: in head space the tracked head is moved by %.0f mm and rotated by %.0f° against the neutral; "
                "its mesh or its pose is wrong, and the motion enters the components: track it again or remove it",
                *(files.segment, files.frame, millimetres, degrees),
            )


def _check_views(
    capture: Reader, chosen: Sequence[FrameFiles], tracked: Sequence[TrackedFrame], in_head: Sequence[Cameras]
) -> NDArray[np.bool_]:  # [F, C]
    """Return which cameras see the head of each frame; name in the log those that do not.

    Raises InputError for a frame that no camera sees.
    """
    rows = []
    for files, frame, views in zip(chosen, tracked, in_head, strict=True):
        seeing = views.see(frame.vertices)
        if not seeing.any():
            raise InputError(
                f"{capture.root}: frame {files.segment}/{files.frame}: no vertex of the tracked mesh is in the image "
                f"of any of {len(views)} cameras; KRT, poses and meshes must be of one capture, in millimeters, with "
                "OpenCV cameras (x right, y down, z forward) and poses from head to world."
            )
        blind = [name for name, sees in zip(views.names, seeing, strict=True) if not sees]
        if blind:
            logger.warning("%s/%s: camera %s does not see the head", files.segment, files.frame, ", ".join(blind))
        rows.append(seeing)
    return np.array(rows)
