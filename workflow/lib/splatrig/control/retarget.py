"""Retarget a track from one head or family to another of the same topology."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from splatrig.components.component_file import Components
from splatrig.components.weights import limits_of, positions, solve_weights
from splatrig.control.head import Family
from splatrig.control.track import WEIGHT_RIDGE, Track
from splatrig.io.errors import InputError


class Transfer:
    """Map from weights of some families to those of another whose displacements in millimeters are closest."""

    def __init__(self, source: Sequence[Components], target: Components, mask: NDArray[np.bool_] | None = None) -> None:
        """Compute the products of all displacements; `mask` [N] leaves out Gaussians that are False."""

        def flat(components: Components) -> NDArray[np.float32]:  # [K, 3 N]
            moves = positions(components)
            return (moves if mask is None else moves[:, mask]).reshape(len(components), -1)

        basis = flat(target)
        self._gram = (basis @ basis.T).astype(np.float64)  # [K, K]
        self._across = np.concatenate([flat(components) @ basis.T for components in source]).astype(np.float64)
        self._limits = limits_of(target)

    def weights(
        self,
        weights: NDArray,  # [F, K of all source families]
        *,
        start: NDArray | float = 0.0,  # [K]
        ridge: float = WEIGHT_RIDGE,
    ) -> NDArray[np.float64]:  # [F, K]
        """Return the target's weights whose displacements from those of `start` are closest to those of `weights`."""
        moments = weights @ self._across + np.broadcast_to(start, len(self._gram)) @ self._gram
        return solve_weights(self._gram, moments, ridge=ridge, limits=self._limits)


def retargeted(
    track: Track,
    source: Family,
    target: Family,
    *,
    ridge: float = WEIGHT_RIDGE,
    mask: NDArray[np.bool_] | None = None,  # [N]
) -> Track:
    """Return the track of `target` whose displacements in millimeters are closest to those of `track` on `source`.

    Displacements are relative to the neutral face of each head, Gaussian by Gaussian, so both must have the same
    topology; weights are kept within the target's limits. Blendshapes that both heads have keep their weights, and so
    do eye rotations, which meshes do not contain. `mask` leaves out Gaussians that are False. Raises InputError when
    the topologies differ or the track is not of `source`.
    """
    _check_topology(source, target)
    given = track.ordered(source.panel.names)
    panel = target.panel
    transfer = Transfer([source.rig.components], target.rig.components, mask)
    weights = transfer.weights(given.weights - source.panel.neutral, start=panel.neutral, ridge=ridge)
    both = source.rig.components.are_blendshapes and target.rig.components.are_blendshapes
    for k in np.flatnonzero(target.rig.components.turns_eye | both):
        if panel.names[k] in source.panel.names:
            weights[:, k] = given.weights[:, source.panel.names.index(panel.names[k])]
    origin = f"{track.source} of {track.family} of {track.subject}, retargeted".strip()
    return replace(given, names=panel.names, weights=weights, family=panel.family, subject=panel.subject, source=origin)


def _check_topology(source: Family, target: Family) -> None:
    ours, theirs = source.rig.components.faces, target.rig.components.faces
    counts = source.rig.components.structured, target.rig.components.structured
    if counts[0] != counts[1] or not np.array_equal(ours, theirs):
        raise InputError(
            f"retargeting {source.panel.subject} to {target.panel.subject}: expected the same topology, got "
            f"{counts[0]} and {counts[1]} Gaussians with {len(ours)} and {len(theirs)} triangles; track both heads "
            "with the same mesh."
        )
