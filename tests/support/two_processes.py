"""What processes that `splatrig.jobs.launch` starts do in tests; importable, so that they find it."""

import json
import os
import time
from pathlib import Path
from typing import Any

import numpy as np
import psutil
import torch
import torch.distributed

from splatrig.fitting.checkpoint import Checkpoints, Slot
from splatrig.fitting.engine import Fit
from splatrig.fitting.trainable_rig import TrainableRig
from splatrig.fitting.world import World
from splatrig.io.errors import InputError
from splatrig.learned.fit import LearnedFit
from support import known_rig
from support.known_rig import Planted

STEPS = 6
PLAN = known_rig.plan(STEPS, local=True, check_every=2, pose_rate=0.02)
DIES = 5
"""The step before which a fit is interrupted, in all processes."""


class _DyingFit(Fit):
    def step(self, step: int, shots: list, **options: Any) -> None:
        if step == DIES:
            raise InterruptedError
        super().step(step, shots, **options)


class _Dies(LearnedFit):
    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.fit = _DyingFit(**vars(self.fit))


def learned(truth: Planted, kind: type[LearnedFit] = LearnedFit, slot: Slot | None = None) -> dict[str, np.ndarray]:
    """Learn the planted rig from four frames a step, alone or with others; return its tensors and the measurements."""
    torch.set_num_threads(1)
    rig = TrainableRig(known_rig.disturbed(truth, 0, local=True), known_rig.RATES, moving=True)
    schedule = known_rig.schedule(truth, per_step=4)
    with known_rig.photographs(truth) as photographs:
        fit = kind(rig, photographs, schedule, known_rig.surroundings(truth), PLAN, World.current())
        report = fit.run(slot)
    tensors = {name: tensor.detach().numpy() for name, tensor in rig.parameters().items()}
    return tensors | {"psnr": report.history["psnr"].to_numpy(), "loss": report.history["loss"].to_numpy()}


def learn_undisturbed_and_interrupted(values: dict[str, Any]) -> None:
    """Learn once, and once more with an interruption; write what both gave to `{kind}{rank}.npz`."""
    folder, rank = Path(values["folder"]), World.current().rank
    truth = known_rig.plant(folder / f"photographs{rank}")
    np.savez(folder / f"undisturbed{rank}.npz", **learned(truth))
    slot = Checkpoints(folder, "key").slot("checkpoint")
    try:
        learned(truth, _Dies, slot)
    except InterruptedError:
        torch.distributed.barrier()
        np.savez(folder / f"interrupted{rank}.npz", **learned(truth, slot=slot))


def stand_still(values: dict[str, Any]) -> None:
    """Say which process this is; the first then waits for the others, who do nothing for a minute."""
    rank = World.current().rank
    (Path(values["folder"]) / f"{rank}.pid").write_text(str(os.getpid()))
    if rank:
        time.sleep(60)
    torch.distributed.barrier()


def fail_in_the_second(_: dict[str, Any]) -> None:
    """Fail in the second process while the first waits for it."""
    if World.current().rank == 1:
        raise InputError("the second has read nonsense.")
    torch.distributed.barrier()


def fail_without_a_sentence(_: dict[str, Any]) -> None:
    """Fail in the first process by an error that is nobody's input, while the second waits for it."""
    if World.current().rank == 0:
        raise ZeroDivisionError("never mind")
    torch.distributed.barrier()


def leave(_: dict[str, Any]) -> None:
    """End the second process with a status and no word, while the first waits for it."""
    if World.current().rank == 1:
        os._exit(3)
    torch.distributed.barrier()


def look_around(values: dict[str, Any]) -> None:
    """Write which addresses this process and its starter listen on, and which GPUs it may see."""
    torch.distributed.barrier()
    sockets = [socket for who in (os.getpid(), os.getppid()) for socket in psutil.Process(who).net_connections("tcp")]
    listening = [socket.laddr.ip for socket in sockets if socket.status == psutil.CONN_LISTEN]
    seen = {"listening": listening, "visible": os.environ["CUDA_VISIBLE_DEVICES"]}
    (Path(values["folder"]) / f"{World.current().rank}.json").write_text(json.dumps(seen))
    torch.distributed.barrier()
