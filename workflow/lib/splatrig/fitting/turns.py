"""Rigid parts of a rig that rotate about a point, as eyeballs do, by components that follow from the base.

A component rotates the Gaussians of one part by a rotation R about its center c. It is linear, as all components are: a
weight of 1 is the whole rotation, and a smaller one is on the chord, `w (R - 1)(x - c)`. Only its weights and the base
are learned, so it is the exact rotation of wherever the base has the part. The component may do nothing else, or belong
to the basis and, for example, move the lids as it rotates the eye.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.components.fields import field_size
from splatrig.components.skin_torch import quat_product, rotation_matrices

TURNED = ("means", "quats")
"""Fields that a rotation changes; parts rotate only if components move centers."""


@dataclass(frozen=True)
class TurningPart:
    """Gaussians that rotate as one part, and T rotations of them."""

    gaussians: NDArray[np.int64]  # [E]
    center: NDArray[np.float64]  # [3]
    """Center of rotation in head space, millimeters."""
    names: tuple[str, ...]
    """Names of the T rotations, and of the components that they belong to."""
    quats: NDArray[np.float64]  # [T, 4]
    """Rotation at weight 1, as unit quaternions wxyz."""
    columns: NDArray[np.int64]  # [T]
    """Component of each rotation: its weight rotates the part, whatever else it does."""


@dataclass(frozen=True)
class Turns:
    """Rotations of all parts on the device: T rotations of P parts with E Gaussians in total, each in one part."""

    names: tuple[str, ...]
    columns: Tensor  # [T] int64, component of each rotation
    gaussians: Tensor  # [E] int64
    parts: Tensor  # [E] int64, part of each Gaussian
    members: Tensor  # [P, E], 1 where a Gaussian belongs to a part
    centers: Tensor  # [E, 3]
    changes: dict[str, Tensor]
    """Linear maps R - 1 by field, [T, P, A, A], applied to the Gaussians of each part (centers relative to `centers`);
    zero for the parts of other rotations."""

    @classmethod
    def of(cls, parts: Sequence[TurningPart], fields: Sequence[str], device: torch.device) -> "Turns":
        """Return the rotations of `parts` among the `fields` that components move."""
        sizes = [len(part.gaussians) for part in parts]
        owner = torch.repeat_interleave(torch.arange(len(parts)), torch.tensor(sizes))
        rotations = torch.repeat_interleave(torch.arange(len(parts)), torch.tensor([len(p.columns) for p in parts]))
        quats = torch.as_tensor(np.concatenate([part.quats for part in parts]))  # [T, 4] float64
        maps = {"means": rotation_matrices(quats), "quats": quat_product(quats[:, None], torch.eye(4).double()).mT}
        centers = torch.as_tensor(np.stack([part.center for part in parts]))
        own = torch.nn.functional.one_hot(rotations, len(parts)).double()[..., None, None]

        def put(tensor: Tensor) -> Tensor:
            return tensor.to(device, torch.float32)

        return cls(
            names=tuple(name for part in parts for name in part.names),
            columns=torch.as_tensor(np.concatenate([part.columns for part in parts])).to(device),
            gaussians=torch.as_tensor(np.concatenate([part.gaussians for part in parts])).to(device),
            parts=owner.to(device),
            members=put(torch.nn.functional.one_hot(owner, len(parts)).T),
            centers=put(centers[owner]),
            changes={
                field: put(own * (maps[field] - torch.eye(maps[field].shape[-1]).double())[:, None])
                for field in TURNED
                if field in fields
            },
        )

    def __len__(self) -> int:
        """Return the number of rotations T."""
        return len(self.columns)

    def _arms(self, base: Mapping[str, Tensor], field: str) -> Tensor:  # [E, A]
        """Return the values that a rotation acts on."""
        own = base[field][self.gaussians]
        return own - self.centers if field == "means" else own

    def added_to(
        self,
        rows: dict[str, Tensor],  # [B, N, *] by field
        base: Mapping[str, Tensor],
        weights: Tensor,  # [B, K]
    ) -> dict[str, Tensor]:
        """Return the rows of the basis plus the rotations, changed in place; differentiable."""
        turning = weights[:, self.columns]
        for field, maps in self.changes.items():
            blended = torch.einsum("bt,tpij->bpij", turning, maps)[:, self.parts]  # [B, E, A, A]
            moved = torch.einsum("beij,ej->bei", blended, self._arms(base, field))
            rows[field].index_add_(1, self.gaussians, moved)
        return rows

    def pull(
        self,
        base: Mapping[str, Tensor],
        weights: Tensor,  # [B, K]
        upstream: Mapping[str, Tensor],  # [B, N, *] by field
    ) -> Tensor:  # [B, K]
        """Return the gradient with respect to `weights` from that of the rows; add the rotations' to the base's."""
        own = weights[:, self.columns]
        slopes = torch.zeros_like(own)
        for field, maps in self.changes.items():
            arriving, arms = upstream[field][:, self.gaussians], self._arms(base, field).detach()
            turning = torch.einsum("bei,ej,pe->bpij", arriving, arms, self.members)
            slopes += torch.einsum("bpij,tpij->bt", turning, maps)
            blended = torch.einsum("bt,tpij->bpij", own, maps)[:, self.parts]
            gradient = base[field].grad
            assert gradient is not None  # the caller has already stored that of the rows
            gradient.index_add_(0, self.gaussians, torch.einsum("beij,bei->ej", blended, arriving))
        return torch.zeros_like(weights).index_add_(1, self.columns, slopes)

    def dense(self, base: Mapping[str, Tensor], fields: Sequence[str]) -> Tensor:  # [T, N, A]
        """Return the rotations in their current state as components in raw units, zeros included."""
        columns = []
        for field in fields:
            moved = base[field].new_zeros((len(self), len(base[field]), field_size(field)))
            if field in self.changes:
                maps = self.changes[field][:, self.parts]
                moved[:, self.gaussians] = torch.einsum("teij,ej->tei", maps, self._arms(base, field))
            columns.append(moved)
        return torch.cat(columns, dim=-1)
