"""Photographs and learning rates of each step: reproducible, and resumable from the step's number alone."""

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice, zip_longest

import numpy as np

from splatrig.dataset.photographs import Pair, Photographs, View, on_copy_stream, take_over
from splatrig.io.errors import InputError

ORIGINAL_MEANS_DECAY = 0.01
"""Fraction to which the original recipe lowers the learning rate of centers, exponentially; all others are constant."""


@dataclass(frozen=True)
class LearningRates:
    """Adam's learning rate of every parameter at every step."""

    first: Mapping[str, float]
    """Learning rates at the first step, by parameter."""
    steps: int
    final: float
    """Fraction of the first learning rates at the last step."""
    schedule: str = "cosine"
    """`cosine`: all learning rates fall along half a cosine; `original`: as in the original recipe, only that of
    centers falls."""

    def fraction(self, step: int) -> float:
        """Return the fraction of the first learning rates at `step`, counted from 0, along half a cosine."""
        return half_cosine(step, self.steps, self.final)

    def at(self, step: int) -> dict[str, float]:
        """Return each parameter's learning rate at `step`, counted from 0."""
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
    """Pairs that are in memory together, and the steps that use them."""

    pairs: tuple[Pair, ...]
    """All pairs of the window, in the order of first use."""
    steps: tuple[Pair, ...]
    """Pair of the window that each step uses."""


@dataclass(frozen=True)
class Schedule:
    """Endless random order of pairs of frame and camera.

    Pairs are dealt once to as many lanes as a step has photographs, and each step takes a pair of every lane. So the
    steps are the same however the lanes are divided among processes, and no process decodes another's photographs.

    The pairs of a lane are dealt to windows of `window_pairs` pairs (None: all fit). A window is used for `passes`
    passes, each in another order, before the next one; a new cycle deals the windows again. With all pairs in one
    window, a pass is an epoch.
    """

    pairs: Sequence[Pair]
    per_step: int
    """Photographs per step, over all processes."""
    seed: int
    window_pairs: int | None = None
    passes: int = 1

    def __post_init__(self) -> None:
        if not self.pairs:
            raise InputError(
                "learned rig: expected pairs of a training frame and a training camera, got none; check the split."
            )

    def windows(self, lane: int) -> Iterator[Window]:
        """Yield the windows of one lane, endlessly."""
        cycle, pairs = 0, self._dealt(lane)
        while True:
            order = self._shuffled(pairs, (cycle, lane))
            size = self.window_pairs or len(order)
            for index, first in enumerate(range(0, len(order), size)):
                yield self._window(order[first : first + size], (cycle, index, lane))
            cycle += 1

    def frames(self, first_step: int) -> Iterator[list[int]]:
        """Yield the frames of each step over all lanes, starting at step `first_step`, endlessly."""
        lanes = ((pair for window in self.windows(lane) for pair in window.steps) for lane in range(self.per_step))
        for pairs in islice(zip(*lanes, strict=True), first_step, None):
            yield sorted({frame for frame, _ in pairs})

    def _dealt(self, lane: int) -> list[Pair]:
        """Return the pairs of one lane; if they do not divide evenly, the last ones are in two lanes."""
        lanes = self.per_step
        order = np.random.default_rng([self.seed, 7]).permutation(len(self.pairs))
        order = np.resize(order, len(order) + -len(order) % lanes)
        return [self.pairs[index] for index in sorted(order[lane::lanes])]

    def _shuffled(self, pairs: Sequence[Pair], key: tuple[int, int]) -> list[Pair]:
        """Return the pairs in a random order."""
        generator = np.random.default_rng([self.seed, 0, *key])
        by_frame: dict[int, list[int]] = {}
        for frame, camera in pairs:
            by_frame.setdefault(frame, []).append(camera)
        dealt = [
            (frame, int(camera)) for frame, cameras in by_frame.items() for camera in generator.permutation(cameras)
        ]
        return [dealt[index] for index in generator.permutation(len(dealt))]

    def _window(self, pairs: Sequence[Pair], key: tuple[int, int, int]) -> Window:
        generator = np.random.default_rng([self.seed, 1, *key])
        steps = list(pairs)
        for _ in range(self.passes - 1):
            steps += [pairs[index] for index in generator.permutation(len(pairs))]
        return Window(tuple(pairs), tuple(steps))


@dataclass(frozen=True)
class Shot:
    """One photograph to be matched."""

    frame: int
    """Row of the weights, one per frame."""
    view: View


def stream(
    photographs: Photographs, schedule: Schedule, lanes: Sequence[int], first_step: int = 0
) -> Iterator[list[Shot]]:
    """Yield the shots that each step takes from some lanes, one from each, starting at step `first_step`.

    The next window is decoded while the current one is used. On a GPU, the next step's photographs are copied while the
    current step computes.
    """
    shots = _host_steps(photographs, schedule, lanes, first_step)
    if photographs.device.type != "cuda":
        yield from shots
        return
    while True:
        with on_copy_stream(photographs.device):
            following = next(shots)
        take_over(photographs.device, (shot.view for shot in following))
        yield following


def _host_steps(
    photographs: Photographs, schedule: Schedule, lanes: Sequence[int], first_step: int
) -> Iterator[list[Shot]]:
    windows = [_from_step(schedule.windows(lane), first_step) for lane in lanes]
    begun = [next(rest) for rest in windows]
    for pairs in zip_longest(*[window.pairs for window, _ in begun]):  # in the order of the steps
        photographs.hold([pair for pair in pairs if pair is not None])
    shots = [_lane(photographs, *first, rest) for first, rest in zip(begun, windows, strict=True)]
    yield from map(list, zip(*shots, strict=True))


def _lane(
    photographs: Photographs, window: Window, skipped: int, windows: Iterator[tuple[Window, int]]
) -> Iterator[Shot]:
    """Yield the shots of one lane, from step `skipped` of its window `window` on."""
    while True:
        following, _ = next(windows)
        photographs.hold(following.pairs)
        for pair in window.steps[skipped:]:
            yield Shot(pair[0], photographs.view(pair))
        kept = set(following.pairs)
        photographs.drop([pair for pair in window.pairs if pair not in kept])
        window, skipped = following, 0


def _from_step(windows: Iterator[Window], first_step: int) -> Iterator[tuple[Window, int]]:
    """Yield windows starting with the one that contains `first_step`, each with the number of its steps to skip."""
    for window in windows:
        if first_step >= len(window.steps):
            first_step -= len(window.steps)
            continue
        yield window, first_step
        first_step = 0
