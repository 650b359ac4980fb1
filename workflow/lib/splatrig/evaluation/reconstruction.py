"""Reconstruction of fitted frames by k components of a family, and properties of the components."""

from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from splatrig.components.component_file import Components, blend
from splatrig.components.fields import ATTRIBUTES
from splatrig.components.weights import fit_weights, limits_of, positions, weights_of_rows
from splatrig.evaluation.attribute_rows import AttributeRows
from splatrig.evaluation.measures import (
    attribute_error,
    hoyer,
    jump,
    rms,
    support_radius,
    zero_rows,
)
from splatrig.evaluation.surface import SurfaceWalk
from splatrig.evaluation.table import MethodTable
from splatrig.mesh.topology import unique_edges


def usable_ks(ks: Iterable[int], count: int) -> list[int]:
    """Return the values of k to measure: those of `ks` up to K, and K itself."""
    return sorted({k for k in ks if k < count} | {count})


def rebuild(components: Components, X: NDArray[np.float32]) -> NDArray[np.float32]:  # [F, D]
    """Return the rows closest to `X` [F, D] that all components reach within their limits, both in stored units."""
    return components.rows(weights_of_rows(components, X))


class Projection:
    """Projection of rows onto the first k components of a family (in the order of `Components.by_energy`).

    Everything that depends on k happens in coordinates of the components' span, with K values per row, so that a sweep
    over k reads the D columns only once.
    """

    def __init__(self, components: Components, X: NDArray[np.float32]) -> None:
        """Take the rows `X` [F, D] in stored units."""
        self.components = components.select(components.by_energy())
        """Components in the order in which they are added."""
        self.X = components.standardize(X)
        """[F, D] rows in standardized units, minus the rest face."""
        C = self.components.C
        values, vectors = np.linalg.eigh((C @ C.T).astype(np.float64))
        used = values > 1e-10 * max(float(values.max(initial=0.0)), 1e-30)
        root = np.sqrt(values[used])
        self._coordinates = vectors[:, used] * root  # [K, R]
        self._targets = (self.X @ C.T).astype(np.float64) @ (vectors[:, used] / root)  # [F, R]
        self._squares = np.square(self.X, dtype=np.float64).sum(axis=1)

    @property
    def count(self) -> int:
        """Number of components K."""
        return len(self.components)

    def weights(self, k: int) -> NDArray[np.float32]:  # [F, k]
        """Return the weights of the first `k` components that are closest to the rows, within the model's limits."""
        low, high = limits_of(self.components)
        return fit_weights(self._targets, self._coordinates[:k], limits=(low[:k], high[:k]))

    def rows(
        self, W: NDArray[np.float32], columns: slice = slice(None)
    ) -> NDArray[np.float32]:  # [S, D], or as wide as `columns`
        """Return the rows, in stored units, for weights `W` [S, k] of the first k components."""
        parts = self.components
        return blend(parts.rest[columns], W, parts.basis[: W.shape[1], columns])

    def estimate(self, k: int) -> NDArray[np.float32]:  # [F, D]
        """Return the projected rows for the first `k` components, in stored units."""
        return self.rows(self.weights(k))

    def left(self, k: int) -> NDArray[np.float64]:  # [F]
        """Return the squared norm of the residual of the first `k` components, in standardized units."""
        inside = np.square(self._targets).sum(axis=1)
        missed = np.square(self._targets - self.weights(k) @ self._coordinates[:k]).sum(axis=1)
        return np.maximum(self._squares - inside, 0.0) + missed

    def total(self) -> NDArray[np.float64]:  # [F]
        """Return the squared norm of the deviation from the rest face, in standardized units."""
        return self._squares


def splits(data: AttributeRows) -> list[tuple[str, NDArray[np.bool_]]]:
    """Return (train or held_out, frames [F]) for the splits that have frames."""
    return [(name, chosen) for name, chosen in (("train", data.train), ("held_out", ~data.train)) if chosen.any()]


def sweep_reconstruction(table: MethodTable, projection: Projection, data: AttributeRows, ks: Iterable[int]) -> None:
    """Add, per k and split, the RMSE of every attribute in its own unit, and of the centers from the fitted surface."""
    components = projection.components
    truth = components.columns.by_attribute(data.X)
    walk = SurfaceWalk(components.faces)
    for k in usable_ks(ks, projection.count):
        parts = components.columns.by_attribute(projection.estimate(k))
        errors = {name: attribute_error(name, parts[name], truth[name]) for name in parts}
        away = walk.of_frames(parts["xyz"], truth["xyz"])
        for split, chosen in splits(data):
            for name, error in errors.items():
                for region, vertices in (("head", slice(None)), ("face", components.face_mask)):
                    here = error[chosen][:, vertices]
                    unit = ATTRIBUTES[name].error_unit
                    table.add(f"rmse_{name}", rms(here), unit, here.size, k=k, region=region, split=split)
            table.add("max_xyz", errors["xyz"][chosen].max(), "mm", int(chosen.sum()), k=k, split=split)
            table.add("surface_xyz", rms(away[chosen]), "mm", away[chosen].size, k=k, split=split)


def add_influence(table: MethodTable, projection: Projection, data: AttributeRows) -> None:
    """Add, for every k up to K, the fraction of the deviation from the rest face that k components explain.

    `compactness` counts all attributes in the units of the decomposition. `explained_xyz` counts the squared
    displacement of the centers only, which makes families with different attributes comparable. Learned rigs have their
    own rest face: their displacement from it is compared with that of the fitted frames from the neutral.
    """
    total, components = projection.total(), projection.components
    xyz = components.columns["xyz"]
    X, C = projection.X[:, xyz], components.C[:, xyz]
    if components.is_learned:
        X = (data.X[:, xyz] - data.X[data.neutral_row, xyz]) / components.std[xyz]
    squares = np.square(X, dtype=np.float64).sum(axis=1)
    moments, gram = (X @ C.T).astype(np.float64), (C @ C.T).astype(np.float64)
    for k in range(1, projection.count + 1):
        left = projection.left(k)
        W = projection.weights(k).astype(np.float64)
        crossed = np.einsum("fk,fk->f", W, moments[:, :k])
        left_xyz = squares - 2.0 * crossed + np.einsum("fk,kl,fl->f", W, gram[:k, :k], W)
        for split, chosen in splits(data):
            n = int(chosen.sum())
            table.add("compactness", explained(left[chosen], total[chosen]), "fraction", n, k=k, split=split)
            share = explained(left_xyz[chosen], squares[chosen])
            table.add("explained_xyz", share, "fraction", n, k=k, split=split)


def explained(left: NDArray[np.float64], total: NDArray[np.float64]) -> float:
    """Return the fraction of `total` that is explained, given the residual `left`; NaN if `total` is zero."""
    return 1.0 - float(left.sum() / total.sum()) if total.sum() > 0 else float("nan")


def describe_components(table: MethodTable, components: Components, neutral_xyz: NDArray) -> None:
    """Add sparsity, support and smoothness of the displacement fields; `neutral_xyz` [N, 3] in mm."""
    moved = positions(components)
    lengths = np.linalg.norm(moved, axis=2)
    alive = lengths.max(axis=1) > 0
    k = len(moved)
    table.add("dead_components", float(np.sum(~alive)), "components", k, k=k)
    if not alive.any():
        return
    moved, lengths = moved[alive], lengths[alive]
    n = len(moved)
    table.add("zero_rows", zero_rows(lengths), "fraction", lengths.size, k=k)
    edges = unique_edges(components.faces).ends
    for name, values, unit in (
        ("hoyer", hoyer(lengths), "0 to 1"),
        ("support_radius", support_radius(lengths, neutral_xyz), "mm"),
        ("jump", jump(moved, edges), "fraction of peak"),
    ):
        table.add(name, float(values.mean()), unit, n, k=k, interval=(float(values.min()), float(values.max())))


SETTLED_DB = 0.05
"""A learned rig has converged when its PSNR rose by less than this (dB) in the last quarter of its measurements."""


def add_convergence(table: MethodTable, components: Components) -> None:
    """Add whether the solver converged, and after how many iterations, for families that iterate.

    SLDC and sparse PCA report it themselves. A learned rig has converged when the last quarter of its steps raised the
    PSNR in held-out cameras by less than `SETTLED_DB`.
    """
    k, history = len(components), components.solver.history
    converged, iterations = components.solver.converged, components.solver.iterations
    if history is not None and len(history) > 1:
        early = history[:, 0] <= 0.75 * history[-1, 0]
        iterations = int(history[-1, 0])
        if early.any() and not early.all():
            converged = bool(history[~early, 2].max() - history[early, 2].max() < SETTLED_DB)
    if converged is not None:
        table.add("converged", float(converged), "1 yes, 0 no", 1, k=k)
    if iterations is not None:
        table.add("iterations", float(iterations), "iterations", 1, k=k)
