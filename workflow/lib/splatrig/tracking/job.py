"""Helpers of the tracking jobs: photographs and cameras from the files and parameters of a rule."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.calibration import calibrated_cameras, choose_camera_names, raw_image_sizes
from splatrig.capture.color import correction_table
from splatrig.capture.krt import KrtCamera
from splatrig.capture.layout import CaptureLayout
from splatrig.capture.lenses import Lenses
from splatrig.config.checks import check_tracking_cameras
from splatrig.config.names import held_out_cameras
from splatrig.dataset.cameras import Cameras, read_cameras
from splatrig.tracking.calibration import scale_to_millimeters
from splatrig.tracking.faces import SegmentFaces
from splatrig.tracking.shots import Shots, photographed_frames


def photographs_of(images: str | Path) -> CaptureLayout:
    """Return the layout that contains a segment's folder `images/{segment}`.

    Args:
        images: The folder.
    """
    return CaptureLayout(Path(images).parent.parent)


def training_cameras(
    layout: CaptureLayout, neutral: str, calibration: Mapping[str, KrtCamera], params: Any
) -> tuple[str, ...]:
    """Return the cameras that are used and not held out, sorted.

    Args:
        layout: Layout of the photographs.
        neutral: Name of the neutral's segment.
        calibration: Calibrated cameras by name.
        params: Params of the rule, with the choice of cameras.

    Raises:
        InputError: Too few cameras are left; names the folder.
    """
    names = choose_camera_names(layout, neutral, params.cameras, set(calibration))
    held_out = held_out_cameras(params.held_out, names)
    train = tuple(name for name in names if name not in held_out)
    check_tracking_cameras(f"{layout.root}/images/{neutral}", len(train), len(names) - len(train))
    return train


def millimeters_of(
    layout: CaptureLayout,
    neutral: str,
    calibration: Mapping[str, KrtCamera],
    faces: SegmentFaces,
    canonical: NDArray[np.float64],
    eye_distance_mm: float | None,
) -> float:
    """Return the millimeters per unit of a calibration, from the first frame of the neutral's segment.

    Args:
        layout: Layout of the photographs.
        neutral: Name of the neutral's segment.
        calibration: Calibrated cameras by name, in their own unit.
        faces: Faces in the photographs of the neutral's segment.
        canonical: Points of an average head [L, 3].
        eye_distance_mm: Distance between the pupils, if known.

    Raises:
        InputError: Too few points of the face are seen.
    """
    cameras = raw_cameras(layout, neutral, calibration, faces.cameras)
    return scale_to_millimeters(faces.of(faces.frames[0], cameras), cameras, canonical, eye_distance_mm)


def raw_cameras(
    layout: CaptureLayout, neutral: str, calibration: Mapping[str, KrtCamera], names: Sequence[str]
) -> Cameras:
    """Return the cameras of a calibration for photographs at full size, in the calibration's own unit.

    Args:
        layout: Layout of the photographs.
        neutral: Name of the neutral's segment, whose photographs give the sizes.
        calibration: Calibrated cameras by name.
        names: Names of the cameras to return.
    """
    return calibrated_cameras(dict(calibration), raw_image_sizes(layout, neutral, names))


def shots_of(images: str | Path, cameras: str | Path, params: Any) -> Shots:
    """Return the photographs of a segment's folder `images/{segment}` from the training cameras of `cameras.json`.

    Args:
        images: The folder.
        cameras: The file of cameras.
        params: Params of the rule.
    """
    layout, segment, train = photographs_of(images), Path(images).name, read_cameras(cameras).train
    return Shots(
        layout=layout,
        segment=segment,
        frames=photographed_frames(layout, segment, train.names),
        cameras=train,
        size=(train.width, train.height),
        image_scale=params.image_scale,
        color_table=correction_table(params.color),
        lenses=Lenses(layout.calibration(), train),
    )
