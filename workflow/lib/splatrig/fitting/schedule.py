"""Which photographs a step sees and how fast it goes: reproducible, and resumable from the step's number alone."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np

from splatrig.config.models import LearnedBatch
from splatrig.dataset.photographs import Pair, Photographs, View, on_copy_stream, take_over
from splatrig.io.errors import InputError

ORIGINAL_MEANS_DECAY = 0.01
"""The original recipe lowers the learning rate of centres exponentially to this fraction; all others stay."""


@dataclass(frozen=True)
class LearningRates:
    """Adam's learning rate of every parameter at every step."""

    first: Mapping[str, float]
    """By parameter, at the first step."""
    steps: int
    final: float
    """Fraction of the first rates that is left at the last step."""
    schedule: str = "cosine"
    """`cosine`: all fall along half a cosine; `original`: as in the original recipe, only that of centres falls."""

    def fraction(self, step: int) -> float:
        """Return the fraction of the first rates at `step`, counted from 0, along half a cosine."""
        return half_cosine(step, self.steps, self.final)

    def at(self, step: int) -> dict[str, float]:
        """Return each parameter's rate at `step`, counted from 0."""
        if self.schedule == "original":
            decay = ORIGINAL_MEANS_DECAY ** (step / max(1, self.steps))
            return {name: rate * decay if name == "base_means" else rate for name, rate in self.first.items()}
        fraction = self.fraction(step)
        return {name: rate * fraction for name, rate in self.first.items()}


def half_cosine(step: int, steps: int, final: float = 0.0) -> float:
    """Return 1 at the first step, falling along half a cosine to `final` after `steps`."""
    progress = step / max(1, steps)
    return final + (1 - final) * 0.5 * (1 + math.cos(math.pi * progress))


@dataclass(frozen=True)
class Window:
    """Pairs that are in memory together, and the steps made from them."""

    pairs: tuple[Pair, ...]
    """All pairs of the window, in the order of first use."""
    steps: tuple[tuple[Pair, ...], ...]
    """Of each step its group: one frame with some of its cameras."""


@dataclass(frozen=True)
class Schedule:
    """An endless random order of pairs.

    Pairs are dealt once to as many lanes as a step has frames, and each step takes a group of every lane: whichever
    processes share the lanes make the same steps together, and none decodes another's photographs. In a lane a
    frame's cameras are dealt into groups, and groups to windows of `window_pairs` pairs (None: all fit). A window is
    passed over `passes` times, each time in another order, before the next one; a new cycle deals groups and windows
    anew. With all pairs in one window a pass is an epoch.
    """

    pairs: Sequence[Pair]
    batch: LearnedBatch
    """Frames a step, over all processes, and cameras of each of these frames."""
    seed: int
    window_pairs: int | None = None
    passes: int = 1

    def __post_init__(self) -> None:
        if not self.pairs:
            raise InputError(
                "learned rig: there is no pair of a training frame and a training camera; check the split."
            )

    def windows(self, lane: int) -> Iterator[Window]:
        """Yield the windows of one lane, for ever."""
        cycle, pairs = 0, self._dealt(lane)
        while True:
            groups = self._groups(pairs, (cycle, lane))
            size = len(groups)
            if self.window_pairs is not None:
                size = max(1, self.window_pairs // self.batch.cameras)
            for index, first in enumerate(range(0, len(groups), size)):
                yield self._window(groups[first : first + size], (cycle, index, lane))
            cycle += 1

    def frames(self, first_step: int) -> Iterator[list[int]]:
        """Yield the frames that each step sees over all lanes, beginning with step `first_step`, for ever."""
        lanes = (
            (group for window in self.windows(lane) for group in window.steps) for lane in range(self.batch.frames)
        )
        for groups in islice(zip(*lanes, strict=True), first_step, None):
            yield sorted({group[0][0] for group in groups})

    def _dealt(self, lane: int) -> list[Pair]:
        """Return the pairs of one lane; where they do not divide, the last ones are in two."""
        lanes = self.batch.frames
        order = np.random.default_rng([self.seed, 7]).permutation(len(self.pairs))
        order = np.resize(order, len(order) + -len(order) % lanes)
        return [self.pairs[index] for index in sorted(order[lane::lanes])]

    def _groups(self, pairs: Sequence[Pair], key: tuple[int, int]) -> list[tuple[Pair, ...]]:
        """Deal the cameras of every frame into groups, and the groups into a random order."""
        generator = np.random.default_rng([self.seed, 0, *key])
        by_frame: dict[int, list[int]] = {}
        for frame, camera in pairs:
            by_frame.setdefault(frame, []).append(camera)
        groups: list[tuple[Pair, ...]] = []
        for frame, cameras in by_frame.items():
            order = generator.permutation(cameras)
            groups += [
                tuple((frame, int(camera)) for camera in order[first : first + self.batch.cameras])
                for first in range(0, len(order), self.batch.cameras)
            ]
        return [groups[index] for index in generator.permutation(len(groups))]

    def _window(self, groups: Sequence[tuple[Pair, ...]], key: tuple[int, int, int]) -> Window:
        generator = np.random.default_rng([self.seed, 1, *key])
        steps = list(groups)
        for _ in range(self.passes - 1):
            steps += [groups[index] for index in generator.permutation(len(groups))]
        return Window(tuple(pair for group in groups for pair in group), tuple(steps))


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
        with on_copy_stream(photographs.device):
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
