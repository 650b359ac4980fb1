"""A rig: components and a neutral head become Gaussians for any weights, and weights for any Gaussians."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.components.component_file import Components
from splatrig.components.fields import ATTRIBUTES
from splatrig.components.skin import Surface
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.io.errors import InputError

DENSE_SHARE = 0.5
"""Bases with fewer non-zero entries than this share are kept sparse, so that only touched columns are computed."""

SWEEPS = 500
"""Upper bound of coordinate-descent sweeps of the bounded fit; tens suffice in practice."""

FIT_TOLERANCE = 1e-7
"""The bounded fit stops when no weight of a frame moved by more than this share of the largest one."""


@dataclass(frozen=True)
class Rig:
    """The Gaussians of `neutral`, moved by `components`: row(w) = mean + std * (offset + w @ C).

    Attributes that the components lack (opacity, higher spherical harmonics, or all but xyz) stay the neutral's; with
    `surface`, Gaussians whose components move centres but neither turn nor scale them follow the skin instead.
    """

    components: Components
    neutral: Gaussians
    surface: Surface | None = None
    """The skin at rest."""

    def __post_init__(self) -> None:
        if not self.count:
            raise InputError(f"components ({self.components.family}): expected one or more, got none; learn some (k).")
        count = len(self.neutral)
        for name, first, end in self.components.dim_info:
            if name not in ATTRIBUTES:
                raise InputError(
                    f"components of {name}: cannot drive Gaussians; expected one of {', '.join(ATTRIBUTES)}."
                )
            numbers = int(np.prod(SHAPES[ATTRIBUTES[name]], dtype=int))
            if end - first != count * numbers:
                raise InputError(
                    f"components of {name}: expected {count * numbers} columns for {count} Gaussians of the neutral, "
                    f"got {end - first}; carry coarse components up to the finest level first."
                )

    @property
    def count(self) -> int:
        """Number of components K."""
        return len(self.components.C)

    @property
    def follows(self) -> bool:
        """Whether rotation and scale of the Gaussians follow the skin: there is one, and no component drives them."""
        names = {name for name, _, _ in self.components.dim_info}
        return self.surface is not None and "xyz" in names and names.isdisjoint(("rotation", "scale"))

    @cached_property
    def rest(self) -> NDArray[np.float32]:  # [D]
        """The row of weights zero, in stored units."""
        return self.components.rest

    @cached_property
    def basis(self) -> NDArray[np.float32] | csr_array:  # [K, D]
        """Change of the row per unit of weight, in stored units; sparse when most of it is zero."""
        dense = np.asarray(self.components.C * self.components.std, dtype=np.float32)
        if np.count_nonzero(dense) < DENSE_SHARE * dense.size:
            return csr_array(dense)
        return dense

    def rows(self, weights: NDArray) -> NDArray[np.float32]:  # [..., D]
        """Return rows in stored units for `weights` [..., K]."""
        weights = np.asarray(weights, dtype=np.float32)
        if weights.shape[-1:] != (self.count,):
            raise InputError(f"rig weights: expected {self.count} numbers (one a component), got {weights.shape}.")
        flat = np.atleast_2d(weights.reshape(-1, self.count)) @ self.basis
        return (self.rest + flat).reshape(*weights.shape[:-1], -1)

    def gaussians(self, weights: NDArray) -> Gaussians:
        """Return the raw Gaussians of `weights` [K], quaternions of unit length."""
        return self.from_row(self.rows(weights))

    def from_row(self, row: NDArray[np.float32]) -> Gaussians:
        """Return the raw Gaussians of one row [D] in stored units, quaternions of unit length."""
        moved = self.fields(row)
        if self.follows and self.surface is not None:
            moves = moved["means"] - self.neutral.means
            moved["quats"], moved["log_scales"] = self.surface.follow(moves, moved["quats"], moved["log_scales"])
        moved["quats"] = moved["quats"] / np.linalg.norm(moved["quats"], axis=-1, keepdims=True)
        return Gaussians(**moved)

    def fields(self, row: NDArray[np.float32]) -> dict[str, NDArray[np.float32]]:
        """Return one row [D] in stored units by field of `Gaussians`, quaternions as stored; no skin is followed."""
        moved = dict(self.neutral.items())
        for name, first, end in self.components.dim_info:
            field = ATTRIBUTES[name]
            moved[field] = row[first:end].reshape(len(self.neutral), *SHAPES[field])
        return moved

    def row_of(self, gaussians: Gaussians) -> NDArray[np.float32]:
        """Return the row [D], in stored units, of the attributes that the components drive."""
        parts = [getattr(gaussians, ATTRIBUTES[name]).reshape(-1) for name, _, _ in self.components.dim_info]
        return np.concatenate(parts)

    def fit(
        self,
        targets: NDArray,
        *,
        mask: NDArray[np.bool_] | None = None,
        ridge: float = 0.0,
        bounds: tuple[float, float] | None = None,
    ) -> NDArray[np.float32]:  # [F, K]
        """Return the weights whose rows come closest to `targets` [F, D] (stored units), in standardised units.

        `mask` [N] leaves out Gaussians that are False; `ridge` is the penalty on squared weights relative to the mean
        diagonal of C Cᵀ; `bounds` keeps every weight between two numbers (0 and infinity: non-negative least squares).
        """
        columns = None if mask is None else self.columns(mask)
        parts = self.components
        scale = np.where(parts.std > 0, parts.std, 1.0)
        wanted = (np.asarray(targets, dtype=np.float32) - self.rest) / scale
        C = parts.C
        if columns is not None:
            wanted, C = wanted[:, columns], C[:, columns]
        return fit_weights(wanted, C, ridge=ridge, bounds=bounds)

    def columns(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:  # [D]
        """Return which columns belong to the Gaussians where `mask` [N] is True."""
        return np.concatenate(
            [np.repeat(mask, (end - first) // len(mask)) for _, first, end in self.components.dim_info]
        )


def fit_weights(
    targets: NDArray,
    C: NDArray,
    *,
    ridge: float = 0.0,
    bounds: tuple[float, float] | None = None,
) -> NDArray[np.float32]:  # [F, K]
    """Return W minimising ‖targets - W C‖² + ridge · mean(diag C Cᵀ) · ‖W‖² for `targets` [F, D] and `C` [K, D].

    Without bounds by the pseudo-inverse of the K × K Gram matrix (minimum norm when components repeat); with bounds
    by cyclic coordinate descent on it, which converges to the constrained optimum of this convex problem.
    """
    gram = (C @ C.T).astype(np.float64)
    moments = (np.asarray(targets, dtype=C.dtype) @ C.T).astype(np.float64)
    return solve_weights(gram, moments, ridge=ridge, bounds=bounds).astype(np.float32)


def solve_weights(
    gram: NDArray[np.float64],  # [K, K]
    moments: NDArray[np.float64],  # [F, K]
    *,
    ridge: float = 0.0,
    bounds: tuple[float, float] | None = None,
) -> NDArray[np.float64]:  # [F, K]
    """Return the weights of `fit_weights` from the products C Cᵀ and targets · Cᵀ."""
    gram = gram.copy()
    gram[np.diag_indices_from(gram)] += ridge * np.trace(gram) / max(len(gram), 1)
    free = moments @ np.linalg.pinv(gram, rcond=1e-10, hermitian=True)
    if bounds is None:
        return free
    low, high = bounds
    weights = np.clip(free, low, high)
    for _ in range(SWEEPS):
        largest_step = np.zeros(len(weights))
        for k in np.flatnonzero(np.diag(gram) > 0):
            step = np.clip(weights[:, k] + (moments[:, k] - weights @ gram[:, k]) / gram[k, k], low, high)
            np.maximum(largest_step, np.abs(step - weights[:, k]), out=largest_step)
            weights[:, k] = step
        if np.all(largest_step <= FIT_TOLERANCE * np.abs(weights).max(initial=1e-12)):
            break
    return weights
