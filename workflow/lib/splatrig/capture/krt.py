"""Reader and writer of the KRT file of a Multiface capture: calibrated cameras in plain text.

Blocks of a camera name, three lines of intrinsics, one line of five or eight distortion coefficients, three lines of
the extrinsics [R|t] (world to camera, millimeters), and a blank line; in no particular order.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.config.names import check_name
from splatrig.dataset.cameras import SKEW_TOLERANCE, Cameras, check_rotation
from splatrig.io.errors import InputError
from splatrig.io.files import write_text
from splatrig.io.plain_text import finite_numbers, read_lines

_SKEW_TOLERANCE = SKEW_TOLERANCE / 10
"""Pixels of skew; a tenth of the rasterizers' tolerance, since images larger than the photographs enlarge the skew,
too."""
_ROWS = (*3 * ("intrinsics",), "distortion", *3 * ("extrinsics",))
"""Kind of each line of a block after the camera's name."""
_COUNTS = {"intrinsics": 3, "distortion": 5, "extrinsics": 4}
_RATIONAL = 8
"""Number of distortion coefficients of the rational model, instead of five."""


@dataclass(frozen=True)
class KrtCamera:
    """One block of a KRT file."""

    name: str
    K: NDArray[np.float64]  # [3, 3] pixels
    distortion: NDArray[np.float64]  # [5] or [8], in OpenCV's order
    extrinsics: NDArray[np.float64]  # [3, 4] world to camera, millimeters
    size: tuple[int, int] | None = None
    """Width and height of the images that K is for; None for those of the capture."""


def read_krt(path: str | Path) -> dict[str, KrtCamera]:
    """Read the cameras of a KRT file by name, in the file's order; blank lines, CRLF and a byte order mark are ignored.

    Raises InputError naming file, line and camera for a wrong number of values, a word that is not a number, NaN, an
    invalid camera matrix, a camera that appears twice, or an incomplete block.
    """
    path = Path(path)
    if not path.is_file():
        raise InputError(f"{path}: the capture has no KRT file (camera calibration); check capture.root.")
    lines = read_lines(path)
    cameras: dict[str, KrtCamera] = {}
    for start in range(0, len(lines), 1 + len(_ROWS)):
        number, words = lines[start]
        if len(words) != 1:
            raise InputError(f"{path} line {number}: expected the name of a camera, got {' '.join(words)!r}.")
        name = words[0]
        if name in cameras:
            raise InputError(
                f"{path} line {number}, camera {name}: this camera appeared before; remove one of the two."
            )
        block = lines[start + 1 : start + 1 + len(_ROWS)]
        rows = [
            finite_numbers(words, _count(kind, words), f"{path} line {number}, camera {name}: {kind}")
            for (number, words), kind in zip(block, _ROWS, strict=False)
        ]
        if len(block) < len(_ROWS):
            raise InputError(
                f"{path} line {lines[-1][0]}, camera {name}: the file ends after {len(block)} of the "
                f"{len(_ROWS)} lines of a camera; copy the file again."
            )
        cameras[name] = KrtCamera(name, np.array(rows[:3]), np.array(rows[3]), np.array(rows[4:]))
        check_camera(cameras[name], f"{path} line {lines[start][0]}, camera {name}")
    if not cameras:
        raise InputError(f"{path}: expected cameras, got an empty file.")
    return cameras


def _count(kind: str, words: list[str]) -> int:
    """Return the number of values that a line of this kind must have."""
    return _RATIONAL if kind == "distortion" and len(words) == _RATIONAL else _COUNTS[kind]


def check_camera(camera: KrtCamera, where: str) -> None:
    """Raise InputError beginning with `where` for an invalid camera name, invalid matrices, or skew."""
    check_name(camera.name, where)
    K = camera.K
    if not (K[0, 0] > 0 and K[1, 1] > 0 and np.array_equal(K[2], [0, 0, 1]) and K[1, 0] == 0):
        raise InputError(f"{where}: expected intrinsics [fx 0 cx; 0 fy cy; 0 0 1] with fx, fy > 0, got {K.tolist()}.")
    if abs(K[0, 1]) > _SKEW_TOLERANCE:
        raise InputError(f"{where}: expected square axes (skew 0), got skew {K[0, 1]:g}; undistort the images first.")
    check_rotation(camera.extrinsics[:, :3], f"{where}: extrinsics")


def as_krt(cameras: Cameras) -> list[KrtCamera]:
    """Return cameras in world space as blocks of a KRT file, without distortion."""
    return [
        KrtCamera(name, K, np.zeros(5), viewmat[:3])
        for name, K, viewmat in zip(cameras.names, cameras.Ks, cameras.viewmats, strict=True)
    ]


def write_krt(path: str | Path, cameras: Iterable[KrtCamera]) -> None:
    """Write a KRT file with the cameras in the given order: intrinsics to 8 decimals, extrinsics to 12."""
    blocks = []
    for camera in cameras:
        lines = [" ".join(f"{value:.8f}" for value in row) for row in camera.K]
        lines += [" ".join(str(float(value)) for value in camera.distortion)]
        lines += [" ".join(f"{value:.12f}" for value in row) for row in camera.extrinsics]
        blocks.append("\n".join([camera.name, *lines]) + "\n\n")
    write_text(path, "".join(blocks))
