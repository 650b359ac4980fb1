"""What the network shows of each of ARKit's blendshapes: how its points move on the CC0 head that makes it.

The network moves its points less than the face moves, at the lids a quarter, and moves others along. Where weights are
to be found from its points alone, they are compared with these responses rather than with displacements of a mesh.

The table `resources/landmarks/responses.csv` was made from the head of `splatrig.landmarks.canonical`, which shows one
blendshape at a time to a camera in front of it; those that no point tells (gaze, tongue) are left out.
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
"""Points that move least with expressions, in the network's numbering: they tell how the head is turned."""

_COLUMNS = ["blendshape", "point", "x", "y", "z"]


@dataclass(frozen=True)
class Responses:
    """How the points move with K blendshapes."""

    names: tuple[str, ...]  # [K]
    neutral: NDArray[np.float64]  # [L, 3]
    """Where `splatrig.landmarks.points` are at rest: millimeters, x to the left, y up, z out of the face."""
    shapes: NDArray[np.float64]  # [K, L, 3]
    """Displacements at weight 1, as the network shows them."""

    def as_json(self) -> dict[str, Any]:
        """Return what the page finds weights by: points in the network's numbering, and the rows of stable ones."""
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
    """Read the responses of the head whose points are `neutral`; raise InputError where rows are missing."""
    table = read_table(path, "responses", _COLUMNS, "take it from the sources again")
    names = tuple(dict.fromkeys(table["blendshape"]))
    if table["point"].tolist() != list(POINTS) * len(names):
        raise InputError(
            f"{path}: expected the {len(POINTS)} points in order for each of {len(names)} blendshapes, got other rows; "
            "take it from the sources again."
        )
    return Responses(names, neutral, table[_COLUMNS[2:]].to_numpy(dtype=np.float64).reshape(len(names), -1, 3))
