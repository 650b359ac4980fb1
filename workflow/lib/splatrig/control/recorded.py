"""Tables of ARKit blendshape weights recorded by other programs, converted to tracks.

These tables have a column per blendshape, in the spelling of the program. Rows may repeat, be missing, or be empty
because no face was seen.
"""

import csv
import logging
import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.blendshapes.arkit import NAMES, blendshape_called
from splatrig.control.documents import finite_number
from splatrig.control.track import Track
from splatrig.io.errors import InputError

logger = logging.getLogger(__name__)

FAMILY = "arkit"
"""Family of a track whose weights belong to ARKit's blendshapes and to no rig yet."""

LONG_GAP_S = 0.5
"""Length of a gap between two rows from which the log warns that weights are interpolated linearly."""


@dataclass(frozen=True)
class Table:
    """Cells of a text table by columns, without empty lines and comment lines."""

    columns: tuple[str, ...]
    """Names of the C columns, as in the file."""
    rows: tuple[tuple[str, ...], ...]
    """R rows of C cells; cells that a short row lacks are empty."""
    places: tuple[str, ...]
    """Place of each of the R rows for error messages: file and line."""
    decimal: str
    """Decimal point: a comma if semicolons separate cells."""

    def cells(self, column: str) -> list[str]:
        """Return the cells of one column."""
        number = self.columns.index(column)
        return [row[number] for row in self.rows]

    def numbers(self, column: str) -> NDArray[np.float64]:  # [R]
        """Return a column of numbers, NaN where cells are empty or say nan; raise InputError for any other word."""
        words = [cell.replace(self.decimal, ".") or "nan" for cell in self.cells(column)]
        try:
            values = np.array(words, dtype=np.float64)
        except ValueError:
            values = np.full(len(words), np.inf)
        if np.isinf(values).any():
            for word, place in zip(words, self.places, strict=True):
                if word.lower() != "nan":
                    finite_number(word, f"{place}, column {column!r}")
        return values


def parse_table(text: str, where: str) -> Table:
    """Return the table of a CSV text; the separator is the most frequent of comma, semicolon and tab in its first line.

    Raises InputError, naming `where` and the line, if there are no rows, or if a row has more cells than there are
    names.
    """
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    used = [
        number for number, line in enumerate(lines) if line.strip(',;"\t ') and not line.lstrip('" ').startswith("#")
    ]
    if len(used) < 2:
        found = "only a line of names" if used else "nothing"
        raise InputError(f"{where}: expected a line of column names and rows of numbers, got {found}; record it again.")
    separator = max(",;\t", key=lines[used[0]].count)
    cells = {number: tuple(map(str.strip, next(csv.reader([lines[number]], delimiter=separator)))) for number in used}
    columns = cells.pop(used[0])
    rows, places = [], []
    for number, row in cells.items():
        place = f"{where} line {number + 1}"
        if any(row[len(columns) :]):
            raise InputError(f"{place}: expected {len(columns)} cells, one per column name, got {len(row)}.")
        rows.append((*row[: len(columns)], *("",) * (len(columns) - len(row))))
        places.append(place)
    return Table(columns, tuple(rows), tuple(places), "," if separator == ";" else ".")


def blendshapes_of(table: Table, where: str) -> tuple[tuple[str, ...], NDArray[np.float64]]:
    """Return the blendshapes of a table, in ARKit's order, and their weights [R, K]; NaN in rows without a face.

    Raises InputError if it has none or one twice, or if a row has only some of its weights.
    """
    called = {column: blendshape_called(column) for column in table.columns}
    columns: dict[str, str] = {}
    for column in table.columns:
        name = called[column]
        if name is None:
            continue
        if name in columns:
            raise InputError(
                f"{where}: expected one column per blendshape, got {columns[name]!r} and {column!r} for "
                f"{name}; remove one."
            )
        columns[name] = column
    if not columns:
        raise InputError(
            f"{where}: expected columns named after ARKit's blendshapes (jawOpen, …), "
            f"got {', '.join(table.columns):.80}."
        )
    names = tuple(name for name in NAMES if name in columns)
    weights = np.stack([table.numbers(columns[name]) for name in names], axis=1)
    _check_whole(weights, names, table.places)
    return names, weights


def _check_whole(weights: NDArray[np.float64], names: Sequence[str], places: Sequence[str]) -> None:
    """Raise InputError unless every row has all of its weights or none."""
    absent = np.isnan(weights)
    torn = np.flatnonzero(absent.any(axis=1) & ~absent.all(axis=1))
    if torn.size:
        row = int(torn[0])
        name = names[int(np.flatnonzero(absent[row])[0])]
        raise InputError(
            f"{places[row]}: expected all {len(names)} weights or, where no face was seen, none, but {name} is "
            "missing; remove the row."
        )


def track_of_rows(
    times: NDArray[np.float64],  # [R] seconds
    names: Sequence[str],
    weights: NDArray[np.float64],  # [R, K]
    places: Sequence[str],
    *,
    where: str,
    program: str,
    slack_s: float = 0.0,
) -> Track:
    """Return the track of recorded rows, with times relative to the first one.

    Rows that repeat a time, or are earlier by less than `slack_s`, are skipped. Weights of rows without a face (NaN)
    are interpolated from those before and after. Raises InputError if no row has a face or time runs backward.
    """
    latest = np.maximum.accumulate(times)
    backwards = np.flatnonzero(times < latest - slack_s)
    if backwards.size:
        row = int(backwards[0])
        raise InputError(
            f"{places[row]}: expected increasing times, got {latest[row] - times[row]:g} s less than before; a file "
            "must hold one recording, in order."
        )
    kept = np.append(True, times[1:] > latest[:-1])
    times, weights = times[kept] - times[0], weights[kept]
    seen = np.any(np.isfinite(weights), axis=1)
    if not seen.any():
        raise InputError(
            f"{where}: expected rows with weights, got {len(times)} without; no face was seen, record it again."
        )
    filled = np.stack([np.interp(times, times[seen], column) for column in weights[seen].T], axis=1)
    _tell(where, program, times, seen, len(kept))
    return Track(times, tuple(names), filled, FAMILY, "", f"recorded by {program}")


def _tell(where: str, program: str, times: NDArray[np.float64], seen: NDArray[np.bool_], rows: int) -> None:
    """Log how many rows were used, repeated, and without a face."""
    seen_at = times[seen]
    pauses = np.diff(seen_at)
    longest = pauses.max(initial=0.0)
    logger.info(
        "%s: %d rows of %s over %.2f s, %d of them repeated, %d without a face; at most %.3f s from one to the next",
        *(where, rows, program, times[-1], rows - len(times), len(times) - len(seen_at), longest),
    )
    if longest > LONG_GAP_S:
        start = seen_at[int(pauses.argmax())]
        logger.warning(
            "%s: no weights for %.2f s from %.2f s on; they are interpolated linearly", where, longest, start
        )
