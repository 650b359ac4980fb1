"""A head in the page's format: integers of 8 and 16 bits, with steps just below what is visible.

The base has one step size per field. A component has its own step sizes for coordinates (16 bits), f_dc, rotation, log
scale and logit of opacity (8 bits each), from its changes at the end of its slider; rows that change less than
`MOTION_PX` or `COLOR` are dropped (`residuals`). Unpacked, a component has 16 bytes per Gaussian, one texel on the GPU.
A second texel is used if a component moves opacity, or Gaussians follow the skin, which the page then contains
completely.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.components.component_file import Components
from splatrig.components.fields import ATTRIBUTE_OF, Columns, field_size
from splatrig.components.rig import Rig, moves_centers_alone
from splatrig.components.skin import Skin
from splatrig.control.head import Family, Head, Pose
from splatrig.control.web.residuals import Parents, encode_rows, sparse_arrays
from splatrig.gaussians.activated import linear_opacities
from splatrig.gaussians.gaussians import SH_C0, Gaussians

BITS = {"means": 16, "sh0": 8, "quats": 8, "log_scales": 8, "logit_opacities": 8}
"""Bits per value of a component, by field in the order of texels."""

MOTION_PX = 0.02
"""Least motion, and growth, of a Gaussian at the end of a slider that is stored, in pixels of the photographs."""

COLOR = 0.0015
"""Least change of color, in [0, 1] and times the Gaussian's opacity, that is stored."""

BASE_STEPS = {"quats": 1 / 256, "log_scales": 0.03, "opacities": 1 / 255, "sh0": 1 / 128}
"""Step sizes of the base, in the fields' own units; that of centers is `MOTION_PX`."""

HARMONICS_STEP = 0.006
"""Step size of the higher spherical harmonics, unless a 127th of their largest value is larger."""

STEEPEST = 0.25
"""Largest derivative of an opacity with respect to its logit."""

_TYPICAL = 90.0
"""Percentile of the Gaussians' effects that determines a component's step sizes."""

_COARSEST = 1e-6
"""Opacities are kept this far from 0 and 1, since their logits must be finite."""


@dataclass(frozen=True)
class Quantized:
    """Values per Gaussian in even steps on both sides of each column's center."""

    steps: NDArray[np.int16]  # [N, c]
    middle: NDArray[np.float32]  # [c]
    step: NDArray[np.float32]  # [c]

    def values(self) -> NDArray[np.float32]:  # [N, c]
        """Return the values that the page reconstructs."""
        return self.middle + self.step * self.steps.astype(np.float32)


def quantized(values: NDArray[np.floating], step: float) -> Quantized:
    """Return `values` [N, c] in steps of `step`, or in the smallest steps that 16 bits allow for their range."""
    middle = ((values.min(axis=0) + values.max(axis=0)) / 2).astype(np.float32)
    away = values - middle.astype(np.float64)
    steps = np.maximum(step, np.abs(away).max(axis=0) / 32767.0).astype(np.float32)
    return Quantized(np.round(away / steps).clip(-32767, 32767).astype(np.int16), middle, steps)


@dataclass(frozen=True)
class PackedComponent:
    """One component by field: the stored differences and the reconstructed values."""

    differences: dict[str, NDArray[np.signedinteger]]  # [N, c]
    """Differences of rows from their predictions, zero for those that are dropped."""
    found: dict[str, NDArray[np.signedinteger]]  # [N, c]
    steps: tuple[float, ...]
    """Value of a step of each field, per unit of weight."""

    def values(self) -> NDArray[np.float32]:  # [N, 14]
        """Return the change of each Gaussian's values per unit of weight, fields concatenated."""
        fields = zip(self.found.values(), self.steps, strict=True)
        return np.concatenate([steps.astype(np.float32) * np.float32(value) for steps, value in fields], axis=1)


@dataclass(frozen=True)
class WornSkin:
    """Skin of a head with families that move only centers, whose Gaussians rotate and scale with it."""

    skin: Skin
    families: frozenset[str]
    at_rest: NDArray[np.float32]  # [N, 3]
    """Displacement of the rest face from the skin's rest, in millimeters."""

    @classmethod
    def of(cls, head: Head) -> "WornSkin | None":
        """Return the skin that a head's Gaussians follow, or None."""
        rig, families = head.rig, head.families.items()
        if not rig.follows or not isinstance(rig.skin, Skin):
            return None
        followed = frozenset(name for name, family in families if moves_centers_alone(family.rig.components))
        moved = rig.base.means - rig.neutral.means
        return cls(rig.skin, followed, moved if moves_centers_alone(rig.families[0]) else np.zeros_like(moved))

    def arrays(self) -> dict[str, NDArray]:
        """Return the page's arrays of it: neighbors, coefficients, tangents f1 and f2, their change at rest."""
        skin, count = self.skin, len(self.skin.rest)
        shape = (count, count)
        moved = [csr_array((s, skin.near, skin.starts), shape) @ self.at_rest[:count] for s in skin.shares.T]
        return {
            "skin_starts": skin.starts.astype(np.uint32),
            "skin_near": skin.near.astype(np.uint32),
            "skin_shares": skin.shares,
            "skin_rest": skin.rest.swapaxes(1, 2),
            "skin_moved": np.stack(moved, axis=1).astype(np.float32),
        }


@dataclass(frozen=True)
class PackedHead:
    """N Gaussians and the K components of all families, concatenated, as the page has them."""

    base: dict[str, Quantized]
    """Arrays by field: means [N, 3], quats [N, 4], log_scales [N, 3], opacities [N, 1], sh0 [N, 3]."""
    shN: NDArray[np.int8]  # [N, 15, 3]
    shN_step: float
    parents: Parents
    components: tuple[PackedComponent, ...]
    first: dict[str, int]
    """Index of the first component by family."""
    worn: WornSkin | None
    """Skin; None: no Gaussian follows it."""
    left_out: tuple[str, ...]
    """Attributes that components move, but the page leaves at rest."""

    @property
    def steps(self) -> NDArray[np.float32]:  # [K, 5]
        """Values of a step of xyz, f_dc, rotation, log scale, logit of opacity, per unit of weight."""
        return np.array([component.steps for component in self.components], np.float32)

    @property
    def fields(self) -> list[str]:
        """Fields of components that are stored: all fields of a texel, and opacity if a component moves it."""
        return [field for field in BITS if field != "logit_opacities" or self.steps[:, -1].any()]

    @property
    def dropped(self) -> float:
        """Fraction of rows, one per component, field and Gaussian, that are not stored."""
        rows = [component.differences[field].any(axis=1) for component in self.components for field in self.fields]
        return 1.0 - float(np.mean(rows))

    def arrays(self) -> dict[str, NDArray]:
        """Return the stored arrays by name, see `sparse_arrays`."""
        arrays: dict[str, NDArray] = {"parents": self.parents.rows}
        for name, columns in self.base.items():
            arrays |= sparse_arrays(name, [columns.steps], 16)
        arrays |= sparse_arrays("shN", [self.shN.reshape(len(self.shN), -1)], 8)
        for field in self.fields:
            differences = [component.differences[field] for component in self.components]
            arrays |= sparse_arrays(f"basis_{field}", differences, BITS[field])
        return arrays | (self.worn.arrays() if self.worn else {})

    @cached_property
    def rig(self) -> Rig:
        """Rig as the page has it, which `rig.js` and its shader evaluate."""
        values = {name: columns.values() for name, columns in self.base.items()}
        opacities = values["opacities"][:, 0].clip(_COARSEST, 1 - _COARSEST)
        base = Gaussians(
            means=values["means"],
            quats=values["quats"],
            log_scales=values["log_scales"],
            logit_opacities=np.log(opacities / (1 - opacities)),
            sh0=values["sh0"][:, None, :],
            shN=self.shN.astype(np.float32) * np.float32(self.shN_step),
        )
        families = tuple(self._family(name, base) for name in self.first)
        if self.worn is None:
            return Rig(families, base)
        return Rig(families, replace(base, means=base.means - self.worn.at_rest), self.worn.skin)

    def _family(self, name: str, base: Gaussians) -> Components:
        """Return the components of a family as the page has them."""
        fields = ["means"] if self.worn and name in self.worn.families else list(BITS)
        columns = Columns(tuple(ATTRIBUTE_OF[field] for field in fields), len(base))
        ends = [*self.first.values(), len(self.components)]
        own = self.components[self.first[name] : ends[list(self.first).index(name) + 1]]
        changes = np.stack([component.values()[:, : columns.width] for component in own])
        return Components(
            family="packed",
            W=np.zeros((0, len(changes)), np.float32),
            C=columns.by_column(changes),
            mean=columns.row_of(base),
            std=np.ones(len(columns), np.float32),
            offset=None,
            columns=columns,
            faces=np.zeros((0, 3), np.int64),
            face_mask=np.ones(len(base), bool),
            frames=(),
        )

    def gaussians(self, pose: Pose) -> Gaussians:
        """Return the raw Gaussians that the page shows in a pose."""
        weights = np.zeros(self.rig.count, dtype=np.float32)
        for name, values in pose.items():
            weights[self.first[name] : self.first[name] + len(values)] = values
        return self.rig.pose(weights)


def pack_head(head: Head, pixel_mm: float) -> PackedHead:
    """Return a head in the page's precision; `pixel_mm` is the width of a pixel of its photographs."""
    base = head.rig.base
    opacities = linear_opacities(base)
    shN_step = float(np.float32(max(HARMONICS_STEP, np.abs(base.shN).max() / 127.0)))
    effects = effects_of(base, growth_of(head), pixel_mm)
    parents = Parents.of(head.template, len(base))
    packed: list[PackedComponent] = []
    first: dict[str, int] = {}
    left_out: set[str] = set()
    for name, family in head.families.items():
        first[name] = len(packed)
        components = family.rig.components
        for row, end in zip(components.C, family_ends(family), strict=True):
            change = components.columns.by_field(row * components.std)
            packed.append(pack_component(change, end, effects, parents))
            left_out |= change.keys() - BITS.keys()
    values = {"means": base.means, "quats": base.quats, "log_scales": base.log_scales}
    values |= {"opacities": opacities[:, None], "sh0": base.sh0[:, 0]}
    steps = BASE_STEPS | {"means": MOTION_PX * pixel_mm}
    if any(component.steps[-1] for component in packed):
        steps["opacities"] = 0.0  # smallest steps of 16 bits, since logits distinguish 0.999 from 0.99999
    return PackedHead(
        base={name: quantized(array, steps[name]) for name, array in values.items()},
        shN=np.round(base.shN / shN_step).astype(np.int8),
        shN_step=shN_step,
        parents=parents,
        components=tuple(packed),
        first=first,
        worn=WornSkin.of(head),
        left_out=tuple(sorted(left_out)),
    )


def family_ends(family: Family) -> list[float]:
    """Return the ends of a family's sliders, K absolute weights; 1 for a slider of zero length."""
    ends = np.maximum(np.abs(family.panel.low), np.abs(family.panel.high))
    return [float(end) or 1.0 for end in ends]


def growth_of(head: Head) -> NDArray[np.float64]:  # [N]
    """Return the largest change of each Gaussian's log scales by any single component at the end of its slider."""
    growth = np.zeros(len(head.base))
    for family in head.families.values():
        components = family.rig.components
        if "scale" in components.columns:
            columns = components.columns["scale"]
            changes = (
                np.abs(components.C[:, columns] * components.std[columns]) * np.array(family_ends(family))[:, None]
            )
            growth = np.maximum(growth, changes.reshape(len(changes), len(growth), -1).max(axis=(0, 2)))
    return growth


def effects_of(
    base: Gaussians,
    growth: NDArray[np.float64],  # [N]
    pixel_mm: float,
) -> dict[str, NDArray[np.float64]]:  # [N] each
    """Return the visible effect of a unit change of a Gaussian's raw values, by field, in multiples of the least one.

    The least visible effect, below which changes are not stored, is a motion of `MOTION_PX` pixels or a change of color
    by `COLOR`. A center moves by its change in millimeters; a log scale moves the outline by its change times the
    longest radius; a quaternion by twice its change times the difference of the longest and the shortest radius. Radii
    are the extremes within the `growth` of the log scales. A color is weighted by the Gaussian's opacity, and a logit
    counts by the steepest slope of the opacity.
    """
    longest = np.exp(base.log_scales.max(axis=1) + growth)
    shortest = np.exp(base.log_scales.min(axis=1) - growth)
    opacities = linear_opacities(base)
    least_mm = MOTION_PX * pixel_mm
    return {
        "means": np.full(len(base), 1.0 / least_mm),
        "sh0": SH_C0 * opacities / COLOR,
        "quats": 2.0 * (longest - shortest) / least_mm,
        "log_scales": longest / least_mm,
        "logit_opacities": np.full(len(base), STEEPEST / COLOR),
    }


def pack_component(
    change: Mapping[str, NDArray[np.float32]],
    end: float,
    effects: Mapping[str, NDArray[np.float64]],  # [N] each
    parents: Parents,
) -> PackedComponent:
    """Return one component whose slider ends at `end`.

    `change` has the change per unit of weight, by field of `Gaussians`; missing fields do not move. A step is half of
    the least stored effect of a typical Gaussian, since a vertex between two rounded ones may be off by a step, or the
    smallest step that the bits allow.
    """
    differences: dict[str, NDArray[np.signedinteger]] = {}
    found: dict[str, NDArray[np.signedinteger]] = {}
    steps: list[float] = []
    for field, bits in BITS.items():
        count, width, effect = len(parents), field_size(field), end * effects[field]
        moved = np.asarray(change.get(field, np.zeros((count, width))), dtype=np.float64).reshape(count, width)
        most, largest = (1 << (bits - 1)) - 1, float(np.abs(moved).max(initial=0.0))
        typical = float(np.percentile(effect, _TYPICAL))
        step = max(0.5 / typical if typical > 0 else 0.0, largest / most)
        step = float(np.float32(step)) if largest > 0 else 0.0
        whole = np.round(moved / (step or 1.0)).clip(-most, most).astype(np.int32)
        differ, there = encode_rows(whole, parents, bits, step * effect, 1.0)
        kind: type[np.signedinteger] = np.int16 if bits > 8 else np.int8
        differences[field], found[field] = differ.astype(kind), there.astype(kind)
        steps.append(step)
    return PackedComponent(differences, found, tuple(steps))
