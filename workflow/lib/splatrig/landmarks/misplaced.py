"""Distance of a face from the tracked mesh: the rigid motion that aligns its points with the surface."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import least_squares
from scipy.spatial.transform import Rotation

from splatrig.mesh.nearest import Surface

_MOVED_MM, _TURNED_DEG = 2.5, 4.0
"""Motion below which the cause is the network's error: at most 0.9 mm and 2.7° over the demo's heads and
expressions."""
_BETTER = 0.6
"""Largest fraction of the distance that may remain for a motion to count."""
_EVALUATIONS = 40


@dataclass(frozen=True)
class Misplacement:
    """The rigid motion that aligns a face with the tracked mesh."""

    millimetres: float
    """Displacement of the center of the face by the motion."""
    degrees: float
    before_mm: float
    """Median distance to the mesh without the motion."""
    after_mm: float
    """Median distance to the mesh with the motion."""

    @property
    def is_real(self) -> bool:
        """Whether the face is elsewhere, rather than found inexactly."""
        moves = self.millimetres > _MOVED_MM or self.degrees > _TURNED_DEG
        return moves and self.after_mm <= _BETTER * self.before_mm


def misplacement(points: NDArray[np.float64], surface: Surface) -> Misplacement:
    """Return the rigid motion from `points` [P, 3], finite, at least six, to a surface.

    Least squares of the distances to the nearest points (Besl and McKay 1992), with a soft l1 loss, in millimeters.
    """
    middle = points.mean(axis=0)

    def distances(motion: NDArray[np.float64]) -> NDArray[np.float64]:
        turned = Rotation.from_rotvec(motion[:3] / 10.0).apply(points - middle)
        return surface.nearest(turned + middle + motion[3:])[1]

    start = np.zeros(6)
    found = least_squares(
        distances, start, loss="soft_l1", diff_step=np.full(6, 1e-3), x_scale=1.0, max_nfev=_EVALUATIONS
    ).x
    return Misplacement(
        millimetres=float(np.linalg.norm(found[3:])),
        degrees=float(np.degrees(np.linalg.norm(found[:3] / 10.0))),
        before_mm=float(np.median(distances(start))),
        after_mm=float(np.median(distances(found))),
    )
