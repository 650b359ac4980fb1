"""Sparse principal components of one attribute, by scikit-learn's MiniBatchSparsePCA (Mairal et al. 2009).

Cost: an online dictionary of K vectors of length F is learned from mini-batches of columns, then each of the D columns
is coded by coordinate descent. This takes about D · K · (F + K) operations per pass and a float64 copy of the rows
(8·F·D bytes): seconds at the base level and many minutes at the finest, hence the guard. Its sparsity is per value, not
per Gaussian, and ignores where a Gaussian lies; SLDC is the better local method.
"""

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.decomposition import MiniBatchSparsePCA
from sklearn.exceptions import ConvergenceWarning
from threadpoolctl import threadpool_limits

from splatrig.components.component_file import Solver
from splatrig.components.matrix import (
    AttributeMatrix,
    Decomposition,
    StandardizedRows,
    equal_frames,
    standardize,
)
from splatrig.config.choices import Rest
from splatrig.io.errors import InputError

MAX_ENTRIES = 30_000_000
"""Largest F · D accepted: half a gigabyte of working memory, minutes of work."""

MAX_PASSES = 20
"""Maximum number of passes over all columns; scikit-learn stops earlier when components or objective converge."""


class SparseFactors(NamedTuple):
    """Sparse factors of the rows: rows ≈ W @ C, with C sparse."""

    W: NDArray[np.float32]  # [F, K]
    C: NDArray[np.float32]  # [K, D]
    solver: Solver
    """Summary of the solver: iterations are passes over all columns; converged means that scikit-learn's rule stopped
    it before `MAX_PASSES`."""


def refuse_large(frames: int, columns: int) -> None:
    """Raise InputError when a matrix of this size would take too long; call it before reading the matrix."""
    if frames * columns > MAX_ENTRIES:
        raise InputError(
            f"sparse PCA: got {frames} frames × {columns} values, expected at most {MAX_ENTRIES:,} entries; it would "
            "take hours: run it on a coarser level, or lower capture.frames_per_expression."
        )


def sparse_components(
    rows: NDArray[np.float32],  # [F, D]
    k: int,
    alpha: float,
    seed: int,
) -> SparseFactors:
    """Return sparse components of standardized rows minus the rest shape, and the weights of the rows.

    `alpha` is the L1 penalty. The components have unit length (or are zero) and are sorted by decreasing contribution;
    W is the least-squares fit of the rows to them. Raises InputError when `k` exceeds the number of frames, the matrix
    is too large, or all frames are equal.
    """
    frames, columns = rows.shape
    refuse_large(frames, columns)
    if not 1 <= k <= frames:
        raise InputError(f"sparse PCA: expected 1 to {frames} components (the training frames), got {k}; lower it.")
    if not rows.any():
        raise equal_frames("sparse PCA", frames)
    with threadpool_limits(limits=1):
        model = MiniBatchSparsePCA(
            n_components=k, alpha=alpha, batch_size=256, max_iter=MAX_PASSES, method="cd", random_state=seed
        )
        with warnings.catch_warnings():  # columns that did not converge to the last digits do no harm
            warnings.simplefilter("ignore", ConvergenceWarning)
            C = model.fit(rows.astype(np.float64)).components_
        W = rows @ np.linalg.pinv(C)
    energy = (W**2).sum(axis=0) * (C**2).sum(axis=1)
    order = np.argsort(-energy, kind="stable")
    signs = np.where(C[np.arange(k), np.abs(C).argmax(axis=1)] < 0, -1.0, 1.0)
    return SparseFactors(
        W=(W * signs)[:, order].astype(np.float32),
        C=(C * signs[:, None])[order].astype(np.float32),
        solver=Solver(converged=bool(model.n_iter_ < MAX_PASSES), iterations=int(model.n_iter_)),
    )


def sparse_principal_components(
    matrix: AttributeMatrix, k: int, alpha: float, seed: int, rest: Rest = "neutral", threads: int = 1
) -> Decomposition:
    """Return sparse components of the standardized rows about the rest shape; see `sparse_components`."""
    refuse_large(*matrix.shape)
    standardization = standardize(matrix, rest, threads)
    found = sparse_components(StandardizedRows(matrix, standardization).less_rest(), k, alpha, seed)
    return Decomposition("mbspca", found.W, found.C, standardization, solver=found.solver)
