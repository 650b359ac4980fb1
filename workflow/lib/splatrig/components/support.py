"""Support maps around vertices of a mesh; the functions of distance are in `splatrig.config.support_maps`."""

import numpy as np
from numpy.typing import NDArray

from splatrig.config.support_maps import SupportMap
from splatrig.io.errors import InputError
from splatrig.mesh.geodesic import GeodesicSolver


class Locality:
    """Support maps around single vertices of one mesh, each computed once and cached."""

    def __init__(self, solver: GeodesicSolver, support: SupportMap, unit_mm: float) -> None:
        """Measure distances with `solver` in units of `unit_mm` (1: millimeters) and map them with `support`."""
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
    """Return (nearly) the largest geodesic distance on the connected piece of vertex `start`, in millimeters.

    Walks to the farthest vertex until the distance no longer increases (a lower bound of the diameter, exact on trees,
    within a few percent on heads). Raises InputError when the piece is a single vertex.
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
        raise InputError(
            f"geodesics: vertex {start} has no neighbors, so distances cannot be relative to its piece; "
            "leave such vertices out of the mesh."
        )
    return largest
