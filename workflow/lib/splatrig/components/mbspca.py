"""Sparse principal components of one attribute by scikit-learn's MiniBatchSparsePCA (Mairal et al. 2009).

What it costs: an online dictionary of K vectors of F numbers is learned from mini-batches of columns, then every one of
the D columns is coded by coordinate descent: about D · K · (F + K) operations a pass and a float64 copy of
the rows (8·F·D bytes). That is seconds at the base level and many minutes at the finest, hence the guard. Its
sparsity is per number, not per Gaussian, and knows nothing of where a Gaussian lies: SLDC is the better local method.
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
"""Over all columns; scikit-learn stops earlier when the components change little or the objective stays."""


class SparseFactors(NamedTuple):
    """Rows ≈ W @ C, C sparse."""

    W: NDArray[np.float32]  # [F, K]
    C: NDArray[np.float32]  # [K, D]
    solver: Solver
    """Iterations are passes over all columns; converged: stopped by scikit-learn's rule and not by `MAX_PASSES`."""


def refuse_large(frames: int, columns: int) -> None:
    """Raise InputError when the method would take too long for a matrix of this size; ask before reading it."""
    if frames * columns > MAX_ENTRIES:
        raise InputError(
            f"sparse PCA: got {frames} frames × {columns} numbers, expected at most {MAX_ENTRIES:,} together; it would "
            "take hours: ask for it on a coarser level, or lower capture.frames_per_expression."
        )


def sparse_components(
    rows: NDArray[np.float32],  # [F, D]
    k: int,
    alpha: float,
    seed: int,
) -> SparseFactors:
    """Return sparse components of standardized rows less the rest shape, and the weights of the rows.

    `alpha` is the L1 penalty. The components have unit length (or are zero) and come in order of decreasing
    contribution; W is the least-squares fit of the rows to them, so W @ C is as near to the rows as C allows.
    Raises InputError when `k` exceeds the frames, the matrix is too large, or all frames are equal.
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
        with warnings.catch_warnings():  # single columns that stop short of the last digits do no harm
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
