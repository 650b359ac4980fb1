"""Positions of the points on a head of average proportions, with which faces are compared to find their size and axes.

The table `resources/landmarks/canonical.csv` was made from the CC0 MakeHuman head of the demo in the same way as the
landmarks of a capture (network, triangulation), then averaged with its mirror image, so that it contains the network's
bias. `tests/support/canonical_landmarks.py` makes it again.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
import trimesh
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path
from splatrig.io.tables import read_table
from splatrig.landmarks.points import MIRRORED, POINTS, REGION_OF

_COLUMNS = ["point", "x", "y", "z"]

_FAR_BETTER = 0.5
"""Fraction of the squared distances below which a reflection is accepted."""


@dataclass(frozen=True)
class Similarity:
    """Similarity transform x → scale · turn · x + shift."""

    scale: float
    turn: NDArray[np.float64]  # [3, 3]
    """Rotation or, for a mirrored face, a rotation times a reflection."""
    shift: NDArray[np.float64]  # [3]

    @property
    def is_mirrored(self) -> bool:
        """Whether left and right are exchanged."""
        return bool(np.linalg.det(self.turn) < 0)

    def of(self, points: NDArray[np.float64]) -> NDArray[np.float64]:  # [P, 3] both
        """Return transformed points."""
        return self.scale * points @ self.turn.T + self.shift


def similarity_to(
    positions: NDArray[np.float64],  # [L, 3], NaN where there is none
    canonical: NDArray[np.float64],  # [L, 3]
) -> Similarity:
    """Return the similarity that maps the canonical points closest to `positions`.

    Least squares over the known points, at least four (Umeyama 1991). A reflection is only accepted where it fits far
    better, since a few points that lie nearly in a plane have no side.
    """
    there = np.isfinite(positions).all(axis=1)
    fits = [
        trimesh.registration.procrustes(canonical[there], positions[there], reflection=mirrors)
        for mirrors in (False, True)
    ]
    (matrix, _, cost), (reflected, _, reflected_cost) = fits
    if reflected_cost < _FAR_BETTER * cost:
        matrix = reflected
    scale = float(np.abs(np.linalg.det(matrix[:3, :3])) ** (1 / 3))
    return Similarity(scale, matrix[:3, :3] / scale, matrix[:3, 3])


def symmetrized(positions: NDArray[np.float64]) -> NDArray[np.float64]:  # [L, 3] both
    """Return a face that is its own mirror image at x = 0: the mean of the face and its aligned mirror image."""
    half = _toward(positions[MIRRORED] * [-1.0, 1.0, 1.0], positions)
    return 0.5 * (half + half[MIRRORED] * [-1.0, 1.0, 1.0])


def _toward(mirrored: NDArray[np.float64], positions: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return `positions` [L, 3] moved half the rigid way to `mirrored` [L, 3], where x = 0 halves the face."""
    matrix = trimesh.registration.procrustes(positions, mirrored, reflection=False, scale=False, return_cost=False)
    turn = Rotation.from_matrix(matrix[:3, :3])
    center = positions.mean(axis=0)
    halfway = 0.5 * (center + turn.apply(center) + matrix[:3, 3])
    return Rotation.from_rotvec(0.5 * turn.as_rotvec()).apply(positions - center) + halfway


def write_canonical(path: str | Path, positions: NDArray[np.float64]) -> None:
    """Write the table of canonical positions [L, 3], millimeters."""
    table = pd.DataFrame(np.round(positions, 2) + 0.0, columns=_COLUMNS[1:])
    table.insert(0, "point", POINTS)
    table.insert(1, "region", [REGION_OF[point] for point in POINTS])
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)


def read_canonical(path: str | Path) -> NDArray[np.float64]:  # [L, 3]
    """Read the canonical positions: millimeters, x to the head's left, y up, z out of the face.

    Args:
        path: `resources/landmarks/canonical.csv`.
    """
    table = read_table(path, "landmarks", _COLUMNS, "take it from the sources again")
    if table["point"].tolist() != list(POINTS):
        raise InputError(
            f"{path}: expected the columns {', '.join(_COLUMNS)} and the {len(POINTS)} points in order; restore the "
            "file from the repository."
        )
    return table[_COLUMNS[1:]].to_numpy(dtype=np.float64)
