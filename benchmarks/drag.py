"""Time a drag on one core: `PYTHONPATH=workflow/lib python benchmarks/drag.py [results/demo]`.

Solves for K = 50 components, 25 of them local, on a head of 87,652 points, with one to five pins; and, for the results
of a finished run, how closely a point follows when it is dragged to where an expression has it.
"""

import sys
import time
from pathlib import Path

import numpy as np
from threadpoolctl import threadpool_limits

from splatrig.config.checks import read_config
from splatrig.control.drag import DragSolver, _Part
from splatrig.control.head import open_head

POINTS, K = 87_652, 50
ROOT = Path(__file__).resolve().parents[1]
DRAG = read_config([ROOT / "config.yaml"], ROOT / "workflow" / "schemas" / "config.schema.yaml").control.drag


class Synthetic(DragSolver):
    """A solver over random smooth components, without a head: only the solve is timed."""

    def __init__(self) -> None:
        generator = np.random.default_rng(0)
        self.options = DRAG
        self.places = generator.normal(size=(POINTS, 3)) * 90
        half = K // 2
        basis = generator.normal(size=(K, POINTS, 3)).astype(np.float32)
        far = 200 * generator.random((half, POINTS), dtype=np.float32)
        ones, zeros = np.ones(half), np.zeros(half)
        self._parts = {
            "global": _Part(basis[:half], ones, -2 * ones, 2 * ones, None),
            "local": _Part(basis[half:] * np.exp(-far / 40)[:, :, None], ones, zeros, ones, far),
        }

    def point(self, vertex: int, pose: dict) -> np.ndarray:
        """Return where a point is."""
        return self.places[vertex] + sum(w @ self._parts[name].basis[:, vertex] for name, w in pose.items())


def synthetic() -> None:
    """Print how long clicks and solves take."""
    solver = Synthetic()
    generator = np.random.default_rng(1)
    pose = {"global": np.zeros(K // 2), "local": np.zeros(K // 2)}
    print(f"K = {K} on {POINTS} points, one core; milliseconds: median, 99 % and worst of 1000 solves; the worst of")
    print("their processor times; a click")
    solver.start(pose, 0).to(solver.places[0])
    for pins in (1, 2, 5):
        solves, busy, clicks = [], [], []
        for _ in range(50):
            vertices = generator.integers(0, POINTS, pins)
            begin = time.perf_counter()
            drag = solver.start(pose, int(vertices[0]), {int(v): solver.places[v] for v in vertices[1:]})
            clicks.append(time.perf_counter() - begin)
            for step in np.linspace(0.5, 10, 20):
                target = solver.places[vertices[0]] + step * generator.normal(size=3)
                begin, used = time.perf_counter(), time.thread_time()
                drag.to(target)
                busy.append(time.thread_time() - used)
                solves.append(time.perf_counter() - begin)
        middle, late = 1e3 * np.quantile(solves, [0.5, 0.99])
        print(
            f"  {pins} pins: {middle:.3f}, {late:.3f}, {1e3 * max(solves):.3f}; {1e3 * max(busy):.3f}; "
            f"{1e3 * np.median(clicks):.3f}"
        )


def follows(results: str) -> None:
    """Print how closely dragged points follow."""
    head = open_head(results, ["joint_global", "joint_local"])
    solver = DragSolver(head, DRAG)
    zero = {name: np.zeros(panel.count) for name, panel in head.panels.items()}
    print(f"{results}: miss as a share of the drag, points that move 1 mm or more, to where an expression has them")
    for families in (("joint_local",), ("joint_global",), ("joint_global", "joint_local")):
        source = families[0]
        missed = []
        for weights in head.panels[source].presets.values():
            there = {source: weights}
            moved = np.linalg.norm(head.gaussians(there).means - head.rig.base.means, axis=1)
            for vertex in np.argsort(-moved)[:800:20]:
                if moved[vertex] >= 1.0:
                    target = solver.point(int(vertex), there)
                    pose = solver.start(zero, int(vertex), families=families).to(target)
                    missed.append(np.linalg.norm(solver.point(int(vertex), pose) - target) / moved[vertex])
        print(f"  {' + '.join(families)}: {len(missed)} drags, median {np.median(missed):.4f}, worst {max(missed):.4f}")


with threadpool_limits(limits=1):
    synthetic()
    if len(sys.argv) > 1:
        follows(sys.argv[1])
