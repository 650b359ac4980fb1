"""Tables of frames: the used frames of a segment (`frames/{segment}.csv`), and their split (`frames.csv`)."""

from collections.abc import Callable, Collection, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splatrig.config.choices import FrameSelection, Role
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path
from splatrig.io.tables import read_table


@dataclass(frozen=True)
class ChosenFrame:
    """One row of a segment's table."""

    expression: str
    frame: str
    image_count: int
    """Number of cameras that have an image of this frame."""
    mesh: str
    """Path of the tracked mesh, relative to the capture."""
    pose: str
    """Path of the head pose, relative to the capture."""
    neutral: bool
    """True for exactly one row, the frame of which all displacements are measured."""


@dataclass(frozen=True)
class FrameRow(ChosenFrame):
    """One row of `frames.csv`."""

    role: Role
    """Either `train`, or `held_out`: measured, and left out of all components."""


CHOSEN_COLUMNS = [field.name for field in fields(ChosenFrame)]
COLUMNS = ["expression", "frame", "role", *CHOSEN_COLUMNS[2:]]


def select_frames(
    count: int, available: int, selection: FrameSelection, positions: Callable[[int], NDArray[np.float64]]
) -> list[int]:
    """Return `count` of `available` frames (all, if there are fewer) as increasing indices.

    `first` returns the first ones, `uniform` equal steps from the first to the last, `spread` the first and then
    repeatedly the frame whose mesh is farthest from all chosen ones (Gonzalez 1985). `positions(i)` [V, 3] are the
    head-space vertices of frame i; only `spread` calls it.
    """
    count = min(count, available)
    if selection == "first":
        return list(range(count))
    if selection == "uniform":
        return sorted({int(i) for i in np.round(np.linspace(0, available - 1, count))})
    if selection != "spread":
        raise InputError(f"capture.frame_selection: expected first, uniform or spread, got {selection!r}.")
    if count == available or count == 1:
        return list(range(count))
    return _farthest_points(np.stack([positions(i).astype(np.float32).ravel() for i in range(available)]), count)


def _farthest_points(rows: NDArray[np.float32], count: int) -> list[int]:
    """Return `count` rows of [F, D]: the first, and then always the row farthest from those chosen, in order."""
    chosen = [0]
    distance = np.full(len(rows), np.inf)
    while len(chosen) < count:
        distance = np.minimum(distance, np.linalg.norm(rows - rows[chosen[-1]], axis=1))
        distance[chosen] = -1.0  # of identical frames, none is chosen twice
        chosen.append(int(np.argmax(distance)))
    return sorted(chosen)


def write_frames(path: str | Path, rows: Sequence[ChosenFrame]) -> None:
    """Write rows of `frames.csv`, or of one segment's table, in their order.

    Args:
        path: The file to write.
        rows: Rows; those with a role are of `frames.csv`.
    """
    split = any(isinstance(row, FrameRow) for row in rows)
    table = pd.DataFrame([asdict(row) for row in rows], columns=COLUMNS if split else CHOSEN_COLUMNS)
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)


def read_frames(path: str | Path) -> pd.DataFrame:
    """Read `frames.csv`; names stay text, so `000102` keeps its zeros.

    Args:
        path: The file.

    Returns:
        One row per frame.

    Raises:
        InputError: The file or a column is missing; names the file.
    """
    return _table(path, COLUMNS)


def read_chosen_frames(path: str | Path) -> pd.DataFrame:
    """Read the table of one segment, which has no roles; otherwise as `read_frames`."""
    return _table(path, CHOSEN_COLUMNS)


def _table(path: str | Path, columns: list[str]) -> pd.DataFrame:
    """Read a table of frames that must have `columns`."""
    text = dict.fromkeys(("expression", "frame", "role", "mesh", "pose"), str)
    # a frame may be named NA
    table = read_table(path, "frames", columns, "delete it and run again", dtype=text, keep_default_na=False)
    return table[columns]


def names_of(table: pd.DataFrame, role: Role | None = None) -> list[str]:
    """Return `expression/frame` of the rows of `frames.csv`.

    Args:
        table: Content of `frames.csv`.
        role: `train` or `held_out`; None: all rows.
    """
    rows = table if role is None else table[table["role"] == role]
    return [f"{expression}/{frame}" for expression, frame in zip(rows["expression"], rows["frame"], strict=True)]


def neutral_name(table: pd.DataFrame) -> str:
    """Return `expression/frame` of the neutral in `frames.csv`."""
    return names_of(table[table["neutral"]])[0]


def check_enough(rows: Sequence[FrameRow], components: int) -> None:
    """Raise InputError if there are fewer training frames than `components` and the rest shape need."""
    count = sum(row.role == "train" for row in rows)
    if count <= components:
        raise InputError(
            f"components.k: {components} components need {components + 1} training frames, and {count} are left after "
            "those without mesh, pose or photographs (logs of restructure_expression); lower components.k to "
            f"{count - 1}, or complete the capture."
        )


def merge_frames(paths: Sequence[str | Path], held_out: Collection[str] = ()) -> list[FrameRow]:
    """Return the rows of several segments' tables, in the given order; those of the segments `held_out` are held out.

    Args:
        paths: Tables of segments.
        held_out: Names of segments.

    Returns:
        Rows of `frames.csv`.

    Raises:
        InputError: Not exactly one row is the neutral.
    """
    rows = []
    for path in paths:
        for record in read_chosen_frames(path).to_dict("records"):
            role: Role = "held_out" if record["expression"] in held_out else "train"
            rows.append(FrameRow(**{str(key): value for key, value in record.items()}, role=role))
    neutral = [row for row in rows if row.neutral]
    if len(neutral) != 1:
        raise InputError(
            f"frames: got {len(neutral)} neutral frames in {len(rows)} frames, expected exactly one; name one of "
            "capture.expressions as neutral."
        )
    return rows
