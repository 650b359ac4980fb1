"""The attribute matrix as the evaluation reads it: all frames, raw values, split into training and held-out frames."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.components.attributes import AttributeReader


@dataclass(frozen=True)
class AttributeRows:
    """Chosen attributes of every frame."""

    X: NDArray[np.float32]  # [F, D]
    """Raw rows, attribute after attribute, each (N, d) row-major."""
    frames: tuple[str, ...]
    """Names `expression/frame` of the F frames."""
    train: NDArray[np.bool_]  # [F]
    """True for the frames that components are learned from."""
    neutral_row: int
    """Row of the neutral frame."""
    reach: NDArray[np.floating]  # [F]
    """RMS distance (mm) of each frame's centers from the neutral's, whichever attributes X holds."""

    @property
    def expressions(self) -> NDArray[np.str_]:  # [F]
        """Expression of each frame."""
        return np.array([name.split("/")[0] for name in self.frames])

    def chosen(self, rows: Sequence[int]) -> "AttributeRows":
        """Return the given rows only, in that order; the neutral must be among them."""
        return AttributeRows(
            self.X[rows],
            tuple(self.frames[row] for row in rows),
            self.train[rows],
            list(rows).index(self.neutral_row),
            self.reach[rows],
        )

    def peaks(self) -> NDArray[np.int64]:
        """Return, per expression, the row whose centers are farthest from the neutral's, in row order."""
        expressions = self.expressions
        rows = [
            np.flatnonzero(expressions == name)[self.reach[expressions == name].argmax()] for name in set(expressions)
        ]
        return np.sort(rows)


def read_attribute_rows(path: str | Path, attributes: Sequence[str]) -> AttributeRows:
    """Read `attributes` of an attribute store `attributes/{level}.h5`.

    Raises:
        InputError: The file is not an attribute store.
    """
    with AttributeReader(path) as reader:
        X = np.concatenate([reader.rows(name) for name in attributes], axis=1)
        train = np.array(reader.roles) == "train"
        return AttributeRows(
            X, reader.frames, train, reader.neutral_row, reach_of(reader.rows("xyz"), reader.neutral_row)
        )


def reach_of(centers: NDArray[np.float32], neutral_row: int) -> NDArray[np.floating]:  # [F]
    """Return the RMS distance (mm) of `centers` [F, 3 N] from those of the neutral row."""
    moved = centers - centers[neutral_row]
    return np.sqrt(np.einsum("fd,fd->f", moved, moved) / (moved.shape[1] / 3))
