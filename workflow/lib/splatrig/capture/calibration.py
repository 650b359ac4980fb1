"""Which cameras are used, and their calibration for the images that the data set will have."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from splatrig.capture.cameras import Cameras
from splatrig.capture.krt import KrtCamera
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.photographs import image_size
from splatrig.errors import InputError

_log = logging.getLogger(__name__)


def choose_camera_names(layout: CaptureLayout, segment: str, wanted: str | Sequence[str], known: set[str]) -> list[str]:
    """Return the cameras to use, sorted: those named or, for `all`, those with calibration and images of a segment.

    Raises InputError when a named camera lacks calibration or images, or when `all` finds none.
    """
    pictured = set(layout.cameras(segment))
    if isinstance(wanted, str):
        names = sorted(pictured & known)
        for label, left_out in (("calibration", pictured - known), (f"images of {segment}", known - pictured)):
            if left_out:
                _log.warning("left out, no %s: camera %s", label, ", ".join(sorted(left_out)))
        if not names:
            raise InputError(
                f"{layout.root}: no camera has both calibration and images of {segment}; KRT has "
                f"{', '.join(sorted(known))}, images/{segment} has {', '.join(sorted(pictured)) or 'none'}."
            )
        return names
    for name in wanted:
        if name not in known:
            raise InputError(
                f"{layout.krt}: camera {name} of capture.cameras is not there; {', '.join(sorted(known))} are."
            )
        if name not in pictured:
            raise InputError(f"{layout.root}/images/{segment}: camera {name} of capture.cameras has no images.")
    return sorted(wanted)


def raw_image_size(layout: CaptureLayout, segment: str, cameras: Sequence[str]) -> tuple[int, int]:
    """Return width and height of the raw images, from one image a camera; raise InputError when they differ."""
    sizes: dict[tuple[int, int], Path] = {}
    for camera in cameras:
        first = next(iter(layout.images(segment, camera)), None)
        if first is not None:
            sizes.setdefault(image_size(first), first)
    if not sizes:
        raise InputError(f"{layout.root}/images/{segment}: expected PNG images, got none; check capture.root.")
    if len(sizes) > 1:
        kinds = " but ".join(f"{path} has {width}×{height} pixels" for (width, height), path in sizes.items())
        raise InputError(f"images: {kinds}; all images of a capture have one size.")
    return next(iter(sizes))


def calibrated_cameras(krt: dict[str, KrtCamera], names: Sequence[str], width: int, height: int) -> Cameras:
    """Return the cameras `names` of a KRT file, sorted, for images of `width` × `height` pixels, none held out.

    `viewmats` go from the capture's world. Distortion is not modelled: a camera with any is named in the log.
    Raises InputError when a camera is not in the KRT file.
    """
    ordered = sorted(names)
    missing = [name for name in ordered if name not in krt]
    if missing:
        raise InputError(f"KRT: camera {missing[0]} has no calibration; the file has {', '.join(sorted(krt))}.")
    for name in ordered:
        if np.any(krt[name].distortion):
            _log.warning("camera %s has lens distortion %s, which is ignored", name, krt[name].distortion.tolist())
    bottom = np.array([[0.0, 0.0, 0.0, 1.0]])
    return Cameras(
        names=tuple(ordered),
        viewmats=np.stack([np.vstack([krt[name].extrinsics, bottom]) for name in ordered]),
        Ks=np.stack([krt[name].K for name in ordered]),
        width=width,
        height=height,
        held_out=np.zeros(len(ordered), dtype=bool),
    )
