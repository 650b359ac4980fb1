"""Hypotheses about a calibration that contradicts the photographs, to name its fault.

A hypothesis changes the cameras or the points that they see. It holds if the cameras then agree on the face and the
face lies on the tracked mesh; the hypothesis that holds names the fault.
"""

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial import cKDTree

from splatrig.dataset.cameras import Cameras
from splatrig.landmarks.locate import camera_weights, locate, tolerance_px
from splatrig.landmarks.points import MIRRORED, rows_of
from splatrig.landmarks.triangulate import Triangulated
from splatrig.mesh.nearest import Surface

ON_SURFACE = rows_of("right eye", "left eye", "right brow", "left brow", "lips")
"""Points that lie on the tracked mesh, usually within a millimeter or two; the noses of the network are too long."""

AGREEING = 0.75
"""Least fraction of the points seen by cameras in front of the face that must agree; correct captures reach 0.93 and
more."""

SOLID_MM = 3.0
"""Largest median distance of the face to the tracked mesh that needs no warning; correct captures have about 1."""

_MOST_CAMERAS = 8
"""Maximum number of cameras for the search of a size; those that see the face most frontally are used."""
_FACTORS = 2.0 ** (np.arange(-16, 17) / 4)
"""Sizes of the photographs, relative to those of the calibration, at which the search starts."""
_SAME_SIZE, _SAME_PLACE = 0.015, 0.012
"""Differences below which photographs count as those of the calibration: of the factor, and of the shift in image
heights."""
_SIMPLE = (0.25, 1 / 3, 0.5, 2 / 3, 0.75, 1.0, 4 / 3, 1.5, 2.0, 3.0, 4.0)
_NEARLY = 0.03
"""Largest logarithm of the ratio of a factor to a simple one that is tried in its place."""
_OFF_MM = 30.0
"""Distance at which the cost of the search saturates, since all wrong positions are equally wrong."""


@dataclass(frozen=True)
class Scene:
    """A face in photographs, the cameras that took them, and the mesh that was tracked in them."""

    cameras: Cameras
    """C training cameras; `viewmats` go from the capture's world."""
    head_to_world: NDArray[np.float64]  # [3, 4]
    seen: NDArray[np.float64]  # [C, L, 2]
    """Pixels at which the network sees the points; NaN where it sees none."""
    surface: Surface
    """The tracked mesh in head space, millimeters."""
    canonical: NDArray[np.float64]  # [L, 3]


@dataclass(frozen=True)
class Agreement:
    """Agreement of photographs, calibration and tracked mesh on the position of the face."""

    located: Triangulated
    agreeing: float
    """Fraction of the points seen by cameras in front of the face that agree with the located ones."""
    error: float
    """Median error of reprojection, in heights of the image; NaN when nothing was located."""
    distance_mm: float
    """Median distance of the points `ON_SURFACE` to the tracked mesh; infinite when nothing was located."""

    @property
    def cameras_agree(self) -> bool:
        """Whether the calibration fits the photographs."""
        return self.agreeing >= AGREEING

    @property
    def holds(self) -> bool:
        """Whether photographs, calibration and tracked mesh fit together."""
        return self.cameras_agree and self.distance_mm <= SOLID_MM


def agreement(scene: Scene) -> Agreement:
    """Return the agreement of the parts of a scene."""
    located = locate(scene.cameras.in_head_space(scene.head_to_world), scene.seen, scene.canonical)
    errors = located.errors[np.isfinite(located.errors)]
    return Agreement(
        located=located,
        agreeing=_agreeing(scene, located),
        error=float(np.median(errors)) / scene.cameras.height if len(errors) else float("nan"),
        distance_mm=float(np.median(distances_to_mesh(scene, located.positions))),
    )


def _agreeing(scene: Scene, located: Triangulated) -> float:
    """Return the fraction of the points seen by frontal cameras that agrees with the located points."""
    weights = camera_weights(scene.seen, scene.canonical)[:, None] * np.isfinite(scene.seen[..., 0])
    return float((weights * located.inliers).sum() / max(weights.sum(), 1e-12))


def distances_to_mesh(scene: Scene, positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances of the located points `ON_SURFACE` to the tracked mesh; infinity if there are none."""
    points = positions[ON_SURFACE]
    points = points[np.isfinite(points).all(axis=1)]
    return scene.surface.nearest(points)[1] if len(points) else np.array([np.inf])


@dataclass(frozen=True)
class Resized:
    """Hypothesis that the photographs are those of the calibration, resized by `factor` and then cropped."""

    factor: float
    shift: NDArray[np.float64]  # [2]
    """Position of the first pixel of the calibration's photographs in those of the capture, x and y in pixels."""

    def undone(self, scene: Scene) -> Scene:
        """Return the scene with the calibration that fits the photographs."""
        matrix = np.array([[self.factor, 0, self.shift[0]], [0, self.factor, self.shift[1]], [0, 0, 1.0]])
        return replace(scene, cameras=replace(scene.cameras, Ks=matrix @ scene.cameras.Ks))

    @property
    def differs_in_size(self) -> bool:
        """Whether the photographs are resized at all."""
        return abs(self.factor - 1) > _SAME_SIZE

    def differs_in_place(self, height: int) -> bool:
        """Whether photographs of this `height` are cropped at all."""
        return float(np.abs(self.shift).max()) / height > _SAME_PLACE

    def differs(self, height: int) -> bool:
        """Whether photographs of this `height` differ at all from those of the calibration."""
        return self.differs_in_size or self.differs_in_place(height)


def find_size(scene: Scene) -> Resized:
    """Return the size and cropping of the photographs at which cameras and tracked mesh agree best.

    The size alone is searched first, on a grid; then size and shift together by a simplex (Nelder and Mead 1965).
    """
    weights = camera_weights(scene.seen, scene.canonical)
    best = np.sort(np.argsort(-weights, kind="stable")[: min(_MOST_CAMERAS, np.count_nonzero(weights))])
    rows = ON_SURFACE[::2]
    few = replace(
        scene, cameras=scene.cameras.select(best), seen=scene.seen[best][:, rows], canonical=scene.canonical[rows]
    )
    samples = cKDTree(scene.surface.samples())
    height = scene.cameras.height

    def cost(values: NDArray[np.float64]) -> float:
        return _disagreement(Resized(float(np.exp(values[0])), values[1:] * height).undone(few), samples)

    starts = sorted((np.array([np.log(factor), 0.0, 0.0]) for factor in _FACTORS), key=cost)
    found = min((_simplex(cost, start) for start in starts[:2]), key=cost)
    resized = Resized(float(np.exp(found[0])), found[1:] * height)
    nearest = min(_SIMPLE, key=lambda factor: abs(np.log(factor / resized.factor)))
    simple = Resized(nearest, np.zeros(2))
    near = abs(np.log(nearest / resized.factor)) <= _NEARLY
    return simple if near and nearest != 1.0 and agreement(simple.undone(scene)).holds else resized


def _simplex(cost: Callable[[NDArray[np.float64]], float], start: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values near `start` [3] with the lowest cost."""
    corners = start + np.vstack([np.zeros(3), np.diag([0.08, 0.06, 0.06])])
    found = minimize(
        cost,
        start,
        method="Nelder-Mead",
        options={"initial_simplex": corners, "xatol": 1e-3, "fatol": 1e-4, "maxfev": 120},
    )
    return np.asarray(found.x)


def _disagreement(scene: Scene, samples: cKDTree) -> float:
    """Return the disagreement of cameras about the points of a scene, and of these with samples of the mesh.

    It is smooth near agreement.
    """
    located = locate(scene.cameras.in_head_space(scene.head_to_world), scene.seen, scene.canonical)
    wide = tolerance_px(scene.cameras.height)
    errors = np.nan_to_num(located.errors, nan=2 * wide) / wide
    there = np.isfinite(located.positions[:, 0])
    distances = np.full(len(there), _OFF_MM)
    distances[there] = np.minimum(samples.query(located.positions[there])[0], _OFF_MM)
    return float(2.0 * (1.0 - _agreeing(scene, located)) + 0.1 * np.mean(errors) + 0.1 * np.mean(distances) / SOLID_MM)


def mirrored(scene: Scene) -> Scene:
    """Return the scene with its photographs mirrored horizontally."""
    return _mirrored_at(scene, np.full(len(scene.seen), scene.cameras.width / 2))


def mirrored_world(scene: Scene) -> Scene:
    """Return the scene for cameras, poses and meshes that were all mirrored, which mirrors every camera's view.

    The view is mirrored at the principal point.
    """
    return _mirrored_at(scene, scene.cameras.Ks[:, 0, 2])


def _mirrored_at(scene: Scene, middles: NDArray[np.float64]) -> Scene:  # [C] pixels
    """Return the scene with each camera's view mirrored at a column; left points become right ones."""
    seen = scene.seen[:, MIRRORED].copy()
    seen[..., 0] = 2 * middles[:, None] - seen[..., 0]
    return replace(scene, seen=seen)


def camera_to_world(scene: Scene) -> Scene:
    """Return the scene for a calibration whose extrinsics go from camera to world."""
    inverted = np.linalg.inv(scene.cameras.viewmats).astype(np.float64)
    return replace(scene, cameras=replace(scene.cameras, viewmats=inverted))


def opengl_axes(scene: Scene) -> Scene:
    """Return the scene for a calibration whose cameras look along -z, with y up."""
    flip = np.diag([1.0, -1.0, -1.0, 1.0])
    return replace(scene, cameras=replace(scene.cameras, viewmats=flip @ scene.cameras.viewmats))
