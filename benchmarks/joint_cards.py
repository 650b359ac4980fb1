"""One joint rig on two GPUs against one: how many pairs a second, and how far the two results are apart."""

import os
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
import torch.distributed
import torch.multiprocessing
from joint_bench import Bench, begun, kept_start, now, open_bench, report
from numpy.typing import NDArray

from splatrig.config_joint import JointBatch, JointConfig
from splatrig.joint.fit import JointFit

PROCESSES = 2
BATCHES = (4, 8)
"""Frames a step over all processes; the first is compared."""
COMPARED_STEPS = 50


def part_cards(bench: Bench) -> None:
    """Learn with one process and with two, each on a GPU of its own where there are any."""
    if 0 < len(bench.options.cards) < PROCESSES:
        report("fewer than two GPUs are visible: left out")
        return
    kept_start(bench, "global")  # once, for all processes
    two, one, again = (_spawned(bench, count, BATCHES[0], COMPARED_STEPS) for count in (PROCESSES, 1, 1))
    bench.record("cards_psnr", {"one": float(one["psnr"]), "again": float(again["psnr"]), "two": float(two["psnr"])})
    for name in ("weights", "base_means", "base_sh0", "basis_0"):
        # in shares of how far the steps went
        went = float(np.linalg.norm(one[name] - one[f"start/{name}"]))
        apart = [float(np.linalg.norm(one[name] - other[name])) / went for other in (again, two)]
        bench.record("cards_apart", {"tensor": name, "one_and_again": apart[0], "one_and_two": apart[1]})
    pairs = len(bench.subject.names("train")) * int((~bench.subject.cameras.held_out).sum())
    for batch in BATCHES:
        epoch = -(-pairs // batch)  # after one, all photographs are decoded; the next is timed
        seconds = [float(_spawned(bench, count, batch, 2 * epoch)["seconds"]) for count in (1, PROCESSES)]
        rates = [batch * epoch / value for value in seconds]
        row = {"frames_a_step": batch, "one": rates[0], "two": rates[1], "times": rates[1] / rates[0]}
        bench.record("cards_pairs_a_second", row)


def visible_cards() -> list[str]:
    """Return the GPUs that this process may use, if it is asked before it claims one of them."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    return [str(card) for card in range(torch.cuda.device_count())] if visible is None else visible.split(",")


def _spawned(bench: Bench, processes: int, batch: int, steps: int) -> dict[str, NDArray[Any]]:
    """Return what some processes learned together, and the seconds of the second half of their steps."""
    config = replace(bench.joint, batch=JointBatch(batch, 1), steps=steps)
    with tempfile.TemporaryDirectory() as folder:
        arguments = (processes, Path(folder), config, (bench.options, bench.folder, bench.keep))
        torch.multiprocessing.spawn(_learn, arguments, nprocs=processes)
        return dict(np.load(Path(folder) / "learned.npz"))


def _learn(rank: int, processes: int, folder: Path, config: JointConfig, opened: tuple[Any, ...]) -> None:
    """Make the steps of `PROCESSES` shards as one of as many processes, or make those of all shards alone."""
    torch.set_num_threads(1)
    if opened[0].cards:
        os.environ["CUDA_VISIBLE_DEVICES"] = opened[0].cards[rank]
    on_gpu = torch.cuda.is_available()
    torch.distributed.init_process_group(
        "nccl" if on_gpu else "gloo", init_method=f"file://{folder}/store", rank=rank, world_size=processes
    )
    bench = open_bench(*opened)
    with begun(bench, bench.subject, config, kept_start(bench, "global"), PROCESSES) as (fit, streams):
        before, begin = _arrays(fit, "start/"), 0.0
        for step in range(config.steps):
            if step == config.steps // 2:
                begin = now()
            fit.step(step, [group for groups in streams for group in next(groups)])
        seconds = now() - begin
        if rank == 0:
            np.savez(folder / "learned.npz", seconds=seconds, psnr=fit.validation_psnr(), **before, **_arrays(fit, ""))
    torch.distributed.destroy_process_group()


def _arrays(fit: JointFit, prefix: str) -> dict[str, NDArray[Any]]:
    tensors = fit.rig.parameters()
    return {f"{prefix}{name}": tensor.detach().cpu().numpy().copy() for name, tensor in tensors.items()}
