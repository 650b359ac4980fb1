import numpy as np
import pytest
import torch

from splatrig.fitting.optimizer import ADAM_BETAS, ADAM_EPSILON
from splatrig.fitting.rates import scaled
from splatrig.fitting.rig_optimizer import RigOptimizer, RowAdam
from splatrig.fitting.trainable_rig import BasisStart, RigStart, TrainableRig
from support import known_rig


@pytest.fixture
def rig() -> TrainableRig:
    generator = np.random.default_rng(0)
    base = known_rig.ball(generator, 20)
    deltas = {"means": generator.standard_normal((3, 20, 3)).astype(np.float32)}
    weights = generator.standard_normal((5, 3)).astype(np.float32)
    return TrainableRig(RigStart(base, weights, BasisStart(("means",), deltas), neutral_row=1), known_rig.RATES)


def test_row_adam_equals_torch_when_every_row_is_seen() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(4, 3, generator=generator)
    matrix, reference = start.clone(), start.clone().requires_grad_()
    rows = RowAdam.of(matrix)
    adam = torch.optim.Adam([reference], lr=0.05, betas=ADAM_BETAS, eps=ADAM_EPSILON)
    for _ in range(20):
        gradient = torch.randn(4, 3, generator=generator)
        rows.step(range(4), gradient, 0.05)
        reference.grad = gradient
        adam.step()
    assert torch.allclose(matrix, reference, atol=1e-6)


def test_a_row_that_is_not_seen_stays_and_does_not_age() -> None:
    generator = torch.Generator().manual_seed(0)
    start = torch.randn(3, 2, generator=generator)
    sometimes, always = start.clone(), start.clone()
    rows, reference = RowAdam.of(sometimes), RowAdam.of(always)
    for step in range(12):
        gradient = torch.randn(3, 2, generator=generator)
        if step % 3 == 0:
            reference.step(range(3), gradient, 0.1)
        rows.step([0, 1] if step % 3 == 0 else [0], gradient, 0.1)
    assert torch.allclose(sometimes[1], always[1], atol=1e-6)
    assert torch.equal(sometimes[2], start[2])


@pytest.mark.parametrize("bounded", [False, True])
def test_the_gauge_is_fixed_after_every_step(rig: TrainableRig, bounded: bool) -> None:
    rates = known_rig.plan(weight_rate=0.5).learning_rates(rig)
    optimizer = RigOptimizer(rig, rates, bounded=bounded)
    generator = torch.Generator().manual_seed(0)
    for step in range(3):
        for parameter in rig.parameters().values():
            parameter.grad = torch.randn(parameter.shape, generator=generator)
        optimizer.step(step, range(5), {"weights": torch.randn(5, 3, generator=generator)})
        weights = rig.weights.detach()
        assert torch.equal(weights[1], torch.zeros(3))
        if bounded:
            assert float(weights.min()) >= 0 and float(weights.max()) <= 1
        else:
            assert torch.allclose(weights.square().mean(dim=0), torch.ones(3), atol=1e-5)
        assert torch.allclose(rig.base["quats"].norm(dim=1), torch.ones(20), atol=1e-6)


def test_the_first_step_moves_every_entry_by_its_physical_rate(rig: TrainableRig) -> None:
    before = {name: tensor.detach().clone() for name, tensor in rig.parameters().items()}
    basis = rig.basis.dense().clone()
    for parameter in rig.parameters().values():
        parameter.grad = torch.ones_like(parameter)
    RigOptimizer(rig, known_rig.plan().learning_rates(rig)).step(0, [1], {"weights": torch.zeros(5, 3)})
    assert torch.allclose(before["base_means"] - rig.base["means"], torch.tensor(known_rig.RATES.means), rtol=1e-3)
    assert torch.allclose(before["base_shN"] - rig.base["shN"], torch.tensor(known_rig.RATES.shN), rtol=1e-3)
    assert torch.allclose(basis - rig.basis.dense(), torch.tensor(known_rig.RATES.means), rtol=1e-3)


def test_a_fixed_base_stays(rig: TrainableRig) -> None:
    before = {name: tensor.detach().clone() for name, tensor in rig.base.items()}
    for parameter in rig.parameters().values():
        parameter.grad = torch.ones_like(parameter)
    rates = known_rig.plan(base_rates=scaled(known_rig.RATES, 0.0)).learning_rates(rig)
    RigOptimizer(rig, rates).step(0, range(5), {"weights": torch.ones(5, 3)})
    for name, tensor in rig.base.items():
        assert torch.allclose(tensor, before[name], atol=1e-7)
