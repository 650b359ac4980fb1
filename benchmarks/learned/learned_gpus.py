"""One learned rig on two GPUs against one: how many pairs a second, and how far the two results are apart."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from splatrig.fitting.world import World
from splatrig.jobs.launch import run_together
from splatrig.learned.fit import LearnedFit
from splatrig.learned.stage import rig_start
from support.learned_bench import Bench, begun, kept_start, now, open_bench, report, with_cameras

BATCHES = (2, 4, 8)
"""Frames a step over all processes. One of each two neighbors on one card against the other on two: weak scaling."""
COMPARED = 4
"""Frames a step of the rigs that are compared."""
COMPARED_STEPS = 50
TIMED_STEPS = 100
REDUCTIONS = 50


def part_cards(bench: Bench) -> None:
    """Learn with one process and with two, each on a GPU of its own where there are any."""
    if len(bench.options.cards) == 1:
        report("fewer than two GPUs are visible: left out")
        return
    kept_start(bench, "global")  # once, for all processes
    if bench.options.smallest:  # one start of two processes, not nine starts
        two = _learned(bench, 2, BATCHES[0], 2, timed=True)
        costs = {"two_ms": 1e3 * float(two["seconds"]), "reduction_ms": 1e3 * float(two["reduction"])}
        bench.record("cards_pairs_per_second", {"frames_per_step": BATCHES[0]} | costs)
        return
    for batch in BATCHES:
        one, two = (_learned(bench, count, batch, TIMED_STEPS, timed=True) for count in (1, 2))
        rates = [batch / float(value["seconds"]) for value in (one, two)]
        row = {"frames_per_step": batch, "one": rates[0], "two": rates[1], "times": rates[1] / rates[0]}
        row |= {"one_ms": 1e3 * float(one["seconds"]), "two_ms": 1e3 * float(two["seconds"])}
        bench.record("cards_pairs_per_second", row | {"reduction_ms": 1e3 * float(two["reduction"])})
    report(f"a step's message: {int(two['message']):,} bytes")
    two, one, again = (_learned(bench, count, COMPARED, COMPARED_STEPS) for count in (2, 1, 1))
    bench.record("cards_psnr", {"one": float(one["psnr"]), "again": float(again["psnr"]), "two": float(two["psnr"])})
    for name in ("weights", "base_means", "base_sh0", "basis"):
        # in shares of how far the steps went
        went = float(np.linalg.norm(one[name] - one[f"start/{name}"]))
        apart = [float(np.linalg.norm(one[name] - other[name])) / went for other in (again, two)]
        bench.record("cards_apart", {"tensor": name, "one_and_again": apart[0], "one_and_two": apart[1]})


def _learned(bench: Bench, processes: int, batch: int, steps: int, *, timed: bool = False) -> dict[str, NDArray[Any]]:
    """Return what some processes learned together, or with `timed` the seconds of a step and of its message."""
    with tempfile.TemporaryDirectory() as folder:
        values = {"options": bench.options, "folder": bench.folder, "keep": bench.keep, "out": Path(folder)}
        values |= {"batch": batch, "steps": steps, "timed": timed}
        run_together(learn_share, values, bench.options.cards[:processes] or [""] * processes)
        return dict(np.load(Path(folder) / "learned.npz"))


def learn_share(values: dict[str, Any]) -> None:
    """Make steps with the other processes; the first one writes what was learned, or how long a step took."""
    bench = open_bench(values["options"], values["folder"], values["keep"])
    subject = bench.subject
    if values["timed"]:  # few photographs, not what a step costs
        subject = with_cameras(subject, np.arange(1, len(subject.cameras), 4))
    options = replace(bench.options_of("global"), photographs_per_step=values["batch"])
    start = rig_start(options, subject, kept_start(bench, "global"))
    with begun(bench, subject, options, start) as (fit, step):
        before = _arrays(fit, "start/")
        if values["timed"]:
            pairs = len(subject.names("train")) * int((~subject.cameras.held_out).sum())
            _steps(step, -(-pairs // values["batch"]) + 2)  # after which all photographs are decoded
            found = {"seconds": _steps(step, values["steps"])} | _reduction(fit)
        else:
            _steps(step, values["steps"])
            found = {"psnr": fit.validation_psnr(), **before, **_arrays(fit, "")}
    if World.current().rank == 0:
        np.savez(values["out"] / "learned.npz", **found)


def _steps(step: Callable[[int], None], count: int) -> float:
    """Make steps; return the seconds that one took."""
    begin = now()
    for number in range(count):
        step(number)
    return (now() - begin) / count


def _reduction(fit: LearnedFit) -> dict[str, float]:
    """Return the bytes of a step's message, and the seconds that it takes when nothing else happens."""
    tensors = [torch.zeros_like(tensor) for tensor in fit.rig.parameters().values()]
    begin = now()
    for _ in range(REDUCTIONS):
        fit.world.reduce(means=tensors)
    seconds = (now() - begin) / REDUCTIONS
    return {"reduction": seconds, "message": 4.0 * sum(tensor.numel() for tensor in tensors)}


def _arrays(fit: LearnedFit, prefix: str) -> dict[str, NDArray[Any]]:
    tensors = fit.rig.parameters()
    return {f"{prefix}{name}": tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
