"""The rig, which turns weights into Gaussians. Everything that poses a head calls `Rig.pose`.

A rig has one family of components, or several, whose displacements are added. It may have free Gaussians in addition to
the vertices of the skin; vertices come first.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from splatrig.components.component_file import Components, blend
from splatrig.components.skin import Skin
from splatrig.components.weights import limits_of
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.io.errors import InputError

if TYPE_CHECKING:  # jobs that only compute weights start without torch
    import torch

    from splatrig.components.skin_torch import DeviceSkin


STILL_MM = 1e-3
"""A rest face closer to the neutral than this (mm) is the neutral, up to float32 rounding."""


@dataclass(frozen=True)
class Rig:
    """K components that move Gaussians; arrays are NumPy's, or after `to` tensors on one device.

    Where there is a skin and components move centers only, rotations and scales of the Gaussians follow the skin.
    Attributes that the components lack (opacity, higher spherical harmonics, or all but xyz) stay those of the neutral.

    Example:
        >>> rig, _ = open_rig(components, neutral, template, dataset)  # paths of a finished run
        >>> gaussians = rig.pose(weights)  # [..., K] to Gaussians of [..., N, *]
    """

    families: tuple[Components, ...]
    """Families of components; their weights are concatenated. The first family defines the rest face."""
    neutral: Gaussians[Any]
    """Gaussians at the skin's rest: a learned rig's own base, otherwise the neutral fit."""
    skin: "Skin | DeviceSkin | None" = None
    """Skin at rest; None: Gaussians do not follow it."""
    given_bases: tuple[Any, ...] = ()  # of [K, D]
    """Basis of each family in stored units, on the rig's device; empty: the families' own, see `bases`."""

    def __post_init__(self) -> None:
        if not self.families:
            raise InputError("a head: expected at least one family of components, got none.")
        for components in self.families:
            _check(components, self.neutral)

    @classmethod
    def of(cls, components: Components, neutral: Gaussians, skin: Skin | None = None) -> "Rig":
        """Return the rig of one family on its own base or, without one, on `neutral`."""
        return cls((components,), components.base or neutral, skin)

    @classmethod
    def stack(cls, rigs: Sequence["Rig"]) -> "Rig":
        """Return one rig with the families of all rigs, on the rest face and the neutral of the first."""
        families = tuple(components for rig in rigs for components in rig.families)
        if not families:
            raise InputError("a head: expected at least one family of components, got none.")
        free = [components.columns.count - components.structured for components in families]
        if len(set(free)) > 1:
            raise InputError(
                f"a head: expected families with the same free Gaussians, got {' and '.join(map(str, free))}; "
                "control learned families together, or others together, or learn without free ones (learned.free: 0)."
            )
        skin = next((rig.skin for rig in rigs if rig.follows), None)
        return cls(families, rigs[0].neutral, skin, tuple(basis for rig in rigs for basis in rig.given_bases))

    @cached_property
    def bases(self) -> tuple[Any, ...]:  # of [K, D]
        """The basis of each family in stored units."""
        return self.given_bases or tuple(components.basis for components in self.families)

    @cached_property
    def base(self) -> Gaussians[Any]:
        """Gaussians at zero weights, before they follow the skin; quaternions as stored, of nearly unit length."""
        first = self.families[0]
        rest = first.columns.by_field(first.rest.astype(np.float32))
        return replace(self.neutral, **{field: self._like(array) for field, array in rest.items()})

    @cached_property
    def _moves_at_rest(self) -> Any:  # [N, 3]
        """Displacement of the rest face's skin from the neutral's; None where they are the same."""
        moves = self.base.means - self.neutral.means
        return moves if moves_centers_alone(self.families[0]) and float(abs(moves).max()) > STILL_MM else None

    def _like(self, array: NDArray[np.float32]) -> Any:
        """Return an array with the type and device of the rig's arrays."""
        return array if isinstance(self.neutral.means, np.ndarray) else self.neutral.means.new_tensor(array)

    @property
    def components(self) -> Components:
        """Components of a rig of one family."""
        (components,) = self.families
        return components

    def __len__(self) -> int:
        """Return the number of Gaussians N."""
        return len(self.neutral)

    @property
    def count(self) -> int:
        """Number of components K over all families."""
        return sum(len(components) for components in self.families)

    @property
    def spans(self) -> tuple[slice, ...]:
        """Slices of the weights, one per family."""
        ends = np.cumsum([0, *(len(components) for components in self.families)]).tolist()
        return tuple(slice(first, end) for first, end in pairwise(ends))

    @cached_property
    def limits(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # [K] each
        """Least and greatest weight [K] that the models allow; infinite where unbounded."""
        low, high = zip(*map(limits_of, self.families), strict=True)
        return np.concatenate(low), np.concatenate(high)

    @property
    def follows(self) -> bool:
        """Whether Gaussians follow the skin: there is one, and at least one family moves centers only."""
        return self.skin is not None and any(map(moves_centers_alone, self.families))

    def pose(self, weights: Any) -> Gaussians[Any]:
        """Return the raw Gaussians [..., N, *] of `weights` [..., K], with quaternions of unit length.

        Differentiable in the weights if they are tensors. Raises InputError for another number of weights.
        """
        if isinstance(self.neutral.means, np.ndarray):
            weights = np.asarray(weights, dtype=np.float32)
        if tuple(weights.shape[-1:]) != (self.count,):
            raise InputError(
                f"rig weights: expected {self.count} values (one per component), got {tuple(weights.shape)}."
            )
        changes = [blend(None, weights[..., span], basis) for span, basis in zip(self.spans, self.bases, strict=True)]
        return self.moved(changes)

    def moved(self, changes: Sequence[Any]) -> Gaussians[Any]:
        """Return the raw Gaussians after adding `changes`, one row [..., D] in stored units per family."""
        fields: dict[str, Any] = dict(self.base.items())
        moves = self._moves_at_rest if self.follows else None
        for components, change in zip(self.families, changes, strict=True):
            parts = components.columns.by_field(change)
            fields |= {field: fields[field] + part for field, part in parts.items()}
            if moves_centers_alone(components):
                moves = parts["means"] if moves is None else moves + parts["means"]
        if self.skin is not None and moves is not None:
            fields["quats"], fields["log_scales"] = self.skin.follow(moves, fields["quats"], fields["log_scales"])
        fields["quats"] = fields["quats"] / (fields["quats"] ** 2).sum(-1)[..., None] ** 0.5
        return Gaussians(**_same_axes(fields))

    def from_row(self, row: NDArray[np.float32]) -> Gaussians:
        """Return the raw Gaussians of one row [D], in stored units, of the only family."""
        return self.moved([row - self.components.rest])

    def to(self, device: "str | torch.device") -> "Rig":
        """Return the rig as tensors on `device`, with dense bases of K · D · 4 bytes."""
        import torch
        from scipy.sparse import csr_array

        from splatrig.components.skin_torch import device_skin
        from splatrig.gaussians.tensors import on_device

        def put(array: Any) -> "torch.Tensor":
            dense = array.toarray() if isinstance(array, csr_array) else array
            return torch.as_tensor(np.require(dense, np.float32, "W"), device=device)

        return Rig(
            self.families,
            on_device(self.neutral, device),
            device_skin(self.skin, device) if isinstance(self.skin, Skin) else self.skin,
            tuple(put(basis) for basis in self.bases),
        )


def moves_centers_alone(components: Components) -> bool:
    """Return whether components move centers without rotating or scaling Gaussians."""
    names = components.columns.names
    return "xyz" in names and not {"rotation", "scale"} & set(names)


def _check(components: Components, neutral: Gaussians) -> None:
    """Raise InputError unless the components fit the Gaussians of `neutral`."""
    if not len(components):
        raise InputError(f"components ({components.family}): expected one or more, got none; learn some (k).")
    _ = components.columns.fields  # every attribute sets one
    if components.columns.count != len(neutral):
        name, first, end = components.columns.spans[0]
        wanted = len(neutral) * (end - first) // max(components.columns.count, 1)
        raise InputError(
            f"components of {name}: expected {wanted} columns for {len(neutral)} Gaussians of the neutral, "
            f"got {end - first}; upsample coarse components to the finest level first."
        )


def _same_axes(fields: dict[str, Any]) -> dict[str, Any]:
    """Return all fields with the leading axes of the centers: fields without components are the same in every pose."""
    leading = tuple(fields["means"].shape[:-2])
    if not leading:
        return fields
    shapes = {name: (*leading, fields["means"].shape[-2], *SHAPES[name]) for name in fields}
    return {
        name: np.broadcast_to(array, shapes[name]) if isinstance(array, np.ndarray) else array.expand(shapes[name])
        for name, array in fields.items()
    }
