"""Known face units: their weights in the frames of a capture or their shapes, from a user or from the demo."""

import csv
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path

COLUMNS = ("expression", "frame", "unit", "weight")

_EYE_TURN = "eyeLook"
"""Prefix of the names of ARKit's units that rotate the eyeballs."""


@dataclass(frozen=True)
class Units:
    """Known face units to compare components with, as weights in the training frames or as shapes."""

    names: tuple[str, ...]
    weights: NDArray[np.float64] | None = None  # [F, U]
    shapes: NDArray[np.float64] | None = None  # [U, V_base, 3] millimeters


def turns_eyes(unit: str) -> bool:
    """Return whether a unit rotates an eyeball; the skin shows little more of it than the lids."""
    return unit.startswith(_EYE_TURN)


def read_units(path: str | Path, frames: Sequence[str], vertex_count: int) -> Units:
    """Read known units: a table of weights (.csv: expression, frame, unit, weight) or shapes (.npz: names, shapes).

    Args:
        path: Table of weights, or shapes [U, V, 3] as displacements in millimeters.
        frames: Names `expression/frame` of the frames whose weights are read.
        vertex_count: Number of vertices V of the template's base level: the tracked mesh without vertices that no face
            uses.

    Raises:
        InputError: The file holds anything else.
    """
    path = Path(path)
    if path.suffix == ".npz":
        return read_shapes(path, vertex_count)
    names, weights = read_unit_weights(path, frames)
    return Units(names, weights=weights)


def read_unit_weights(path: str | Path, frames: Sequence[str]) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Read the units of a table of weights, sorted, and their weights [F, U] in `frames` (`expression/frame`).

    Pairs of frame and unit that the table lacks are 0. Raises InputError naming the file and its line.
    """
    values: dict[tuple[str, str], float] = {}
    try:
        with Path(path).open(newline="", encoding="utf-8-sig") as stream:
            table = csv.DictReader(stream)
            missing = [name for name in COLUMNS if name not in (table.fieldnames or ())]
            if missing:
                got = ", ".join(table.fieldnames or ()) or "nothing"
                raise InputError(f"{path}: expected the columns {', '.join(COLUMNS)}, got {got}.")
            for row in table:
                key, weight = _weight_of(row, f"{path}, line {table.line_num}")
                if key in values:
                    raise InputError(
                        f"{path}, line {table.line_num}: got {key[1]} in {key[0]} a second time; keep one line."
                    )
                values[key] = weight
    except (UnicodeDecodeError, csv.Error) as error:
        raise InputError(f"{path}: expected a table in UTF-8 with commas, got another file ({error}).") from error
    names = tuple(sorted({unit for _, unit in values}))
    weights = np.array([[values.get((frame, unit), 0.0) for unit in names] for frame in frames], dtype=np.float64)
    return names, weights.reshape(len(frames), len(names))


def _weight_of(row: Mapping[str, str | None], where: str) -> tuple[tuple[str, str], float]:
    """Return (`expression/frame`, unit) and the weight of one line."""
    try:
        weight = float(row["weight"] or "")
    except ValueError:
        weight = math.nan
    if not math.isfinite(weight):
        raise InputError(f"{where}: expected a finite weight, got {row['weight']!r}.")
    return (f"{row['expression']}/{row['frame']}", str(row["unit"])), weight


def read_shapes(path: str | Path, vertex_count: int) -> Units:
    """Read the names and shapes of units from an .npz.

    Raises:
        InputError: The file holds anything else.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            names, shapes = np.atleast_1d(archive["names"]), archive["shapes"]
    except (OSError, ValueError, KeyError, TypeError, BadZipFile) as error:
        raise InputError(
            f"{path}: expected an .npz with the arrays names [U], of text, and shapes [U, V, 3], got another ({error})."
        ) from error
    if shapes.shape != (len(names), vertex_count, 3):
        raise InputError(
            f"{path}: expected shapes of shape {(len(names), vertex_count, 3)}, one row per vertex of the base "
            f"level, got {shapes.shape}; leave out the vertices that no face uses."
        )
    if not np.isfinite(shapes).all():
        raise InputError(f"{path}: expected finite displacements, got NaN or infinity; check the array shapes.")
    return Units(tuple(map(str, names)), shapes=shapes.astype(np.float64))


def write_shapes(path: str | Path, names: Sequence[str], shapes: NDArray[np.floating]) -> None:  # [U, V, 3]
    """Write the displacements of face units at weight 1, in millimeters, as an .npz that `read_units` reads."""
    with atomic_path(path) as temporary, temporary.open("wb") as stream:
        np.savez_compressed(stream, names=np.array(names), shapes=shapes.astype(np.float32))


def cosines(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cosines [A, B] between rows [A, D] and [B, D] (correlations if rows are centered); 0 for zero rows."""
    norms = np.linalg.norm(left, axis=1)[:, None] * np.linalg.norm(right, axis=1)
    return np.divide(left @ right.T, norms, out=np.zeros_like(norms), where=norms > 1e-12)
