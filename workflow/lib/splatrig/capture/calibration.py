"""Choose the cameras that are used and scale their calibration to the images of the data set."""

import logging
from collections import Counter
from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.krt import KrtCamera
from splatrig.capture.photographs import image_size
from splatrig.capture.reader import Reader
from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError

_SHAPE_TOLERANCE = 0.01
"""Largest relative difference between the factors by which width and height of an image are smaller than calibrated."""

_OFF_CENTER = 0.25
"""Largest distance of the principal point from the image center, as a fraction of the image, for unusual image
sizes."""

Size = tuple[int, int]
"""Width and height in pixels."""

logger = logging.getLogger(__name__)


def choose_camera_names(capture: Reader, segment: str, wanted: str | Sequence[str], known: set[str]) -> list[str]:
    """Return the cameras to use, sorted: those named or, for `all`, those with calibration and images of a segment.

    Args:
        capture: Reader of the raw capture.
        segment: Segment whose images count.
        wanted: `all`, or names of cameras.
        known: Names of the calibrated cameras.

    Returns:
        Names of cameras, sorted.

    Raises:
        InputError: A named camera lacks calibration or images, or `all` finds none.
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
                f"{capture.krt}: camera {name} of capture.cameras has no calibration; name others of "
                f"{', '.join(sorted(known))}."
            )
        if name not in pictured:
            raise InputError(
                f"{capture.root}: camera {name} of capture.cameras has no images of {segment}; add them, or leave it "
                "out."
            )
    return sorted(wanted)


def raw_image_sizes(capture: Reader, segment: str, cameras: Sequence[str]) -> dict[str, Size]:
    """Return width and height of the raw images by camera, read from one image per camera of a segment.

    Cameras with images of different sizes are named in the log.

    Raises:
        InputError: A camera has no images.
    """
    sizes = {}
    for camera in cameras:
        first = capture.first_image(segment, camera)
        if first is None:
            raise InputError(
                f"{capture.root}: camera {camera} has no images of {segment}; check capture.root, or leave it out of "
                "capture.cameras."
            )
        sizes[camera] = image_size(first)
    counts = Counter(sizes.values())
    if len(counts) > 1:
        kinds = ", ".join(f"{width}×{height} of {count}" for (width, height), count in counts.most_common())
        width, height = _common(sizes)
        logger.warning(
            "images differ in size (%s cameras): all become %d×%d, black and transparent to the right of and below "
            "what a camera has photographed",
            *(kinds, width, height),
        )
    return sizes


def _common(sizes: Mapping[str, Size]) -> Size:
    """Return the smallest width and height that hold images of all sizes."""
    return max(width for width, _ in sizes.values()), max(height for _, height in sizes.values())


def calibrated_cameras(krt: Mapping[str, KrtCamera], sizes: Mapping[str, Size]) -> Cameras:
    """Return the calibrated cameras, sorted, for images of the given `sizes`; none is held out.

    Args:
        krt: Calibration by camera.
        sizes: Width and height in pixels of the images of each camera.

    Returns:
        Cameras whose `viewmats` map from the capture's world. They are pinhole cameras, as rasterizers expect; `Lenses`
            removes the distortion from the images.

    Raises:
        InputError: A camera is not calibrated, or its calibration is for images of another shape or size.
    """
    ordered = sorted(sizes)
    missing = [name for name in ordered if name not in krt]
    if missing:
        raise InputError(f"KRT: camera {missing[0]} has no calibration; the file has {', '.join(sorted(krt))}.")
    usual = Counter(sizes.values()).most_common(1)[0][0]
    for name in ordered:
        if sizes[name] != usual:
            _check_principal_point(krt[name], sizes[name], usual)
    width, height = _common(sizes)
    bottom = np.array([[0.0, 0.0, 0.0, 1.0]])
    return Cameras(
        names=tuple(ordered),
        viewmats=np.stack([np.vstack([krt[name].extrinsics, bottom]) for name in ordered]),
        Ks=np.stack([_intrinsics(krt[name], *sizes[name]) for name in ordered]),
        width=width,
        height=height,
        held_out=np.zeros(len(ordered), dtype=bool),
        sizes=np.array([sizes[name] for name in ordered]) if len(set(sizes.values())) > 1 else None,
    )


def _check_principal_point(camera: KrtCamera, size: Size, usual: Size) -> None:
    """Raise InputError for a camera whose images have an unusual size for which it is not calibrated."""
    place = _intrinsics(camera, *size)[:2, 2] / size
    if np.abs(place - 0.5).max() > _OFF_CENTER:
        raise InputError(
            f"camera {camera.name}: its images have {size[0]}×{size[1]} pixels, those of most cameras "
            f"{usual[0]}×{usual[1]}, and its principal point is at {place[0]:.2f} of the width and {place[1]:.2f} of "
            "the height, expected near the middle; provide its images in the size of its calibration."
        )


def _intrinsics(camera: KrtCamera, width: int, height: int) -> NDArray[np.float64]:  # [3, 3]
    """Return the intrinsics of a camera for images of `width` × `height` pixels."""
    if camera.size is None:
        return camera.K
    across, down = width / camera.size[0], height / camera.size[1]
    if abs(across / down - 1) > _SHAPE_TOLERANCE:
        raise InputError(
            f"camera {camera.name}: its calibration is for images of {camera.size[0]}×{camera.size[1]} pixels, "
            f"expected ones of that shape, got {width}×{height}; provide images that are neither cropped nor rotated."
        )
    return np.diag([across, down, 1.0]) @ camera.K
