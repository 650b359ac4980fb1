import numpy as np
import pytest
import torch

from learned import planted
from learned.planted import Planted
from splatrig.learned.model import BlockStart, JointRig, RigStart
from splatrig.learned.solve import SolvePlan, position_basis, weights_from_displacements, weights_from_photographs


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return planted.plant(tmp_path_factory.mktemp("planted"))


@pytest.mark.parametrize("bounded", [False, True])
def test_weights_of_a_frame_are_found_from_its_photographs(truth: Planted, bounded: bool) -> None:
    rig = JointRig(truth.start(), planted.RATES)
    plan = SolvePlan(steps=80, rate=0.08, bounded=bounded)
    with planted.photographs(truth) as photographs:
        pairs = [(5, camera) for camera in (0, 2, 4, 6)]
        weights = weights_from_photographs(rig, photographs, pairs, np.full(3, 0.5, np.float32), plan, planted.RENDER)
    np.testing.assert_allclose(weights, truth.weights[5], atol=0.05)


@pytest.mark.parametrize("bounded", [False, True])
def test_weights_of_a_frame_are_found_from_its_mesh(truth: Planted, bounded: bool) -> None:
    rig = JointRig(truth.start(local=True), planted.RATES)
    moved = np.einsum("fk,knd->fnd", truth.weights, truth.deltas["means"])
    noise = np.random.default_rng(0).normal(0, 0.5, moved.shape)
    plan = SolvePlan(steps=0, rate=0.0, bounded=bounded, ridge=1e-6)
    np.testing.assert_allclose(weights_from_displacements(rig, moved + noise, plan), truth.weights, atol=0.05)


def test_bounds_hold_where_the_free_solution_leaves_them(truth: Planted) -> None:
    rig = JointRig(truth.start(), planted.RATES)
    moved = np.einsum("fk,knd->fnd", [[2.0, -1.0, 0.5]], truth.deltas["means"])
    free = weights_from_displacements(rig, moved, SolvePlan(0, 0.0, bounded=False, ridge=0.0))
    held = weights_from_displacements(rig, moved, SolvePlan(0, 0.0, bounded=True, ridge=0.0))
    np.testing.assert_allclose(free, [[2.0, -1.0, 0.5]], atol=1e-3)
    np.testing.assert_allclose(held, [[1.0, 0.0, 0.5]], atol=1e-3)


def test_the_position_basis_is_the_planted_one(truth: Planted) -> None:
    rig = JointRig(truth.start(local=True), planted.RATES)
    np.testing.assert_allclose(
        position_basis(rig).reshape(3, -1, 3), torch.as_tensor(truth.deltas["means"]), rtol=1e-5, atol=1e-5
    )


def test_components_that_move_nothing_leave_the_start(truth: Planted) -> None:
    start = truth.start()
    still = BlockStart(planted.FIELDS, {name: np.zeros_like(delta) for name, delta in truth.deltas.items()})
    rig = JointRig(RigStart(start.base, start.weights, (still,), neutral_row=0), planted.RATES)
    with planted.photographs(truth) as photographs:
        plan = SolvePlan(steps=3, rate=0.1, bounded=False)
        weights = weights_from_photographs(rig, photographs, [(1, 0)], np.float32([0.2, 0, 0]), plan, planted.RENDER)
    np.testing.assert_allclose(weights, [0.2, 0, 0], atol=1e-6)
