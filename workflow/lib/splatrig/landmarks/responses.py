"""Responses of the network to each of ARKit's blendshapes: the motion of its points on a rendered CC0 head.

The network moves its points less than the face moves, at the lids by a quarter, and moves other points as well. If
weights are found from its points alone, they are compared with these responses rather than with displacements of a
mesh.

The table `resources/landmarks/responses.csv` was made from the head of `splatrig.landmarks.canonical`, which shows one
blendshape at a time to a frontal camera; blendshapes that move no point (gaze, tongue) are left out.
`tests/support/network_responses.py` makes it again.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path
from splatrig.io.tables import read_table
from splatrig.landmarks.points import POINTS

STABLE = (
    *(33, 133, 263, 362),  # the corners of the eyes
    *(168, 6, 197, 195, 5, 4, 1, 19, 94, 2),  # from the root of the nose to the upper lip
    *(98, 327, 97, 326, 99, 328, 64, 294, 45, 275, 44, 274, 115, 344, 220, 440),  # the wings of the nose
)
"""Points that move least with expressions, in the network's numbering; they give the rotation of the head."""

_COLUMNS = ["blendshape", "point", "x", "y", "z"]


@dataclass(frozen=True)
class Responses:
    """Motion of the points with K blendshapes."""

    names: tuple[str, ...]  # [K]
    neutral: NDArray[np.float64]  # [L, 3]
    """Positions of `splatrig.landmarks.points` at rest: millimeters, x to the left, y up, z out of the face."""
    shapes: NDArray[np.float64]  # [K, L, 3]
    """Displacements of the network's points at weight 1."""

    def as_json(self) -> dict[str, Any]:
        """Return the data by which the page finds weights: points in the network's numbering, rows of stable ones."""
        return {
            "names": list(self.names),
            "points": list(POINTS),
            "stable": [POINTS.index(point) for point in STABLE],
            "neutral": self.neutral.ravel().tolist(),
            "shapes": self.shapes.reshape(len(self.names), -1).tolist(),
        }


def write_responses(path: str | Path, names: tuple[str, ...], shapes: NDArray[np.float64]) -> None:
    """Write the table of displacements [K, L, 3], millimeters."""
    table = pd.DataFrame(np.round(shapes, 2).reshape(-1, 3) + 0.0, columns=_COLUMNS[2:])
    table.insert(0, "blendshape", np.repeat(names, len(POINTS)))
    table.insert(1, "point", np.tile(POINTS, len(names)))
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)


def read_responses(path: str | Path, neutral: NDArray[np.float64]) -> Responses:  # [L, 3]
    """Read the responses of the head with the points `neutral` [L, 3].

    Args:
        path: `resources/landmarks/responses.csv`.
        neutral: Points at rest, millimeters.

    Raises:
        InputError: Rows are missing; names the file.
    """
    table = read_table(path, "responses", _COLUMNS, "take it from the sources again")
    names = tuple(dict.fromkeys(table["blendshape"]))
    if table["point"].tolist() != list(POINTS) * len(names):
        raise InputError(
            f"{path}: expected the {len(POINTS)} points in order for each of {len(names)} blendshapes, got other rows; "
            "restore the file from the repository."
        )
    return Responses(names, neutral, table[_COLUMNS[2:]].to_numpy(dtype=np.float64).reshape(len(names), -1, 3))
