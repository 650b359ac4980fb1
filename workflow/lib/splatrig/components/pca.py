"""Principal components through the F × F Gram matrix, streamed over columns (F frames, D values per frame, F ≪ D).

The first pass over the columns computes MEAN, STD and the Gram matrix of every attribute at once. The Gram matrix of
centered columns is additive over columns, STD² is its trace, standardizing divides it, and changing the rest shape is a
projection of it. Products are float32 over a few thousand columns and summed in float64, so the K leading eigenvectors
V are accurate to float32.

The second pass computes Vᵀ X, whose K × K Gram matrix in float64 turns V into the components (Rayleigh-Ritz). The error
of their variances is quadratic in that of V: at most 1e-5 for variances above a millionth of the largest. No array of
size F × D is ever held.
"""

import logging

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from splatrig.components.blocks import map_blocks, spans
from splatrig.components.matrix import (
    AttributeMatrix,
    Block,
    Decomposition,
    Standardization,
    centered,
    equal_frames,
    finish_standardization,
    sum_of_squares,
)
from splatrig.config.choices import Rest
from splatrig.io.errors import InputError

logger = logging.getLogger(__name__)

NEGLIGIBLE = 1e-10
"""Variances below this fraction of the total are rounding errors of the float32 rows, not components."""

SUMMED_COLUMNS = 2048
"""Columns summed in float32 at a time: few enough for 6 digits and for the cache."""


def principal_components(
    matrix: AttributeMatrix,
    k: int,
    rest: Rest = "neutral",
    weights: NDArray[np.float32] | None = None,  # [N]
    threads: int = 1,
) -> Decomposition:
    """Return the first `k` principal components of the standardized rows, about the rest shape.

    F frames have at most F - 1 components about either rest shape; fewer than `k` are returned, with a warning, when
    frames repeat each other. The largest entry of every component is positive.

    Args:
        matrix: F training rows of one or more attributes.
        k: Number of components.
        rest: `mean` (classical PCA) or `neutral` (singular vectors of the rows minus the neutral row, so that weight 0
            is the neutral face).
        weights: Importance of each Gaussian [N], such as a face mask of 0 and 1; Gaussians of weight 0 follow the
            others by regression.
        threads: Threads over column blocks; the result does not depend on it.

    Raises:
        InputError: `k` is out of bounds, or all rows are equal.
    """
    frames = len(matrix.rows)
    bound = min(frames - 1, matrix.shape[1])
    if frames < 2:
        raise InputError(f"PCA: expected 2 training frames or more, got {frames}; add some to the capture.")
    if not 1 <= k <= bound:
        raise InputError(
            f"PCA: k: expected 1 to {bound} for {frames} training frames, of which the rest shape takes one, got {k}; "
            "lower components.k."
        )
    root_weights = None if weights is None else _root_weights(matrix, weights)
    with threadpool_limits(limits=1):
        gram, unrested, standardization = _gram_pass(matrix, rest, root_weights, threads)
        vectors = np.linalg.eigh(gram)[1][:, ::-1][:, :k]
        projection = vectors.T.copy()
        if rest == "neutral":
            projection[:, matrix.neutral] -= projection.sum(axis=1)
        else:  # centered over frames, like the Gram matrix
            projection -= projection.mean(axis=1, keepdims=True)
        C, small = _component_pass(matrix, standardization, projection, root_weights, threads)
        squares, turn = np.linalg.eigh(small)
        squares, turn = squares[::-1], turn[:, ::-1]
        kept = int(np.count_nonzero(squares > NEGLIGIBLE * unrested))
        if kept == 0:
            raise equal_frames(f"PCA of {', '.join(matrix.names)}", frames)
        if kept < k:
            logger.warning("the %d training frames have only %d of the %d components requested", frames, kept, k)
        singular, turn = np.sqrt(squares[:kept]), turn[:, :kept]
        C, signs = _turned(C, (turn / singular).T, matrix, threads)
    return Decomposition(
        "pca",
        W=(vectors @ turn * singular * signs).astype(np.float32),
        C=C,
        explained_variance=squares[:kept] / (frames - 1),
        total_variance=float(np.trace(gram) / (frames - 1)),
        standardization=standardization,
    )


def _root_weights(matrix: AttributeMatrix, weights: NDArray[np.float32]) -> list[NDArray[np.float32]]:
    """Return the square roots of the Gaussians' weights, repeated over the columns of each attribute."""
    if not (np.isfinite(weights).all() and (weights >= 0).all() and weights.any()):
        raise InputError("PCA weights: expected finite weights of 0 or more, at least one above 0; is the mask empty?")
    widths = [source.shape[1] // len(weights) for source in matrix.sources]
    return [np.repeat(np.sqrt(weights, dtype=np.float32), width) for width in widths]


def _gram_pass(
    matrix: AttributeMatrix, rest: Rest, root_weights: list[NDArray[np.float32]] | None, threads: int
) -> tuple[NDArray[np.float64], float, Standardization]:
    """Return the Gram matrix [F, F] of the standardized rows minus the rest, its trace before, and the standardization.

    The trace before the rest is removed is the reference for rounding errors: equal frames leave nothing else.
    """
    frames, columns = matrix.shape
    mean, neutral = np.empty(columns, np.float32), np.empty(columns, np.float32)
    grams = np.zeros((len(matrix.names), frames, frames))
    squares = np.zeros(len(matrix.names))

    def measure(block: Block) -> tuple[NDArray[np.float32], NDArray[np.float32], float, NDArray[np.float64]]:
        means, rows = centered(matrix, block)
        square, row = sum_of_squares(rows), rows[matrix.neutral].copy()
        if root_weights is not None:
            rows *= root_weights[block.attribute][block.local]
        gram = np.zeros((frames, frames))
        for part in spans(0, rows.shape[1], SUMMED_COLUMNS):
            gram += rows[:, part] @ rows[:, part].T
        return means, row, square, gram

    blocks = matrix.blocks()
    for block, (means, row, square, gram) in zip(blocks, map_blocks(measure, blocks, threads), strict=True):
        mean[block.columns], neutral[block.columns] = means, row
        squares[block.attribute] += square
        grams[block.attribute] += gram
    standardization = finish_standardization(matrix, mean, neutral if rest == "neutral" else None, squares)
    gram = np.einsum("a,aij->ij", standardization.scales.astype(np.float64) ** -2, grams)
    unrested = float(np.trace(gram))
    if rest == "neutral":
        gram -= gram[matrix.neutral]
        gram -= gram[:, [matrix.neutral]]
    else:  # MEAN is rounded to float32; without this the rounding would show as one more component
        gram -= gram.mean(axis=0)
        gram -= gram.mean(axis=1, keepdims=True)
    return gram, unrested, standardization


def _component_pass(
    matrix: AttributeMatrix,
    standardization: Standardization,
    projection: NDArray[np.float64],  # [K, F]
    root_weights: list[NDArray[np.float32]] | None,
    threads: int,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return `projection` @ standardized rows, [K, D], and the (weighted) Gram matrix [K, K] of the product."""
    count = len(projection)
    C, gram = np.empty((count, matrix.shape[1]), dtype=np.float32), np.zeros((count, count))
    scaled = [(projection / scale).astype(np.float32) for scale in standardization.scales.astype(np.float64)]

    def project(block: Block) -> NDArray[np.float64]:
        _, rows = centered(matrix, block, standardization.mean)
        projected = scaled[block.attribute] @ rows
        C[:, block.columns] = projected
        wide = projected.astype(np.float64)
        if root_weights is not None:
            wide *= root_weights[block.attribute][block.local]
        return wide @ wide.T

    for part in map_blocks(project, matrix.blocks(), threads):
        gram += part
    return C, gram


def _turned(
    C: NDArray[np.float32],  # [K, D], overwritten
    turn: NDArray[np.float64],  # [K', K], K' <= K
    matrix: AttributeMatrix,
    threads: int,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return `turn` @ C [K', D] with the largest entry of every row positive, and the signs [K'] applied for that."""
    kept, narrow = len(turn), turn.astype(np.float32)

    def rotate(block: Block) -> NDArray[np.float32]:
        turned = narrow @ C[:, block.columns]
        C[:kept, block.columns] = turned
        return turned[np.arange(kept), np.abs(turned).argmax(axis=1)]

    peaks = np.zeros(kept, dtype=np.float32)
    for part in map_blocks(rotate, matrix.blocks(), threads):
        peaks = np.where(np.abs(part) > np.abs(peaks), part, peaks)
    C = C if kept == len(C) else C[:kept].copy()
    for k in np.flatnonzero(peaks < 0):
        np.negative(C[k], out=C[k])
    return C, np.where(peaks < 0, -1.0, 1.0)
