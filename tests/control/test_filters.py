from dataclasses import replace

import numpy as np
import pytest

from splatrig.control.filters import resampled, smoothed, through, tour
from splatrig.control.panel import Panel
from splatrig.control.track import Track
from splatrig.io.errors import InputError


def a_track(rows: int = 31, step: float = 1 / 30) -> Track:
    times = np.arange(rows) * step
    weights = np.stack([np.full(rows, 2.0), 3.0 * times - 1.0, np.sin(6 * times)], axis=1)
    return Track(times, ("a", "b", "c"), weights, "pca_all", "demo")


def test_resampling_keeps_rows_that_are_there_and_lines_between():
    fine = resampled(a_track(), 60.0)
    assert np.allclose(fine.times[::2], a_track().times) and np.allclose(fine.weights[::2], a_track().weights)
    assert np.allclose(fine.weights[:, 1], 3.0 * fine.times - 1.0)
    assert np.allclose(resampled(fine, 30.0).weights, a_track().weights)


def test_resampling_ends_with_the_last_row():
    track = resampled(a_track(), 7.0)
    assert track.times[-1] == a_track().times[-1]
    assert np.allclose(np.diff(track.times), 1 / 7)
    assert resampled(a_track(rows=11), 7.0).times[-1] == a_track(rows=11).times[-1]


@pytest.mark.parametrize("method", ["gaussian", "savgol"])
def test_smoothing_keeps_constants_and_lines_and_takes_jitter_away(method):
    track = a_track(rows=90)
    noise = 0.1 * np.random.default_rng(0).normal(size=track.weights.shape)
    assert np.allclose(smoothed(track, method, 0.2).weights[:, 0], 2.0)
    assert np.allclose(smoothed(track, method, 0.1).weights[20:-20, 1], track.weights[20:-20, 1])
    rough = replace(track, weights=track.weights + noise)
    assert np.std((smoothed(rough, method, 0.2).weights - track.weights)[20:-20, 0]) < 0.6 * noise[:, 0].std()


def test_savgol_keeps_a_parabola_to_the_ends():
    times = np.arange(30) / 30
    track = Track(times, ("a",), (times**2)[:, None], "pca_all", "demo")
    assert np.allclose(smoothed(track, "savgol", 0.4).weights, track.weights)


def test_uneven_times_stay_where_they_are():
    times = np.array([0.0, 0.1, 0.15, 0.3, 0.4])
    track = Track(times, ("a",), 2 * times[:, None], "pca_all", "demo")
    assert np.array_equal(smoothed(track, "gaussian", 0.001).times, times)
    assert np.allclose(smoothed(track, "gaussian", 0.001).weights, track.weights)


def test_smoothing_that_is_off_changes_nothing():
    track = a_track()
    assert smoothed(track, None) is track


def test_unknown_smoothing_is_refused():
    with pytest.raises(InputError, match="got 'median'"):
        smoothed(a_track(), "median", 0.1)


def test_a_tour_stands_still_at_every_expression():
    presets = {"E1": np.array([1.0, 0.0]), "E2": np.array([0.0, -2.0])}
    zeros = np.zeros(2)
    panel = Panel("pca_all", "demo", ("a", "b"), zeros - 2, zeros + 1, None, zeros, np.eye(2), zeros, presets)
    track = tour(panel, rate=30.0, move_s=0.6, hold_s=0.4)
    assert track.duration_s == pytest.approx(3 * 1.0 + 0.4)
    for number, pose in enumerate([zeros, *presets.values(), zeros]):
        held = (track.times >= number - 1e-6) & (track.times <= number + 0.4 + 1e-6)
        assert held.sum() == 13 and np.allclose(track.weights[held], pose)
    assert np.abs(np.diff(track.weights, axis=0)).max() < 2.0 * 1.5 / (0.6 * 30) + 1e-9  # 1.5: steepest of the easing


def test_through_no_pose_is_refused():
    with pytest.raises(InputError, match="at least one pose"):
        through([], a_track(), rate=30.0, move_s=1.0, hold_s=0.0)


@pytest.mark.parametrize("times", [{"move_s": 0.0, "hold_s": 1.0}, {"move_s": 1.0, "hold_s": -1.0}])
def test_through_poses_takes_time(times):
    with pytest.raises(InputError, match="expected a positive rate and move_s"):
        through([np.zeros(3)], a_track(), rate=30.0, **times)


@pytest.mark.parametrize("rate", [0.0, -1.0, np.nan, np.inf, 1e9])
def test_a_rate_that_gives_no_track_is_refused(rate):
    with pytest.raises(InputError, match="are the times in seconds"):
        resampled(a_track(), rate)


def test_a_negative_width_is_refused():
    with pytest.raises(InputError, match="expected a width of 0 seconds or more, got -0"):
        smoothed(a_track(), "gaussian", -0.1)
