"""Which cameras are used, and their calibration for the images that the data set will have."""

import logging
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.krt import KrtCamera
from splatrig.capture.photographs import image_size
from splatrig.capture.reader import Reader
from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError
from splatrig.io.files import File

_SHAPE_TOLERANCE = 0.01
"""Relative difference between the factors of width and height by which images are smaller than calibrated ones."""

logger = logging.getLogger(__name__)


def choose_camera_names(capture: Reader, segment: str, wanted: str | Sequence[str], known: set[str]) -> list[str]:
    """Return the cameras to use, sorted: those named or, for `all`, those with calibration and images of a segment.

    Raises InputError when a named camera lacks calibration or images, or when `all` finds none.
    """
    pictured = set(capture.cameras(segment))
    if isinstance(wanted, str):
        names = sorted(pictured & known)
        for label, left_out in (("calibration", pictured - known), (f"images of {segment}", known - pictured)):
            if left_out:
                logger.warning("left out, no %s: camera %s", label, ", ".join(sorted(left_out)))
        if not names:
            raise InputError(
                f"{capture.root}: no camera has both calibration and images of {segment}; {capture.krt} has "
                f"{', '.join(sorted(known))}, images of {segment} have {', '.join(sorted(pictured)) or 'none'}."
            )
        return names
    for name in wanted:
        if name not in known:
            raise InputError(
                f"{capture.krt}: camera {name} of capture.cameras is not there; {', '.join(sorted(known))} are."
            )
        if name not in pictured:
            raise InputError(f"{capture.root}: camera {name} of capture.cameras has no images of {segment}.")
    return sorted(wanted)


def raw_image_size(capture: Reader, segment: str, cameras: Sequence[str]) -> tuple[int, int]:
    """Return width and height of the raw images, from one image a camera; raise InputError when they differ."""
    sizes: dict[tuple[int, int], File] = {}
    for camera in cameras:
        first = capture.first_image(segment, camera)
        if first is not None:
            sizes.setdefault(image_size(first), first)
    if not sizes:
        raise InputError(f"{capture.root}: expected images of {segment}, got none; check capture.root.")
    if len(sizes) > 1:
        kinds = " but ".join(f"{path} has {width}×{height} pixels" for (width, height), path in sizes.items())
        raise InputError(f"images: {kinds}; all images of a capture have one size.")
    return next(iter(sizes))


def calibrated_cameras(krt: dict[str, KrtCamera], names: Sequence[str], width: int, height: int) -> Cameras:
    """Return the cameras `names` of a calibration, sorted, for images of `width` × `height` pixels, none held out.

    `viewmats` go from the capture's world. Rasterizers know no distortion: `Lenses` takes it off the images. Raises
    InputError when a camera is not calibrated, or is for images of another shape.
    """
    ordered = sorted(names)
    missing = [name for name in ordered if name not in krt]
    if missing:
        raise InputError(f"KRT: camera {missing[0]} has no calibration; the file has {', '.join(sorted(krt))}.")
    bottom = np.array([[0.0, 0.0, 0.0, 1.0]])
    return Cameras(
        names=tuple(ordered),
        viewmats=np.stack([np.vstack([krt[name].extrinsics, bottom]) for name in ordered]),
        Ks=np.stack([_intrinsics(krt[name], width, height) for name in ordered]),
        width=width,
        height=height,
        held_out=np.zeros(len(ordered), dtype=bool),
    )


def _intrinsics(camera: KrtCamera, width: int, height: int) -> NDArray[np.float64]:  # [3, 3]
    """Return the intrinsics of a camera for images of `width` × `height` pixels."""
    if camera.size is None:
        return camera.K
    across, down = width / camera.size[0], height / camera.size[1]
    if abs(across / down - 1) > _SHAPE_TOLERANCE:
        raise InputError(
            f"camera {camera.name}: its calibration is for images of {camera.size[0]}×{camera.size[1]} pixels, "
            f"expected ones of that shape, got {width}×{height}; bring images that are neither cropped nor turned."
        )
    return np.diag([across, down, 1.0]) @ camera.K
