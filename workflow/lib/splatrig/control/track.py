"""Tracks: weights of one family of components over time, and the CSV and JSON files that hold them.

CSV: comment lines `# key: value` (format, family, subject, source), then a table with the columns `time_s` and one per
component, named as in the component file. JSON: an object with the keys `format, format_version, family, subject,
source, names, times_s [T], weights [T][K]`. Both keep every bit of the values.
"""

import csv
import io
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.control.documents import brief, finite_number, parse_document, read_text
from splatrig.io.errors import InputError
from splatrig.io.files import write_text

FORMAT = "splatrig track"
FORMAT_VERSION = 1
TIME_COLUMN = "time_s"
WEIGHT_RIDGE = 1e-3
"""Regularization of the solved weights of a track, relative to the mean squared length of a component: it resolves
components that are linearly dependent, and shrinks the weight of an average one by a thousandth."""
_TEXTS = ("family", "subject", "source")


@dataclass(frozen=True)
class Track:
    """Weights of one family over time."""

    times: NDArray[np.float64]  # [T]
    """Times in seconds, strictly increasing."""
    names: tuple[str, ...]
    """Names of the K components, as in their file."""
    weights: NDArray[np.float64]  # [T, K]
    """Weights; 0 is the rest face."""
    family: str
    """Name of the family, such as learned_global or pca_all: the stem of the component file."""
    subject: str
    """Name of the subject that the weights belong to."""
    source: str = ""
    """Origin of the weights, in words."""

    def __post_init__(self) -> None:
        _check(self, f"track of {self.family}")

    def __len__(self) -> int:
        return len(self.times)

    @property
    def duration_s(self) -> float:
        """Duration in seconds, from the first to the last row."""
        return float(self.times[-1] - self.times[0])

    def ordered(self, names: Sequence[str]) -> "Track":
        """Return the track with its components in the order of `names`; raise InputError if they are others."""
        missing = [name for name in names if name not in self.names]
        unknown = [name for name in self.names if name not in names]
        if missing or unknown:
            raise InputError(
                f"track of {self.family}: expected the {len(names)} components of the rig, "
                + (f"but {missing[0]!r} is missing" if missing else f"got also {unknown[0]!r}")
                + "; it was made for another rig: make it again, or retarget it."
            )
        columns = [self.names.index(name) for name in names]
        return replace(self, names=tuple(names), weights=self.weights[:, columns])

    def at(self, time_s: float) -> NDArray[np.float64]:  # [K]
        """Return the weights at any time, linear between rows, constant before the first and after the last."""
        return np.array([np.interp(time_s, self.times, column) for column in self.weights.T])


def _check(track: Track, where: str) -> None:
    """Raise InputError beginning with `where` unless shapes match, names differ, values are finite, times increase."""
    count, names = len(track.times), track.names
    if track.times.shape != (count,) or count == 0:
        raise InputError(f"{where}: expected at least one time, got shape {track.times.shape}.")
    if track.weights.shape != (count, len(names)) or not names:
        raise InputError(
            f"{where}: expected weights of shape {(count, len(names))} (times, components), got {track.weights.shape}."
        )
    twice = next((name for number, name in enumerate(names) if name in names[:number]), None)
    if twice is not None:
        raise InputError(f"{where}: expected every component once, got {twice!r} twice.")
    if not (np.isfinite(track.times).all() and np.isfinite(track.weights).all()):
        raise InputError(f"{where}: expected finite numbers, got NaN or infinity.")
    late = np.flatnonzero(np.diff(track.times) <= 0)
    if late.size:
        row = int(late[0]) + 1
        raise InputError(
            f"{where}: expected increasing times, got {track.times[row]:g} s after {track.times[row - 1]:g} s "
            f"in row {row + 1}."
        )


def write_track(path: str | Path, track: Track) -> None:
    """Write a track as CSV or JSON, by the suffix of `path`; `read_track` restores the same bits.

    Example:
        >>> write_track(Path("slow.csv"), resampled(track, rate=24.0))
    """
    text = _as_json(track) if _suffix(path) == ".json" else _as_csv(track)
    write_text(path, text)


def read_track(path: str | Path) -> Track:
    """Read a track from CSV or JSON, by suffix.

    Raises:
        InputError: The file is malformed; the message names line or key, what was found and what was expected.

    Example:
        >>> track = read_track(Path("results/demo/control/tracks/learned_arkit/tour.csv"))
        >>> track.at(2.5)  # weights [K] at 2.5 s
    """
    suffix = _suffix(path)
    text = read_text(path, "a track")
    return parse_json(text, str(path)) if suffix == ".json" else parse_csv(text, str(path))


def _suffix(path: str | Path) -> str:
    suffix = Path(path).suffix.lower()
    if suffix not in (".csv", ".json"):
        raise InputError(f"{path}: expected a track named .csv or .json, got {suffix or 'no suffix'}.")
    return suffix


def _as_csv(track: Track) -> str:
    stream = io.StringIO()
    stream.write(f"# format: {FORMAT} {FORMAT_VERSION}\n")
    for key in _TEXTS:
        stream.write(f"# {key}: {' '.join(getattr(track, key).split())}\n")
    table = csv.writer(stream, lineterminator="\n")
    table.writerow([TIME_COLUMN, *track.names])
    for time, row in zip(track.times, track.weights, strict=True):
        table.writerow([repr(float(value)) for value in (time, *row)])
    return stream.getvalue()


def _as_json(track: Track) -> str:
    document = {"format": FORMAT, "format_version": FORMAT_VERSION}
    document |= {key: getattr(track, key) for key in _TEXTS}
    document |= {"names": list(track.names), "times_s": track.times.tolist(), "weights": track.weights.tolist()}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def parse_csv(text: str, where: str) -> Track:
    """Return the track of a CSV text; `where` names it in errors, which give the line, as in `read_track`.

    Empty rows and comments anywhere are skipped, also in the form in which spreadsheets write them: quoted, and padded
    with commas.
    """
    lines = re.split(r"\r\n|\r|\n", text.removeprefix("\ufeff"))
    table = [number for number, line in enumerate(lines) if line.strip(', "\t') and not _is_comment(line)]
    texts = dict.fromkeys(_TEXTS, "")
    for line in filter(_is_comment, lines):
        key, _, value = line.strip(', "\t').removeprefix("#").partition(":")
        if key.strip() == "format" and value.strip() != f"{FORMAT} {FORMAT_VERSION}":
            raise InputError(f"{where}: expected the format {FORMAT} {FORMAT_VERSION}, got {value.strip()!r}.")
        if key.strip() in texts:
            texts[key.strip()] = value.strip()
    if len(table) < 2:
        found = "only a line of names" if table else "neither"
        raise InputError(f"{where}: expected a line of column names and rows of numbers, got {found}.")
    names = [name.strip() for name in next(csv.reader([lines[table[0]]]))]
    if names[0] != TIME_COLUMN or len(names) < 2:
        raise InputError(
            f"{where} line {table[0] + 1}: expected the column {TIME_COLUMN} and one per component, separated by "
            f"commas, got {lines[table[0]][:80]!r}."
        )
    rows = []
    for number in table[1:]:
        words, line = next(csv.reader([lines[number]])), f"{where} line {number + 1}"
        if len(words) != len(names):
            raise InputError(f"{line}: expected {len(names)} numbers, got {len(words)}.")
        rows.append([finite_number(word, f"{line}, column {name!r}") for word, name in zip(words, names, strict=True)])
    numbers = np.array(rows, dtype=np.float64)
    return _made(where, numbers[:, 0], names[1:], numbers[:, 1:], texts)


def _is_comment(line: str) -> bool:
    return line.lstrip('" ').startswith("#")


def parse_json(text: str, where: str) -> Track:
    """Return the track of a JSON text; `where` names it in errors, which give the key, as in `read_track`."""
    document = parse_document(text, where, FORMAT, FORMAT_VERSION)
    for key in ("names", "times_s", "weights"):
        if not isinstance(document.get(key), list):
            raise InputError(f"{where}, key {key!r}: expected a list, got {brief(document, key)}.")
    names = document["names"]
    if not all(isinstance(name, str) for name in names):
        raise InputError(f"{where}, key 'names': expected names of components, got {names!r:.80}.")
    times = [finite_number(value, f"{where}, key 'times_s[{row}]'") for row, value in enumerate(document["times_s"])]
    if len(document["weights"]) != len(times):
        raise InputError(
            f"{where}, key 'weights': expected {len(times)} rows, one per time, got {len(document['weights'])}."
        )
    rows = []
    for row, values in enumerate(document["weights"]):
        if not isinstance(values, list) or len(values) != len(names):
            found = f"{len(values)} numbers" if isinstance(values, list) else repr(values)
            raise InputError(f"{where}, key 'weights[{row}]': expected {len(names)} numbers, got {found}.")
        rows.append([finite_number(value, f"{where}, key 'weights[{row}][{k}]'") for k, value in enumerate(values)])
    texts = {key: str(document.get(key, "")) for key in _TEXTS}
    weights = np.array(rows, dtype=np.float64).reshape(len(rows), len(names))
    return _made(where, np.array(times, dtype=np.float64), names, weights, texts)


def _made(
    where: str, times: NDArray[np.float64], names: Sequence[str], weights: NDArray[np.float64], texts: dict[str, str]
) -> Track:
    try:
        return Track(times, tuple(names), weights, **texts)
    except InputError as error:
        raise InputError(f"{where}: {str(error).partition(': ')[2]}") from None
