"""Lens distortion: how far it moves pixels, and its removal from images.

The model is radial and tangential (Brown 1966), in OpenCV's order k1, k2, p1, p2, k3, or its rational form, which adds
k4, k5, k6.
"""

import logging
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.capture.krt import KrtCamera
from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError

NEGLIGIBLE_PX = 0.5
"""Displacement in pixels at the border of the image below which a lens is ignored; resampling would cost more than it
gains."""
_CELL_PX = 32
"""Side of the squares within which positions are interpolated: off by less than 0.01 pixels for common lenses."""

logger = logging.getLogger(__name__)


def distorted(
    points: NDArray[np.float64],  # [..., 2] on the plane at depth 1
    coefficients: NDArray[np.float64],  # [5] or [8]
) -> NDArray[np.float64]:  # [..., 2]
    """Return the points where a lens images what a pinhole camera images at `points`."""
    k1, k2, p1, p2, k3, k4, k5, k6 = np.pad(coefficients, (0, 8 - len(coefficients)))
    x, y = np.moveaxis(points, -1, 0)
    square = x * x + y * y
    radial = (1 + square * (k1 + square * (k2 + square * k3))) / (1 + square * (k4 + square * (k5 + square * k6)))
    return np.stack(
        [
            x * radial + 2 * p1 * x * y + p2 * (square + 2 * x * x),
            y * radial + p1 * (square + 2 * y * y) + 2 * p2 * x * y,
        ],
        axis=-1,
    )


def distorted_pixels(
    pixels: NDArray[np.float64],  # [..., 2]
    K: NDArray[np.float64],  # [3, 3]
    coefficients: NDArray[np.float64],  # [5] or [8]
) -> NDArray[np.float64]:  # [..., 2]
    """Return the pixels where a lens images what a pinhole camera images at `pixels`."""
    focal, principal = np.diag(K)[:2], K[:2, 2]
    return distorted((pixels - principal) / focal, coefficients) * focal + principal


def largest_shift(K: NDArray[np.float64], coefficients: NDArray[np.float64], width: int, height: int) -> float:
    """Return the largest displacement in pixels by a lens on the border of images of `width` × `height`."""
    border = _border(width, height)
    return float(np.linalg.norm(distorted_pixels(border, K, coefficients) - border, axis=1).max())


class Lenses:
    """Removal of lens distortion from images at the size of the data set; called from many threads."""

    def __init__(self, calibration: Mapping[str, KrtCamera], cameras: Cameras) -> None:
        """Set the calibration of a capture, and its `cameras` at the size of the images.

        Raises InputError for a lens whose model folds the image, as coefficients in the wrong order do.
        """
        self._cameras = cameras
        self._meshes: dict[int, list[tuple[tuple[int, ...], tuple[float, ...]]]] = {}
        for index, (name, K) in enumerate(zip(cameras.names, cameras.Ks, strict=True)):
            coefficients, size = calibration[name].distortion, cameras.size_of(index)
            shift = largest_shift(K, coefficients, *size)
            if shift <= NEGLIGIBLE_PX:
                continue
            _check_folds(K, coefficients, size, f"camera {name}: its distortion {coefficients.tolist()}")
            self._meshes[index] = _mesh(K, coefficients, *size)
            seen = distorted_pixels(_border(*size), K, coefficients)
            outside = ((seen < -0.5) | (seen > np.array(size) + 0.5)).any()
            logger.log(
                logging.WARNING if outside else logging.INFO,
                "camera %s: its lens moves pixels by up to %.1f; images are undistorted%s",
                *(name, shift, ", and black where the photograph ends" if outside else ""),
            )

    def undo(self, image: NDArray[np.uint8], camera: int, *, mix: bool = True) -> NDArray[np.uint8]:
        """Return `image` [h, w] or [h, w, 3] of camera number `camera` as a pinhole camera sees it, 0 where unknown.

        The image has the size of the camera's photographs, or the common size of all images, which is also that of the
        result. `mix` says whether neighboring pixels are interpolated, which labels must not be.
        """
        image = self._cameras.framed(image, camera)
        if camera not in self._meshes:
            return image
        if image.ndim == 3:
            return np.dstack([self.undo(channel, camera, mix=mix) for channel in np.moveaxis(image, -1, 0)])
        resampling = Image.Resampling.BILINEAR if mix else Image.Resampling.NEAREST
        bent = Image.fromarray(image.astype(np.float32))  # Pillow would truncate fractions of bytes
        straight = bent.transform(bent.size, Image.Transform.MESH, self._meshes[camera], resampling)
        return np.rint(np.asarray(straight)).astype(np.uint8)


def _mesh(
    K: NDArray[np.float64], coefficients: NDArray[np.float64], width: int, height: int
) -> list[tuple[tuple[int, ...], tuple[float, ...]]]:
    """Return the squares of an image and the corners (NW, SW, SE, NE) of their sources, in Pillow's format."""
    columns, rows = ([*range(0, length, _CELL_PX), length] for length in (width, height))
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).astype(np.float64)
    seen = distorted_pixels(grid, K, coefficients)
    return [
        (
            (columns[i], rows[j], columns[i + 1], rows[j + 1]),
            tuple(seen[[j, j + 1, j + 1, j], [i, i, i + 1, i + 1]].ravel().tolist()),
        )
        for j in range(len(rows) - 1)
        for i in range(len(columns) - 1)
    ]


def _border(width: int, height: int) -> NDArray[np.float64]:  # [B, 2]
    """Return points along the border of an image."""
    along = np.linspace(0.0, 1.0, 33)
    border = np.concatenate([np.stack([along, 0 * along + side], axis=1) for side in (0, 1)])
    return np.concatenate([border, border[:, ::-1]]) * [width, height]


def _check_folds(K: NDArray[np.float64], coefficients: NDArray[np.float64], size: tuple[int, int], where: str) -> None:
    """Raise InputError beginning with `where` if the distorted radius does not increase over the image."""
    principal = K[:2, 2]
    rays = principal + np.linspace(0, 1, 33)[:, None, None] * (_border(*size) - principal)
    seen = distorted_pixels(rays, K, coefficients)
    if not (np.einsum("rbc,bc->rb", np.diff(seen, axis=0), _border(*size) - principal) > 0).all():
        raise InputError(
            f"{where} folds the image over, expected k1 k2 p1 p2 k3 (k4 k5 k6) in OpenCV's order; check the order and "
            "the intrinsics, undistort the images yourself and write five zeros, or leave the camera out."
        )
