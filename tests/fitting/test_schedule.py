from collections import Counter
from itertools import islice

import pytest

from splatrig.config.models import LearnedBatch
from splatrig.fitting.schedule import Schedule
from splatrig.io.errors import InputError

PAIRS = [(frame, camera) for frame in range(6) for camera in range(5)]


def steps_of(schedule: Schedule, count: int) -> list:
    lanes = [
        (group for window in schedule.windows(lane) for group in window.steps) for lane in range(schedule.batch.frames)
    ]
    return list(islice(zip(*lanes, strict=True), count))


def test_every_pair_is_seen_once_an_epoch() -> None:
    schedule = Schedule(PAIRS, LearnedBatch(frames=3, cameras=1), seed=0)
    seen = Counter(pair for step in steps_of(schedule, 10) for group in step for pair in group)
    assert seen == Counter(PAIRS)


def test_a_group_is_one_frame_with_different_cameras() -> None:
    for step in steps_of(Schedule(PAIRS, LearnedBatch(frames=2, cameras=3), seed=0), 20):
        assert len(step) == 2
        for group in step:
            assert len({frame for frame, _ in group}) == 1
            assert len(set(group)) == len(group)


def test_the_order_depends_on_the_seed_alone() -> None:
    orders = [steps_of(Schedule(PAIRS, LearnedBatch(2, 2), seed=seed), 30) for seed in (1, 1, 2)]
    assert orders[0] == orders[1] != orders[2]


def test_windows_hold_no_more_pairs_than_memory_and_together_all() -> None:
    schedule = Schedule(PAIRS, LearnedBatch(1, 2), seed=0, window_pairs=8, passes=3)
    windows = list(islice(schedule.windows(0), 5))
    assert max(len(window.pairs) for window in windows) <= 8
    assert Counter(pair for window in windows for pair in window.pairs) == Counter(PAIRS)
    for window in windows:
        seen = Counter(pair for group in window.steps for pair in group)
        assert seen == Counter(dict.fromkeys(window.pairs, 3))


def test_lanes_share_the_pairs_and_make_equally_many_steps() -> None:
    schedule = Schedule(PAIRS[:-1], LearnedBatch(frames=2, cameras=1), seed=0)
    first, second = (next(schedule.windows(lane)) for lane in range(2))
    assert len(first.steps) == len(second.steps)
    assert set(first.pairs) | set(second.pairs) == set(PAIRS[:-1])
    assert len(set(first.pairs) & set(second.pairs)) <= 1


def test_a_lane_keeps_its_pairs_from_cycle_to_cycle() -> None:
    schedule = Schedule(PAIRS, LearnedBatch(frames=2, cameras=2), seed=0)
    first, second, third = (set(window.pairs) for window in islice(schedule.windows(1), 3))
    assert first == second == third
    assert len(first) == len(PAIRS) // 2


def test_no_pairs_is_an_error() -> None:
    with pytest.raises(InputError, match="no pair"):
        Schedule([], LearnedBatch(1, 1), seed=0)


def test_the_frames_of_all_lanes_are_known_at_every_step() -> None:
    schedule = Schedule(PAIRS, LearnedBatch(frames=4, cameras=2), seed=1, window_pairs=6, passes=2)
    lanes = [[group for window in islice(schedule.windows(lane), 20) for group in window.steps] for lane in range(4)]
    expected = [sorted({group[0][0] for group in groups}) for groups in zip(*lanes, strict=False)]
    for first in (0, 7):
        assert list(islice(schedule.frames(first), 20)) == expected[first : first + 20]
