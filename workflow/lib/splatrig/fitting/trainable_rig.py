"""The rig during learning: a base, a basis of components, and a row of weights per frame.

A frame's raw Gaussians are `base + unit * (weights @ basis)`. Basis entries are counted in physical steps: `unit` is
the change of one entry in one step of Adam at learning rate 1 (micrometers for centers, other values for other
attributes), so that one tensor with one learning rate serves all attributes.

Rigid parts rotate by components that follow from the base (`splatrig.fitting.turns`): either components of the basis do
this in addition, or separate ones after these. The heads of frames may move as a whole (`splatrig.fitting.poses`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from splatrig.components.component_file import blend
from splatrig.components.fields import field_size
from splatrig.fitting.basis import Carry, Supports, product, pull
from splatrig.fitting.camera_colors import CameraColors
from splatrig.fitting.poses import MOVED, Poses
from splatrig.fitting.rates import Rates
from splatrig.fitting.schedule import Shot
from splatrig.fitting.turns import TurningPart, Turns
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.io.errors import InputError
from splatrig.rasterize import Splats, activate


@dataclass(frozen=True)
class BasisStart:
    """Components before training."""

    fields: tuple[str, ...]
    """Fields of `Gaussians` that the components move, in order."""
    deltas: dict[str, NDArray[np.float32]]  # [K, N, *] by field
    """Change per unit of weight in raw units."""
    support: NDArray[np.bool_] | None = None  # [K, N]
    """Mask of the entries that components may use; None: all."""
    carry: csr_array | None = None  # [N, V]
    """Interpolation to the Gaussians from the V vertices of the coarser level that the components, with all of the
    above, live on."""
    pace: NDArray[np.float32] | None = None  # [N], or [V]
    """Learning rate of each row relative to the components'; None: 1 everywhere. Rows at 0 are fixed."""

    @property
    def count(self) -> int:
        """Number of components K."""
        return len(self.deltas[self.fields[0]])


@dataclass(frozen=True)
class Blendshapes:
    """K components whose weight of 1 has a meaning: learning keeps their order and amplitude."""

    names: tuple[str, ...]
    told: NDArray[np.bool_]  # [K]
    """True for components that the frames show; the weights of the others stay zero, and so their motion is
    unchanged."""


@dataclass(frozen=True)
class RigStart:
    """A rig before training."""

    base: Gaussians
    weights: NDArray[np.float32]  # [F, K]
    """Weights of the basis, followed by those of components that only rotate parts."""
    basis: BasisStart | None
    """Components; None: a rig without components (K = 0)."""
    neutral_row: int
    """Row of the frame whose weights are zero and stay zero, so that zero weights are the neutral face."""
    parts: tuple[TurningPart, ...] = ()
    """Rigid parts; they require a basis."""
    blendshapes: Blendshapes | None = None
    """Meaning of the components as blendshapes; None: they have none."""

    @property
    def leverage(self) -> float:
        """Factor by which steps of the components add up on a Gaussian; their learning rates are divided by it.

        If every component takes one step and the directions are independent, a Gaussian moves by the root of the sum of
        the squared weights of the components that act on it. The factor is the root mean square of that over the frames
        and over the Gaussians that any component with a weight acts on; 1 if all weights are zero.
        """
        weights = self.weights[:, : 0 if self.basis is None else self.basis.count]
        if self.basis is None or not weights.any():
            return 1.0
        squares = np.square(weights, dtype=np.float64)
        support = self.basis.support
        if support is None:
            return float(np.sqrt(squares.sum(axis=1).mean()))
        reached = support[:, support[weights.any(axis=0)].any(axis=0)]
        return float(np.sqrt((squares.mean(axis=0) @ reached).mean()))

    def __post_init__(self) -> None:
        basis = self.basis
        read = [np.arange(0 if basis is None else basis.count), *(part.columns for part in self.parts)]
        count = len(np.unique(np.concatenate(read)))
        if self.weights.ndim != 2 or self.weights.shape[1] != count:
            raise InputError(f"learned start: expected weights of {count} components, got shape {self.weights.shape}.")
        if basis is None:
            return
        size = len(self.base) if basis.carry is None else basis.carry.shape[1]
        for name in basis.fields:
            expected = (basis.count, size, field_size(name))
            if basis.deltas[name].shape != expected:
                raise InputError(f"learned start: {name} has shape {basis.deltas[name].shape}, expected {expected}.")


@dataclass
class Basis:
    """Components on the device."""

    fields: tuple[str, ...]
    values: Tensor  # [K, N, A], or [M, A] inside supports; entries in units of `unit`
    supports: Supports | None
    unit: Tensor  # [A], or [N, A] where rows have learning rates of their own
    carry: Carry | None
    """Interpolation to the Gaussians from the coarser level that the components live on, if they do."""

    @classmethod
    def of(cls, start: BasisStart, rates: Rates, device: torch.device) -> "Basis":
        """Copy components to a device; `rates` are the physical steps of the fields in raw units."""
        unit = torch.tensor(
            np.concatenate([np.full(field_size(name), getattr(rates, name)) for name in start.fields]),
            dtype=torch.float32,
            device=device,
        )
        if start.pace is not None:
            unit = unit * torch.as_tensor(start.pace, dtype=torch.float32, device=device)[:, None]
        dense = np.concatenate([start.deltas[name] for name in start.fields], axis=-1)
        values = torch.as_tensor(dense, dtype=torch.float32).to(device) / unit
        if start.pace is not None:
            values = torch.where(unit > 0, values, 0.0)
        supports = None
        if start.support is not None:
            supports = Supports.from_mask(torch.as_tensor(start.support).to(device))
            values = supports.gather(values)
        carry = None if start.carry is None else Carry.of(start.carry, device)
        return cls(start.fields, values.requires_grad_(), supports, unit, carry)

    def dense(self) -> Tensor:  # [K, N, A]
        """Return the components in raw units, zeros included."""
        values = self.values.detach()
        values = (values if self.supports is None else self.supports.scatter(values)) * self.unit
        return values if self.carry is None else self.carry.up(values)

    def __rmatmul__(self, weights: Tensor) -> Tensor:  # [B, N, A]
        """Return the components' change of the base for `weights` [B, K], in raw units."""
        moved = product(weights, self.values, self.supports) * self.unit
        return moved if self.carry is None else self.carry.up(moved)

    def pull(self, weights: Tensor, upstream: Tensor) -> Tensor:  # [B, K]
        """Return the gradient with respect to `weights` from that of the blend [B, N, A]; store the values'."""
        if self.values.grad is None:
            self.values.grad = torch.empty_like(self.values)
        arriving = upstream if self.carry is None else self.carry.down(upstream)
        return pull(weights, self.values.detach(), self.supports, arriving * self.unit, self.values.grad)


class TrainableRig:
    """Base, components and weights as torch tensors that an optimizer updates."""

    def __init__(
        self,
        start: RigStart,
        rates: Rates,
        device: torch.device | str = "cpu",
        *,
        moving: bool = False,
        cameras: Sequence[str] = (),
    ) -> None:
        """Copy `start` to `device`; `rates` are the physical steps of the fields in raw units.

        The heads of frames may move if `moving`, which requires components. The colors of `cameras` are learned.
        """
        self.device = torch.device(device)
        self.neutral_row = start.neutral_row
        self.base = {
            name: torch.tensor(array, dtype=torch.float32, device=device).requires_grad_()
            for name, array in start.base.items()
        }
        self.weights = torch.tensor(start.weights, dtype=torch.float32, device=device)
        self.weights[start.neutral_row] = 0.0
        self.weights.requires_grad_()
        self.basis = None if start.basis is None else Basis.of(start.basis, rates, self.device)
        self.turns = Turns.of(start.parts, self.driven, self.device) if start.parts else None
        self.blendshapes = start.blendshapes
        self.own = self.count if start.basis is None else start.basis.count
        """Number of components of the basis, which come first."""
        self.poses = Poses.still(len(self.weights), self.base["means"].detach()) if moving else None
        """Head motions of the frames; None: the tracked poses are kept."""
        self.colors = CameraColors.alike(cameras, self.device) if cameras else None
        """Colors of the training cameras; None: these are taken to be alike."""

    def __len__(self) -> int:
        """Return the number of Gaussians N."""
        return len(self.base["means"])

    @property
    def count(self) -> int:
        """Number of components K."""
        return self.weights.shape[1]

    @property
    def turning(self) -> Tensor:  # [K] bool
        """Mask [K] of the components that rotate rigid parts."""
        turning = torch.zeros(self.count, dtype=torch.bool, device=self.device)
        if self.turns is not None:
            turning[self.turns.columns] = True
        return turning

    @property
    def driven(self) -> tuple[str, ...]:
        """Fields that components move."""
        return () if self.basis is None else self.basis.fields

    def blended(self, frames: Sequence[int]) -> tuple[Tensor, dict[str, Tensor]]:
        """Return the weights [B, K] of frames and the raw fields [B, N, ...] that differ, without gradients.

        The fields are the fields that components move and, if heads move, every field that a head motion changes. Both
        results are empty if the rig has no components. `pull` takes the gradients.
        """
        if self.basis is None:
            return self.weights.detach()[:0], {}
        with torch.no_grad():
            weights = torch.stack([self.weights[frame] for frame in frames])
            rows = self.rows(weights)
            for name in () if self.poses is None else MOVED:
                if name not in rows:
                    rows[name] = self.base[name].expand(len(weights), -1, -1).clone()
            return weights, rows

    def seen(self, shots: Sequence[Shot]) -> Sequence[Shot]:
        """Return shots with the head motions of the rig applied to their cameras."""
        return shots if self.poses is None else self.poses.seen(shots)

    def rows(self, weights: Tensor) -> dict[str, Tensor]:
        """Return the raw fields [B, N, ...] of `weights` [B, K], for the fields that components move."""
        if self.basis is None:
            return {}
        parts = blend(None, weights[:, : self.own], self.basis).split([field_size(name) for name in self.driven], -1)
        rows = {
            name: self.base[name] + part.reshape(len(weights), *self.base[name].shape)
            for name, part in zip(self.driven, parts, strict=True)
        }
        return rows if self.turns is None else self.turns.added_to(rows, self.base, weights)

    def pull(self, weights: Tensor, upstream: dict[str, Tensor]) -> Tensor:  # [B, K]
        """Backpropagate the gradients of `blended` rows, by field [B, N, ...], to the rig; return those of the weights.

        Gradients of the base's fields and of the basis are stored where the optimizer reads them, replacing earlier
        ones.
        """
        if self.basis is None:
            return torch.zeros_like(weights)
        with torch.no_grad():
            parts = [upstream[name].reshape(len(weights), len(self), field_size(name)) for name in self.driven]
            for name, gradient in upstream.items():
                self.base[name].grad = gradient.sum(dim=0) if len(weights) > 1 else gradient.squeeze(0)
            slopes = self.basis.pull(weights[:, : self.own], torch.cat(parts, dim=-1))
            if self.turns is None:
                return slopes
            whole = self.turns.pull(self.base, weights, upstream)
            whole[:, : self.own] += slopes
            return whole

    @torch.no_grad()
    def dense(self) -> Tensor:  # [K, N, A]
        """Return all components in raw units, zeros included, for the fields that they move."""
        assert self.basis is not None  # callers have a rig with components
        dense = self.basis.dense()
        if self.turns is None:
            return dense
        whole = dense.new_zeros((self.count, *dense.shape[1:]))
        whole[: self.own] = dense
        return whole.index_add_(0, self.turns.columns, self.turns.dense(self.base, self.driven))

    def activated(self, weights: Tensor) -> Splats:  # [1, K]
        """Return the rasterizer-ready Gaussians of one row of weights; differentiable."""
        return activate(Gaussians(**(self.base | {name: rows[0] for name, rows in self.rows(weights).items()})))

    @property
    def shared(self) -> dict[str, Tensor]:
        """Trained tensors that are common to all frames, by name."""
        basis = {} if self.basis is None else {"basis": self.basis.values}
        return {f"base_{name}": tensor for name, tensor in self.base.items()} | basis | self.of_cameras

    @property
    def of_cameras(self) -> dict[str, Tensor]:
        """Trained tensors with one row per camera, by name."""
        return {} if self.colors is None else {"colors": self.colors.values}

    @property
    def per_frame(self) -> dict[str, Tensor]:  # [F, *]
        """Trained tensors with one row per frame, by name."""
        return {"weights": self.weights} | ({} if self.poses is None else {"poses": self.poses.values})

    def parameters(self) -> dict[str, Tensor]:
        """Return every trained tensor by name."""
        return self.shared | self.per_frame

    def gaussians(self, weights: Sequence[float] | NDArray | Tensor) -> Gaussians:
        """Return the raw Gaussians of one row of weights [K], quaternions of unit length."""
        row = torch.as_tensor(weights, dtype=torch.float32, device=self.device).reshape(1, -1)
        with torch.no_grad():
            raw = self.base | {name: rows[0] for name, rows in self.rows(row).items()}
            raw["quats"] = torch.nn.functional.normalize(raw["quats"], dim=-1)
            return Gaussians(**{name: raw[name].cpu().numpy().copy() for name in SHAPES})

    def normalize_quaternions(self) -> None:
        """Give the base's quaternions unit length, in place."""
        with torch.no_grad():
            self.base["quats"].div_(torch.linalg.vector_norm(self.base["quats"], dim=-1, keepdim=True))
