from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from splatrig.fitting.rig_optimizer import RigOptimizer
from splatrig.fitting.trainable_rig import BasisStart, Blendshapes, RigStart, TrainableRig
from splatrig.fitting.turns import TurningPart
from splatrig.io.errors import InputError
from support import known_rig

COUNT, K = 20, 3
FIRST, SECOND = np.array([4, 17, 9]), np.array([0, 19])
ROTATIONS = Rotation.from_rotvec(np.radians([[0, 25, 0], [-20, 0, 0], [0, -25, 0]]))
FLOAT32 = 2e-5
"""Millimeters: rounding of coordinates of 60 mm."""


def start(fields: tuple[str, ...] = known_rig.FIELDS, *, local: bool = False) -> RigStart:
    """Three components of everything, and two parts that three more turn."""
    generator = np.random.default_rng(0)
    base = known_rig.ball(generator, COUNT)
    sizes = {"means": 3, "sh0": 3, "quats": 4, "log_scales": 3}
    deltas = {name: generator.standard_normal((K, COUNT, sizes[name])).astype(np.float32) for name in fields}
    support = generator.random((K, COUNT)) < 0.5 if local else None
    quats = ROTATIONS.as_quat(scalar_first=True)
    parts = (
        TurningPart(FIRST, np.array([10.0, 5, 40]), ("in", "up"), quats[:2], np.array([K, K + 1])),
        TurningPart(SECOND, np.array([-10.0, 5, 40]), ("out",), quats[2:], np.array([K + 2])),
    )
    weights = generator.random((5, K + 3)).astype(np.float32)
    return RigStart(base, weights, BasisStart(fields, deltas, support), neutral_row=0, parts=parts)


@pytest.mark.parametrize("local", [False, True])
def test_a_weight_of_one_is_the_whole_rotation_of_its_part_alone(local: bool) -> None:
    rig = TrainableRig(start(local=local), known_rig.RATES)
    for component, (own, rotation, center) in enumerate(
        [(FIRST, ROTATIONS[0], [10, 5, 40]), (FIRST, ROTATIONS[1], [10, 5, 40]), (SECOND, ROTATIONS[2], [-10, 5, 40])]
    ):
        weights = torch.zeros(1, K + 3)
        weights[0, K + component] = 1.0
        rows = {name: values[0].detach().numpy() for name, values in rig.rows(weights).items()}
        base = {name: values.detach().numpy() for name, values in rig.base.items()}
        np.testing.assert_allclose(
            rows["means"][own], rotation.apply(base["means"][own] - center) + center, atol=FLOAT32
        )
        turned = rotation * Rotation.from_quat(base["quats"][own], scalar_first=True)
        np.testing.assert_allclose(rows["quats"][own], turned.as_quat(scalar_first=True), atol=1e-6)
        others = np.setdiff1d(np.arange(COUNT), own)
        for name, values in rows.items():
            np.testing.assert_array_equal(values[others], base[name][others])
        np.testing.assert_array_equal(rows["sh0"], base["sh0"])


def test_it_stays_the_rotation_wherever_the_base_goes() -> None:
    rig = TrainableRig(start(), known_rig.RATES)
    with torch.no_grad():
        rig.base["means"][FIRST] += torch.tensor([0.5, -1.0, 2.0])
    weights = torch.zeros(1, K + 3)
    weights[0, K] = 1.0
    center = torch.tensor([10.0, 5, 40])
    before, after = rig.base["means"][FIRST] - center, rig.rows(weights)["means"][0, FIRST] - center
    torch.testing.assert_close(after.norm(dim=1), before.norm(dim=1), rtol=0, atol=FLOAT32)
    torch.testing.assert_close(rig.dense()[K, FIRST, :3], (after - before).detach(), rtol=0, atol=FLOAT32)


@pytest.mark.parametrize("local", [False, True])
def test_components_are_what_the_rows_are_blended_from(local: bool) -> None:
    rig = TrainableRig(start(local=local), known_rig.RATES)
    blended = torch.einsum("fk,kna->fna", rig.weights.detach(), rig.dense())
    rows = torch.cat([(rig.rows(rig.weights)[name] - rig.base[name]).reshape(5, COUNT, -1) for name in rig.driven], -1)
    torch.testing.assert_close(rows.detach(), blended, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize("batch", [1, 3])
def test_gradients_are_those_of_the_rows(local: bool, batch: int) -> None:
    rig = TrainableRig(start(local=local), known_rig.RATES)
    weights = rig.weights.detach()[1 : 1 + batch].clone().requires_grad_()
    rows = rig.rows(weights)
    upstream = {name: torch.randn(values.shape) for name, values in rows.items()}
    total = sum((rows[name] * upstream[name]).sum() for name in rows)
    sources = [weights, rig.basis.values, rig.base["means"], rig.base["quats"], rig.base["sh0"]]
    expected = torch.autograd.grad(total, sources)
    rig.basis.values.grad = None
    found = rig.pull(weights.detach(), {name: values.clone() for name, values in upstream.items()})
    gradients = [found, rig.basis.values.grad, *(rig.base[name].grad for name in ("means", "quats", "sh0"))]
    for got, wanted in zip(gradients, expected, strict=True):
        torch.testing.assert_close(got, wanted, rtol=1e-4, atol=1e-4)


@pytest.mark.parametrize("bounded", [False, True])
def test_weights_of_turns_are_bounded_in_both_families(bounded: bool) -> None:
    rig = TrainableRig(start(local=bounded), known_rig.RATES)
    plain = replace(start(local=bounded), weights=start(local=bounded).weights[:, :K], parts=())
    without = TrainableRig(plain, known_rig.RATES)
    generator, slopes = torch.Generator().manual_seed(0), torch.zeros(5, K + 3)
    optimizers = [
        RigOptimizer(each, known_rig.plan(weight_rate=0.9).learning_rates(each), bounded=bounded)
        for each in (rig, without)
    ]
    for step in range(3):
        slopes.normal_(generator=generator)
        for each, optimizer in zip((rig, without), optimizers, strict=True):
            for parameter in each.parameters().values():
                parameter.grad = torch.zeros_like(parameter)
            optimizer.step(step, range(5), {"weights": slopes[:, : each.count].contiguous()})
        turning = rig.weights.detach()[:, K:]
        assert turning.min() == 0
        assert turning.max() == 1
        assert not rig.weights[0].any()
        torch.testing.assert_close(rig.weights[:, :K], without.weights, rtol=1e-6, atol=1e-7)
    if not bounded:
        torch.testing.assert_close(rig.weights.detach()[:, :K].square().mean(dim=0), torch.ones(K))


def test_a_component_of_the_basis_may_turn_a_part_with_its_own_weight() -> None:
    """The same rows as of separate components whose weights are equal, and both gradients."""
    apart = start()
    by_name = tuple(replace(part, columns=part.columns - K) for part in apart.parts)
    weights = apart.weights[:, :K]
    rig = TrainableRig(replace(apart, weights=weights, parts=by_name), known_rig.RATES)
    other = TrainableRig(replace(apart, weights=np.concatenate([weights, weights], axis=1)), known_rig.RATES)
    assert (rig.own, rig.count, rig.turning.tolist()) == (K, K, [True] * K)
    rows, expected = rig.rows(rig.weights), other.rows(other.weights)
    for name, values in rows.items():
        torch.testing.assert_close(values, expected[name])
    torch.testing.assert_close(rig.dense(), other.dense()[:K] + other.dense()[K:])
    upstream = {name: torch.randn(values.shape) for name, values in rows.items()}
    slopes = other.pull(other.weights.detach(), {name: values.clone() for name, values in upstream.items()})
    found = rig.pull(rig.weights.detach(), upstream)
    torch.testing.assert_close(found, slopes[:, :K] + slopes[:, K:], rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(rig.base["means"].grad, other.base["means"].grad)


def test_weights_of_blendshapes_that_nothing_tells_of_stay_zero_and_their_motion_with_them() -> None:
    known = Blendshapes(("a", "b", "c"), np.array([True, False, True]))
    plain = replace(start(local=True), weights=start().weights[:, :K], parts=(), blendshapes=known)
    rig = TrainableRig(plain, known_rig.RATES)
    optimizer = RigOptimizer(rig, known_rig.plan(weight_rate=0.5).learning_rates(rig), bounded=True)
    optimizer.constrain()
    before = rig.dense()
    for step in range(4):
        weights, rows = rig.blended(range(5))
        slopes = rig.pull(weights, {name: torch.randn(values.shape) for name, values in rows.items()})
        for name, parameter in rig.parameters().items():
            if parameter.grad is None and name != "weights":
                parameter.grad = torch.zeros_like(parameter)
        optimizer.step(step, range(5), {"weights": slopes - 1.0})
        assert not rig.weights[:, 1].any()
    torch.testing.assert_close(rig.dense()[1], before[1], rtol=0, atol=0)
    assert rig.weights[1:, [0, 2]].any()
    assert (rig.dense()[[0, 2]] != before[[0, 2]]).any()


def test_parts_turn_where_components_move_centers_without_rotations() -> None:
    rig = TrainableRig(start(("means",)), known_rig.RATES)
    rows = rig.rows(torch.eye(K + 3)[K:])
    assert list(rows) == ["means"]
    assert (rows["means"][0, FIRST] - rig.base["means"][FIRST]).norm(dim=1).min() > 1


def test_weights_are_of_all_components() -> None:
    with pytest.raises(InputError, match="expected weights of 6 components"):
        replace(start(), weights=np.zeros((5, K), np.float32))
