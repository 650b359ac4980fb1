"""Add free Gaussians to the start of a learned rig, as rows after those of the mesh."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import block_diag, csr_array, eye_array

from splatrig.fitting.trainable_rig import BasisStart, RigStart
from splatrig.gaussians.free import FreeGaussians, Motion
from splatrig.gaussians.gaussians import SH_C0, Gaussians
from splatrig.io.errors import InputError
from splatrig.learned.jaw import Rigid

INHERITED = ("means", "quats")
"""Fields whose components a free Gaussian inherits from its parent; components of other fields start at zero."""
FREE_PACE = 0.3
"""Learning rate of the components' free rows, relative to that of the others: at 4, held-out images lose 1 dB."""


def with_free(start: RigStart, free: FreeGaussians, pace: float = FREE_PACE) -> RigStart:
    """Return the start with M free Gaussians after the N structured ones; the same start if there are none.

    Each moves and rotates according to its `Motion`: with its parent, with the jaw, or not at all. Components may act
    on it where they act on its parent, or on any Gaussian of the chin. Components that rotate eyes are added by
    `turning_eyes`. Raises InputError if the free Gaussians belong to another number of structured ones.
    """
    if len(start.base) != free.structured:
        raise InputError(
            f"free Gaussians: expected those found with {len(start.base)} structured ones, got them with "
            f"{free.structured}; find them again."
        )
    if not len(free):
        return start
    base = _appended(start.base, free)
    return replace(start, base=base, basis=None if start.basis is None else _with_rows(start.basis, base, free, pace))


def _appended(base: Gaussians, free: FreeGaussians) -> Gaussians:
    """Return the structured Gaussians, then the free ones: isotropic, of one color, rotated like their parents."""
    sizes = np.log(free.sizes)
    own = {
        "means": free.means,
        "quats": base.quats[free.parents],
        "log_scales": np.repeat(sizes[:, None], 3, axis=1),
        "logit_opacities": np.log(free.opacities) - np.log1p(-free.opacities),
        "sh0": ((free.colors - 0.5) / SH_C0)[:, None],
        "shN": np.zeros((len(free), *base.shN.shape[1:])),
    }
    return Gaussians(**{name: np.concatenate([array, own[name]]).astype(np.float32) for name, array in base.items()})


def _with_rows(basis: BasisStart, base: Gaussians, free: FreeGaussians, pace: float) -> BasisStart:
    deltas, in_jaw = {}, free.motions == Motion.JAW
    with_jaw = _moved_by_jaw(basis, base, free.jaw, free.structured + np.flatnonzero(in_jaw)) if in_jaw.any() else {}
    for name, values in basis.deltas.items():
        rows = at_gaussians(values, basis.carry, free.parents)
        rows[:, free.motions != Motion.PARENT] = 0.0
        if name in with_jaw:
            rows[:, in_jaw] = with_jaw[name]
        deltas[name] = np.concatenate([values, rows if name in INHERITED else np.zeros_like(rows)], axis=1)
    support = basis.support
    if support is not None:
        acting = _acting(support, basis.carry, free.parents)
        if in_jaw.any():
            acting[:, in_jaw] = _acting(support, basis.carry, free.jaw).any(axis=1, keepdims=True)
        support = np.concatenate([support, acting], axis=1)
    carry = basis.carry
    if carry is not None:
        carry = csr_array(block_diag([carry, eye_array(len(free))], format="csr"))
    structured = next(iter(basis.deltas.values())).shape[1]
    paces = np.repeat(np.array([1.0, pace], np.float32), [structured, len(free)])
    return BasisStart(basis.fields, deltas, support, carry, paces)


def _moved_by_jaw(
    basis: BasisStart,
    base: Gaussians,
    chin: NDArray[np.int64],  # [J]
    chosen: NDArray[np.int64],  # [S]
) -> dict[str, NDArray[np.float32]]:  # field to [K, S, A]
    """Return the components' change of the Gaussians `chosen` if these move with the jaw; empty if no centers move."""
    if "means" not in basis.deltas:
        return {}
    moves = at_gaussians(basis.deltas["means"], basis.carry, chin)
    jaw = Rigid.fitted(*(torch.as_tensor(array, dtype=torch.float64) for array in (base.means[chin], moves)))
    means, quats = (torch.as_tensor(array[chosen], dtype=torch.float64) for array in (base.means, base.quats))
    moved = {"means": jaw.at(means), "quats": jaw.turned(quats)}
    return {name: values.numpy().astype(np.float32) for name, values in moved.items()}


def _acting(
    support: NDArray[np.bool_],  # [K, V]
    carry: csr_array | None,  # [N, V]
    chosen: NDArray[np.int64],  # [S]
) -> NDArray[np.bool_]:  # [K, S]
    """Return the mask of components that act on some of the structured Gaussians `chosen`."""
    return at_gaussians(support[..., None].astype(np.float32), carry, chosen)[..., 0] > 0


def at_gaussians(
    values: NDArray[np.float32],  # [K, V, A]
    carry: csr_array | None,  # [N, V]
    chosen: NDArray[np.int64],  # [M]
) -> NDArray[np.float32]:  # [K, M, A]
    """Return per-vertex values at some Gaussians; `carry` interpolates from the level that the components live on."""
    if carry is None:
        return values[:, chosen]
    rows = carry[chosen]
    return np.stack([rows @ component for component in values]).astype(np.float32)
