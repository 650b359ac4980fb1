"""The attribute matrix as the evaluation reads it: all frames, raw numbers, split into trained and held out."""

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
    """F names `expression/frame`."""
    train: NDArray[np.bool_]  # [F]
    """True for the frames that components are learned from."""
    neutral_row: int
    """Row of the neutral frame."""

    @property
    def expressions(self) -> NDArray[np.str_]:  # [F]
        """The expression of each frame."""
        return np.array([name.split("/")[0] for name in self.frames])

    def peaks(self) -> NDArray[np.int64]:
        """Return, per expression, the row farthest from the neutral, in row order."""
        distance = np.linalg.norm(self.X - self.X[self.neutral_row], axis=1)
        expressions = self.expressions
        rows = [
            np.flatnonzero(expressions == name)[distance[expressions == name].argmax()] for name in set(expressions)
        ]
        return np.sort(rows)


def read_attribute_rows(path: str | Path, attributes: Sequence[str]) -> AttributeRows:
    """Read `attributes` of `attributes/{level}.h5`; raise InputError naming the file when it is not such a store."""
    with AttributeReader(path) as reader:
        X = np.concatenate([reader.rows(name) for name in attributes], axis=1)
        train = np.array(reader.roles) == "train"
        return AttributeRows(X, reader.frames, train, reader.neutral_row)
