"""Triangulation of points that several calibrated cameras see, robust to cameras that are wrong about some or all."""

from dataclasses import dataclass
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.cameras import Cameras

_STEPS = 12
"""Steps of Gauss-Newton, which has converged after half as many."""
_UNIT_MM = 1000.0
"""Unit of the homogeneous coordinate, so that all four have similar sizes."""


@dataclass(frozen=True)
class Triangulated:
    """L points in space and their agreement with the cameras."""

    positions: NDArray[np.float64]  # [L, 3] in the space that the cameras' `viewmats` start from
    """Positions of the points; NaN if no two cameras agree."""
    inliers: NDArray[np.bool_]  # [C, L]
    """True for cameras that agree with the position."""
    errors: NDArray[np.float64]  # [L]
    """Median reprojection error of the agreeing cameras, in pixels."""


def projections(cameras: Cameras) -> NDArray[np.float64]:  # [C, 3, 4]
    """Return the matrices from space to homogeneous pixels."""
    return cameras.Ks @ cameras.viewmats[:, :3]


def project(P: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Project `positions` [L, 3] to the images of cameras `P` [C, 3, 4]; return pixels [C, L, 2].

    Points that are not in front of a camera are NaN.
    """
    rays = positions @ P[:, :, :3].mT + P[:, None, :, 3]
    depth = np.where(rays[..., 2:] > 0, rays[..., 2:], np.nan)
    return rays[..., :2] / depth


def triangulate(
    P: NDArray[np.float64],  # [C, 3, 4]
    seen: NDArray[np.float64],  # [C, L, 2] pixels, NaN where a camera sees no point
    tolerance: float,
    weights: NDArray[np.float64] | None = None,  # [C, L]
) -> Triangulated:
    """Return the points that the cameras see, each from the cameras that agree on it within `tolerance` pixels.

    For every point, the pair of cameras whose point most others agree with (Fischler and Bolles 1981, with all pairs),
    then Gauss-Newton on the reprojection errors with Cauchy weights. Cameras of weight 0 are ignored.
    """
    there = np.isfinite(seen).all(axis=2)
    if weights is None:
        weights = np.ones(there.shape)
    there &= weights > 0
    pixels = np.where(there[..., None], seen, 0.0)
    best, positions = np.zeros(seen.shape[1]), np.full((seen.shape[1], 3), np.nan)
    for pair in combinations(range(len(P)), 2):
        rows = np.flatnonzero(there[list(pair)].all(axis=0))
        if not len(rows):
            continue
        candidates = intersect(P[list(pair)], pixels[list(pair)][:, rows])
        misses = _misses(P, candidates, pixels[:, rows])
        support = (np.clip(1.0 - (misses / tolerance) ** 2, 0.0, None) * weights[:, rows] * there[:, rows]).sum(axis=0)
        better = support > best[rows]
        best[rows[better]], positions[rows[better]] = support[better], candidates[better]
    found = np.isfinite(positions).all(axis=1)
    positions[found] = _refined(P, pixels[:, found], (weights * there)[:, found], positions[found], tolerance)
    misses = np.full(there.shape, np.inf)
    misses[:, found] = _misses(P, positions[found], pixels[:, found])
    inliers = there & (misses < 2 * tolerance)
    positions[inliers.sum(axis=0) < 2] = np.nan
    inliers &= np.isfinite(positions[:, 0])
    return Triangulated(positions, inliers, _median(np.where(inliers, misses, np.nan)))


def intersect(P: NDArray[np.float64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the points [L, 3] that solve the linear equations of cameras `P` [C, 3, 4] seeing `pixels` [C, L, 2]."""
    rows = pixels[..., None] * P[:, None, 2:3] - P[:, None, :2]
    rows = rows / np.linalg.norm(P[:, None, 2:3, :3], axis=-1, keepdims=True) * [1.0, 1.0, 1.0, 1.0 / _UNIT_MM]
    rows = rows.transpose(1, 0, 2, 3).reshape(pixels.shape[1], -1, 4)
    vectors = np.linalg.svd(rows)[2][:, -1]
    scale = np.where(np.abs(vectors[:, 3:]) > 1e-12, vectors[:, 3:], np.nan)
    return vectors[:, :3] / scale * _UNIT_MM


def _misses(P: NDArray[np.float64], positions: NDArray[np.float64], pixels: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the distances [C, L] between projections and `pixels` [C, L, 2]; infinite behind a camera."""
    misses = np.linalg.norm(project(P, positions) - pixels, axis=2)
    return np.where(np.isfinite(misses), misses, np.inf)


def _refined(
    P: NDArray[np.float64],
    pixels: NDArray[np.float64],
    weights: NDArray[np.float64],
    positions: NDArray[np.float64],
    tolerance: float,
) -> NDArray[np.float64]:
    """Return the positions [L, 3] near those given that minimize the robust reprojection errors."""
    for _ in range(_STEPS):
        projected = project(P, positions)
        depth = (positions @ P[:, 2, :3].T + P[:, 2, 3]).T[..., None, None]
        misses = np.nan_to_num(projected - pixels)
        jacobian = (P[:, None, :2, :3] - np.nan_to_num(projected)[..., None] * P[:, None, 2:3, :3]) / depth
        trust = weights / (1.0 + (misses**2).sum(axis=2) / (tolerance / 2) ** 2)
        hessian = np.einsum("cl,clij,clik->ljk", trust, jacobian, jacobian)
        gradient = np.einsum("cl,clij,cli->lj", trust, jacobian, misses)
        damping = 1e-9 * np.trace(hessian, axis1=1, axis2=2)[:, None, None] * np.eye(3) + 1e-30 * np.eye(3)
        positions = positions - np.linalg.solve(hessian + damping, gradient[..., None])[..., 0]
    return positions


def _median(values: NDArray[np.float64]) -> NDArray[np.float64]:  # [C, L] -> [L]
    """Return the medians of the columns without NaN; NaN for a column that is all NaN."""
    result = np.full(values.shape[1], np.nan)
    some = np.isfinite(values).any(axis=0)
    result[some] = np.nanmedian(values[:, some], axis=0)
    return result
