"""Centers of local components, and the user's constraints on them: fixed vertices and left/right pairs."""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatrig.io.errors import InputError

START_ANGLES = (0, -5, 5, -10, 10, -15, 15)
"""Angles (degrees about the vertical axis) that are tried for the initial mirror plane."""

ICP_STEPS, ICP_SAMPLE = 15, 4000
"""Number of iterated-closest-point steps for the mirror plane, and the approximate number of vertices used."""

ON_THE_MIDDLE = 0.04
"""Vertices closer to their mirror image than this fraction of the head's width count as on the midline."""


@dataclass(frozen=True)
class CenterPriors:
    """Constraints on the centers that a user asks for."""

    fixed: tuple[int, ...] = ()
    """Vertices around which the first components stay; the others find their own."""
    mirror: NDArray[np.int64] | None = None  # [V]
    """Mirror image of every vertex (itself on the midline): components off the midline come in left/right pairs."""


class Places(NamedTuple):
    """Centers of K components, with their mirror partners."""

    vertices: NDArray[np.int64]  # [K]
    partner: NDArray[np.int64]  # [K] the component on the other side of the head; -1 for none
    fixed: NDArray[np.bool_]  # [K] True for those fixed by the user


class Centers:
    """Centers of K components while SLDC runs."""

    def __init__(self, k: int, priors: CenterPriors, vertex_count: int, start: Places | None = None) -> None:
        """Start with no component placed, or at `start`; raise InputError for fixed centers that are not possible."""
        bad = [center for center in priors.fixed if not 0 <= center < vertex_count]
        if bad:
            raise InputError(
                f"components.sldc.centers: got vertex {bad[0]}, expected 0 to {vertex_count - 1}; correct the list."
            )
        if len(priors.fixed) > k:
            raise InputError(
                f"components.sldc.centers: got {len(priors.fixed)} vertices, expected at most {k}, one per component; "
                "name fewer, or raise components.k."
            )
        self.vertices = np.zeros(k, dtype=np.int64)
        """[K] vertex of each component."""
        self.partner = np.full(k, -1, dtype=np.int64)
        """[K] the component on the other side; -1 for none."""
        self._priors = priors
        self._fixed = np.zeros(k, dtype=bool)
        self._placed = 0
        if start is not None:
            self.vertices, self.partner = start.vertices.copy(), start.partner.copy()
            self._fixed = start.fixed.copy()
            self._placed = k

    def place(self, k: int, energies: NDArray[np.float64]) -> int:
        """Return the vertex of component `k`: fixed, opposite its partner, or where `energies` [N] are largest.

        Called for each component in order at the start, and for a component that is restarted.
        """
        if k < self._placed:
            if not self._fixed[k] and self.partner[k] < 0:
                self.vertices[k] = energies.argmax()
            return int(self.vertices[k])
        self._placed = k + 1
        if self.partner[k] >= 0:
            return int(self.vertices[k])
        unpaired = int(np.count_nonzero(self._fixed[:k] & ((self.partner[:k] < 0) | (self.partner[:k] > np.arange(k)))))
        self._fixed[k] = unpaired < len(self._priors.fixed)
        self.vertices[k] = self._priors.fixed[unpaired] if self._fixed[k] else energies.argmax()
        mirror = self._priors.mirror
        if mirror is not None and k + 1 < len(self.vertices) and mirror[self.vertices[k]] != self.vertices[k]:
            self.partner[k], self.partner[k + 1] = k + 1, k
            self._fixed[k + 1] = self._fixed[k]
            self.vertices[k + 1] = mirror[self.vertices[k]]
        return int(self.vertices[k])

    def follow(self, peaks: NDArray[np.int64], heights: NDArray[np.float64]) -> None:
        """Move each center to the vertex of `peaks` [K] that its component moves most, within the constraints.

        `heights` [K] say how far that vertex moves; 0 leaves the center where it is. In a pair, the component that
        moves more leads and the other is kept opposite.
        """
        free = (heights > 0) & ~self._fixed
        mirror = self._priors.mirror
        for k in np.flatnonzero(free):
            other = self.partner[k]
            if other < 0:
                self.vertices[k] = peaks[k]
            elif mirror is not None and (heights[k], -k) > (heights[other], -other):
                self.vertices[k], self.vertices[other] = peaks[k], mirror[peaks[k]]

    def places(self, order: NDArray[np.int64]) -> Places:
        """Return the centers with the components reordered."""
        new_number = np.empty_like(order)
        new_number[order] = np.arange(len(order))
        partner = self.partner[order]
        return Places(self.vertices[order], np.where(partner >= 0, new_number[partner], -1), self._fixed[order])


def mirror_map(vertices: NDArray[np.float64]) -> NDArray[np.int64]:
    """Return the vertex [V] nearest to the mirror image of every vertex of a head [V, 3]; itself near the midline.

    The mirror plane starts at x = median, rotated about y by the best of `START_ANGLES`, and is refined by iterated
    closest points, so that slightly rotated heads work too. The topology need not be symmetric.
    """
    tree = cKDTree(vertices)
    sample = vertices[:: max(1, len(vertices) // ICP_SAMPLE)]
    point = np.median(vertices, axis=0)
    starts = [np.array([np.cos(angle), 0.0, np.sin(angle)]) for angle in np.radians(START_ANGLES)]
    misfits = [np.median(tree.query(_reflected(sample, normal, point))[0]) for normal in starts]
    normal = starts[int(np.argmin(misfits))]
    for _ in range(ICP_STEPS):
        partners = vertices[tree.query(_reflected(sample, normal, point))[1]]
        point = 0.5 * (sample.mean(axis=0) + partners.mean(axis=0))
        across = (sample - point).T @ (partners - point)
        normal = np.linalg.eigh(across + across.T)[1][:, 0]  # the direction that the reflection inverts
    distance = 2 * np.abs((vertices - point) @ normal)
    width = float(np.ptp((vertices - point) @ normal))
    nearest = np.asarray(tree.query(_reflected(vertices, normal, point))[1], dtype=np.int64)
    return np.where(distance < ON_THE_MIDDLE * width, np.arange(len(vertices)), nearest)


def _reflected(
    points: NDArray[np.float64], normal: NDArray[np.float64], point: NDArray[np.float64]
) -> NDArray[np.float64]:
    """Return points [P, 3] reflected in the plane through `point` [3] with unit `normal` [3]."""
    return points - 2 * ((points - point) @ normal)[:, None] * normal
