"""Which (frame, camera) pairs a step sees: random, reproducible, resumable from the step's number alone."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

import numpy as np

from splatrig.dataset.photographs import Pair
from splatrig.io.errors import InputError


@dataclass(frozen=True)
class Batch:
    """The size of one step."""

    frames: int
    """Frames a step, over all processes."""
    cameras: int
    """Cameras of each of these frames."""


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
    batch: Batch
    seed: int
    window_pairs: int | None = None
    passes: int = 1

    def __post_init__(self) -> None:
        if not self.pairs:
            raise InputError("joint: there is no pair of a training frame and a training camera; check the split.")

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
