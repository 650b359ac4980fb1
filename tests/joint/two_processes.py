"""One of two processes that learn a planted rig together; importable, so that a spawned process finds it."""

from pathlib import Path

import numpy as np
import torch
import torch.distributed

from joint import planted
from joint.planted import Planted
from splatrig.joint.fit import JointFit
from splatrig.joint.model import JointRig
from splatrig.joint.parallel import World
from splatrig.joint.schedule import Batch
from splatrig.joint.stream import stream

STEPS = 4
PLAN = planted.plan(STEPS, local=True, check_every=2)


def one_of_two(rank: int, folder: str, truth: Planted) -> None:
    """Learn with the other process and write what was learned to `rank{rank}.npz`."""
    torch.set_num_threads(1)
    torch.distributed.init_process_group("gloo", init_method=f"file://{folder}/store", rank=rank, world_size=2)
    rig = JointRig(planted.disturbed(truth, 0, local=True), planted.RATES)
    schedule = planted.schedule(truth, Batch(4, 1), shards=2)
    with planted.photographs(truth) as photographs:
        JointFit(rig, photographs, schedule, planted.surroundings(truth), PLAN, World.current()).run()
    np.savez(Path(folder) / f"rank{rank}.npz", **{name: t.detach().numpy() for name, t in rig.parameters().items()})
    torch.distributed.destroy_process_group()


def alone(truth: Planted) -> JointRig:
    """Make the steps of both processes in one: every step has the groups of the first, then of the second."""
    rig = JointRig(planted.disturbed(truth, 0, local=True), planted.RATES)
    schedule = planted.schedule(truth, Batch(4, 1), shards=2)
    with planted.photographs(truth) as photographs:
        joint = JointFit(rig, photographs, schedule, planted.surroundings(truth), PLAN)
        joint.optimiser.constrain()
        streams = [stream(photographs, schedule, shard) for shard in range(2)]
        for step in range(STEPS):
            joint.step(step, [group for one in streams for group in next(one)])
    return rig
