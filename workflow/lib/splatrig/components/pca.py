"""Principal components through the F × F Gram matrix, streamed over columns (F frames, D numbers a frame, F ≪ D).

One pass over the columns gives MEAN, STD and the Gram matrix of every attribute at once: the Gram matrix of centred
columns is additive over columns, STD² is its trace, standardising divides it, and changing the rest shape is a
projection of it. A second pass gives the components. Nothing of size F × D is ever held.
"""

import logging
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from splatrig.components.blocks import map_blocks, spans
from splatrig.components.file import Components
from splatrig.components.matrix import AttributeMatrix, Block, Standardisation, centred, finish_standardisation
from splatrig.errors import InputError

logger = logging.getLogger(__name__)

NEGLIGIBLE = 1e-10
"""Variances below this share of the largest one are rounding of the float32 rows, not components."""


WIDE_COLUMNS = 2048
"""Columns widened to float64 at a time: few enough to stay in the cache."""


@dataclass(frozen=True)
class PrincipalComponents:
    """What `principal_components` found."""

    W: NDArray[np.float32]  # [F, K]
    """Scores."""
    C: NDArray[np.float32]  # [K, D]
    """Components; orthonormal in the inner product of the Gaussians' weights."""
    explained_variance: NDArray[np.float64]  # [K]
    """Variance of each score about the rest shape, sum of squares / (F - 1)."""
    total_variance: float
    """Sum of the variances of all components that the rows have."""
    standardisation: Standardisation


def principal_components(
    matrix: AttributeMatrix,
    k: int,
    rest: str = "neutral",
    weights: NDArray[np.float32] | None = None,  # [N]
    threads: int = 1,
) -> PrincipalComponents:
    """Return the first `k` principal components of the standardised rows, about the rest shape.

    `rest` is `mean` (classical PCA) or `neutral` (singular vectors of the rows less the neutral row, so that
    coefficient 0 is the neutral face). `weights` say how much each Gaussian counts (a face mask as 0 and 1); Gaussians
    of weight 0 follow the others by regression. Fewer than `k` components come back when the rows have no more.
    The largest entry of every component is positive. Raises InputError for `k` out of bounds and for equal rows.
    """
    frames = len(matrix.rows)
    bound = min(frames, matrix.shape[1])
    if not 1 <= k <= bound:
        raise InputError(f"components.pca.k: expected 1 to {bound} for {frames} training frames, got {k}.")
    root_weights = None if weights is None else _root_weights(matrix, weights)
    with threadpool_limits(limits=1):
        gram, standardisation = _gram_pass(matrix, rest, root_weights, threads)
        values, vectors = np.linalg.eigh(gram)
        values, vectors = values[::-1].clip(min=0.0), vectors[:, ::-1]
        kept = min(k, int(np.count_nonzero(values > NEGLIGIBLE * values[0])))
        if kept == 0:
            raise InputError(f"PCA of {', '.join(matrix.names)}: all {frames} training frames are equal.")
        if kept < k:
            logger.warning("the %d training frames have only %d components; %d were asked for", frames, kept, k)
        singular = np.sqrt(values[:kept])
        projection = vectors[:, :kept].T / singular[:, None]
        if rest == "neutral":
            projection[:, matrix.neutral] -= projection.sum(axis=1)
        C = _component_pass(matrix, standardisation, projection, threads)
    signs = np.sign(C[np.arange(kept), np.abs(C).argmax(axis=1)])
    C *= signs[:, None]
    return PrincipalComponents(
        W=(vectors[:, :kept] * singular * signs).astype(np.float32),
        C=C,
        explained_variance=values[:kept] / (frames - 1),
        total_variance=float(values.sum() / (frames - 1)),
        standardisation=standardisation,
    )


def _root_weights(matrix: AttributeMatrix, weights: NDArray[np.float32]) -> list[NDArray[np.float64]]:
    """Return the square roots of the Gaussians' weights, repeated over the columns of each attribute."""
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise InputError("PCA weights: expected finite weights of 0 or more, at least one above 0; is the mask empty?")
    widths = [source.shape[1] // len(weights) for source in matrix.sources]
    return [np.repeat(np.sqrt(weights, dtype=np.float64), width) for width in widths]


def _gram_pass(
    matrix: AttributeMatrix, rest: str, root_weights: list[NDArray[np.float64]] | None, threads: int
) -> tuple[NDArray[np.float64], Standardisation]:
    """Return the Gram matrix [F, F] of the standardised rows less the rest shape, and the standardisation."""
    frames, columns = matrix.shape
    mean, neutral = np.empty(columns, np.float32), np.empty(columns, np.float32)
    grams = np.zeros((len(matrix.names), frames, frames))
    squares = np.zeros(len(matrix.names))

    def measure(block: Block) -> tuple[NDArray[np.float32], NDArray[np.float32], float, NDArray[np.float64]]:
        _, means, rows = centred(matrix, block)
        square, gram = 0.0, np.zeros((frames, frames))
        for part in spans(0, rows.shape[1], WIDE_COLUMNS):
            wide = rows[:, part].astype(np.float64)
            square += float(np.vdot(wide, wide))
            if root_weights is not None:
                wide *= root_weights[block.attribute][block.local][part]
            gram += wide @ wide.T
        return means, rows[matrix.neutral], square, gram

    blocks = matrix.blocks()
    for block, (means, row, square, gram) in zip(blocks, map_blocks(measure, blocks, threads), strict=True):
        mean[block.columns], neutral[block.columns] = means, row
        squares[block.attribute] += square
        grams[block.attribute] += gram
    standardisation = finish_standardisation(matrix, mean, neutral if rest == "neutral" else None, squares)
    gram = np.einsum("a,aij->ij", standardisation.scales.astype(np.float64) ** -2, grams)
    if rest == "neutral":
        gram -= gram[matrix.neutral]
        gram -= gram[:, [matrix.neutral]]
    else:  # MEAN is rounded to float32; without this the rounding would show as one more component
        gram -= gram.mean(axis=0)
        gram -= gram.mean(axis=1, keepdims=True)
    return gram, standardisation


def _component_pass(
    matrix: AttributeMatrix, standardisation: Standardisation, projection: NDArray[np.float64], threads: int
) -> NDArray[np.float32]:
    """Return `projection` [K, F] @ standardised rows, [K, D]."""
    C = np.empty((len(projection), matrix.shape[1]), dtype=np.float32)
    scaled = [(projection / scale).astype(np.float32) for scale in standardisation.scales.astype(np.float64)]

    def project(block: Block) -> None:
        rows = centred(matrix, block, standardisation.mean).rows
        C[:, block.columns] = scaled[block.attribute] @ rows

    for _ in map_blocks(project, matrix.blocks(), threads):
        pass
    return C


def transform(
    components: Components,
    rows: NDArray[np.float32],  # [M, D]
    weights: NDArray[np.float32] | None = None,  # [N]
) -> NDArray[np.float32]:
    """Return the coefficients [M, K] of `rows` (stored units) that reconstruct them best; inverse: `Components.rows`.

    Least squares, so it serves every family; `weights` say how much each Gaussian counts.
    """
    targets = components.standardise(rows)
    C = components.C
    if weights is not None:
        per_column = [np.repeat(weights, (stop - start) // len(weights)) for _, start, stop in components.dim_info]
        C = C * np.concatenate(per_column)
    normal = C.astype(np.float64) @ components.C.T.astype(np.float64)
    projections = targets.astype(np.float64) @ C.T.astype(np.float64)
    return (projections @ np.linalg.pinv(normal, rcond=NEGLIGIBLE, hermitian=True)).astype(np.float32)
