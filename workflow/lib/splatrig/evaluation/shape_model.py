"""Standard measures of shape models (Davies 2002): specificity, and generalization by leaving one expression out."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from splatrig.components.weights import positions
from splatrig.config.choices import Rest
from splatrig.evaluation.attribute_rows import AttributeRows
from splatrig.evaluation.measures import gram
from splatrig.evaluation.reconstruction import Projection, usable_ks
from splatrig.evaluation.surface import SurfaceWalk
from splatrig.evaluation.table import MethodTable

SPECIFICITY_SAMPLES = 200
"""Number of random faces drawn for the specificity."""


def pca_left_out_mixtures(
    whole: NDArray,  # [F, F] the Gram matrix of standardized rows relative to the rest face
    groups: NDArray,  # [F]
    folds: Iterable[object],
    ks: Iterable[int],
    *,
    rest: Rest = "neutral",
) -> dict[int, NDArray[np.float64]]:
    """Return, per k, the mixture [F, F] of the other groups' rows by which their PCA rebuilds every row of a fold.

    `folds` are the groups to leave out, one at a time; rows of others, and of folds whose other groups have fewer than
    k components, stay zero. Every fold is solved inside the F × F Gram matrix G = X Xᵀ, without another factorization
    of X: with U, S the eigenpairs of the other rows' block, a left-out row x becomes x Vᵀ V with V = S^-1/2 Uᵀ X, which
    is (x Xᵀ U S⁻¹ Uᵀ) X. With `rest` mean, everything is about the mean of the other rows.
    """
    mixtures = {k: np.zeros_like(whole, dtype=np.float64) for k in ks}
    for fold in folds:
        out, kept = np.flatnonzero(groups == fold), np.flatnonzero(groups != fold)
        block, crossed, weight = whole[np.ix_(kept, kept)], whole[np.ix_(out, kept)], 0.0
        if rest == "mean":
            mean, weight = block.mean(axis=0), 1.0 / len(kept)
            crossed = crossed - crossed.mean(axis=1, keepdims=True) - mean + mean.mean()
            block = block - mean - mean[:, None] + mean.mean()
        values, vectors = np.linalg.eigh(block)
        positive = np.argsort(-values, kind="stable")[: np.sum(values > 1e-10 * values.max(initial=0.0))]
        for k, mixture in mixtures.items():
            if k > most_components(len(kept)):
                continue
            axes = vectors[:, positive[:k]]
            scores = crossed @ axes / values[positive[:k]]
            mixture[np.ix_(out, kept)] = scores @ axes.T + weight
    return mixtures


def most_components(frames: int) -> int:
    """Return the largest number of components about the rest shape, which is one of the frames or their mean."""
    return frames - 1


def left_out_errors(mixture: NDArray, part: NDArray) -> NDArray[np.float64]:  # [F]
    """Return the squared norm of the residual of every row after `mixture` [F, F]; `part` is their Gram matrix."""
    crossed = np.einsum("fg,fg->f", mixture, part)
    return np.maximum(np.diag(part) - 2.0 * crossed + np.einsum("fg,gh,fh->f", mixture, part, mixture), 0.0)


class LeftOut:
    """All training frames, rebuilt by the PCA of the other expressions (Davies 2002, §4.3.2).

    The standardization is that of the component file. The neutral's expression is not a fold, because the neutral is
    the rest face; nor is an expression without which fewer than k components remain.
    """

    def __init__(self, projection: Projection, data: AttributeRows, ks: Iterable[int]) -> None:
        """Solve all folds of the frames `data`, which `projection` has standardized."""
        self.data, self.components = data, projection.components
        self.rows = np.flatnonzero(data.train)
        """[F] indices of the training frames."""
        self.X = projection.X if data.train.all() else projection.X[self.rows]
        """[F, D] in standardized units, minus the rest face."""
        self.groups = data.expressions[self.rows]
        folds = [name for name in np.unique(self.groups) if name != data.expressions[data.neutral_row]]
        self._most = {name: most_components(int(np.sum(self.groups != name))) for name in folds}
        usable = sorted({k for k in ks if k <= max(self._most.values(), default=0)})
        rest: Rest = "mean" if self.components.offset is None else "neutral"
        self.mixtures = pca_left_out_mixtures(gram(self.X), self.groups, folds, usable, rest=rest)

    def folds(self, k: int) -> list[str]:
        """Return the expressions without which the others have `k` components."""
        return [name for name, most in self._most.items() if k <= most]

    def estimate(self, k: int, chosen: NDArray, columns: slice = slice(None)) -> NDArray[np.float32]:
        """Return the rebuilt rows of the frames `chosen` (indices into `rows`), in stored units."""
        mixed = self.mixtures[k][chosen].astype(np.float32) @ self.X[:, columns]
        return self.components.unstandardize(mixed, columns)

    def add_to(self, table: MethodTable, generator: np.random.Generator) -> None:
        """Add the RMSE (mm) of corresponding centers and of distances from the surface: mean, interval over folds."""
        if not self.mixtures:
            return
        xyz, count = self.components.columns["xyz"], self.components.columns.count
        unit = float(np.square(self.components.std[xyz]).mean())
        part, walk = gram(self.X[:, xyz]), SurfaceWalk(self.components.faces)
        truth = self.data.X[self.rows, xyz].reshape(len(self.rows), count, 3)
        for k, mixture in self.mixtures.items():
            squared = unit * left_out_errors(mixture, part) / count
            estimate = self.estimate(k, np.arange(len(self.rows)), xyz).reshape(truth.shape)
            away = np.square(walk.of_frames(estimate, truth)).mean(axis=1)
            for metric, per_frame in (("generalization_xyz", squared), ("generalization_surface", away)):
                per_fold = np.array([np.sqrt(per_frame[self.groups == name].mean()) for name in self.folds(k)])
                table.add_mean(metric, per_fold, "mm", generator, k=k, split="left_out")


class RandomFaces:
    """Random faces of k components, each weight drawn independently from those fitted to the training frames."""

    def __init__(self, projection: Projection, data: AttributeRows, k: int, generator: np.random.Generator) -> None:
        """Draw `SPECIFICITY_SAMPLES` faces; the components must move the centers."""
        train = np.flatnonzero(data.train)
        weights = projection.weights(k)[train]
        rows = generator.integers(len(weights), size=(SPECIFICITY_SAMPLES, k))
        self._projection, parts = projection, projection.components
        self._xyz = parts.columns["xyz"]
        self.weights = np.take_along_axis(weights, rows, axis=0)
        """[S, k] weights of the faces."""
        frames = (data.X[train, self._xyz] - parts.rest[self._xyz]).astype(np.float64)
        basis = positions(parts)[:k].reshape(k, -1).astype(np.float64)
        # ‖s - x‖² through small Gram matrices, since the samples lie in the span of the basis
        drawn = self.weights.astype(np.float64)
        squared = (
            np.einsum("sk,kl,sl->s", drawn, basis @ basis.T, drawn)[:, None]
            - 2.0 * drawn @ (basis @ frames.T)
            + np.square(frames).sum(axis=1)
        )
        self.distances = np.sqrt(np.maximum(squared, 0.0).min(axis=1) / (frames.shape[1] / 3))
        """[S] RMS distance (mm) of corresponding centers from the nearest training frame."""
        self.nearest = train[squared.argmin(axis=1)]
        """[S] row of that nearest frame."""

    def rows(self, chosen: slice, columns: slice = slice(None)) -> NDArray[np.float32]:
        """Return the chosen faces as rows in stored units."""
        return self._projection.rows(self.weights[chosen], columns)

    def surface_distances(self, data: AttributeRows, walk: SurfaceWalk) -> NDArray[np.float64]:  # [S] mm
        """Return the RMS distance (mm) of each face's centers from the surface of its nearest training frame."""
        faces = self.rows(slice(None), self._xyz).reshape(len(self.weights), -1, 3)
        nearest = data.X[self.nearest, self._xyz].reshape(faces.shape)
        return np.sqrt(np.square(walk.of_frames(faces, nearest)).mean(axis=1))


def add_specificity(
    table: MethodTable, projection: Projection, data: AttributeRows, ks: Iterable[int], generator: np.random.Generator
) -> dict[int, RandomFaces]:
    """Add the specificity (Davies 2002, §4.3.3) in mm with its 95 % interval; return the random faces by k."""
    walk, drawn = SurfaceWalk(projection.components.faces), {}
    for k in usable_ks(ks, projection.count):
        faces = drawn[k] = RandomFaces(projection, data, k, generator)
        surface = faces.surface_distances(data, walk)
        for metric, values in (("specificity_xyz", faces.distances), ("specificity_surface", surface)):
            half = 1.96 * values.std(ddof=1) / np.sqrt(len(values))
            bounds = (values.mean() - half, values.mean() + half)
            table.add(metric, values.mean(), "mm", len(values), k=k, interval=bounds)
    return drawn
