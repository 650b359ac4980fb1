"""Blendshapes fitted to the tracked meshes of a capture: which of them each frame shows, and what they look like there.

Example-based facial rigging (Li, Weise, Pauly 2010), on displacements: weights in [0, 1] with an l1 penalty, in turn
with shapes that are regressed on them and drawn to the ones that the template has.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.components.weights import solve_weights

ROUNDS = 10
SPARSITY = 0.03
"""Price of a blendshape in a frame: the weight below which it is taken for none where it is alone."""
PROMISED = 0.25
"""Of that price where the name of a frame's segment promises the blendshape."""
PRIOR = 16.0
"""How much a shape is drawn to that of the template, relative to one frame at weight 1."""
PEAK_MM = 10.0
"""A blendshape whose peak is half as long is drawn four times as much: noise of tracking is as large in all."""
STILL = 0.05
"""Fraction of its peak at which a vertex is drawn to the template as much again as by `PRIOR` alone."""
TOLD = 0.3
"""A blendshape whose largest weight is at least this was shown by the capture."""


@dataclass(frozen=True)
class FittedBlendshapes:
    """K blendshapes in F frames."""

    weights: NDArray[np.float64]  # [F, K]
    """In [0, 1]; zero for those that are not told."""
    shapes: NDArray[np.float64]  # [K, V, 3]
    """Displacements at weight 1, millimeters. Those that are not told are the template's."""
    told: NDArray[np.bool_]  # [K]
    """Which of them the capture shows."""


def fit_blendshapes(
    shapes: NDArray[np.float64],  # [K, V, 3] the template's, millimeters
    displacements: NDArray[np.float64],  # [F, V, 3] of the tracked meshes from the neutral
    areas: NDArray[np.float64],  # [V] that each vertex stands for
    promised: NDArray[np.bool_] | None = None,  # [F, K]
) -> FittedBlendshapes:
    """Return the weights of frames and shapes that explain `displacements`, by alternating least squares.

    Blendshapes that are `promised` to be in a frame come before others that explain it as well. At the end weights are
    solved once more for the blendshapes that are told alone.
    """
    share = areas / areas.sum()
    moving = np.flatnonzero(shapes.any(axis=(1, 2)))
    prices = np.full((len(displacements), len(shapes)), SPARSITY)
    if promised is not None:
        prices[promised] *= PROMISED
    templates = fitted = shapes[moving]
    for _ in range(ROUNDS):
        weights = blendshape_weights(fitted, displacements, share, prices[:, moving])
        fitted = _regressed(templates, weights, displacements)
    seen = blendshape_weights(fitted, displacements, share, prices[:, moving]).max(axis=0, initial=0.0) >= TOLD
    told = moving[seen]
    result = FittedBlendshapes(
        np.zeros((len(displacements), len(shapes))), shapes.copy(), np.isin(np.arange(len(shapes)), told)
    )
    result.shapes[told] = fitted[seen]
    result.weights[:, told] = blendshape_weights(fitted[seen], displacements, share, prices[:, told])
    return result


def blendshape_weights(
    shapes: NDArray[np.float64],  # [K, V, 3]
    displacements: NDArray[np.float64],  # [F, V, 3]
    share: NDArray[np.float64],  # [V] of the area, sum 1
    prices: NDArray[np.float64],  # [F, K]
) -> NDArray[np.float64]:  # [F, K]
    """Return the weights in [0, 1] of blendshapes in frames, few of them in each: least squares with an l1 penalty.

    A weight below its price is taken for none where the blendshape is alone. The penalty on weights that cannot be
    negative is linear, so it lowers the moments.
    """
    flat = (np.sqrt(share)[:, None] * shapes).reshape(len(shapes), -1)
    targets = (np.sqrt(share)[:, None] * displacements).reshape(len(displacements), -1)
    gram = flat @ flat.T
    moments = targets @ flat.T - prices * np.diag(gram)
    return solve_weights(gram, moments, limits=(0.0, 1.0))


def _regressed(
    shapes: NDArray[np.float64],  # [K, V, 3]
    weights: NDArray[np.float64],  # [F, K]
    displacements: NDArray[np.float64],  # [F, V, 3]
) -> NDArray[np.float64]:  # [K, V, 3]
    """Return shapes by ridge regression on weights, vertex by vertex, toward the given ones.

    The ridge grows where a blendshape moves little: what it does not do on the template it does not learn.
    """
    lengths = np.linalg.norm(shapes, axis=2)
    peaks = lengths.max(axis=1, keepdims=True)
    ridge = PRIOR * (PEAK_MM / peaks) ** 2 / (STILL + lengths / peaks)  # [K, V]
    left = displacements - np.tensordot(weights, shapes, 1)
    systems = (weights.T @ weights) + ridge.T[:, :, None] * np.eye(len(shapes))  # [V, K, K]
    return shapes + np.linalg.solve(systems, np.tensordot(weights.T, left, 1).transpose(1, 0, 2)).transpose(1, 0, 2)
