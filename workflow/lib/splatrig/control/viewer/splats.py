"""From a pose to what the browser's splats are made of, fast enough to follow a slider."""

from dataclasses import dataclass

import numpy as np
import torch
from matplotlib import colormaps
from numba import njit
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.components.component_file import Components, blend
from splatrig.components.weights import positions
from splatrig.control.head import Head, Pose
from splatrig.gaussians.gaussians import SH_C0, Gaussians
from splatrig.gaussians.sh import MAX_DEGREE, sh_basis

REFRESH = 400
"""After this many small changes the row is computed anew, so that rounding does not add up."""

FEW = 8
"""Up to this many changed weights are added one by one; more of them are one matrix product."""

SHADE = colormaps["magma"]


@dataclass(frozen=True)
class Splats:
    """Arrays as viser takes them, millimetres in head space."""

    centers: NDArray[np.float32]  # [N, 3]
    covariances: NDArray[np.float32]  # [N, 3, 3]
    rgbs: NDArray[np.uint8]  # [N, 3]
    opacities: NDArray[np.uint8]  # [N, 1]


class Blender:
    """The splats of one head; keeps the last pose, so that one moved slider costs one component."""

    def __init__(self, head: Head, widen_mm2: float = 0.0) -> None:
        """Prepare what no pose changes: opacities, and colours that depend on the view; `widen_mm2`: see `widened`."""
        self._widen = np.float32(widen_mm2)
        self.head = head
        self._rows = {name: _Row(family.rig.components) for name, family in head.families.items()}
        opacity = 1.0 / (1.0 + np.exp(-head.rig.base.logit_opacities.astype(np.float64)))
        self._opacities = (opacity * 255.0 + 0.5).astype(np.uint8)[:, None]
        self._view_rgb = np.zeros((len(head.rig), 3), dtype=np.float32)

    def look_from(self, eye: NDArray, means: NDArray[np.float32]) -> None:
        """Let colours be those seen from `eye` [3] (millimetres, head space) of Gaussians at `means` [N, 3]."""
        _view_colors(means, self.head.rig.base.shN, np.asarray(eye, dtype=np.float32), self._view_rgb)

    def gaussians(self, pose: Pose) -> Gaussians:
        """Return the raw Gaussians of a pose, as `Head.gaussians`."""
        return self.head.rig.moved([row.at(pose.get(name, 0.0)) for name, row in self._rows.items()])

    def splats(self, pose: Pose, rgbs: NDArray[np.uint8] | None = None) -> Splats:
        """Return the splats of a pose, coloured by the head or by `rgbs` [N, 3]."""
        posed = self.gaussians(pose)
        covariances = np.empty((len(posed), 3, 3), dtype=np.float32)
        _covariances(posed.quats, posed.log_scales, self._widen, covariances)
        if rgbs is None:
            color = posed.sh0[:, 0] * np.float32(SH_C0) + self._view_rgb + np.float32(0.5)
            rgbs = (np.clip(color, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)
        return Splats(posed.means, covariances, rgbs, self._opacities)


class _Row:
    """The row of changes of one family at the last weights."""

    def __init__(self, components: Components) -> None:
        self._basis = components.basis
        self._weights = np.zeros(len(components), dtype=np.float32)
        self._row = np.zeros(self._basis.shape[1], dtype=np.float32)
        self._age = 0

    def at(self, weights: NDArray | float) -> NDArray[np.float32]:  # [D]
        """Return the row of `weights` [K], or of one weight for all; it changes with the next call."""
        wanted = np.broadcast_to(np.asarray(weights, dtype=np.float32), self._weights.shape)
        moved = np.flatnonzero(wanted != self._weights)
        self._age += 1
        if len(moved) > FEW or self._age > REFRESH:
            self._row, self._age = np.asarray(blend(None, wanted, self._basis), dtype=np.float32), 0
        else:
            for k in moved:
                step = wanted[k] - self._weights[k]
                if isinstance(self._basis, csr_array):
                    part = slice(*self._basis.indptr[k : k + 2])
                    self._row[self._basis.indices[part]] += step * self._basis.data[part]
                else:
                    self._row += step * self._basis[k]
        self._weights = wanted.copy()
        return self._row


def reach_mm(head: Head, family: str, component: int) -> NDArray[np.float32]:  # [N]
    """Return how far a component moves each centre at the farther end of its slider, in millimetres."""
    own = head.families[family]
    farthest = max(-float(own.panel.low[component]), float(own.panel.high[component]))
    return farthest * np.linalg.norm(positions(own.rig.components, free=True)[component], axis=1)


def heat_colors(length_mm: NDArray, largest_mm: float) -> NDArray[np.uint8]:  # [N, 3]
    """Return colours of how far [N] each Gaussian moves, from 0 to `largest_mm`."""
    share = np.clip(np.asarray(length_mm) / max(largest_mm, 1e-12), 0.0, 1.0)
    return (SHADE(0.12 + 0.88 * share)[:, :3] * 255.0 + 0.5).astype(np.uint8)


@njit(cache=True)
def _covariances(quats, log_scales, widen, out):  # type: ignore[no-untyped-def]
    """Fill R diag(s² + widen) Rᵀ [N, 3, 3] for quaternions wxyz of any length and log scales."""
    for n in range(len(quats)):
        w, x, y, z = quats[n, 0], quats[n, 1], quats[n, 2], quats[n, 3]
        inverse = np.float32(1.0) / np.sqrt(w * w + x * x + y * y + z * z)
        w, x, y, z = w * inverse, x * inverse, y * inverse, z * inverse
        sx, sy, sz = np.exp(log_scales[n, 0]), np.exp(log_scales[n, 1]), np.exp(log_scales[n, 2])
        a = ((1 - 2 * (y * y + z * z)) * sx, 2 * (x * y - w * z) * sy, 2 * (x * z + w * y) * sz)
        b = (2 * (x * y + w * z) * sx, (1 - 2 * (x * x + z * z)) * sy, 2 * (y * z - w * x) * sz)
        c = (2 * (x * z - w * y) * sx, 2 * (y * z + w * x) * sy, (1 - 2 * (x * x + y * y)) * sz)
        out[n, 0, 0] = a[0] * a[0] + a[1] * a[1] + a[2] * a[2] + widen
        out[n, 1, 1] = b[0] * b[0] + b[1] * b[1] + b[2] * b[2] + widen
        out[n, 2, 2] = c[0] * c[0] + c[1] * c[1] + c[2] * c[2] + widen
        out[n, 0, 1] = out[n, 1, 0] = a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
        out[n, 0, 2] = out[n, 2, 0] = a[0] * c[0] + a[1] * c[1] + a[2] * c[2]
        out[n, 1, 2] = out[n, 2, 1] = b[0] * c[0] + b[1] * c[1] + b[2] * c[2]


def _view_colors(
    means: NDArray[np.float32],  # [N, 3]
    shN: NDArray[np.float32],  # [N, 15, 3]
    eye: NDArray[np.float32],  # [3]
    out: NDArray[np.float32],  # [N, 3]
) -> None:
    """Fill what the higher spherical harmonics add to each colour, seen from `eye`."""
    away = means - eye
    directions = torch.from_numpy(away / np.maximum(np.linalg.norm(away, axis=1, keepdims=True), 1e-9))
    basis = sh_basis(directions, MAX_DEGREE)[:, 1:].numpy()
    np.einsum("nk,nkc->nc", basis, shN, out=out)
