"""Read and write tracks as CSV files of Live Link Face, as the iPhone app records them.

A line has a timecode, the number of values, ARKit's 52 weights and nine rotations of head and eyes. Columns are read by
name, in any order. Rows in which no face was seen have no values.
"""

import csv
import io
import logging
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splatrig.blendshapes.arkit import NAMES, mirrored
from splatrig.components.units import turns_eyes
from splatrig.control.recorded import Table, blendshapes_of, track_of_rows
from splatrig.control.timecode import timecodes_of, times_of
from splatrig.control.track import Track
from splatrig.io.errors import InputError
from splatrig.learned.eyes import SIDEWAYS_DEG, VERTICAL_DEG

logger = logging.getLogger(__name__)

AngleUnit = Literal["degrees", "radians"]

RATE = 60
"""Frames per second of written files, the app's own."""

_TIMECODE, _COUNT = "Timecode", "BlendShapeCount"
_RIGHT_FIRST = ("jawLeft", "jawRight", "mouthLeft", "mouthRight")
"""Names of which the app lists the right side first, unlike ARKit."""
_BLENDSHAPES = tuple(mirrored(name) if name in _RIGHT_FIRST else name for name in NAMES)
ROTATIONS = tuple(f"{part}{axis}" for part in ("Head", "LeftEye", "RightEye") for axis in ("Yaw", "Pitch", "Roll"))
"""Rotations that follow the weights in the app's files and packets."""
COLUMNS = (_TIMECODE, _COUNT, *(name[0].upper() + name[1:] for name in _BLENDSHAPES), *ROTATIONS)
"""The 63 columns of the app, in its order."""

_STILL = 1e-3
"""Rotations below this, in radians or in degrees, are treated as zero."""


def is_live_link(table: Table) -> bool:
    """Return whether a table has a column of timecodes."""
    return any(name.lower() == _TIMECODE.lower() for name in table.columns)


def live_link_track(
    table: Table, where: str, *, frames_per_second: float | None = None, eye_rotations: AngleUnit | None = None
) -> Track:
    """Return the track of a table of Live Link Face, in ARKit's names; `where` names it in errors.

    `frames_per_second` of its timecodes are estimated unless given. `eye_rotations` is the unit of the eyes' yaw
    (positive to the subject's left) and pitch (positive downward); with it, they become eyeLook* where these are 0.
    Head rotations are ignored, since tracks hold only weights. Raises InputError naming the line.
    """
    names, weights = blendshapes_of(table, where)
    column = {name.lower(): name for name in table.columns}
    times, rate = times_of(table.cells(column[_TIMECODE.lower()]), table.places, frames_per_second)
    logger.info("%s: timecodes of %g frames per second", where, rate)
    rotations = {name: table.numbers(column[name.lower()]) for name in ROTATIONS if name.lower() in column}
    head = max(
        (np.nanmax(np.abs(turns), initial=0.0) for name, turns in rotations.items() if name[0] == "H"), default=0.0
    )
    if head > _STILL:
        logger.info("%s: head rotations of up to %.2f are ignored, since tracks hold only weights", where, head)
    looks = [k for k, name in enumerate(names) if turns_eyes(name)]
    if eye_rotations is not None and not np.nan_to_num(weights[:, looks]).any():
        found = _looks(rotations, eye_rotations)
        still = [k for k in range(len(names)) if k not in looks]
        weights = np.column_stack([weights[:, still], *found.values()])
        names = (*(names[k] for k in still), *found)
    return track_of_rows(times, names, weights, table.places, where=where, program="Live Link Face", slack_s=1.0 / rate)


def _looks(rotations: dict[str, NDArray[np.float64]], unit: AngleUnit) -> dict[str, NDArray[np.float64]]:
    """Return the weights of eyeLook* for the yaw and pitch of both eyes, where there are any."""
    looks = {}
    for side, outwards in (("Left", 1.0), ("Right", -1.0)):
        for axis, full, ways in (
            ("Yaw", SIDEWAYS_DEG, {"eyeLookOut": outwards, "eyeLookIn": -outwards}),
            ("Pitch", VERTICAL_DEG, {"eyeLookDown": 1.0, "eyeLookUp": -1.0}),
        ):
            angles = rotations.get(f"{side}Eye{axis}")
            if angles is None:
                continue
            degrees = np.degrees(angles) if unit == "radians" else angles
            for name, sign in ways.items():
                looks[f"{name}{side}"] = np.clip(sign * degrees / full, 0.0, 1.0)
    return looks


def live_link_text(track: Track) -> str:
    """Return a track in ARKit's names as the text of a Live Link Face file.

    Weights keep every bit, without exponents, and are clipped to [0, 1]; those that the track lacks, and rotations, are
    0. Timecodes start at 0, with `RATE` frames per second. Raises InputError for a track without ARKit's names, or with
    rows closer to each other than timecodes can represent.
    """
    if not any(name in NAMES and not turns_eyes(name) for name in track.names):
        raise InputError(
            f"track of {track.family}: expected components named after ARKit's blendshapes (jawOpen, …), got "
            f"{', '.join(track.names):.80}; Live Link Face has no others; use learned_arkit, which has them."
        )
    timecodes = timecodes_of(track.times - track.times[0], RATE)
    same = [row for row in range(1, len(timecodes)) if timecodes[row] == timecodes[row - 1]]
    if same:
        raise InputError(
            f"track of {track.family}: expected rows with distinct timecodes, got {timecodes[same[0]]} twice, at "
            f"{track.times[same[0]]:g} s; resample it."
        )
    weights = {name: np.clip(track.weights[:, k], 0.0, 1.0) for k, name in enumerate(track.names)}
    still = np.zeros(len(track))
    columns = [weights.get(name, still) for name in _BLENDSHAPES] + [still] * len(ROTATIONS)
    stream = io.StringIO()
    table = csv.writer(stream, lineterminator="\n")
    table.writerow(COLUMNS)
    for timecode, row in zip(timecodes, np.stack(columns, axis=1), strict=True):
        table.writerow([timecode, len(row), *(np.format_float_positional(value, trim="0") for value in row)])
    return stream.getvalue()
