"""A head as the page carries it: Gaussians and components in 8 and 16 bits, and what they are worth.

Steps are even. The base has 16 bits a number, between the least and largest of its column; higher spherical harmonics
have 8. A component has 16 bits for each coordinate and 8 for each number of f_dc, rotation and log scale, in steps of
its own: 16 bytes a Gaussian and component, one texel of the GPU.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from splatrig.components.component_file import Components
from splatrig.components.fields import ATTRIBUTE_OF, Columns
from splatrig.components.rig import Rig
from splatrig.control.head import Head, Pose
from splatrig.gaussians.gaussians import Gaussians

FINE = ("sh0", "quats", "log_scales")
"""Fields whose components have 8 bits a number, in the order of a texel after the coordinates."""

_COARSEST = 1e-6
"""Opacities are kept this far from 0 and 1, as their logits are finite."""


@dataclass(frozen=True)
class Quantized:
    """Numbers a Gaussian as 16-bit steps between the least and the largest of each column."""

    steps: NDArray[np.uint16]  # [N, c]
    low: NDArray[np.float32]  # [c]
    step: NDArray[np.float32]  # [c]

    def values(self) -> NDArray[np.float32]:  # [N, c]
        """Return the numbers that the page sees."""
        return self.low + self.step * self.steps.astype(np.float32)


def quantized(values: NDArray[np.floating]) -> Quantized:
    """Return `values` [N, c] in 16 bits."""
    low, high = values.min(axis=0), values.max(axis=0)
    step = ((high - low) / 65535.0).astype(np.float32)
    steps = np.round((values - low) / np.where(step > 0, step, 1.0)).clip(0, 65535)
    return Quantized(steps.astype(np.uint16), low.astype(np.float32), step)


@dataclass(frozen=True)
class PackedHead:
    """N Gaussians and the K components of all families, one after the other, as the page has them."""

    base: dict[str, Quantized]
    """means [N, 3], quats [N, 4], log_scales [N, 3], opacities [N, 1], sh0 [N, 3]."""
    shN: NDArray[np.int8]  # [N, 15, 3]
    shN_step: NDArray[np.float32]  # [15, 3]
    xyz: NDArray[np.int16]  # [K, N, 3]
    fine: NDArray[np.int8]  # [K, N, 10] f_dc, rotation, log scale
    steps: NDArray[np.float32]  # [K, 4] value of a step of xyz, f_dc, rotation, log scale, for a unit of weight
    first: dict[str, int]
    """Family to its first component."""
    left_out: tuple[str, ...]
    """Attributes that components move and the page leaves at rest."""

    @cached_property
    def rig(self) -> Rig:
        """The rig that the page has: what `rig.js` and its shader evaluate."""
        values = {name: columns.values() for name, columns in self.base.items()}
        opacities = values["opacities"][:, 0].clip(_COARSEST, 1 - _COARSEST)
        base = Gaussians(
            means=values["means"],
            quats=values["quats"],
            log_scales=values["log_scales"],
            logit_opacities=np.log(opacities / (1 - opacities)),
            sh0=values["sh0"][:, None, :],
            shN=self.shN.astype(np.float32) * self.shN_step,
        )
        columns = Columns(tuple(ATTRIBUTE_OF[field] for field in ("means", *FINE)), len(base))
        steps = np.repeat(self.steps, [values[field].shape[1] for field in ("means", *FINE)], axis=1)  # [K, 13]
        changes = np.concatenate([self.xyz.astype(np.float32), self.fine.astype(np.float32)], axis=2) * steps[:, None]
        components = Components(
            family="packed",
            W=np.zeros((0, len(steps)), np.float32),
            C=columns.by_column(changes),
            mean=columns.row_of(base),
            std=np.ones(len(columns), np.float32),
            offset=None,
            columns=columns,
            faces=np.zeros((0, 3), np.int64),
            face_mask=np.ones(len(base), bool),
            frames=(),
        )
        return Rig.of(components, base)

    def gaussians(self, pose: Pose) -> Gaussians:
        """Return the raw Gaussians that the page shows for a pose."""
        weights = np.zeros(self.rig.count, dtype=np.float32)
        for name, values in pose.items():
            weights[self.first[name] : self.first[name] + len(values)] = values
        return self.rig.pose(weights)


def pack_head(head: Head) -> PackedHead:
    """Return a head in the page's precision."""
    base = head.rig.base
    opacities = 1.0 / (1.0 + np.exp(-base.logit_opacities.astype(np.float64)))
    shN_step = (np.abs(base.shN).max(axis=0) / 127.0).astype(np.float32)
    xyz, fine, first, left_out = [], [], {}, set()
    steps: list[list[float]] = []
    for name, family in head.families.items():
        first[name] = len(steps)
        components = family.rig.components
        for row in components.C:
            change = components.columns.by_field(row * components.std)
            coordinates, rest, step = pack_component(change, len(base))
            xyz.append(coordinates)
            fine.append(rest)
            steps.append(step)
            left_out |= change.keys() - {"means", *FINE}
    return PackedHead(
        base={
            "means": quantized(base.means),
            "quats": quantized(base.quats),
            "log_scales": quantized(base.log_scales),
            "opacities": quantized(opacities[:, None]),
            "sh0": quantized(base.sh0[:, 0]),
        },
        shN=np.round(base.shN / np.where(shN_step > 0, shN_step, 1.0)).astype(np.int8),
        shN_step=shN_step,
        xyz=np.stack(xyz),
        fine=np.stack(fine),
        steps=np.array(steps, dtype=np.float32),
        first=first,
        left_out=tuple(sorted(left_out)),
    )


def pack_component(
    change: Mapping[str, NDArray[np.float32]], count: int
) -> tuple[NDArray[np.int16], NDArray[np.int8], list[float]]:
    """Return the steps [N, 3] and [N, 10] of one component and the values [4] of a step.

    `change` has what a unit of weight adds, by field of `Gaussians`; fields that it lacks do not move.
    """
    widths = {"means": 3, "sh0": 3, "quats": 4, "log_scales": 3}
    parts, values = [], []
    for field, width in widths.items():
        moved = np.asarray(change.get(field, np.zeros((count, width))), dtype=np.float64).reshape(count, width)
        step = float(np.float32(np.abs(moved).max() / (32767.0 if field == "means" else 127.0)))
        parts.append(np.round(moved / step) if step > 0 else np.zeros_like(moved))
        values.append(step)
    fine = np.concatenate(parts[1:], axis=1).clip(-127, 127)
    return parts[0].clip(-32767, 32767).astype(np.int16), fine.astype(np.int8), values
