"""How far from its centre a local component may reach: support maps s(d) in [0, 1] over geodesic distance d.

The sparsity penalty of a component at Gaussian i is λ·s(d_i): free near the centre, full far away. Both maps are
normalised, so the same λ means the same sparsity:

- trapezoid (Neumann et al. 2013): clip((d - d_min) / (d_max - d_min), 0, 1);
- Gaussian (smooth sparsity): 1 - exp(-d² / 2σ²).
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.io.errors import InputError
from splatrig.mesh.geodesic import GeodesicSolver

SupportMap = Callable[[NDArray[np.floating]], NDArray[np.floating]]
"""Distances to [0, 1]; infinity maps to 1."""


@dataclass(frozen=True)
class TrapezoidMap:
    """clip((d - d_min) / (d_max - d_min), 0, 1), in the unit of d_min and d_max."""

    d_min: float
    d_max: float

    def __post_init__(self) -> None:
        if not 0 <= self.d_min < self.d_max:
            raise InputError(
                f"components.sldc.trapezoid: expected 0 <= d_min < d_max, got d_min {self.d_min}, d_max {self.d_max}."
            )

    def __call__(self, distances: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the support map at `distances`."""
        return ((distances - self.d_min) / (self.d_max - self.d_min)).clip(0.0, 1.0)


@dataclass(frozen=True)
class GaussMap:
    """1 - exp(-d² / 2σ²), in the unit of σ."""

    sigma: float

    def __post_init__(self) -> None:
        if not self.sigma > 0:
            raise InputError(f"components.sldc.gauss.sigma: expected a number above 0, got {self.sigma}.")

    def __call__(self, distances: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the support map at `distances`."""
        return -np.expm1(-0.5 * (distances / self.sigma) ** 2)


SUPPORT_MAPS: Mapping[str, Callable[..., SupportMap]] = {"gauss": GaussMap, "trapezoid": TrapezoidMap}
"""By the name that they have in the configuration (`components.sldc.supports`) and in file names."""


class Locality:
    """Support maps around single vertices of one mesh, each computed once."""

    def __init__(self, solver: GeodesicSolver, support: SupportMap, unit_mm: float) -> None:
        """Measure distances with `solver` in units of `unit_mm` (1: millimetres) and map them with `support`."""
        self._solver = solver
        self._support = support
        self._unit_mm = unit_mm
        self._rows: dict[int, NDArray[np.float32]] = {}

    def rows(self, centers: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the support maps [K, V] around the vertices `centers` [K]."""
        new = [int(center) for center in dict.fromkeys(centers.tolist()) if center not in self._rows]
        if new:
            distances = self._solver.distances(np.array(new)) / self._unit_mm
            self._rows.update(zip(new, self._support(distances).astype(np.float32), strict=True))
        return np.stack([self._rows[int(center)] for center in centers])


def largest_distance_mm(solver: GeodesicSolver, start: int) -> float:
    """Return (nearly) the largest geodesic distance on the piece of vertex `start`, in millimetres.

    Walks to the farthest vertex until that no longer increases the distance (a lower bound of the diameter, exact on
    trees, within a few percent on heads). Raises InputError when the piece is a single vertex.
    """
    largest, vertex = 0.0, start
    while True:
        distances = solver.distances(np.array([vertex]))[0]
        reachable = np.where(np.isfinite(distances), distances, -1.0)
        farthest = int(reachable.argmax())
        if reachable[farthest] <= largest * (1 + 1e-6):
            break
        largest, vertex = float(reachable[farthest]), farthest
    if largest == 0.0:
        raise InputError(f"geodesics: vertex {start} has no neighbours, so no distances are relative to its piece.")
    return largest
