"""What the viewer does, without any window: poses, presets, drags, recording, playing, and the other method."""

import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from splatrig.control.drag import Drag, DragSolver
from splatrig.control.head import Head
from splatrig.control.panel import plausible
from splatrig.control.retarget import Transfer
from splatrig.control.track import Track
from splatrig.io.errors import InputError

Weights = dict[str, NDArray[np.float64]]
REST_S, MOST_MOVES = 0.5, 200
"""Changes of the pose that follow each other faster than this are one move; so many moves can be undone."""

HIT_MM, MISS_MM = 2.0, 12.0
"""A ray meets Gaussians whose centres it passes this near; where there is none, the nearest within the second."""


@dataclass
class Recording:
    """Poses as they come, with seconds since the first."""

    begun: float
    times: list[float] = field(default_factory=list)
    poses: list[Weights] = field(default_factory=list)


class Session:
    """One head under control; every public method may be called from any thread."""

    def __init__(self, head: Head, seed: int = 0) -> None:
        """Start at the neutral face; random faces follow from the seed."""
        self.head = head
        self.lock = threading.RLock()
        self.changed = threading.Event()
        """Set whenever the pose is another one; the page clears it."""
        self._solver: DragSolver | None = None
        self._drag: Drag | None = None
        self._pins: dict[int, NDArray[np.float64]] = {}
        self._generator = np.random.default_rng(seed)
        self._recording: Recording | None = None
        self._past: list[Weights] = []
        """Poses before each move that can be undone."""
        self._moved = -np.inf
        """When the pose last changed."""
        self._pose: Weights = self.neutral()

    def neutral(self) -> Weights:
        """Return the neutral pose."""
        return {name: panel.neutral.copy() for name, panel in self.head.panels.items()}

    @property
    def pose(self) -> Weights:
        """A copy of the present weights."""
        with self.lock:
            return {name: weights.copy() for name, weights in self._pose.items()}

    def set(self, pose: Mapping[str, NDArray]) -> None:
        """Take the weights of the families in `pose`; the others stay."""
        with self.lock:
            if time.monotonic() - self._moved > REST_S:
                self._past = [*self._past, self.pose][-MOST_MOVES:]
            self._moved = time.monotonic()
            for name, weights in pose.items():
                self._pose[name] = np.asarray(weights, dtype=np.float64).copy()
            if self._recording is not None:
                self._recording.times.append(time.monotonic() - self._recording.begun)
                self._recording.poses.append(self.pose)
            self.changed.set()

    def set_weight(self, family: str, component: int, weight: float) -> None:
        """Move one slider."""
        with self.lock:
            weights = self._pose[family].copy()
            weights[component] = weight
            self.set({family: weights})

    def undo(self) -> None:
        """Go back to the pose before the last move, if there is one; changes without a rest between them are one."""
        with self.lock:
            if self._past:
                before = self._past.pop()
                self._moved = time.monotonic()  # what follows at once is no move of its own
                self.set(before)
                self._moved = -np.inf

    def reset(self) -> None:
        """Go back to the neutral face."""
        self.set(self.neutral())

    def randomise(self, family: str) -> None:
        """Take a random plausible expression of one family; the others go to their neutral."""
        with self.lock:
            self.set(self.neutral() | {family: plausible(self.head.panels[family], self._generator)})

    def preset(self, family: str, expression: str) -> None:
        """Take an expression as one family has it; the others go to their neutral."""
        self.set(self.neutral() | {family: self.head.panels[family].presets[expression]})

    def frame(self, name: str) -> None:
        """Take the weights that the first family learned for the frame `expression/frame`."""
        family, first = next(iter(self.head.families.items()))
        frames = first.rig.components.frames
        if name not in frames:
            raise InputError(f"{family}: has no weights of {name}, which is not among its {len(frames)} frames.")
        self.set(self.neutral() | {family: first.rig.components.W[frames.index(name)]})

    def hit(self, origin: NDArray, direction: NDArray) -> int | None:
        """Return the Gaussian that a ray from `origin` [3] along the unit `direction` [3] meets first, if any."""
        away = self.head.gaussians(self.pose).means - np.asarray(origin, dtype=np.float64)
        depth = away @ np.asarray(direction, dtype=np.float64)
        beside = np.linalg.norm(away - depth[:, None] * direction, axis=1)
        met = np.flatnonzero((depth > 0) & (beside < max(HIT_MM, 1.01 * beside.min())) & (beside < MISS_MM))
        if not met.size:
            return None
        front = met[depth[met] < depth[met].min() + MISS_MM]
        return int(front[beside[front].argmin()])

    def start_drag(self, vertex: int, families: tuple[str, ...] = ()) -> NDArray[np.float64]:  # [3]
        """Take hold of a Gaussian and return where it is."""
        with self.lock:
            if self._solver is None:
                self._solver = DragSolver(self.head)
            self._drag = self._solver.start(self.pose, vertex, self._pins, families)
            return self._solver.point(vertex, self._pose)

    @property
    def dragging(self) -> bool:
        """Whether a point is held."""
        with self.lock:
            return self._drag is not None

    def drag_to(self, place: NDArray) -> None:
        """Let the point that is held go to `place` [3], as far as the components can."""
        with self.lock:
            if self._drag is not None:
                self.set(self._drag.to(place))

    def end_drag(self) -> None:
        """Let go."""
        with self.lock:
            self._drag = None

    def place(self, vertex: int) -> NDArray[np.float64]:  # [3]
        """Return where a Gaussian is in the present pose."""
        return self.head.gaussians(self.pose).means[vertex].astype(np.float64)

    def pin(self, vertex: int) -> None:
        """Let later drags leave a Gaussian where it is now."""
        with self.lock:
            self._pins[vertex] = self.place(vertex)

    def release_pins(self) -> None:
        """Forget all pins."""
        with self.lock:
            self._pins = {}

    @property
    def pins(self) -> dict[int, NDArray[np.float64]]:
        """Gaussians that stay, and where."""
        with self.lock:
            return dict(self._pins)

    def start_recording(self) -> None:
        """Begin to write down every pose."""
        with self.lock:
            self._recording = Recording(time.monotonic())
            self.set({})

    def stop_recording(self) -> list[Track]:
        """Return what was recorded, a track a family; raise InputError when nothing was being recorded."""
        with self.lock:
            recording, self._recording = self._recording, None
        if recording is None:
            raise InputError("recording: nothing is being recorded; press record first.")
        times = np.array(recording.times)
        kept = np.append(np.diff(times) > 1e-6, True)  # of poses at one time the last counts
        return [
            Track(
                times[kept] - times[kept][0],
                panel.names,
                np.stack([pose[name] for pose in recording.poses])[kept],
                name,
                self.head.subject,
                "recorded in the viewer",
            )
            for name, panel in self.head.panels.items()
        ]

    def play(self, track: Track, stop: threading.Event, speed: Callable[[], float], rate: float = 30.0) -> None:
        """Play a track once, in this thread, until its end or until `stop` is set; `speed` 1 is its own pace."""
        ordered = track.ordered(self.head.panels[track.family].names)
        now, last = float(ordered.times[0]), time.monotonic()
        while not stop.is_set() and now < ordered.times[-1]:
            self.set({track.family: ordered.at(now)})
            stop.wait(1.0 / rate)
            present = time.monotonic()
            now, last = now + (present - last) * speed(), present
        if not stop.is_set():
            self.set({track.family: ordered.weights[-1]})


class Follower:
    """The pose of another method, or head of the same topology, that moves its centres most alike."""

    def __init__(self, leader: Head, follower: Head) -> None:
        """Prepare the products of both bases; the first family of `follower` is the one that follows."""
        self.name, family = next(iter(follower.families.items()))
        self._leader = leader
        self._transfer = Transfer(leader.rig.families, family.rig.components)

    def pose(self, pose: Mapping[str, NDArray]) -> Weights:
        """Return the follower's weights for the leader's `pose`."""
        return {self.name: self._transfer.weights(self._leader.weights(pose)[None])[0]}
