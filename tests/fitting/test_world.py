from pathlib import Path

import numpy as np
import pytest
import torch

from splatrig.fitting.world import World
from splatrig.io.errors import InputError
from splatrig.jobs.launch import run_together
from support import known_rig, two_processes

ROUNDED = 0.01
"""Fraction of the entries whose gradient is so near zero that Adam takes another direction by the rounding of poses."""


def test_two_processes_learn_what_one_learns_and_go_on_from_where_they_were_interrupted(tmp_path: Path) -> None:
    """Equal to each other to the bit, and to one process but for the order in which gradients are added."""
    run_together(two_processes.learn_undisturbed_and_interrupted, {"folder": str(tmp_path)}, ["", ""])
    first = np.load(tmp_path / "undisturbed0.npz")
    for name in ("undisturbed1", "interrupted0", "interrupted1"):
        other = np.load(tmp_path / f"{name}.npz")
        for tensor in first:
            assert np.array_equal(first[tensor], other[tensor]), (name, tensor)
    for tensor, expected in two_processes.learned(known_rig.plant(tmp_path / "photographs")).items():
        close = np.isclose(first[tensor], expected, atol=2e-4, rtol=1e-3)
        assert close.mean() > 1 - ROUNDED, tensor


def test_one_process_is_a_world_of_one() -> None:
    world = World.current()
    assert (world.rank, world.size) == (0, 1)
    tensor = torch.ones(3)
    world.reduce(means=[tensor], sums=[tensor])
    assert torch.equal(tensor, torch.ones(3))
    assert world.lanes(3) == range(3)
    assert world.agrees(2.5, torch.device("cpu"))


def test_processes_share_the_frames_of_a_step_evenly_or_not_at_all() -> None:
    assert [list(World(rank, 2).lanes(4)) for rank in range(2)] == [[0, 1], [2, 3]]
    with pytest.raises(
        InputError, match=r"learned\.photographs_per_step: got 3, expected a multiple of learned\.devices = 2;"
    ):
        World(0, 2).lanes(3)
