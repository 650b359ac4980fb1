from collections import Counter
from itertools import islice

import pytest

from splatrig.fitting.schedule import Schedule
from splatrig.io.errors import InputError

PAIRS = [(frame, camera) for frame in range(6) for camera in range(5)]


def steps_of(schedule: Schedule, count: int) -> list:
    lanes = [(pair for window in schedule.windows(lane) for pair in window.steps) for lane in range(schedule.per_step)]
    return list(islice(zip(*lanes, strict=True), count))


def test_every_pair_is_seen_once_an_epoch() -> None:
    seen = Counter(pair for step in steps_of(Schedule(PAIRS, per_step=3, seed=0), 10) for pair in step)
    assert seen == Counter(PAIRS)


def test_the_order_depends_on_the_seed_alone() -> None:
    orders = [steps_of(Schedule(PAIRS, 2, seed=seed), 30) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_windows_hold_no_more_pairs_than_memory_and_together_all() -> None:
    schedule = Schedule(PAIRS, per_step=1, seed=0, window_pairs=8, passes=3)
    windows = list(islice(schedule.windows(0), 4))
    assert max(len(window.pairs) for window in windows) <= 8
    assert Counter(pair for window in windows for pair in window.pairs) == Counter(PAIRS)
    for window in windows:
        assert Counter(window.steps) == Counter(dict.fromkeys(window.pairs, 3))


def test_lanes_share_the_pairs_and_make_equally_many_steps() -> None:
    schedule = Schedule(PAIRS[:-1], per_step=2, seed=0)
    first, second = (next(schedule.windows(lane)) for lane in range(2))
    assert len(first.steps) == len(second.steps)
    assert set(first.pairs) | set(second.pairs) == set(PAIRS[:-1])
    assert len(set(first.pairs) & set(second.pairs)) <= 1


def test_a_lane_keeps_its_pairs_from_cycle_to_cycle() -> None:
    schedule = Schedule(PAIRS, per_step=2, seed=0)
    first, second, third = (set(window.pairs) for window in islice(schedule.windows(1), 3))
    assert first == second == third
    assert len(first) == len(PAIRS) // 2


def test_no_pairs_is_an_error() -> None:
    with pytest.raises(InputError, match="got none"):
        Schedule([], per_step=1, seed=0)


def test_the_frames_of_all_lanes_are_known_at_every_step() -> None:
    schedule = Schedule(PAIRS, per_step=4, seed=1, window_pairs=3, passes=2)
    lanes = [[pair for window in islice(schedule.windows(lane), 20) for pair in window.steps] for lane in range(4)]
    expected = [sorted({frame for frame, _ in pairs}) for pairs in zip(*lanes, strict=False)]
    for first in (0, 7):
        assert list(islice(schedule.frames(first), 20)) == expected[first : first + 20]
