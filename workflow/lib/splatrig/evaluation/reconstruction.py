"""How well k components of a family rebuild fitted frames, and what the components are like."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.animation.rig import fit_weights
from splatrig.components.file import Components
from splatrig.evaluation.measures import (
    UNITS,
    attribute_error,
    hoyer,
    jump,
    rms,
    support_radius,
    unique_edges,
    zero_rows,
)
from splatrig.evaluation.rows import AttributeRows
from splatrig.evaluation.table import MethodTable


@dataclass(frozen=True)
class Standardised:
    """Rows and components in the units in which the components were learned, relative to the rest face."""

    X: NDArray[np.float32]  # [F, D]
    rest: NDArray[np.float32]  # [D] in stored units
    std: NDArray[np.float32]  # [D]


def standardise(X: NDArray[np.float32], components: Components) -> Standardised:
    """Return (X - mean) / std - offset with what leads back; columns that never vary count nothing."""
    offset = 0.0 if components.offset is None else components.offset
    rest = np.asarray(components.mean + components.std * offset, dtype=np.float32)
    inverse = np.divide(1.0, components.std, out=np.zeros_like(components.std), where=components.std > 0)
    return Standardised((X - rest) * inverse, rest, components.std)


def weight_bounds(components: Components) -> tuple[float, float] | None:
    """Return the bounds of the family's weights: for SLDC (Neumann et al. 2013) [0, 1], or [-1, 1] if it was signed."""
    if components.family != "sldc":
        return None
    return (-1.0, 1.0) if components.W.min(initial=0.0) < 0 else (0.0, 1.0)


def by_energy(components: Components) -> NDArray[np.int64]:  # [K]
    """Return component indices, the one that moves the training frames most first (‖w_k‖ ‖c_k‖, stable)."""
    strength = np.linalg.norm(components.W, axis=0) * np.linalg.norm(components.C, axis=1)
    return np.argsort(-strength, kind="stable")


def split_attributes(rows: NDArray, components: Components) -> dict[str, NDArray]:
    """Return attribute name to [F, N, d] from rows [F, D]."""
    count = len(components.face_mask)
    return {name: rows[:, first:end].reshape(len(rows), count, -1) for name, first, end in components.dim_info}


def usable_ks(ks: Iterable[int], count: int) -> list[int]:
    """Return the sweep: `ks` up to K, and K itself."""
    return sorted({k for k in ks if k < count} | {count})


def rebuild(components: Components, standard: Standardised, order: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the closest rows [F, D], in stored units, that the components `order` can make within their bounds."""
    C = components.C[order]
    weights = fit_weights(standard.X, C, bounds=weight_bounds(components))
    return standard.rest + standard.std * (weights @ C)


def sweep_reconstruction(table: MethodTable, components: Components, data: AttributeRows, ks: Iterable[int]) -> None:
    """Add, per k and split, the RMSE of every attribute and the share of the deviation from rest that is explained."""
    standard = standardise(data.X, components)
    order = by_energy(components)
    truth = split_attributes(data.X, components)
    total = np.square(standard.X, dtype=np.float64).sum(axis=1)
    inverse = np.divide(1.0, components.std, out=np.zeros_like(components.std), where=components.std > 0)
    for k in usable_ks(ks, len(components.C)):
        estimate = rebuild(components, standard, order[:k])
        left = np.square((estimate - data.X) * inverse, dtype=np.float64).sum(axis=1)
        parts = split_attributes(estimate, components)
        errors = {name: attribute_error(name, parts[name], truth[name]) for name in parts}
        for split, chosen in (("train", data.train), ("held_out", ~data.train)):
            if not chosen.any():
                continue
            frames = int(chosen.sum())
            for name, error in errors.items():
                for region, vertices in (("head", slice(None)), ("face", components.face_mask)):
                    here = error[chosen][:, vertices]
                    table.add(f"rmse_{name}", rms(here), UNITS[name], here.size, k=k, region=region, split=split)
            table.add("max_xyz", errors["xyz"][chosen].max(), "mm", frames, k=k, split=split)
            explained = 1.0 - left[chosen].sum() / total[chosen].sum()
            table.add("compactness", explained, "share", frames, k=k, split=split)


def describe_components(table: MethodTable, components: Components, neutral_xyz: NDArray) -> None:
    """Add sparsity, support and smoothness of the displacement fields; `neutral_xyz` [N, 3] in mm."""
    moved = displacements(components)
    lengths = np.linalg.norm(moved, axis=2)
    alive = lengths.max(axis=1) > 0
    k = len(moved)
    table.add("dead_components", float(np.sum(~alive)), "components", k, k=k)
    if not alive.any():
        return
    moved, lengths = moved[alive], lengths[alive]
    n = len(moved)
    table.add("zero_rows", zero_rows(lengths), "share", lengths.size, k=k)
    edges = unique_edges(components.faces)
    for name, values, unit in (
        ("hoyer", hoyer(lengths), "0 to 1"),
        ("support_radius", support_radius(lengths, neutral_xyz), "mm"),
        ("jump", jump(moved, edges), "share of peak"),
    ):
        table.add(name, float(values.mean()), unit, n, k=k, interval=(float(values.min()), float(values.max())))


def displacements(components: Components) -> NDArray[np.float32]:  # [K, N, 3] mm per unit weight
    """Return how each component moves each Gaussian."""
    for name, first, end in components.dim_info:
        if name == "xyz":
            scaled = components.C[:, first:end] * components.std[first:end]
            return scaled.reshape(len(scaled), -1, 3)
    return np.zeros((len(components.C), len(components.face_mask), 3), dtype=np.float32)


def add_convergence(table: MethodTable, components: Components) -> None:
    """Add whether the solver says that it converged, and after how many iterations, for families that iterate."""
    k, family = len(components.C), components.family
    if f"{family}_converged" in components.extras:
        table.add("converged", float(components.extras[f"{family}_converged"]), "1 yes, 0 no", 1, k=k)
    if f"{family}_objective" in components.extras:
        table.add("iterations", len(components.extras[f"{family}_objective"]), "iterations", 1, k=k)
