"""Timecodes `HH:MM:SS:FF.sss`: hours, minutes, seconds, the frame within the second, and a fraction of a frame."""

import logging
import re
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from splatrig.io.errors import InputError

logger = logging.getLogger(__name__)

USUAL_RATES = (60, 30, 50, 48, 25, 24)
"""Candidate frame rates of a recording; the first of those that fit equally well is used."""

FRACTIONS = 1000
"""Parts of a frame that a written timecode distinguishes."""

_DAY_S = 86_400
_TIMECODE = re.compile(r"(\d{1,2}):(\d\d):(\d\d)[:;](\d{1,3}(?:[.,]\d*)?)")


def times_of(
    timecodes: Sequence[str],  # R
    places: Sequence[str],  # R
    frames_per_second: float | None = None,
) -> tuple[NDArray[np.float64], float]:
    """Return the seconds [R] of timecodes, continued past midnight, and their frame rate.

    Without `frames_per_second`, it is the one of `USUAL_RATES` for which time runs most evenly across seconds. With
    29.97 or 59.94, frames are counted as with 30 or 60 and last correspondingly longer. Raises InputError naming the
    place for anything that is not a timecode, or has a frame number beyond the rate.
    """
    parts = [_parts(word, place) for word, place in zip(timecodes, places, strict=True)]
    seconds = np.array([part[0] for part in parts], dtype=np.int64)
    frames = np.array([part[1] for part in parts])
    seconds = seconds + _DAY_S * np.cumsum(np.append(0, np.diff(seconds) < -_DAY_S // 2))
    rate = _likely_rate(seconds, frames) if frames_per_second is None else frames_per_second
    nominal = round(rate)
    late = np.flatnonzero(frames >= nominal)
    if late.size:
        raise InputError(
            f"{places[int(late[0])]}: expected frames below {nominal} in timecodes of {rate:g} frames per second, got "
            f"{timecodes[int(late[0])]!r}; set `fps` in the settings file."
        )
    return (seconds * nominal + frames) / rate, float(rate)


def timecodes_of(times: NDArray[np.float64], frames_per_second: int) -> list[str]:
    """Return the timecodes of `times` [R] in seconds, not negative: exact to half of 1/`FRACTIONS` of a frame."""
    ticks = np.rint(np.asarray(times) * frames_per_second * FRACTIONS).astype(np.int64)
    seconds, parts = np.divmod(ticks, frames_per_second * FRACTIONS)
    return [
        _written(int(second) % _DAY_S, *divmod(int(part), FRACTIONS))
        for second, part in zip(seconds, parts, strict=True)
    ]


def _written(second: int, frame: int, fraction: int) -> str:
    return f"{second // 3600:02d}:{second // 60 % 60:02d}:{second % 60:02d}:{frame:02d}.{fraction:03d}"


def _parts(word: str, place: str) -> tuple[int, float]:
    """Return the whole seconds since midnight of a timecode and its frame."""
    match = _TIMECODE.fullmatch(word)
    if match is None or int(match[1]) > 23 or int(match[2]) > 59 or int(match[3]) > 59:
        raise InputError(
            f"{place}: expected a timecode HH:MM:SS:FF.sss, got {word[:40]!r}; a column of frame numbers is called "
            "`frame`, one of seconds `time_s`."
        )
    hours, minutes, seconds = (int(match[group]) for group in (1, 2, 3))
    return 3600 * hours + 60 * minutes + seconds, float(match[4].replace(",", "."))


def _likely_rate(seconds: NDArray[np.int64], frames: NDArray[np.float64]) -> float:
    """Return the frame rate for which steps into another second are most like those within one."""
    across = np.diff(seconds) != 0
    if not across.any() and len(frames) > 1 and frames.max() < min(USUAL_RATES[:2]):
        logger.warning(
            "timecodes of less than a second do not determine the frame rate: assuming %d per second; otherwise "
            "set `fps` in the settings file",
            USUAL_RATES[0],
        )
    if not across.any() or across.all():
        return USUAL_RATES[0]
    unevenness = {}
    for rate in [rate for rate in USUAL_RATES if frames.max() < rate] or [USUAL_RATES[0]]:
        steps = np.diff(seconds * rate + frames)
        unevenness[rate] = np.abs(steps[across] - np.median(steps[~across])).sum()
    return min(unevenness, key=lambda rate: unevenness[rate])
