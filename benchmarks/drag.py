"""Time a drag on one core: `python benchmarks/drag.py [results/demo]`.

Solves for K = 50 components, 25 of them local, on a head of 87,652 points, with one to five pins: how long they take,
how long a click takes, and what the most steps that a solve may take would cost. And, for the results of a finished
run (`--smallest`: for a small ball), how closely a point follows when it is dragged to where an expression has it.
"""

import time
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from ball_head import ball
from harness import Figures, machine, parsed, parser_of
from threadpoolctl import threadpool_limits

from splatrig.components.weights import STEPS_PER_COMPONENT, solve_weights
from splatrig.control.drag import DRAG, DragSolver, _Part
from splatrig.control.head import Head, open_head

K = 50
MOVED_MM = 1.0
"""Points that an expression moves by less are not dragged there."""


@dataclass(frozen=True)
class Size:
    """How much is solved."""

    points: int
    clicks: int
    solves: int
    """After each click."""


FULL, SMALLEST = Size(87_652, 50, 20), Size(500, 3, 4)


class Synthetic(DragSolver):
    """A solver over random smooth components, without a head: only the solve is timed."""

    def __init__(self, points: int) -> None:
        generator = np.random.default_rng(0)
        self.options = DRAG
        self.places = generator.normal(size=(points, 3)) * 90
        half = K // 2
        basis = generator.normal(size=(K, points, 3)).astype(np.float32)
        far = 200 * generator.random((half, points), dtype=np.float32)
        ones, zeros = np.ones(half), np.zeros(half)
        self._parts = {
            "global": _Part(basis[:half], ones, -2 * ones, 2 * ones, None),
            "local": _Part(basis[half:] * np.exp(-far / 40)[:, :, None], ones, zeros, ones, far),
        }

    def point(self, vertex: int, pose: dict) -> np.ndarray:
        """Return where a point is."""
        return self.places[vertex] + sum(w @ self._parts[name].basis[:, vertex] for name, w in pose.items())


def synthetic(size: Size, figures: Figures) -> None:
    """Measure how long clicks and solves take."""
    solver = Synthetic(size.points)
    generator = np.random.default_rng(1)
    pose = {"global": np.zeros(K // 2), "local": np.zeros(K // 2)}
    figures.say(f"K = {K} on {size.points} points, one core, {size.clicks * size.solves} solves")
    solver.start(pose, 0).to(solver.places[0])
    figures.add("processor time of the most steps", most_steps(), "ms")
    for pins in (1, 2, 5):
        solves, busy, clicks = [], [], []
        for _ in range(size.clicks):
            vertices = generator.integers(0, size.points, pins)
            begin = time.perf_counter()
            drag = solver.start(pose, int(vertices[0]), {int(v): solver.places[v] for v in vertices[1:]})
            clicks.append(time.perf_counter() - begin)
            for step in np.linspace(0.5, 10, size.solves):
                target = solver.places[vertices[0]] + step * generator.normal(size=3)
                begin, used = time.perf_counter(), time.thread_time()
                drag.to(target)
                busy.append(time.thread_time() - used)
                solves.append(time.perf_counter() - begin)
        figures.add(f"{pins} pins: solve, median", 1e3 * np.median(solves), "ms")
        figures.add(f"{pins} pins: solve, 99 %", 1e3 * np.quantile(solves, 0.99), "ms")
        figures.add(f"{pins} pins: solve, worst", 1e3 * max(solves), "ms")
        figures.add(f"{pins} pins: solve, worst processor time", 1e3 * max(busy), "ms")
        figures.add(f"{pins} pins: click, median", 1e3 * np.median(clicks), "ms")


def most_steps() -> float:
    """Return the processor milliseconds of as many steps, all components free, as a solve may take at most.

    They are the steps of that many solves, each of which is at its optimum after one sweep and one step.
    """
    far = np.full(K, 10.0)
    moments = np.ones((STEPS_PER_COMPONENT * K, K))
    used = time.thread_time()
    solve_weights(np.eye(K), moments, penalty=np.ones(K), limits=(-far, far))
    return 1e3 * (time.thread_time() - used)


def follows(head: Head, figures: Figures) -> None:
    """Measure how closely points follow that are dragged to where an expression has them."""
    solver = DragSolver(head)
    zero = {name: np.zeros(panel.count) for name, panel in head.panels.items()}
    figures.say("miss as a fraction of the drag")
    for families in (("learned_local",), ("learned_global",), ("learned_global", "learned_local")):
        source = families[0]
        missed = []
        for weights in head.panels[source].presets.values():
            there = {source: weights}
            moved = np.linalg.norm(head.gaussians(there).means - head.rig.base.means, axis=1)
            for vertex in np.argsort(-moved)[:800:20]:
                if moved[vertex] >= MOVED_MM:
                    target = solver.point(int(vertex), there)
                    pose = solver.start(zero, int(vertex), families=families).to(target)
                    missed.append(np.linalg.norm(solver.point(int(vertex), pose) - target) / moved[vertex])
        name = " + ".join(families)
        figures.add(f"{name}: drags", len(missed), "")
        figures.add(f"{name}: miss, median", np.median(missed), "fraction")
        figures.add(f"{name}: miss, worst", max(missed), "fraction")


def main() -> None:
    """Measure and print."""
    parser = parser_of(__doc__)
    parser.add_argument("results", type=Path, nargs="?", help="of a finished run, results/{subject}")
    options = parsed(parser)
    figures = Figures(options, machine("numpy", "numba"))
    with threadpool_limits(limits=1):
        synthetic(SMALLEST if options.smallest else FULL, figures)
        if options.results:
            follows(open_head(options.results, ["learned_global", "learned_local"]), figures)
        elif options.smallest:
            follows(ball(300, 8, size=2.0), figures)
    figures.save()


if __name__ == "__main__":
    main()
