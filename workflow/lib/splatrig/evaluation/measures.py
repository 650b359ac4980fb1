"""Metrics of reconstructions and components: arrays in, one value out, each with its unit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.gaussians.gaussians import SH_C0

ZERO_SHARE = 1e-6
"""A row of a component counts as zero when it is at most this fraction of the component's longest row."""

SUPPORT_SHARE = 0.95
"""Fraction of a component's squared displacement that its support holds."""

GRAM_BLOCK = 65536
"""Number of columns held in float64 at a time."""


def attribute_error(name: str, estimate: NDArray, truth: NDArray) -> NDArray[np.float64]:  # [F, N]
    """Return the error of one attribute per frame and Gaussian, from raw rows `estimate` and `truth` [F, N, d].

    xyz: Euclidean distance in mm; rotation: angle between the two rotations in degrees; f_dc: length of the difference
    of the RGB colors (in [0, 1] each); all others: length of the difference of the raw values.
    """
    estimate, truth = np.asarray(estimate, dtype=np.float64), np.asarray(truth, dtype=np.float64)
    if name == "rotation":
        estimate, truth = (quats / _lengths(quats)[..., None] for quats in (estimate, truth))
        # 4 asin(|p - q| / 2) is the rotation angle, accurate for small angles where acos(p · q) is not
        nearest = np.where(np.sum(estimate * truth, axis=-1, keepdims=True) < 0, -truth, truth)
        half_chord = _lengths(estimate - nearest) / 2
        return np.degrees(4 * np.arcsin(np.minimum(half_chord, 1.0)))
    scale = SH_C0 if name == "f_dc" else 1.0
    return scale * _lengths(estimate - truth)


def _lengths(vectors: NDArray[np.float64]) -> NDArray[np.float64]:  # [..., d] to [...]
    """Return the lengths of short vectors, five times faster than `np.linalg.norm`."""
    return np.sqrt(np.einsum("...d,...d->...", vectors, vectors))


def rms(errors: NDArray) -> float:
    """Return the root mean square; NaN for an empty array."""
    return float(np.sqrt(np.mean(np.square(errors, dtype=np.float64)))) if errors.size else float("nan")


def zero_rows(magnitudes: NDArray) -> float:
    """Return the fraction of zero entries of row lengths `magnitudes` [K, N]."""
    longest = magnitudes.max(axis=1, keepdims=True)
    return float(np.mean(magnitudes <= ZERO_SHARE * longest))


def hoyer(magnitudes: NDArray) -> NDArray[np.float64]:  # [K]
    """Return the sparsity of Hoyer (2004), (√N - ℓ₁/ℓ₂) / (√N - 1), of each component's row lengths [K, N].

    0 when all rows are equally long, 1 when a single row is not zero; NaN for a component that is zero.
    """
    count = magnitudes.shape[1]
    l1 = magnitudes.sum(axis=1, dtype=np.float64)
    l2 = np.sqrt(np.square(magnitudes, dtype=np.float64).sum(axis=1))
    with np.errstate(invalid="ignore"):
        return (np.sqrt(count) - l1 / l2) / (np.sqrt(count) - 1)


def support_radius(magnitudes: NDArray, vertices: NDArray) -> NDArray[np.float64]:  # [K] mm
    """Return the radius (mm) around its peak within which each component acts.

    This is the radius of the ball around the vertex that moves most that holds 95 % of the squared displacement, for
    row lengths [K, N] on neutral `vertices` [N, 3]; NaN for a component that is zero.
    """
    radii = np.full(len(magnitudes), np.nan)
    for k, lengths in enumerate(np.square(magnitudes, dtype=np.float64)):
        total = lengths.sum()
        if total == 0:
            continue
        distances = np.linalg.norm(vertices - vertices[lengths.argmax()], axis=1)
        order = np.argsort(distances, kind="stable")
        held = np.cumsum(lengths[order]) / total
        radii[k] = distances[order[np.searchsorted(held, SUPPORT_SHARE)]]
    return radii


def jump(vectors: NDArray, edges: NDArray[np.int64]) -> NDArray[np.float64]:  # [K]
    """Return the largest change of each component across an edge, as a fraction of its longest row.

    `vectors` [K, N, d], `edges` [E, 2]. A support that ends in a step tears the surface: 1 is a full tear. Unlike a
    slope, this value does not shrink as the mesh is refined. NaN for a component that is zero.
    """
    jumps = np.full(len(vectors), np.nan)
    for k, vector in enumerate(vectors):
        peak = np.linalg.norm(vector, axis=1).max()
        if peak > 0:
            jumps[k] = np.linalg.norm(vector[edges[:, 0]] - vector[edges[:, 1]], axis=1).max() / peak
    return jumps


@dataclass(frozen=True)
class Interval:
    """Mean of `count` values and its 95 % confidence interval."""

    mean: float
    low: float
    high: float
    count: int


def bootstrap_interval(values: NDArray, generator: np.random.Generator, draws: int = 2000) -> Interval:
    """Return the mean of `values` [n] with the percentile bootstrap interval (Efron 1979) over them.

    For a single value the bounds are NaN.
    """
    values = np.asarray(values, dtype=np.float64)
    if len(values) == 1:
        return Interval(float(values[0]), np.nan, np.nan, 1)
    samples = values[generator.integers(len(values), size=(draws, len(values)))].mean(axis=1)
    low, high = np.percentile(samples, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high), len(values))


def gram(X: NDArray, *, centered: bool = False) -> NDArray[np.float64]:  # [F, F]
    """Return X Xᵀ of `X` [F, D], accumulated in float64 over blocks of columns; `centered` removes the column means."""
    total = np.zeros((len(X), len(X)))
    for first in range(0, X.shape[1], GRAM_BLOCK):
        block = X[:, first : first + GRAM_BLOCK].astype(np.float64)
        if centered:
            block -= block.mean(axis=0)
        total += block @ block.T
    return total
