from pathlib import Path

import numpy as np
import torch
import torch.multiprocessing

from joint import planted, two_processes
from splatrig.joint.parallel import World


def test_two_processes_learn_what_one_learns_from_the_same_steps(tmp_path: Path) -> None:
    """Equal to each other to the bit, and to one process but for the order in which gradients are added."""
    truth = planted.plant(tmp_path / "photographs")
    torch.multiprocessing.spawn(two_processes.one_of_two, (str(tmp_path), truth), nprocs=2)
    ranks = [np.load(tmp_path / f"rank{rank}.npz") for rank in range(2)]
    expected = two_processes.alone(truth)
    for name, tensor in expected.parameters().items():
        assert np.array_equal(ranks[0][name], ranks[1][name]), name
        np.testing.assert_allclose(ranks[0][name], tensor.detach().numpy(), atol=2e-4, rtol=1e-3, err_msg=name)


def test_one_process_is_a_world_of_one() -> None:
    world = World.current()
    assert (world.rank, world.size) == (0, 1)
    tensor = torch.ones(3)
    world.average([tensor])
    world.total([tensor])
    assert torch.equal(tensor, torch.ones(3))
