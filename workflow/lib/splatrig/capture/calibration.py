"""Which cameras are used, and their calibration for the images that the data set will have."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from splatrig.capture.krt import KrtCamera
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.photographs import image_size
from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError

_NEGLIGIBLE_SHIFT_PX = 0.5
"""By which a lens may move pixels at the border of the image."""

logger = logging.getLogger(__name__)


def choose_camera_names(layout: CaptureLayout, segment: str, wanted: str | Sequence[str], known: set[str]) -> list[str]:
    """Return the cameras to use, sorted: those named or, for `all`, those with calibration and images of a segment.

    Raises InputError when a named camera lacks calibration or images, or when `all` finds none.
    """
    pictured = set(layout.cameras(segment))
    if isinstance(wanted, str):
        names = sorted(pictured & known)
        for label, left_out in (("calibration", pictured - known), (f"images of {segment}", known - pictured)):
            if left_out:
                logger.warning("left out, no %s: camera %s", label, ", ".join(sorted(left_out)))
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

    `viewmats` go from the capture's world. Raises InputError when a camera is not in the KRT file, or its lens
    distorts: rasterisers know no distortion.
    """
    ordered = sorted(names)
    missing = [name for name in ordered if name not in krt]
    if missing:
        raise InputError(f"KRT: camera {missing[0]} has no calibration; the file has {', '.join(sorted(krt))}.")
    for name in ordered:
        shift = largest_distortion(krt[name], width, height)
        if shift > _NEGLIGIBLE_SHIFT_PX:
            raise InputError(
                f"KRT: camera {name}: its distortion {krt[name].distortion.tolist()} moves pixels by up to "
                f"{shift:.3g}, which is not modelled; undistort the images and write five zeros, or leave it out."
            )
    bottom = np.array([[0.0, 0.0, 0.0, 1.0]])
    return Cameras(
        names=tuple(ordered),
        viewmats=np.stack([np.vstack([krt[name].extrinsics, bottom]) for name in ordered]),
        Ks=np.stack([krt[name].K for name in ordered]),
        width=width,
        height=height,
        held_out=np.zeros(len(ordered), dtype=bool),
    )


def largest_distortion(camera: KrtCamera, width: int, height: int) -> float:
    """Return by how many pixels, at most, a lens moves the border of images of `width` × `height`.

    The five numbers are k1, k2, p1, p2, k3 of the radial and tangential model (Brown 1966, in OpenCV's order).
    """
    k1, k2, p1, p2, k3 = camera.distortion
    along = np.linspace(0.0, 1.0, 33)
    border = np.concatenate([np.stack([along, 0 * along + side], axis=1) for side in (0, 1)])
    pixels = np.concatenate([border, border[:, ::-1]]) * [width, height]
    focal, principal = np.diag(camera.K)[:2], camera.K[:2, 2]
    x, y = ((pixels - principal) / focal).T
    square = x * x + y * y
    radial = square * (k1 + square * (k2 + square * k3))
    moved = [
        x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
        y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
    ]
    return float(np.linalg.norm(np.stack(moved, axis=1) * focal, axis=1).max())
