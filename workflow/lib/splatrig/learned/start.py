"""Start of learning: components of the tracked meshes, applied to the neutral fit."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.components.component_file import Components
from splatrig.components.fields import field_of, field_size
from splatrig.components.weights import positions
from splatrig.fitting.trainable_rig import BasisStart, Blendshapes, RigStart
from splatrig.gaussians.gaussians import Gaussians
from splatrig.mesh.template import Template
from splatrig.mesh.topology import vertex_adjacency

SUPPORT_FRACTION = 0.02
"""Fraction of its largest motion above which a vertex belongs to a blendshape's support."""
SUPPORT_RINGS = 3
"""Number of vertex rings by which that support is enlarged."""


@dataclass(frozen=True)
class Placement:
    """Level that components live on, between the one they are given for and the finest, either included."""

    lift: csr_array | None = None  # [V, M]
    """Interpolation from the M vertices that components are given for to the V that they live on; None: the first V of
    the M."""
    carry: csr_array | None = None  # [N, V]
    """Interpolation from the V vertices that components live on to the N Gaussians; None: they live on the
    Gaussians."""

    @classmethod
    def on(cls, template: Template, level: str, given: int) -> "Placement":
        """Return the placement on `level` of components that are given for the first `given` vertices of the finest."""
        carry = None if level == template.finest else template.between(level, template.finest)
        if given >= len(template.levels[level].vertices):
            return cls(None, carry)
        return cls(template.between(template.level_of(given), level), carry)

    def place(self, values: NDArray[np.float32]) -> NDArray[np.float32]:  # [K, M, A] to [K, V, A]
        """Return values at the vertices that components live on."""
        if self.lift is not None:
            return np.stack([self.lift @ rows for rows in values]).astype(np.float32)
        return values if self.carry is None else values[:, : self.carry.shape[1]]


def start_from_components(
    components: Components,
    base: Gaussians,
    attributes: tuple[str, ...],
    neutral_row: int,
    *,
    bounded: bool,
    placement: Placement = Placement(),
) -> RigStart:
    """Return the rig of `components` on `base`; components of other `attributes` start at zero.

    Components are given for M vertices and transferred by `placement`. They are rescaled so that weights have a maximum
    of 1 (`bounded`; supports are then fixed to the Gaussians that they move now) or a root mean square of 1.
    Blendshapes are not rescaled, since their weight of 1 has a meaning; their supports are `blendshape_supports`.
    """
    W = np.asarray(components.W, dtype=np.float32).copy()
    count = len(components.face_mask)
    known = components.columns.by_attribute(components.C * components.std)
    scale = np.ones(len(components), np.float32) if components.are_blendshapes else weight_scale(W, bounded=bounded)
    deltas = {}
    for name in attributes:
        field = field_of(name)
        delta = known.get(name)
        if delta is None:
            delta = np.zeros((len(components.C), count, field_size(field)), np.float32)
        deltas[field] = (placement.place(delta) * scale[:, None, None]).astype(np.float32)
    fields = tuple(map(field_of, attributes))
    support = None
    if bounded:
        moved = blendshape_supports(components) if components.are_blendshapes else moved_gaussians(components)
        support = placement.place(moved[..., None].astype(np.float32))[..., 0] > 0
    blendshapes = None if components.told is None else Blendshapes(components.names, components.told)
    basis = BasisStart(fields, deltas, support, placement.carry)
    return RigStart(base, W / scale, basis, neutral_row, blendshapes=blendshapes)


def weight_scale(W: NDArray[np.float32], *, bounded: bool) -> NDArray[np.float32]:  # [K]
    """Return the maximum (`bounded`) or root mean square of each component's weights `W` [F, K], or 1 where it is 0."""
    scale = np.abs(W).max(axis=0) if bounded else np.sqrt(np.square(W, dtype=np.float64).mean(axis=0))
    return np.where(scale > 0, scale, 1.0).astype(np.float32)


def moved_gaussians(components: Components) -> NDArray[np.bool_]:  # [K, N]
    """Return the mask of Gaussians that each component moves: its support."""
    return np.any(components.by_gaussian() != 0, axis=2)


def blendshape_supports(components: Components) -> NDArray[np.bool_]:  # [K, V]
    """Return the mask of vertices that each blendshape may move; empty for a blendshape that moves nothing."""
    lengths = np.linalg.norm(positions(components), axis=2)
    inside = lengths > SUPPORT_FRACTION * lengths.max(axis=1, initial=0.0, keepdims=True)
    adjacency = vertex_adjacency(components.faces, components.structured)
    for _ in range(SUPPORT_RINGS):
        inside |= (adjacency @ inside.T.astype(np.float64)).T > 0
    return inside
