"""Filters of tracks before they are played: resampling, smoothing, and tracks through poses."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter1d

from splatrig.animation.camera_path import eased
from splatrig.config.choices import Smoothing
from splatrig.control.panel import Panel
from splatrig.control.track import Track
from splatrig.io.errors import InputError

RATE = 30.0
"""Rows per second of generated tracks; players interpolate."""

MOVE_S, HOLD_S = 0.6, 0.4
"""Seconds from one expression of a tour to the next, and seconds on each: one expression per second."""

WIDTH_S = 0.1
"""Width of smoothing in seconds, three frames at 30 per second: the standard deviation (gaussian) or the window
(savgol)."""

SAVGOL_ORDER = 2
"""Degree of the Savitzky-Golay polynomial, which preserves slopes and peaks."""

MOST_ROWS = 1_000_000
"""Maximum number of rows of a track: nine hours at 30 per second."""

EVEN = 1e-6
"""Times count as evenly spaced if their steps differ by less than this fraction."""


def resampled(track: Track, rate: float) -> Track:
    """Return the track at `rate` rows per second from its first time on, linear between rows, its last row included."""
    if not (rate > 0 and track.duration_s * rate < MOST_ROWS):
        raise InputError(
            f"resampling: expected a positive rate that gives fewer than {MOST_ROWS:,} rows, got {rate} rows per "
            f"second over {track.duration_s:g} s; are the times in seconds?"
        )
    steps = int(np.floor(track.duration_s * rate * (1 + 1e-12) + 1e-9))
    times = track.times[0] + np.arange(steps + 1) / rate
    if track.times[-1] - times[-1] > 1e-6 / rate:
        times = np.append(times, track.times[-1])
    return _at(track, times)


def _at(track: Track, times: NDArray[np.float64]) -> Track:
    weights = np.stack([np.interp(times, track.times, column) for column in track.weights.T], axis=1)
    return replace(track, times=times, weights=weights)


def smoothed(track: Track, method: Smoothing | None, width_s: float = WIDTH_S) -> Track:
    """Return the track with less jitter; constants and (away from the ends) straight lines are unchanged.

    `gaussian`: `width_s` is the standard deviation. `savgol`: `width_s` is the window over which a parabola is fitted
    (Savitzky and Golay 1964). None returns the track. Uneven times are resampled at their median step and back. Raises
    InputError for another method or a negative width.
    """
    if not width_s >= 0:
        raise InputError(f"smoothing: expected a width of 0 seconds or more, got {width_s}.")
    if method is None or width_s == 0 or len(track) < 3:
        return track
    steps = np.diff(track.times)
    step = float(np.median(steps))
    if np.ptp(steps) > EVEN * step:
        even = smoothed(resampled(track, 1 / step), method, width_s)
        return _at(even, track.times)
    if method == "gaussian":
        weights = gaussian_filter1d(track.weights, width_s / step, axis=0, mode="nearest")
    elif method == "savgol":
        largest = len(track) if len(track) % 2 else len(track) - 1
        window = min(largest, max(3, 2 * round(width_s / step / 2) + 1))
        from scipy.signal import (
            savgol_filter,
        )  # imported here, because it takes as long to load as everything else together

        weights = savgol_filter(track.weights, window, min(SAVGOL_ORDER, window - 1), axis=0, mode="interp")
    else:
        raise InputError(f"smoothing: expected gaussian, savgol or null, got {method!r}.")
    return replace(track, weights=weights)


def through(
    poses: Sequence[NDArray],
    like: Track,
    *,
    rate: float,
    move_s: float,
    hold_s: float,
) -> Track:
    """Return a track at `rate` rows per second through `poses` ([K] each), with a hold at each and eased transitions.

    The easing 3u² - 2u³ starts and ends at zero velocity. Names, family and subject are those of `like`. Raises
    InputError without a pose, or for times and a rate that are not positive (`hold_s` may be 0).
    """
    if not poses:
        raise InputError("a track through poses: expected at least one pose, got none.")
    if not (rate > 0 and move_s > 0 and hold_s >= 0):
        raise InputError(
            f"a track through poses: expected a positive rate and move_s, and hold_s of 0 or more, got {rate}, "
            f"{move_s} and {hold_s}."
        )
    keys = np.asarray(poses, dtype=np.float64)
    leg = hold_s + move_s
    count = round(((len(keys) - 1) * leg + hold_s) * rate) + 1
    times = np.arange(count) / rate
    at = np.minimum((times + 1e-9) // leg, len(keys) - 1).astype(int)
    share = eased(np.clip((times - at * leg - hold_s) / move_s, 0.0, 1.0))[:, None]
    weights = keys[at] * (1 - share) + keys[np.minimum(at + 1, len(keys) - 1)] * share
    return replace(like, times=times, weights=weights)


def tour(panel: Panel, *, rate: float = RATE, move_s: float = MOVE_S, hold_s: float = HOLD_S) -> Track:
    """Return a track from the neutral through every expression of a panel and back to the neutral."""
    poses = [panel.neutral, *panel.presets.values(), panel.neutral]
    like = Track(
        np.zeros(1), panel.names, panel.neutral[None], panel.family, panel.subject, "a tour of all expressions"
    )
    return through(poses, like, rate=rate, move_s=move_s, hold_s=hold_s)
