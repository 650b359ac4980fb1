"""One step of a fit against the same step written plainly, one picture after the other, by autograd alone."""

import warnings
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from splatrig.dataset.photographs import Photographs, View
from splatrig.fitting import objective as objective_module
from splatrig.fitting.compare_view import render_view
from splatrig.fitting.losses import photometric_loss, size_loss
from splatrig.fitting.occlusion import Occlusion
from splatrig.fitting.schedule import Shot
from splatrig.fitting.trainable_rig import TrainableRig
from splatrig.learned.fit import LearnedFit
from splatrig.learned.plan import LearnedPlan
from support import known_rig
from support.known_rig import Planted

STEP = 3
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.cuda])]


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return known_rig.plant(tmp_path_factory.mktemp("planted"))


def taken(learned: LearnedFit, shots: list[Shot], monkeypatch: pytest.MonkeyPatch) -> dict[str, Tensor]:
    """Make one step; return the gradients that reach its optimizer, by parameter, and the loss."""
    found: dict[str, Tensor] = {}

    def keep(step: int, seen: list[int], per_frame: dict[str, Tensor]) -> None:
        assert step == STEP
        assert seen == sorted({shot.frame for shot in shots})
        found.update({name: tensor.grad.clone() for name, tensor in learned.rig.shared.items()})
        found.update({name: slopes.clone() for name, slopes in per_frame.items()})

    monkeypatch.setattr(learned.optimizer, "step", keep)
    learned.fit.step(STEP, shots)
    return found | {"loss": learned.losses.per_step.sum()}


def plainly(learned: LearnedFit, shots: list[Shot], plan: LearnedPlan) -> dict[str, Tensor]:
    """Return what `taken` returns, by autograd through one picture after the other."""
    rig, objective = learned.rig, learned.fit.objective
    total, background = torch.zeros((), device=rig.device), objective.backdrops.at(STEP)
    for shot in shots:
        activated = rig.activated(rig.weights[shot.frame : shot.frame + 1])
        key = (learned.schedule.seed, 6, STEP, shot.frame, 0)
        shown = plan.occlusion.shown(activated.means[None], objective.normals, shot.view.viewmats, [key])
        seen = activated if shown is None else replace(activated, opacities=activated.opacities * shown[0])
        rendered, photographed = render_view(seen, shot.view, plan.render, background)
        total = total + photometric_loss(rendered, photographed, plan.render.lambda_dssim) / len(shots)
        total = total + plan.size_weight * size_loss(activated.scales, objective.inverse_edges) / len(shots)
    names, parameters = zip(*rig.parameters().items(), strict=True)
    gradients = dict(zip(names, torch.autograd.grad(total, parameters), strict=True))
    gradients["weights"] = gradients["weights"] * len(shots)
    return gradients | {"loss": total.detach()}


def shots_of(photographs: Photographs, pairs: list[tuple[int, int]]) -> list[Shot]:
    return [Shot(pair[0], photographs.view(pair)) for pair in pairs]


def cropped_unequally(shot: Shot, rows: int, columns: int) -> Shot:
    """Return a shot of the upper left part of its picture."""
    view = View(shot.view.camera, shot.view.image[:rows, :columns].contiguous(), None, shot.view.viewmats, shot.view.Ks)
    return Shot(shot.frame, view)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("local", [False, True])
@pytest.mark.parametrize(
    ("pairs", "backdrop", "occlusion"),
    [
        ([(1, 0)], "black", Occlusion(None, 0.0)),
        ([(1, 0), (4, 2)], "random", Occlusion(0.2, 0.1)),
        ([(2, 0), (5, 6), (2, 4), (0, 1), (7, 5), (2, 1)], "random", Occlusion(0.2, 0.1)),
    ],
)
def test_a_step_goes_down_the_gradient_of_the_mean_over_its_pictures(
    truth: Planted,
    monkeypatch: pytest.MonkeyPatch,
    device: str,
    local: bool,
    pairs: list[tuple[int, int]],
    backdrop: str,
    occlusion: Occlusion,
) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    render = replace(known_rig.RENDER, backdrop=backdrop, rasterizer="auto")
    plan = known_rig.plan(local=local, occlusion=occlusion, render=render, size_weight=0.3)
    rig = TrainableRig(known_rig.disturbed(truth, 0, local=local), plan.rates, device)
    with Photographs(truth.frames, device, workers=2, processes=False) as photographs:
        schedule = known_rig.schedule(truth, len(pairs))
        learned = LearnedFit(rig, photographs, schedule, known_rig.surroundings(truth), plan)
        shots = shots_of(photographs, pairs)
        if len(pairs) > 1:
            shots[1] = cropped_unequally(shots[1], 40, 37)
        expected = plainly(learned, shots, plan)
        found = taken(learned, shots, monkeypatch)
    tolerance = 1e-5 if device == "cpu" else 1e-3  # a GPU adds up in another order in every call
    for name, gradient in expected.items():
        worst = float((found[name] - gradient).abs().max()) / float(gradient.abs().max())
        assert worst < tolerance, f"{name}: {worst}"


def test_a_gradient_that_is_not_finite_is_left_out_alone(truth: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    plan = known_rig.plan()
    rig = TrainableRig(known_rig.disturbed(truth, 0, local=False), plan.rates)
    original = objective_module._posed

    def poisoned(*arguments: object) -> object:
        poses = original(*arguments)
        poses.means.register_hook(lambda slope: slope.index_fill(1, torch.tensor([5]), np.nan))
        return poses

    with known_rig.photographs(truth) as photographs:
        learned = LearnedFit(rig, photographs, known_rig.schedule(truth), known_rig.surroundings(truth), plan)
        shots = shots_of(photographs, [(1, 0), (4, 2)])
        healthy = taken(learned, shots, monkeypatch)
        monkeypatch.setattr(objective_module, "_posed", poisoned)
        found = taken(learned, shots, monkeypatch)
    others = torch.arange(len(rig)) != 5
    assert not found["base_means"][5].any()
    assert torch.equal(found["base_means"][others], healthy["base_means"][others])
    assert all(bool(gradient.isfinite().all()) for gradient in found.values())


def waits_of(step: Callable[[], None]) -> list[str]:
    """Where a step on a GPU waits for it, as far as torch sees it; said each time, whatever was said before.

    That the first call in a process says that this is a prototype, with the word synchronizing in it, is no wait.
    """
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        torch.cuda.set_sync_debug_mode("warn")
        try:
            step()
        finally:
            torch.cuda.set_sync_debug_mode("default")
    return [f"{found.filename}:{found.lineno}" for found in caught if "called a synchronizing" in str(found.message)]


@pytest.mark.cuda
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_a_step_on_a_gpu_starts_few_kernels_and_waits_for_nothing(truth: Planted) -> None:
    """gsplat waits, in its own code, for the number of tiles that Gaussians cover; torch sees no other wait.

    Of several steps the quickest counts: kernels are compiled, and memory is found, when they are first needed.
    """
    assert len(waits_of(lambda: torch.ones(1, device="cuda").item())) == 1, "a wait is seen"
    render = replace(known_rig.RENDER, backdrop="random", rasterizer="auto")
    plan = known_rig.plan(occlusion=Occlusion(0.2, 0.1), render=render)
    rig = TrainableRig(known_rig.disturbed(truth, 0, local=False), plan.rates, "cuda")
    kernels = []
    with Photographs(truth.frames, "cuda", workers=2, processes=False) as photographs:
        learned = LearnedFit(rig, photographs, known_rig.schedule(truth), known_rig.surroundings(truth), plan)
        shots = shots_of(photographs, [(1, 0), (4, 2)])
        learned.fit.step(0, shots)
        waits = [waits_of(lambda step=step: learned.fit.step(step, shots)) for step in range(1, 6)]
        for step in range(6, 9):
            torch.cuda.synchronize()
            with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
                learned.fit.step(step, shots)
                torch.cuda.synchronize()
            events = [event for event in profile.key_averages() if event.device_type == torch.autograd.DeviceType.CUDA]
            kernels.append(sum(event.count for event in events))
    assert min(map(len, waits)) == 0, waits
    assert min(kernels) < 200, kernels
