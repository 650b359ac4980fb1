"""Networks that find the points of a face in a photograph, run on the CPU by LiteRT.

The first network (BlazeFace, Bazarevsky et al. 2019) finds faces in the whole photograph at 128×128 pixels; the second
(face mesh, Kartynnik et al. 2019) finds 468 points in an upright crop around one. Neither MediaPipe nor OpenCV is
needed, and so no libGL.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.io.errors import InputError
from splatrig.io.files import unreadable
from splatrig.landmarks.points import NETWORK_POINTS

MINIMUM_SCORE = 0.2
"""Least confidence of a face. Wrong faces are detected by comparison with the other cameras."""

_MARGIN = 1.5
"""Side of the crop for the second network, relative to the side of the face's box."""
_OVERLAP = 0.3
"""Detections that overlap the best one by more than this (intersection over union) are averaged with it."""
_ROUNDS = 2
"""Number of passes of finding points: the second crop is placed around the points of the first."""
_MOST_FACES = 3
"""Number of faces per photograph in which points are found: the clearest ones."""
_EYE_CORNERS = (33, 263)
"""Points of the right and the left outer corner of the eye, which give the roll of the face."""


@dataclass(frozen=True)
class Crop:
    """A rotated square of a photograph."""

    center: NDArray[np.float64]  # [2] pixels, x and y
    side: float
    """Length of the side in pixels of the photograph."""
    angle: float
    """Rotation in radians, from x towards y."""

    def to_photograph(self, size: int) -> NDArray[np.float64]:  # [2, 3]
        """Return the affine map from pixels of the square, sampled at `size` × `size`, to those of the photograph."""
        turn = (
            self.side
            / size
            * np.array([[np.cos(self.angle), -np.sin(self.angle)], [np.sin(self.angle), np.cos(self.angle)]])
        )
        return np.column_stack([turn, self.center - turn @ [size / 2, size / 2]])

    def pixels(self, image: Image.Image, size: int) -> NDArray[np.float32]:  # [size, size, 3]
        """Return the square at `size` × `size`, 0 to 255, black outside the photograph.

        A larger square is first reduced by area averages, which prevents aliasing; a smaller one is enlarged by bicubic
        interpolation.
        """
        factor = max(1, int(self.side / size))
        reduced = image.reduce(factor) if factor > 1 else image
        matrix = self.to_photograph(size) / factor
        data = tuple(matrix.ravel().tolist())
        turned = reduced.transform((size, size), Image.Transform.AFFINE, data, Image.Resampling.BICUBIC)
        return np.asarray(turned, dtype=np.float32)


class Network:
    """One network that maps an image to arrays."""

    def __init__(self, path: Path) -> None:
        """Load the network; raise InputError naming an invalid file, or the package that is not installed."""
        try:
            from ai_edge_litert.interpreter import Interpreter
        except ImportError as error:
            raise InputError(
                f"landmarks: the package ai-edge-litert cannot be imported ({error}); install it (pip install -r "
                "requirements.txt), or give landmarks of your own (capture.landmarks)."
            ) from error
        try:
            self._interpreter: Any = Interpreter(model_path=str(path), num_threads=1)
            self._interpreter.allocate_tensors()
        except (ValueError, RuntimeError, OSError) as error:
            raise unreadable(path, error, f"is no network for LiteRT ({error}); delete it and run again.") from error
        self._input = self._interpreter.get_input_details()[0]
        self._outputs = [detail["index"] for detail in self._interpreter.get_output_details()]
        self.size = int(self._input["shape"][1])
        """Width and height of the input image."""

    def __call__(self, pixels: NDArray[np.floating]) -> list[NDArray[np.float32]]:
        """Return the outputs for an image [size, size, 3]."""
        self._interpreter.set_tensor(self._input["index"], pixels[None].astype(np.float32))
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._outputs]


class FaceFinder:
    """Finder of faces in photographs by both networks; for one thread."""

    def __init__(self, detector: str | Path, landmarks: str | Path) -> None:
        """Load the two networks from their files."""
        self._detector, self._mesh = Network(Path(detector)), Network(Path(landmarks))
        self._anchors = _anchors()

    def find(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64] | None:  # [H, W, 3] -> [468, 2]
        """Return the points of the clearest face of an RGB photograph, x and y in pixels, or None without a face.

        The center of pixel (row i, column j) is (j+.5, i+.5). Points outside the photograph are guesses.
        """
        points = self.find_in_depth(pixels)
        return None if points is None else points[:, :2]

    def find_in_depth(self, pixels: NDArray[np.uint8]) -> NDArray[np.float64] | None:  # [H, W, 3] -> [468, 3]
        """Return the points with their depth in pixels, away from the camera, which the network estimates."""
        image = Image.fromarray(pixels)
        crops = self._detect(image, 1)
        return self._mesh_in(image, crops[0]) if crops else None

    def find_all(self, pixels: NDArray[np.uint8]) -> list[NDArray[np.float64]]:  # [H, W, 3] -> F of [468, 2]
        """Return the points of every face of an RGB photograph, clearest first; three at most."""
        image, found = Image.fromarray(pixels), list[NDArray[np.float64]]()
        for crop in self._detect(image, _MOST_FACES):
            points = self._mesh_in(image, crop)
            if points is not None and not any(_is_same(points, other) for other in found):
                found.append(points[:, :2])
        return found

    def _mesh_in(self, image: Image.Image, crop: Crop) -> NDArray[np.float64] | None:  # [468, 3]
        """Return the points of the face in a crop, or None where the second network sees none."""
        for _ in range(_ROUNDS):
            points = self._points(image, crop)
            if points is None:
                return None
            crop = _around(points)
        return points

    def _detect(self, image: Image.Image, most: int) -> list[Crop]:
        """Return the upright crops around the clearest faces."""
        whole = Crop(np.array(image.size) / 2, float(max(image.size)), 0.0)
        size = self._detector.size
        outputs = self._detector(whole.pixels(image, size) / 127.5 - 1.0)
        regressed = next(output[0] for output in outputs if output.shape[-1] == 16).astype(np.float64)
        scores = _sigmoid(next(output[0, :, 0] for output in outputs if output.shape[-1] == 1))
        centers = regressed[:, :2] / size + self._anchors
        sizes = regressed[:, 2:4] / size
        eyes = regressed[:, 4:8].reshape(-1, 2, 2) / size + self._anchors[:, None]
        matrix, crops = whole.to_photograph(size), list[Crop]()
        left_over = scores >= MINIMUM_SCORE
        while left_over.any() and len(crops) < most:
            best = int(np.where(left_over, scores, 0.0).argmax())
            overlaps = _overlaps(centers, sizes, best)
            alike = left_over & (overlaps >= _OVERLAP)
            weights = scores[alike] / scores[alike].sum()
            right, left = np.tensordot(weights, eyes[alike], 1)
            box = weights @ sizes[alike]
            crop = Crop(
                center=matrix[:, :2] @ (weights @ centers[alike] * size) + matrix[:, 2],
                side=float(box.max()) * whole.side * _MARGIN,
                angle=float(np.arctan2(*(left - right)[::-1])),
            )
            crops.append(crop)
            left_over &= overlaps == 0.0
        return crops

    def _points(self, image: Image.Image, crop: Crop) -> NDArray[np.float64] | None:  # [468, 3]
        """Return the points in the photograph, or None if the second network sees no face."""
        size = self._mesh.size
        outputs = self._mesh(crop.pixels(image, size) / 255.0)
        points = next(output for output in outputs if output.size == 3 * NETWORK_POINTS).reshape(-1, 3)
        if _sigmoid(next(output for output in outputs if output.size == 1)).item() < MINIMUM_SCORE:
            return None
        matrix = crop.to_photograph(size)
        points = points.astype(np.float64)
        flat = points[:, :2] @ matrix[:, :2].T + matrix[:, 2]
        return np.column_stack([flat, crop.side / size * points[:, 2]])


def _is_same(points: NDArray[np.float64], other: NDArray[np.float64]) -> bool:  # [468, 2 or more] both
    """Return whether points in two crops are those of one face: each face covers the other's middle."""
    middle, other_middle = points[:, :2].mean(axis=0), other[:, :2].mean(axis=0)
    extent = min(np.ptp(own[:, :2], axis=0).max() for own in (points, other))
    return bool(np.linalg.norm(middle - other_middle) < extent / 2)


def _around(points: NDArray[np.float64]) -> Crop:  # [468, 3]
    """Return the upright crop around the points of a face."""
    right, left = points[list(_EYE_CORNERS), :2]
    angle = float(np.arctan2(*(left - right)[::-1]))
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    upright = points[:, :2] @ turn
    low, high = upright.min(axis=0), upright.max(axis=0)
    return Crop(turn @ ((low + high) / 2), float((high - low).max()) * _MARGIN, angle)


def _anchors() -> NDArray[np.float64]:  # [896, 2]
    """Return the positions in [0, 1]² that the detector's rows are relative to: two per cell of 16², six of 8²."""
    grids = []
    for cells, count in ((16, 2), (8, 6)):
        middle = (np.arange(cells) + 0.5) / cells
        grids.append(np.repeat(np.stack(np.meshgrid(middle, middle), axis=-1).reshape(-1, 2), count, axis=0))
    return np.concatenate(grids)


def _overlaps(centers: NDArray[np.float64], sizes: NDArray[np.float64], best: int) -> NDArray[np.float64]:
    """Return the intersection over union [N] of boxes (centers, sizes [N, 2]) with the box of index `best`."""
    low, high = centers - sizes / 2, centers + sizes / 2
    common = np.prod(np.clip(np.minimum(high, high[best]) - np.maximum(low, low[best]), 0.0, None), axis=1)
    areas = np.prod(sizes, axis=1)
    return common / np.maximum(areas + areas[best] - common, 1e-12)


def _sigmoid(values: NDArray[np.float32]) -> NDArray[np.float64]:
    """Convert logits to probabilities."""
    return 1.0 / (1.0 + np.exp(-np.clip(values.astype(np.float64), -100.0, 100.0)))
