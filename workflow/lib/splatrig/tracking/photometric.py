"""Direct photometric alignment of a frame with the neutral.

Every camera's photograph of the neutral, moved with the head, is compared with its photograph of the frame (Lucas and
Kanade 1981), for a rigid motion and blendshape weights instead of a shift, over all cameras together and from coarse to
fine. A camera sees the same skin from nearly the same side in both, so errors of the shape and of the calibration
cancel.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.components.weights import solve_weights
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.pose import to_head
from splatrig.landmarks.triangulate import projections
from splatrig.tracking.landmark_pose import FaceState
from splatrig.tracking.lids import away_from_lids
from splatrig.tracking.template_head import TemplateHead
from splatrig.tracking.views import Band, SkinPixels, band_passed, sampled, skin_pixels

OUTLIER = 0.5
"""Scale of Cauchy weights: difference of band-passed values at which a pixel counts half."""
WEIGHT_OUTLIER = 1.0
"""The same scale while blendshapes are fitted: skin that an expression stretches or moves far is no outlier."""
STEPS = 6
"""Maximum number of Gauss-Newton steps at each scale."""
SETTLED_RADIANS, SETTLED_MM = 2e-4, 0.02
"""Sizes of a step below which a scale ends."""
LID_WEIGHT = 3e-4
"""Weight of a lid landmark's error in square millimeters, relative to the mean of squared residuals."""
LID_SCALE_MM = 10.0
PRIOR = 0.01
"""Strength of the prior that holds weights near those of the landmarks, relative to the mean curvature of the
residual."""
SPARSITY = 0.005
"""Weight of the l1 penalty on blendshapes, relative to the root of each one's curvature."""


@dataclass(frozen=True)
class Reference:
    """Photographs of a reference frame, sampled at points of the skin; p of them over all cameras."""

    cameras: NDArray[np.int64]  # [p] increasing
    faces: NDArray[np.int64]  # [p]
    barycentric: NDArray[np.float64]  # [p, 3]
    values: Mapping[float, NDArray[np.float64]]  # scale in pixels -> [p]
    span_mm: NDArray[np.float64]  # [p]
    """Side of the square of skin that a point represents."""

    def on(self, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:  # [p, 3]
        """Return the points on the head of `vertices` [n, 3]."""
        return np.einsum("pc,pcd->pd", self.barycentric, vertices[faces[self.faces]])

    def of_cameras(self, used: NDArray[np.bool_]) -> "Reference":  # [C]
        """Return only the points of some cameras."""
        keep = used[self.cameras]
        values = {scale: own[keep] for scale, own in self.values.items()}
        return Reference(self.cameras[keep], self.faces[keep], self.barycentric[keep], values, self.span_mm[keep])


def reference_of(
    images: Sequence[NDArray[np.float32] | None],  # C of [H, W]
    vertices: NDArray[np.float64],  # [n, 3] world
    faces: NDArray[np.int64],  # [T, 3]
    cameras: Cameras,
    scales: Sequence[float],
    step: int,
) -> Reference:
    """Return the reference of a frame in which the head has `vertices`; cameras without an image have no points."""
    P = projections(cameras)
    parts = [
        (camera, skin_pixels(vertices, faces, P[camera], cameras.height, cameras.width, step), image)
        for camera, image in enumerate(images)
        if image is not None
    ]
    return joined(parts, vertices, faces, cameras, scales, step)


def joined(
    parts: Sequence[tuple[int, SkinPixels, NDArray[np.float32]]],
    vertices: NDArray[np.float64],  # [n, 3] world
    faces: NDArray[np.int64],  # [T, 3]
    cameras: Cameras,
    scales: Sequence[float],
    step: int,
) -> Reference:
    """Return the reference of pixels of some cameras, each with its gray image [H, W], of a head with `vertices`."""
    values: dict[float, list[NDArray[np.float64]]] = {scale: [] for scale in scales}
    spans = []
    for camera, seen, image in parts:
        for scale in scales:
            values[scale].append(sampled(band_passed(image, scale), seen.pixels))
        places = np.einsum("pc,pcd->pd", seen.barycentric, vertices[faces[seen.faces]])
        depths = places @ cameras.viewmats[camera, 2, :3] + cameras.viewmats[camera, 2, 3]
        spans.append(step * depths / np.sqrt(abs(cameras.Ks[camera, 0, 0] * cameras.Ks[camera, 1, 1])))
    return Reference(
        cameras=np.concatenate([np.full(len(seen.faces), camera) for camera, seen, _ in parts]),
        faces=np.concatenate([seen.faces for _, seen, _ in parts]),
        barycentric=np.concatenate([seen.barycentric for _, seen, _ in parts]),
        values={scale: np.concatenate(own) for scale, own in values.items()},
        span_mm=np.concatenate(spans),
    )


@dataclass(frozen=True)
class Seen:
    """A frame's photographs at one scale, sampled at points in the world."""

    bands: Sequence[Band | None]
    P: NDArray[np.float64]  # [C, 3, 4]
    cameras: NDArray[np.int64]  # [p]

    def residuals(
        self,
        places: NDArray[np.float64],
        expected: NDArray[np.float64],
        shifts: NDArray[np.float64] | None = None,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Return expected minus seen values [p] at `places` [p, 3], and the gradients of the seen values.

        `shifts` [C, 2] are added to the pixels of each camera. The gradients are those in the image [p, 2], per pixel,
        and in space [p, 3], per millimeter.
        """
        P = self.P[self.cameras]
        homogeneous = np.einsum("pij,pj->pi", P[:, :, :3], places) + P[:, :, 3]
        pixels = homogeneous[:, :2] / homogeneous[:, 2:]
        if shifts is not None:
            pixels = pixels + shifts[self.cameras]
        values, slopes = np.zeros(len(places)), np.zeros((len(places), 2))
        for camera in np.unique(self.cameras):
            band = self.bands[camera]
            assert band is not None  # its points are left out
            own = self.cameras == camera
            values[own], slopes[own] = band.at(pixels[own])
        jacobian = (P[:, :2, :3] - pixels[:, :, None] * P[:, 2:, :3]) / homogeneous[:, 2, None, None]
        return expected - values, slopes, np.einsum("pk,pkj->pj", slopes, jacobian)


@dataclass(frozen=True)
class LidTerm:
    """Landmarks of the lids of one frame, which measure blinks.

    Between the lids, photographs show eyeballs and lashes, which do not move with the skin: pixels there say nothing
    about blendshapes.
    """

    found: NDArray[np.float64]  # [l, 3] world, NaN where not found
    rest: NDArray[np.float64]  # [l, 3] of the neutral, head space
    shapes: NDArray[np.float64]  # [K, l, 3]

    @classmethod
    def of(
        cls,
        found: NDArray[np.float64],  # [M, 3]
        rest: NDArray[np.float64],  # [M, 3]
        shapes: NDArray[np.float64],  # [K, M, 3]
    ) -> "LidTerm":
        """Return the term for landmarks that were found in the frame and in the neutral."""
        rows = np.isfinite(found).all(axis=1) & np.isfinite(rest).all(axis=1)
        return cls(found[rows], rest[rows], shapes[:, rows])

    def add_to(self, hessian: NDArray[np.float64], gradient: NDArray[np.float64], state: FaceState) -> None:
        """Add the term to the normal equations [6 + K] of a step from `state`; the pose is unaffected."""
        seen = to_head(self.found, state.pose)
        residuals = seen - self.rest - np.tensordot(state.weights, self.shapes, 1)
        counts = LID_WEIGHT / (1.0 + ((residuals / LID_SCALE_MM) ** 2).sum(axis=1, keepdims=True))
        flat = self.shapes.reshape(len(self.shapes), -1)
        weighted = (self.shapes * counts).reshape(len(self.shapes), -1)
        hessian[6:, 6:] += weighted @ flat.T
        gradient[6:] += weighted @ residuals.ravel()


def trust(residuals: NDArray[np.float64], outlier: float = OUTLIER) -> NDArray[np.float64]:  # [p] both
    """Return Cauchy weights; a residual of `outlier` counts half."""
    return 1.0 / (1.0 + (residuals / outlier) ** 2)


def state_slopes(
    turned: NDArray[np.float64],  # [p, 3] points of the head, turned by its pose, without the shift
    turn: NDArray[np.float64],  # [3, 3]
    slopes: NDArray[np.float64],  # [p, 3] of the values seen, in space
    shapes: NDArray[np.float64] | None,  # [K, p, 3] blendshapes at the points
) -> NDArray[np.float64]:  # [p, D]
    """Return the derivatives of the values seen at points by the head's state; D is 6, or 6 + K if blendshapes move.

    Columns are a rotation vector about the head's origin, radians, after the pose; a shift, millimeters; and weights.
    """
    columns = [np.cross(turned, slopes), slopes]
    if shapes is not None:
        columns.append(np.einsum("kpj,pj->pk", shapes, slopes @ turn))
    return np.concatenate(columns, axis=1)


def aligned(
    state: FaceState,
    head: TemplateHead,
    reference: Reference,
    bands: Mapping[float, Sequence[Band | None]],
    cameras: Cameras,
    *,
    scales: Sequence[float],
    lids: LidTerm | None = None,
) -> tuple[FaceState, float]:
    """Return the state of a frame that agrees best with its photographs, and the agreement, 0 to 1.

    Without `lids` only the pose moves; with them the blendshapes do, too, with a prior at those of `state`.
    """
    rest = reference.on(head.vertices, head.faces)
    shapes = np.stack([reference.on(shape, head.faces) for shape in head.shapes])
    start, P = state, projections(cameras)
    agreement = 0.0
    if lids is not None:
        clear = away_from_lids(rest, head.lids)
    for scale in scales:
        seen = Seen(bands[scale], P, reference.cameras)
        expected = reference.values[scale]
        for _ in range(STEPS):
            shape = rest + np.tensordot(state.weights, shapes, 1)
            turn, shift = state.pose[:, :3], state.pose[:, 3]
            turned = shape @ turn.T
            residuals, _, slopes = seen.residuals(turned + shift, expected)
            counts = trust(residuals, OUTLIER if lids is None else WEIGHT_OUTLIER)
            agreement = float(counts.mean())
            jacobian = state_slopes(turned, turn, slopes, None if lids is None else shapes)
            if lids is not None:
                counts = counts * clear
            weighted = jacobian * (counts / len(counts))[:, None]
            hessian, gradient = weighted.T @ jacobian, weighted.T @ residuals
            if lids is not None:
                lids.add_to(hessian, gradient, state)
            motion, weights = _step(hessian, gradient, state.weights, start.weights)
            turned_by = Rotation.from_rotvec(motion[:3]).as_matrix()
            state = FaceState(np.column_stack([turned_by @ turn, shift + motion[3:]]), weights)
            if np.abs(motion[:3]).max() < SETTLED_RADIANS and np.abs(motion[3:]).max() < SETTLED_MM:
                break
    return state, agreement


def camera_shifts(
    vertices: NDArray[np.float64],  # [n, 3] world
    faces: NDArray[np.int64],  # [T, 3]
    reference: Reference,
    bands: Mapping[float, Sequence[Band | None]],
    cameras: Cameras,
    scales: Sequence[float],
) -> NDArray[np.float64]:  # [C, 2] pixels
    """Return the shift in pixels of each camera's photograph relative to the head; NaN for cameras without points.

    It is near zero for cameras that agree with the others, and larger for a camera that is calibrated wrongly or took
    its photograph at another time.
    """
    places, P = reference.on(vertices, faces), projections(cameras)
    shifts = np.full((len(cameras), 2), np.nan)
    shifts[np.unique(reference.cameras)] = 0.0
    for scale in scales:
        seen = Seen(bands[scale], P, reference.cameras)
        for _ in range(STEPS):
            residuals, slopes, _ = seen.residuals(places, reference.values[scale], shifts)
            weighted = slopes * trust(residuals)[:, None]
            for camera in np.unique(reference.cameras):
                own = reference.cameras == camera
                gram = weighted[own].T @ slopes[own]
                shifts[camera] += np.linalg.lstsq(gram, weighted[own].T @ residuals[own], rcond=None)[0]
    return shifts


def camera_agreement(
    vertices: NDArray[np.float64],  # [n, 3] world
    faces: NDArray[np.int64],  # [T, 3]
    reference: Reference,
    bands: Sequence[Band | None],
    cameras: Cameras,
    scale: float,
) -> NDArray[np.float64]:  # [C]
    """Return the agreement of each camera's photograph with the head, 0 to 1; NaN for cameras without points."""
    seen = Seen(bands, projections(cameras), reference.cameras)
    counts = trust(seen.residuals(reference.on(vertices, faces), reference.values[scale])[0])
    points = np.bincount(reference.cameras, minlength=len(cameras))
    with np.errstate(invalid="ignore"):
        return np.bincount(reference.cameras, counts, minlength=len(cameras)) / points


def _step(
    hessian: NDArray[np.float64],  # [D, D]
    gradient: NDArray[np.float64],  # [D]
    weights: NDArray[np.float64],  # [K]
    wanted: NDArray[np.float64],  # [K]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the motion [6] and the weights [K] after one step of Gauss-Newton; D is 6, or 6 + K if weights move."""
    diagonal = np.diag(hessian)
    damped = hessian + 1e-9 * np.eye(len(hessian))
    if len(hessian) == 6:
        return np.asarray(np.linalg.solve(damped, gradient), dtype=np.float64), weights
    prior = np.zeros(len(hessian))
    prior[6:] = PRIOR * diagonal[6:].mean()
    here = np.concatenate([np.zeros(6), weights])
    price = np.concatenate([np.zeros(6), SPARSITY * np.sqrt(diagonal[6:])])
    moments = gradient + hessian @ here + prior * np.concatenate([np.zeros(6), wanted]) - price
    free = np.full(6, np.inf)
    low = np.concatenate([-free, np.zeros(len(weights))])
    high = np.concatenate([free, np.ones(len(weights))])
    solved = solve_weights(damped + np.diag(prior), moments[None], limits=(low, high))[0]
    return solved[:6], solved[6:]
