"""Tracks from data: fitted frames, and tracked meshes of segments that nothing was learned from."""

import logging
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.frame_selection import neutral_frame, tracked_frames
from splatrig.capture.reader import Reader
from splatrig.components.component_file import Components
from splatrig.components.weights import weights_of_displacements, weights_of_rows
from splatrig.control.panel import Panel
from splatrig.control.track import WEIGHT_RIDGE, Track
from splatrig.gaussians.gaussians import Gaussians
from splatrig.io.errors import InputError
from splatrig.mesh.template import Template

_NUMBER = re.compile(r"\d+$")

logger = logging.getLogger(__name__)


def frame_times(frames: Sequence[str], numbers_per_second: float) -> NDArray[np.float64]:  # [T]
    """Return the seconds of frames since the first, from the numbers that their names end with: 0010, frame_0010.

    If names end without a number, or numbers do not increase, frames are counted instead.
    """
    found = [_NUMBER.search(frame) for frame in frames]
    numbers = [int(match[0]) for match in found if match]
    if len(numbers) != len(frames) or any(np.diff(numbers) <= 0):
        logger.warning("frames %s: their names do not end in increasing numbers, so frames are counted instead", frames)
        numbers = list(range(len(frames)))
    logger.info("frame names count %g per second (capture.frame_numbers_per_second)", numbers_per_second)
    return (np.array(numbers, dtype=np.float64) - numbers[0]) / numbers_per_second


def weights_of_gaussians(
    components: Components, frames: Sequence[Gaussians], neutral: Gaussians, *, ridge: float = WEIGHT_RIDGE
) -> NDArray[np.float64]:  # [T, K]
    """Return the weights within the model's limits that are closest to fitted `frames`.

    Components of fitted frames are compared by whole rows, in standardized units. A learned rig has a base and colors
    of its own, which differ from those of per-frame fits. So its weights follow the displacement of the centers from
    those of the fitted `neutral` (on the demo 0.2 mm from the weights that it learned; by whole rows 1.3 to 4 mm).
    """
    if components.is_learned:
        moved = np.stack([frame.means - neutral.means for frame in frames])
        return weights_of_displacements(components, moved, ridge=ridge)
    rows = np.stack([components.columns.row_of(frame) for frame in frames])
    return weights_of_rows(components, rows, ridge=ridge).astype(np.float64)


def with_learned_gaze(
    components: Components,
    weights: NDArray[np.float64],  # [T, K]
    frames: Sequence[str],  # T names `expression/frame`
) -> NDArray[np.float64]:  # [T, K]
    """Return weights solved from positions, which contain no gaze, with the learned gaze of the frames of these names.

    A rig knows the gaze in the frames that it was learned from; in others the eyes look as in the neutral.
    """
    row_of = {name: row for row, name in enumerate(components.frames)}
    looking = weights.copy()
    looking[:, components.turns_eye] = 0.0  # overrides weights that were solved from lids that follow the eyes
    for index, name in enumerate(frames):
        if name in row_of:
            looking[index, components.turns_eye] = components.W[row_of[name], components.turns_eye]
    return looking


def tracked_displacements(
    capture: Reader, segment: str, neutral_segment: str, template: Template
) -> tuple[tuple[str, ...], NDArray[np.float64]]:  # T names, [T, N, 3]
    """Read the tracked meshes of a raw segment: frame names, and displacements from the neutral in millimeters.

    Meshes are moved to head space (the pose removed), pruned like the template's and subdivided to its finest level.
    Raises InputError naming the file for another topology or a segment without meshes.
    """
    tracking = capture.tracker(neutral_frame(capture, neutral_segment))
    usable = tracked_frames(capture, segment)
    base, up = template.base.vertices, template.up
    moved = []
    for files in usable:
        vertices = tracking.read(files).vertices
        if vertices.shape != base.shape:
            raise InputError(
                f"{files.mesh}: expected {len(base)} used vertices as in the template, got {len(vertices)}; "
                "the segment must have the subject's topology."
            )
        moved.append((up @ (vertices - base)).astype(np.float32))
    return tuple(files.frame for files in usable), np.stack(moved)


def track_of(panel: Panel, times: NDArray[np.float64], weights: NDArray[np.float64], source: str) -> Track:
    """Return `weights` [T, K] at `times` [T] as a track of the panel's family."""
    return Track(times, panel.names, weights, panel.family, panel.subject, source)
