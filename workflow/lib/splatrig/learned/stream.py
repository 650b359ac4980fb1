"""The photographs that each step of a schedule takes, decoded and copied ahead of it."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import zip_longest

from splatrig.dataset.photographs import Photographs, View, copying_beside, take_over
from splatrig.learned.schedule import Schedule, Window


@dataclass(frozen=True)
class Shot:
    """One photograph to be matched."""

    frame: int
    """Row of the weights."""
    view: View


def stream(
    photographs: Photographs, schedule: Schedule, lanes: Sequence[int], first_step: int = 0
) -> Iterator[list[list[Shot]]]:
    """Yield the shots that each step takes from some lanes, a frame's from each, beginning with step `first_step`.

    The next window is decoded while the current one is being used. On a GPU the next step's photographs are copied
    while the current step computes.
    """
    shots = _host_steps(photographs, schedule, lanes, first_step)
    if photographs.device.type != "cuda":
        yield from shots
        return
    while True:
        with copying_beside(photographs.device):
            following = next(shots)
        take_over(photographs.device, (shot.view for group in following for shot in group))
        yield following


def _host_steps(
    photographs: Photographs, schedule: Schedule, lanes: Sequence[int], first_step: int
) -> Iterator[list[list[Shot]]]:
    windows = [_from_step(schedule.windows(lane), first_step) for lane in lanes]
    begun = [next(rest) for rest in windows]
    for pairs in zip_longest(*[window.pairs for window, _ in begun]):  # in the order in which steps need them
        photographs.hold([pair for pair in pairs if pair is not None])
    shots = [_lane(photographs, *first, rest) for first, rest in zip(begun, windows, strict=True)]
    yield from map(list, zip(*shots, strict=True))


def _lane(
    photographs: Photographs, window: Window, skipped: int, windows: Iterator[tuple[Window, int]]
) -> Iterator[list[Shot]]:
    """Yield the shots of each step of one lane, from step `skipped` of its window `window` on."""
    while True:
        following, _ = next(windows)
        photographs.hold(following.pairs)
        for step in window.steps[skipped:]:
            yield [Shot(pair[0], photographs.view(pair)) for pair in step]
        kept = set(following.pairs)
        photographs.drop([pair for pair in window.pairs if pair not in kept])
        window, skipped = following, 0


def _from_step(windows: Iterator[Window], first_step: int) -> Iterator[tuple[Window, int]]:
    """Yield windows from the one that holds `first_step`, each with the number of its steps to skip."""
    for window in windows:
        if first_step >= len(window.steps):
            first_step -= len(window.steps)
            continue
        yield window, first_step
        first_step = 0
