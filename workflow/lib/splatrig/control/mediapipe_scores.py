"""Read scores of MediaPipe's face blendshapes in the frames of a video, from CSV or JSON, as tracks.

MediaPipe itself writes no files, so programs around it differ. A CSV has a column per category and one of time or frame
numbers. A JSON has a list of frames, each with its time and its categories, by name and score: either the results of
the Python and JavaScript packages as written out, or one object per frame from name to score. `_neutral` is not a
blendshape, and MediaPipe has no tongueOut.
"""

import math
import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatrig.blendshapes.arkit import NAMES, blendshape_called
from splatrig.control.documents import finite_number
from splatrig.control.recorded import Table, blendshapes_of, track_of_rows
from splatrig.control.track import Track
from splatrig.io.errors import InputError

PROGRAM = "MediaPipe"

_UNITS = {"s": 1.0, "sec": 1.0, "seconds": 1.0, "ms": 1e-3, "milliseconds": 1e-3, "us": 1e-6, "microseconds": 1e-6}
"""Seconds per unit, by the ending of the name of a column of times."""
_TIME = re.compile(rf"time(?:stamp)?({'|'.join(_UNITS)})?")
_FRAME = re.compile(r"frame(?:s|id|index|idx|number|num|no)?")
_LISTS = ("frames", "results")
"""Keys under which a JSON object may have the list of frames."""
_HOLDERS = ("faceblendshapes", "blendshapes", "categories", "scores")
"""Keys under which a frame may have its scores, without capitals and underscores; they may be nested."""
_LONGEST_STEP = 1.0
"""Time steps without a unit are seconds up to this, milliseconds up to a thousand times this, otherwise
microseconds."""


def scores_track(table: Table, where: str, *, frames_per_second: float | None = None) -> Track:
    """Return the track of a table of scores, in ARKit's names; `where` names it in errors.

    `frames_per_second` defines the time of frame numbers, or of rows without any. Raises InputError naming the line.
    """
    names, weights = blendshapes_of(table, where)
    times = _times(table.columns, table.numbers, len(table.rows), where, frames_per_second)
    for row in np.flatnonzero(np.isnan(times)):
        raise InputError(f"{table.places[row]}: expected a time, got none; remove the row.")
    return track_of_rows(times, names, weights, table.places, where=where, program=PROGRAM)


def json_scores_track(document: Any, where: str, *, frames_per_second: float | None = None) -> Track:
    """Return the track of a JSON document of scores, in ARKit's names; `where` names it in errors.

    `frames_per_second` defines the time of frame numbers, or of frames without any. Raises InputError naming the frame.
    """
    frames = document
    if isinstance(document, Mapping):
        frames = next((document[key] for key in _LISTS if key in document), None)
    if not isinstance(frames, list) or not frames:
        raise InputError(
            f"{where}: expected a list of frames, or an object with one under {' or '.join(_LISTS)}, "
            f"got {document!r:.60}."
        )
    places = [f"{where}, frame {number}" for number in range(len(frames))]
    scores = []
    for frame, place in zip(frames, places, strict=True):
        if not isinstance(frame, Mapping):
            raise InputError(f"{place}: expected an object with a time and scores, got {frame!r:.60}.")
        scores.append(_scores_of(frame, place))
    known = {name for frame in scores for name in frame}
    names = tuple(name for name in NAMES if name in known)
    if not names:
        raise InputError(
            f"{where}: expected scores named after ARKit's blendshapes (jawOpen, …), got none in any frame."
        )
    for frame, place in zip(scores, places, strict=True):
        missing = [name for name in names if name not in frame] if frame else []
        if missing:
            raise InputError(f"{place}: expected all {len(names)} scores or none, but {missing[0]} is missing.")
    weights = np.array([[frame.get(name, math.nan) for name in names] for frame in scores])

    def numbers(key: str) -> NDArray[np.float64]:
        return np.array(
            [
                finite_number(frame.get(key), f"{place}, key {key!r}")
                for frame, place in zip(frames, places, strict=True)
            ]
        )

    times = _times(frames[0], numbers, len(frames), where, frames_per_second)
    return track_of_rows(times, names, weights, places, where=where, program=PROGRAM)


def _times(
    columns: Iterable[str],
    numbers: Callable[[str], NDArray[np.float64]],
    count: int,
    where: str,
    frames_per_second: float | None,
) -> NDArray[np.float64]:  # [R] seconds
    """Return the times of rows: from a column of times, from frame numbers, or by counting rows."""
    plain = {name: re.sub(r"[\W_]", "", name).lower() for name in columns}
    for name, word in plain.items():
        if match := _TIME.fullmatch(word):
            times = numbers(name)
            return times * (_UNITS[match[1]] if match[1] else _likely_unit(times))
    framed = next((name for name, word in plain.items() if _FRAME.fullmatch(word)), None)
    if frames_per_second is None:
        raise InputError(
            f"{where}: expected a column of times (time_s, timestamp_ms), got "
            f"{'frame numbers' if framed else 'none'}; add it, or set the frames per "
            "second by `fps` in the settings file."
        )
    return (np.arange(count) if framed is None else numbers(framed)) / frames_per_second


def _likely_unit(times: NDArray[np.float64]) -> float:
    """Return the seconds per unit of time for which a video's frames are at most a second apart."""
    steps = np.diff(times)
    step = float(np.median(steps[steps > 0])) if (steps > 0).any() else 0.0
    return 1.0 if step <= _LONGEST_STEP else 1e-3 if step <= 1000 * _LONGEST_STEP else 1e-6


def _scores_of(value: Any, place: str) -> dict[str, float]:
    """Return the scores of the first face in a frame by blendshape; empty if no face was seen."""
    if isinstance(value, list):
        if not value:
            return {}
        if not (isinstance(value[0], Mapping) and "score" in value[0]):
            return _scores_of(value[0], place)
        pairs = [(_name_of(category, place), category.get("score")) for category in value]
    elif isinstance(value, Mapping):
        for key, inside in value.items():
            if key.replace("_", "").lower() in _HOLDERS:
                return _scores_of(inside, place)
        pairs = list(value.items())
    else:
        raise InputError(f"{place}: expected scores by name, got {value!r:.60}.")
    named = [(blendshape_called(name), name, score) for name, score in pairs]
    return {known: finite_number(score, f"{place}, score of {name}") for known, name, score in named if known}


def _name_of(category: Any, place: str) -> str:
    """Return the name of a category."""
    if isinstance(category, Mapping):
        for key in ("category_name", "categoryName", "name", "label"):
            if isinstance(category.get(key), str):
                return str(category[key])
    raise InputError(f"{place}: expected categories with a name and a score, got {category!r:.60}.")
