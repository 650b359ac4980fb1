"""Play a track that was made on one head, or with one family, on another of the same topology."""

from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from splatrig.components.rig import solve_weights
from splatrig.control.fit import positions
from splatrig.control.head import Family
from splatrig.control.track import Track
from splatrig.io.errors import InputError


def retargeted(
    track: Track,
    source: Family,
    target: Family,
    *,
    ridge: float,
    mask: NDArray[np.bool_] | None = None,  # [N]
) -> Track:
    """Return the track of `target` whose displacements in millimetres come nearest to those of `track` on `source`.

    Displacements count from the neutral face of each head, Gaussian by Gaussian, so both must share their topology;
    what lies outside of the target's limits stays at them. `mask` leaves out Gaussians that are False. Raises
    InputError when the topologies differ or the track is not of `source`.
    """
    _check_topology(source, target)
    given = track.ordered(source.panel.names)
    from_basis, to_basis = positions(source.rig), positions(target.rig)
    if mask is not None:
        columns = np.repeat(mask, 3)
        from_basis, to_basis = from_basis[:, columns], to_basis[:, columns]
    gram = (to_basis @ to_basis.T).astype(np.float64)
    across = (from_basis @ to_basis.T).astype(np.float64)
    moments = (given.weights - source.panel.neutral) @ across + target.panel.neutral @ gram
    weights = solve_weights(gram, moments, ridge=ridge, bounds=target.panel.limits)
    panel = target.panel
    origin = f"{track.source} of {track.family} of {track.subject}, retargeted".strip()
    return replace(given, names=panel.names, weights=weights, family=panel.family, subject=panel.subject, source=origin)


def _check_topology(source: Family, target: Family) -> None:
    ours, theirs = source.rig.components.faces, target.rig.components.faces
    counts = len(source.rig.neutral), len(target.rig.neutral)
    if counts[0] != counts[1] or not np.array_equal(ours, theirs):
        raise InputError(
            f"retargeting {source.panel.subject} to {target.panel.subject}: expected one topology, got {counts[0]} and "
            f"{counts[1]} Gaussians with {len(ours)} and {len(theirs)} triangles; track both heads with one mesh."
        )
