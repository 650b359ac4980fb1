import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatrig.control.timecode import FRACTIONS, timecodes_of, times_of
from splatrig.io.errors import InputError


def times(*timecodes: str, fps: float | None = None) -> tuple[np.ndarray, float]:
    places = [f"x.csv line {row + 2}" for row in range(len(timecodes))]
    return times_of(timecodes, places, fps)


def spoken(rate: int, count: int, start: int = 0, step: int = 1) -> list[str]:
    """Timecodes of whole frames, written the slow way."""
    numbers = range(start, start + count * step, step)
    return [f"10:00:{number // rate:02d}:{number % rate:02d}.000" for number in numbers]


@given(
    ticks=st.lists(st.integers(1, 40 * FRACTIONS), min_size=1, max_size=40),
    rate=st.sampled_from([24, 25, 30, 50, 60]),
)
def test_written_timecodes_are_read_within_half_a_tick(ticks, rate):
    """A tick is a thousandth of a frame; times between ticks go to the nearest."""
    wanted = (np.cumsum([0, *ticks]) + 0.4) / (rate * FRACTIONS)
    found, told = times(*timecodes_of(wanted, rate), fps=rate)
    assert told == rate
    assert np.abs(found - wanted).max() <= 0.5001 / (rate * FRACTIONS)


@pytest.mark.parametrize("rate", [24, 25, 30, 48, 50, 60])
@pytest.mark.parametrize("step", [1, 7])
def test_the_rate_follows_from_steps_into_the_next_second(rate, step):
    found, told = times(*spoken(rate, 150, start=10, step=step))
    assert told == rate
    assert np.allclose(found - found[0], np.arange(150) * step / rate)


@pytest.mark.parametrize("rate", [30, 60])
def test_missing_rows_do_not_change_the_rate(rate):
    kept = np.flatnonzero(np.random.default_rng(0).uniform(size=200) < 0.8)
    found, told = times(*(spoken(rate, 200)[row] for row in kept))
    assert told == rate
    assert np.allclose(found - found[0], (kept - kept[0]) / rate)


def test_less_than_a_second_is_told_by_large_frame_numbers_or_warned_of(caplog):
    with caplog.at_level(logging.WARNING):
        assert times("10:00:00:20.0", "10:00:00:41.0")[1] == 60
        assert not caplog.records
        assert times("10:00:00:02.0", "10:00:00:21.0")[1] == 60
        assert "do not determine the frame rate: assuming 60 per second" in caplog.text


def test_a_row_per_second_needs_no_rate(caplog):
    assert np.array_equal(np.diff(times(*(f"10:00:{second:02d}:00.0" for second in range(5)))[0]), [1, 1, 1, 1])
    assert not caplog.records


def test_time_goes_on_past_midnight():
    found, _ = times("23:59:59:58.000", "23:59:59:59.000", "00:00:00:00.000", "00:00:00:01.500", fps=60)
    assert np.allclose(np.diff(found) * 60, [1, 1, 1.5])


def test_television_counts_thirty_frames_and_takes_longer():
    found, _ = times("00:00:00:00.0", "00:01:00:00.0", fps=29.97)
    assert np.isclose(found[1] - found[0], 1800 / 29.97)


def test_fractions_and_their_dot_may_be_left_out():
    assert np.allclose(times("1:02:03:04", "01:02:03:05.", "01:02:03;06.5", fps=10)[0] - 3723, [0.4, 0.5, 0.65])


@pytest.mark.parametrize("word", ["", "12", "12.5", "10:00:00", "10:61:00:00.0", "24:00:00:00.0", "a:00:00:00", "nan"])
def test_other_words_are_refused(word):
    with pytest.raises(InputError, match=r"^x\.csv line 3: expected a timecode HH:MM:SS:FF\.sss, got"):
        times("10:00:00:00.0", word)


def test_a_frame_beyond_the_rate_is_refused():
    with pytest.raises(InputError, match=r"line 3: expected frames below 30 in timecodes of 30 frames per second"):
        times("10:00:00:00.0", "10:00:00:31.0", fps=30)
    with pytest.raises(InputError, match=r"line 2: expected frames below 60 .* set `fps`"):
        times("10:00:00:75.0", "10:00:01:00.0")
