"""Choice of the frames of an expression: the complete ones, and among them those that the data set uses."""

import logging
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

from splatrig.capture.frame_files import FrameFiles
from splatrig.capture.reader import Reader
from splatrig.capture.tracked import Tracker
from splatrig.config.choices import FrameSelection, Holes
from splatrig.dataset.frames import select_frames
from splatrig.io.errors import InputError

MOST = 0.5
"""Frames with images from this fraction of the cameras or fewer are left out: too few cameras see the head."""

logger = logging.getLogger(__name__)


def usable_frames(
    capture: Reader, expression: str, cameras: Sequence[str], holes: Holes, *, masks: bool = False
) -> list[FrameFiles]:
    """Return the frames with mesh, pose and images of most of `cameras`, each with the cameras that have an image.

    With `masks` a missing mask counts as a missing image does. What is missing is named in the log, or refused.

    Raises InputError where no frame is left, or anything is missing and `holes` is `refuse`.
    """
    frames = capture.frames(expression, cameras)
    usable = []
    lacked: Counter[str] = Counter()
    gone: Counter[str] = Counter()
    for files in frames:
        missing = [name for name, path in (("mesh", files.mesh), ("pose", files.pose)) if path is None]
        lacking = [camera for camera in cameras if camera not in files.cameras]
        unmasked = [camera for camera in cameras if masks and camera not in files.masked]
        lacked.update([*missing, *(f"image of camera {camera}" for camera in lacking)])
        lacked.update(f"mask of camera {camera}" for camera in unmasked)
        there = tuple(camera for camera in cameras if camera not in {*lacking, *unmasked})
        few = holes == "refuse" or len(there) <= MOST * len(cameras)
        if few and lacking:
            missing.append(f"image of camera {', '.join(lacking)}" if files.cameras else "image")
        if few and unmasked:
            missing.append(f"mask of camera {', '.join(unmasked)}" if files.masked else "mask")
        if not missing:
            usable.append(replace(files, cameras=there))
            gone.update(camera for camera in cameras if camera not in there)
            continue
        what = " and ".join(missing)
        if holes == "refuse":
            raise InputError(
                f"{capture.root}: frame {expression}/{files.frame} has no {what}; complete the capture, or set "
                "capture.holes to skip."
            )
        logger.warning("%s/%s: no %s; left out", expression, files.frame, what)
    if not usable:
        most = ", ".join(f"{count} have no {what}" for what, count in lacked.most_common(4))
        raise InputError(
            f"{capture.root}: none of the {len(frames)} frames of {expression} has a mesh, a pose and an image "
            f"{'with a mask ' if masks else ''}of most of the {len(cameras)} cameras ({most}); complete the capture, "
            "or leave out cameras (capture.cameras) or the expression."
        )
    if gone:
        counts = ", ".join(f"{count} of camera {camera}" for camera, count in gone.most_common())
        logger.warning(
            "%s: %d of %d images are missing%s; their frames are used without them: %s",
            *(expression, gone.total(), len(usable) * len(cameras), " or have no mask" if masks else "", counts),
        )
    return usable


def tracked_frames(capture: Reader, segment: str) -> list[FrameFiles]:
    """Return the frames of a segment with mesh and pose, without their photographs; raise InputError for none."""
    found = [files for files in capture.frames(segment, ()) if files.mesh and files.pose]
    if not found:
        raise InputError(
            f"{capture.root}: no frame of {segment} has a tracked mesh and its pose; complete the capture, or leave "
            "the segment out."
        )
    return found


def neutral_frame(capture: Reader, neutral: str, usable: Sequence[FrameFiles] = ()) -> FrameFiles:
    """Return the first tracked frame of the neutral expression, whose topology all frames share.

    It is the first of `usable` where these are of that expression.
    """
    own = [files for files in usable[:1] if files.segment == neutral]
    return (own or tracked_frames(capture, neutral))[0]


def choose_frames(
    usable: Sequence[FrameFiles], count: int, selection: FrameSelection, tracking: Tracker
) -> list[FrameFiles]:
    """Return `count` of the usable frames: the first ones, equally spaced ones, or ones spread over the shapes."""
    rows = select_frames(count, len(usable), selection, lambda row: tracking.positions(usable[row]))
    return [usable[row] for row in rows]
