"""Shape-model standards (Davies 2002): specificity, and generalisation by leaving one expression out."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from splatrig.animation.rig import fit_weights
from splatrig.components.file import Components
from splatrig.evaluation.measures import bootstrap_interval
from splatrig.evaluation.reconstruction import by_energy, standardise, usable_ks, weight_bounds
from splatrig.evaluation.rows import AttributeRows
from splatrig.evaluation.table import MethodTable

SPECIFICITY_SAMPLES = 200
"""Random faces drawn for the specificity."""

GRAM_BLOCK = 65536
"""Columns held in float64 at a time."""


def pca_left_out_errors(
    X: NDArray,  # [F, D] standardised, relative to the rest face
    groups: NDArray,  # [F]
    ks: Iterable[int],
    measured: slice = slice(None),
) -> dict[int, NDArray[np.float64]]:
    """Return, per k, the squared norm [F] over the columns `measured` of what PCA of the other groups misses.

    Every fold is solved inside the F × F Gram matrix, X never being factored again: with G = X Xᵀ and U, S the
    eigenpairs of the fold's block, a left-out row x projects on the first k axes with coefficients x Xᵀ U S^-1/2.
    """
    whole = gram(X)
    part = gram(X[:, measured])
    errors = {k: np.full(len(X), np.nan) for k in ks}
    for group in np.unique(groups):
        out, kept = np.flatnonzero(groups == group), np.flatnonzero(groups != group)
        values, vectors = np.linalg.eigh(whole[np.ix_(kept, kept)])
        positive = np.argsort(-values, kind="stable")[: np.sum(values > 1e-10 * values.max())]
        for k, squared in errors.items():
            chosen = positive[:k]
            # rebuilt = x Vᵀ V with V = S^-1/2 Uᵀ X: a mixture of the kept rows, its distance again a matter of Grams
            mixture = (whole[np.ix_(out, kept)] @ vectors[:, chosen] / values[chosen]) @ vectors[:, chosen].T
            crossed = np.einsum("ok,ok->o", mixture, part[np.ix_(out, kept)])
            rebuilt = np.einsum("ok,kl,ol->o", mixture, part[np.ix_(kept, kept)], mixture)
            squared[out] = np.maximum(part[out, out] - 2.0 * crossed + rebuilt, 0.0)
    return errors


def gram(X: NDArray) -> NDArray[np.float64]:  # [F, F]
    """Return X Xᵀ of `X` [F, D], accumulated in float64 over blocks of columns."""
    total = np.zeros((len(X), len(X)))
    for first in range(0, X.shape[1], GRAM_BLOCK):
        block = X[:, first : first + GRAM_BLOCK].astype(np.float64)
        total += block @ block.T
    return total


def add_pca_generalisation(
    table: MethodTable,
    components: Components,
    data: AttributeRows,
    ks: Iterable[int],
    generator: np.random.Generator,
) -> None:
    """Add the generalisation (Davies 2002, §4.3.2): RMSE in mm of left-out expressions, mean and interval over folds.

    Mean and scale stay those of the component file: they carry no direction. The fold of the neutral's expression
    is left out of the average, the neutral being the rest face.
    """
    xyz = next((slice(first, end) for name, first, end in components.dim_info if name == "xyz"), None)
    if xyz is None:
        return
    trained = data.X[data.train]
    standard = standardise(trained, components)
    groups = data.expressions[data.train]
    neutral = data.expressions[data.neutral_row]
    folds = [name for name in np.unique(groups) if name != neutral]
    count = (xyz.stop - xyz.start) // 3
    unit = float(np.square(components.std[xyz]).mean())
    usable = sorted({k for k in ks if k < len(trained)})
    for k, squared in pca_left_out_errors(standard.X, groups, usable, xyz).items():
        per_fold = np.array([np.sqrt(unit * squared[groups == name].mean() / count) for name in folds])
        interval = bootstrap_interval(per_fold, generator)
        table.add(
            "generalisation_xyz",
            interval.mean,
            "mm",
            interval.count,
            k=k,
            split="left_out",
            interval=(interval.low, interval.high),
        )


def add_specificity(
    table: MethodTable,
    components: Components,
    data: AttributeRows,
    ks: Iterable[int],
    generator: np.random.Generator,
) -> None:
    """Add the specificity (Davies 2002, §4.3.3): RMS distance in mm from random faces to the nearest training frame.

    Random faces draw every weight on its own from the fitted weights of that component, for all families alike.
    """
    columns = next((slice(first, end) for name, first, end in components.dim_info if name == "xyz"), None)
    if columns is None:
        return
    standard = standardise(data.X[data.train], components)
    order = by_energy(components)
    frames = (data.X[data.train, columns] - standard.rest[columns]).astype(np.float64)
    count = frames.shape[1] // 3
    for k in usable_ks(ks, len(components.C)):
        C = components.C[order[:k]]
        weights = fit_weights(standard.X, C, bounds=weight_bounds(components))
        rows = generator.integers(len(weights), size=(SPECIFICITY_SAMPLES, k))
        drawn = np.take_along_axis(weights, rows, axis=0).astype(np.float64)
        basis = (C[:, columns] * components.std[columns]).astype(np.float64)
        # ‖s - x‖² through small Gram matrices, since the samples lie in the span of the basis
        squared = (
            np.einsum("sk,kl,sl->s", drawn, basis @ basis.T, drawn)[:, None]
            - 2.0 * drawn @ (basis @ frames.T)
            + np.square(frames).sum(axis=1)
        )
        nearest = np.sqrt(np.maximum(squared, 0.0).min(axis=1) / count)
        half = 1.96 * nearest.std(ddof=1) / np.sqrt(len(nearest))
        interval = (nearest.mean() - half, nearest.mean() + half)
        table.add("specificity_xyz", nearest.mean(), "mm", len(nearest), k=k, interval=interval)
