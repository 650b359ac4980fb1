"""Fit blendshapes to a capture's tracked meshes: which blendshapes each frame shows, and their shapes on this face.

Example-based facial rigging (Li, Weise, Pauly 2010) on displacements. Weights in [0, 1] with an l1 penalty alternate
with shapes that are regressed on the weights and regularized toward the shapes of the template.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.components.weights import solve_weights

ROUNDS = 10
SPARSITY = 0.03
"""Price (l1 penalty) of using a blendshape in a frame: where it acts alone, a smaller weight is set to zero."""
PROMISED = 0.25
"""Fraction of `SPARSITY` charged for blendshapes that the name of the frame's segment promises."""
PRIOR = 16.0
"""Strength of the prior toward the template's shape, relative to one frame at weight 1."""
PEAK_MM = 10.0
"""Peak displacement (mm) at which `PRIOR` applies; half this peak quadruples the prior, since tracking noise does not
shrink with the blendshape."""
STILL = 0.05
"""Fraction of a shape's peak displacement at which the prior on a vertex doubles; stiller vertices are held more
strongly."""
TOLD = 0.3
"""A blendshape whose largest weight is at least this counts as shown by the capture."""


@dataclass(frozen=True)
class FittedBlendshapes:
    """Weights of K blendshapes in F frames, and their shapes."""

    weights: NDArray[np.float64]  # [F, K]
    """Weights in [0, 1]; zero for blendshapes that the capture does not show."""
    shapes: NDArray[np.float64]  # [K, V, 3]
    """Displacements at weight 1, in millimeters. Blendshapes that the capture does not show keep the template's
    shape."""
    told: NDArray[np.bool_]  # [K]
    """True for the blendshapes that the capture shows."""


def fit_blendshapes(
    shapes: NDArray[np.float64],  # [K, V, 3] of the template, millimeters
    displacements: NDArray[np.float64],  # [F, V, 3] of the tracked meshes from the neutral
    areas: NDArray[np.float64],  # [V] surface area of each vertex
    promised: NDArray[np.bool_] | None = None,  # [F, K]
) -> FittedBlendshapes:
    """Return the weights and shapes that explain `displacements`, by alternating least squares.

    Blendshapes that are `promised` in a frame are preferred to others that explain it equally well. A last solve uses
    only the blendshapes that the capture shows.
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
    share: NDArray[np.float64],  # [V] fraction of the area, sum 1
    prices: NDArray[np.float64],  # [F, K]
) -> NDArray[np.float64]:  # [F, K]
    """Return sparse weights in [0, 1] of blendshapes in frames: least squares with an l1 penalty.

    Where a blendshape acts alone, a weight below its price becomes zero. Weights cannot be negative, so the penalty is
    linear and is subtracted from the moments.
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
    """Return shapes by ridge regression on the weights, vertex by vertex, toward the given shapes.

    The ridge is larger where the template's blendshape moves little, so that noise is not learned there.
    """
    lengths = np.linalg.norm(shapes, axis=2)
    peaks = lengths.max(axis=1, keepdims=True)
    ridge = PRIOR * (PEAK_MM / peaks) ** 2 / (STILL + lengths / peaks)  # [K, V]
    left = displacements - np.tensordot(weights, shapes, 1)
    systems = (weights.T @ weights) + ridge.T[:, :, None] * np.eye(len(shapes))  # [V, K, K]
    return shapes + np.linalg.solve(systems, np.tensordot(weights.T, left, 1).transpose(1, 0, 2)).transpose(1, 0, 2)
