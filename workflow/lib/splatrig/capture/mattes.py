"""Mattes: sources of the alpha channel of photographs."""

import logging
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import distance_transform_edt

from splatrig.capture.frame_files import FrameFiles
from splatrig.capture.lenses import Lenses
from splatrig.capture.reader import Reader
from splatrig.capture.tracked import TrackedFrame
from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError
from splatrig.mesh.silhouette import silhouette

HAIR_MM = 15.0
"""Distance from the tracked mesh, at the head's depth, up to which a network that finds people is believed."""
LEAST_COVERED = 0.5
"""Fraction of the tracked mesh's vertices that masks must cover, in the median camera."""

logger = logging.getLogger(__name__)

Matte = Callable[[int, int], NDArray[np.uint8]]
"""Function that returns the alpha [H, W] of the photograph of frame f from camera c, 255 on the subject; called from
many threads."""

Photograph = Callable[[int, int], NDArray[np.uint8]]
"""Function that returns the photograph [H, W, 3] of frame f from camera c; called from many threads."""


def opaque(width: int, height: int) -> Matte:
    """Return the matte that keeps the whole photograph."""
    alpha = np.full((height, width), 255, dtype=np.uint8)
    return lambda _frame, _camera: alpha


def masks(capture: Reader, frames: Sequence[FrameFiles], cameras: Cameras, lenses: Lenses) -> Matte:
    """Return the matte that uses the capture's own masks, at the size of `cameras`."""

    def alpha(frame: int, camera: int) -> NDArray[np.uint8]:
        files = frames[frame]
        place = files.segment, cameras.names[camera], files.frame
        return lenses.undo(capture.matte(*place, *cameras.size_of(camera)), camera)

    return alpha


def silhouettes(
    tracked: Sequence[TrackedFrame],
    faces: NDArray[np.int64],  # [T, 3]
    in_head: Sequence[Cameras],
) -> Matte:
    """Return the matte that is the silhouette of the tracked base mesh; `in_head` has the cameras of each frame.

    Midpoint subdivision does not move the surface. The silhouette is not dilated: on the demo head 0.14 % of the masked
    area is then background and 0.6 % of the head is left out; one more pixel would let in 1.1 % of background.
    """

    def alpha(frame: int, camera: int) -> NDArray[np.uint8]:
        views = in_head[frame]
        return silhouette(
            tracked[frame].vertices, faces, views.viewmats[camera], views.Ks[camera], views.width, views.height
        )

    return alpha


def segmented(
    photograph: Photograph,
    people: Callable[[NDArray[np.uint8]], NDArray[np.uint8]],
    outline: Matte,
    in_head: Sequence[Cameras],
) -> Matte:
    """Return the matte that adds hair to the `outline` of the head: what `people` finds near it, `HAIR_MM` at most.

    `people` takes a photograph [H, W, 3] and returns an alpha [H, W]. Farther away it takes clothes, shoulders and what
    stands behind for the subject, and inside of the outline it may have holes.
    """

    def alpha(frame: int, camera: int) -> NDArray[np.uint8]:
        inside = outline(frame, camera)
        if not inside.any():
            return inside
        pixel_mm = in_head[frame].select([camera]).pixel_size(np.zeros(3))
        near = distance_transform_edt(inside < 128) * pixel_mm < HAIR_MM
        return np.maximum(inside, np.where(near, people(photograph(frame, camera)), 0))

    return alpha


def check_side(
    matte: Matte, root: Path, frame: FrameFiles, tracked: TrackedFrame, in_head: Cameras, seeing: NDArray[np.bool_]
) -> None:
    """Reject masks of a frame that are black where the tracked mesh is; the cameras `seeing` [C] it count.

    Raises InputError. Masks that are empty everywhere are left to `check_coverage`.
    """
    covered, shown = [], False
    for camera in np.flatnonzero(seeing):
        points = tracked.vertices @ in_head.viewmats[camera, :3, :3].T + in_head.viewmats[camera, :3, 3]
        pixels = points[points[:, 2] > 0] @ in_head.Ks[camera].T
        columns, rows = np.floor(pixels[:, :2] / pixels[:, 2:]).astype(int).T
        inside = (columns >= 0) & (columns < in_head.width) & (rows >= 0) & (rows < in_head.height)
        alpha = matte(0, int(camera))
        shown |= bool(alpha.any())
        covered.append(float((alpha[rows[inside], columns[inside]] > 127).mean()))
    if shown and np.median(covered) < LEAST_COVERED:
        raise InputError(
            f"{root}/masks/{frame.segment}: the masks of frame {frame.frame} cover {100 * np.median(covered):.0f} % of "
            f"the tracked mesh's vertices in the median camera, expected at least {100 * LEAST_COVERED:.0f} %; "
            "white must be the head: invert them, or make them again."
        )


def check_coverage(
    coverage: NDArray[np.float64],
    frames: Sequence[FrameFiles],
    root: Path,
    cameras: Sequence[str],
    seeing: NDArray[np.bool_],
) -> None:
    """Reject frames with unusable masks; name in the log the cameras that see the head and have an empty mask.

    `coverage` [F, C] is the mean of each mask, 0 to 1, and NaN where there is no photograph; `seeing` [F, C] says which
    cameras see the head. Raises InputError.
    """
    for files, row, sees in zip(frames, coverage, seeing, strict=True):
        known = row[~np.isnan(row)]
        where = f"{root}/masks/{files.segment}: the masks of frame {files.frame}"
        if (known == 0.0).all():
            raise InputError(
                f"{where} are empty in all {len(known)} cameras, expected white on the head; make them again, or set "
                "capture.background to silhouette."
            )
        if (known == 1.0).all():
            raise InputError(
                f"{where} are full in all {len(known)} cameras, expected black behind the head; make them again, or "
                "set capture.background to none."
            )
        empty = [camera for camera, share, own in zip(cameras, row, sees, strict=True) if own and share == 0.0]
        if empty:
            logger.warning(
                "%s/%s: the mask of camera %s is empty, but the head is in its image; fits learn that there is no head",
                *(files.segment, files.frame, ", ".join(empty)),
            )
