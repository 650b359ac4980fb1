"""The calibrated cameras of a capture, and the files that hold them.

`dataset/calibration.json` has the cameras without a split, so that another split does not write photographs again;
`dataset/cameras.json` says which cameras are held out.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatrig.config.names import held_out_cameras
from splatrig.io.errors import InputError
from splatrig.io.files import unreadable, write_text

_ROTATION_TOLERANCE = 1e-3
"""Largest entry of R Rᵀ - I that is accepted: text with four decimals passes, a wrong matrix does not."""
SKEW_TOLERANCE = 1e-2
"""Largest skew in pixels. Rasterizers ignore skew; a skew below this moves points by less, up to 45° from the optical
axis."""


def check_rotation(matrix: NDArray[np.float64], where: str) -> None:
    """Raise InputError beginning with `where` unless `matrix` [3, 3] is a rotation."""
    is_orthonormal = bool(np.abs(matrix @ matrix.T - np.eye(3)).max() <= _ROTATION_TOLERANCE)
    if is_orthonormal and np.linalg.det(matrix) < 0:
        raise InputError(
            f"{where}: expected a rotation in the first 3 columns (determinant 1), got a reflection (determinant -1), "
            f"{matrix.tolist()}; change the sign of one axis, of the positions in that space too."
        )
    if not is_orthonormal:
        raise InputError(
            f"{where}: expected a rotation in the first 3 columns (R Rᵀ = 1, determinant 1), got {matrix.tolist()}; "
            "remove its scale, shear or mirroring."
        )


def check_pinhole(
    viewmat: NDArray[np.floating],  # [4, 4]
    K: NDArray[np.floating],  # [3, 3]
    where: str,
) -> None:
    """Raise InputError beginning with `where` unless a camera is rigid and has no skew, as rasterizers require."""
    (fx, skew, cx), (_, fy, cy) = K[0].tolist(), K[1].tolist()
    if not (0 < fx < math.inf and 0 < fy < math.inf and math.isfinite(cx + cy) and abs(skew) < SKEW_TOLERANCE):
        raise InputError(f"{where}: expected finite intrinsics, fx, fy > 0, no skew, got K {K.tolist()}.")
    if not np.abs(viewmat[:3, :3] @ viewmat[:3, :3].T - np.eye(3)).max() < _ROTATION_TOLERANCE:
        raise InputError(
            f"{where}: expected a rigid transform to the camera, got {viewmat.tolist()}; remove its scale."
        )


def scaled_size(width: int, height: int, scale: float) -> tuple[int, int]:
    """Return the size in pixels of an image resized by `scale`."""
    return max(1, round(width * scale)), max(1, round(height * scale))


@dataclass(frozen=True)
class Cameras:
    """Calibrated pinhole cameras (OpenCV axes: x right, y down, z forward)."""

    names: tuple[str, ...]
    """C camera names, sorted."""
    viewmats: NDArray[np.float64]  # [C, 4, 4]
    """Rigid transforms into each camera, millimeters: from the capture's world, or, after
    `in_head_space`, from the head space of one frame."""
    Ks: NDArray[np.float64]  # [C, 3, 3]
    """Intrinsics in pixels; the center of pixel (row i, column j) is (j+.5, i+.5)."""
    width: int
    """Image width in pixels, the same for all cameras."""
    height: int
    """Image height in pixels, the same for all cameras."""
    held_out: NDArray[np.bool_]  # [C]
    """True for cameras that only measure and never train."""
    sizes: NDArray[np.int64] | None = None  # [C, 2]
    """Width and height of the part of each camera's images, from the upper left corner, that the camera has
    photographed; None: the whole images."""

    def __post_init__(self) -> None:
        count = len(self.names)
        arrays: list[tuple[str, NDArray[Any], tuple[int, ...]]] = [
            ("viewmats", self.viewmats, (count, 4, 4)),
            ("Ks", self.Ks, (count, 3, 3)),
            ("held_out", self.held_out, (count,)),
            ("sizes", self.own_sizes, (count, 2)),
        ]
        for name, array, shape in arrays:
            if array.shape != shape:
                raise InputError(f"Cameras.{name}: expected shape {shape} for {count} names, got {array.shape}.")
            if not np.isfinite(array).all():
                raise InputError(f"Cameras.{name}: expected finite numbers, got NaN or infinity.")
        for name, viewmat, K in zip(self.names, self.viewmats, self.Ks, strict=True):
            check_pinhole(viewmat, K, f"camera {name}")

    def __len__(self) -> int:
        return len(self.names)

    def select(self, indices: Sequence[int] | NDArray[np.int64] | NDArray[np.bool_]) -> "Cameras":
        """Return the cameras at `indices` (integers or a boolean mask), in that order."""
        rows = np.arange(len(self))[np.asarray(indices)]
        names = tuple(self.names[row] for row in rows)
        sizes = None if self.sizes is None else self.sizes[rows]
        viewmats, Ks, held_out = self.viewmats[rows], self.Ks[rows], self.held_out[rows]
        return replace(self, names=names, viewmats=viewmats, Ks=Ks, held_out=held_out, sizes=sizes)

    @property
    def own_sizes(self) -> NDArray[np.int64]:  # [C, 2]
        """Width and height of the photographed part of each camera's images."""
        return np.tile([self.width, self.height], (len(self), 1)) if self.sizes is None else self.sizes

    def size_of(self, camera: int) -> tuple[int, int]:
        """Return width and height of the photographed part of the images of camera number `camera`."""
        width, height = self.own_sizes[camera].tolist()
        return width, height

    def framed(self, image: NDArray[np.uint8], camera: int) -> NDArray[np.uint8]:  # [h, w, ...] to [H, W, ...]
        """Return an image of a camera at the size of all images, 0 where the camera has photographed nothing."""
        if self.sizes is None:
            return image
        width, height = self.size_of(camera)
        framed = np.zeros((self.height, self.width, *image.shape[2:]), dtype=image.dtype)
        framed[:height, :width] = image[:height, :width]
        return framed

    @property
    def centers(self) -> NDArray[np.float64]:  # [C, 3]
        """Camera centers in the space that `viewmats` map from."""
        return -np.einsum("cji,cj->ci", self.viewmats[:, :3, :3], self.viewmats[:, :3, 3])

    @property
    def train(self) -> "Cameras":
        """The cameras whose photographs are fitted."""
        return self.select(~self.held_out)

    @property
    def measuring(self) -> "Cameras":
        """The cameras that the evaluation renders: the held-out ones, or all if none is held out."""
        return self.select(self.held_out) if self.held_out.any() else self

    def split(self, held_out: str | Sequence[str]) -> "Cameras":
        """Return these cameras with another split: `held_out` is `every 8th` or names (see `held_out_cameras`).

        Raises InputError when none is left to train.
        """
        names = held_out_cameras(held_out, self.names)
        chosen = np.array([name in names for name in self.names], dtype=bool)
        if chosen.all():
            raise InputError(
                f"capture.held_out.cameras: all {len(self)} cameras are held out and none is left to train; "
                "name fewer, or set it to [] to hold out none."
            )
        return replace(self, held_out=chosen)

    def in_head_space(self, head_to_world: NDArray[np.float64]) -> "Cameras":
        """Return these cameras with `viewmats` from the head space of one frame.

        `head_to_world` [3, 4] is that frame's `_transform.txt`, [R|t] in millimeters.
        """
        pose = np.vstack([head_to_world, [0.0, 0.0, 0.0, 1.0]])
        return replace(self, viewmats=self.viewmats @ pose)

    def see(self, points: NDArray[np.float64]) -> NDArray[np.bool_]:  # [C]
        """Return which cameras have any of `points` [N, 3], in the space that `viewmats` map from, in their image."""
        x, y, z = np.moveaxis(points @ self.viewmats[:, :3, :3].mT + self.viewmats[:, None, :3, 3], -1, 0)  # [C, N]
        depth = np.where(z > 0, z, np.nan)
        (fx, cx), (fy, cy) = ((self.Ks[:, i, i, None], self.Ks[:, i, 2, None]) for i in range(2))
        column, row = fx * x / depth + cx, fy * y / depth + cy
        width, height = self.own_sizes.T[..., None]  # [C, 1] each
        return ((column >= 0) & (column < width) & (row >= 0) & (row < height)).any(axis=1)

    def pixel_size(self, point: NDArray[np.float64]) -> float:  # [3]
        """Return the size of a pixel at `point` in millimeters: depth over focal length, the median of the cameras.

        Raises InputError when `point`, in the space that `viewmats` map from, is in front of no camera.
        """
        depths = self.viewmats[:, 2, :3] @ point + self.viewmats[:, 2, 3]
        ahead = depths > 0
        if not ahead.any():
            raise InputError(
                f"cameras: the head's center is in front of none of the {len(self)} training cameras; check that "
                "calibration and meshes have the same units and axes."
            )
        focal_lengths = np.sqrt(np.abs(self.Ks[:, 0, 0] * self.Ks[:, 1, 1]))
        return float(np.median(depths[ahead] / focal_lengths[ahead]))

    def scaled(self, scale: float) -> "Cameras":
        """Return the cameras of images resized by `scale` (rounded to whole pixels, each axis by its own factor)."""
        width, height = scaled_size(self.width, self.height, scale)
        sizes = np.array([scaled_size(own[0], own[1], scale) for own in self.own_sizes.tolist()]).reshape(-1, 2)
        factors = np.ones((len(self), 3, 1))
        factors[:, :2, 0] = sizes / self.own_sizes
        return replace(
            self, Ks=factors * self.Ks, width=width, height=height, sizes=None if self.sizes is None else sizes
        )


def write_cameras(path: str | Path, cameras: Cameras) -> None:
    """Write `cameras.json`: image size and, per camera, name, held_out, K and the world-to-camera matrix.

    If the photographs of the cameras differ in size, each camera also has its own `size`.

    Args:
        path: The file to write.
        cameras: The cameras.
    """
    document = {
        "width": cameras.width,
        "height": cameras.height,
        "convention": "OpenCV axes, millimetres, world_to_camera",
        "cameras": [
            {"name": name, "held_out": bool(held_out), "K": K.tolist(), "world_to_camera": viewmat.tolist()}
            | ({} if cameras.sizes is None else {"size": size.tolist()})
            for name, held_out, K, viewmat, size in zip(
                cameras.names, cameras.held_out, cameras.Ks, cameras.viewmats, cameras.own_sizes, strict=True
            )
        ],
    }
    write_text(path, json.dumps(document, indent=1) + "\n")


def read_cameras(path: str | Path) -> Cameras:
    """Read cameras from a file that `write_cameras` wrote.

    Args:
        path: `calibration.json` or `cameras.json`.

    Returns:
        The cameras, sorted by name.

    Raises:
        InputError: The file or a key is missing or malformed; names the file.
    """
    try:
        document = json.loads(Path(path).read_text(encoding="utf-8"))
        rows = document["cameras"]
        return Cameras(
            names=tuple(row["name"] for row in rows),
            viewmats=np.array([row["world_to_camera"] for row in rows], dtype=np.float64).reshape(-1, 4, 4),
            Ks=np.array([row["K"] for row in rows], dtype=np.float64).reshape(-1, 3, 3),
            width=int(document["width"]),
            height=int(document["height"]),
            held_out=np.array([row["held_out"] for row in rows], dtype=bool),
            sizes=np.array([row["size"] for row in rows], dtype=np.int64) if rows and "size" in rows[0] else None,
        )
    except (OSError, KeyError, TypeError, ValueError) as error:
        raise unreadable(path, error, f"not a cameras file of splatrig ({error}); delete it and run again.") from error
