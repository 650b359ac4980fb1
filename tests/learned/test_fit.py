import shutil
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from splatrig.fitting import objective
from splatrig.fitting.checkpoint import Checkpoints, Slot
from splatrig.fitting.engine import Fit
from splatrig.fitting.frame_data import FrameData
from splatrig.fitting.frame_fit import camera_order, fit, frame_generator
from splatrig.fitting.occlusion import Occlusion
from splatrig.fitting.recipe import Plan
from splatrig.fitting.schedule import Schedule, Window
from splatrig.fitting.trainable_rig import RigStart, TrainableRig
from splatrig.io.errors import InputError
from splatrig.learned.fit import LearnedFit
from splatrig.learned.plan import LearnedPlan
from splatrig.rasterize import Views, rasterize
from support import known_rig, tiny
from support.known_rig import Planted

RECOVERED_DB = 40.0
"""Held-out cameras; the issue's bar for a planted rig."""
RECOVERED_CORRELATION = 0.95


@pytest.fixture(scope="module", autouse=True)
def _one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return known_rig.plant(tmp_path_factory.mktemp("planted"))


def learn(
    truth: Planted,
    start: RigStart,
    plan: LearnedPlan,
    schedule: Schedule | None = None,
    slot: Slot | None = None,
    **changes: object,
) -> tuple[TrainableRig, LearnedFit]:
    """Learn a rig; `changes` are other surroundings than the planted ones."""
    rig = TrainableRig(start, plan.rates, moving=plan.pose_rate > 0)
    surroundings = replace(known_rig.surroundings(truth), **changes)
    with known_rig.photographs(truth) as photographs:
        learned = LearnedFit(rig, photographs, schedule or known_rig.schedule(truth), surroundings, plan)
        learned.run(slot)
    return rig, learned


def arrays(rig: TrainableRig) -> dict[str, np.ndarray]:
    return {name: tensor.detach().numpy() for name, tensor in rig.parameters().items()}


def test_a_planted_global_rig_is_recovered_up_to_its_gauge(truth: Planted) -> None:
    rig, learned = learn(truth, known_rig.disturbed(truth, 0, local=False), known_rig.plan(400))
    assert learned.history[-1][3] > RECOVERED_DB
    weights = rig.weights.detach().numpy()
    gauge, *_ = np.linalg.lstsq(weights, truth.weights, rcond=None)
    for k in range(3):
        assert np.corrcoef((weights @ gauge)[:, k], truth.weights[:, k])[0, 1] > RECOVERED_CORRELATION


def test_a_planted_local_rig_is_recovered_inside_its_supports(truth: Planted) -> None:
    rig, learned = learn(truth, known_rig.disturbed(truth, 0, local=True), known_rig.plan(400, local=True))
    assert learned.history[-1][3] > RECOVERED_DB
    weights = rig.weights.detach().numpy()
    for k in range(3):
        assert np.corrcoef(weights[:, k], truth.weights[:, k])[0, 1] > RECOVERED_CORRELATION
    moving = rig.basis.dense().any(dim=2).numpy()
    assert not moving[~truth.support].any()
    assert moving[truth.support].mean() > 0.9


def distances(truth: Planted, motions: np.ndarray, true: np.ndarray) -> np.ndarray:  # [F, 3, 4] each; [F]
    """Return how far motions put the ball from where it was photographed, root mean squares in millimeters.

    What all frames have in common does not count: a rig may be anywhere in head space.
    """
    last = np.broadcast_to([[[0.0, 0.0, 0.0, 1.0]]], (len(true), 1, 4))
    left = np.linalg.inv(np.concatenate([true, last], axis=1)) @ np.concatenate([motions, last], axis=1)
    placed = np.column_stack([truth.base.means, np.ones(len(truth.base))]) @ left.swapaxes(1, 2)
    return np.sqrt(np.square(placed - placed.mean(axis=0)).sum(axis=2).mean(axis=1))


def test_heads_that_tracking_misplaced_are_put_back(truth: Planted) -> None:
    wrong, true = known_rig.misplaced(truth)
    still, left = learn(wrong, truth.start(), known_rig.plan(300))
    moved, mended = learn(wrong, truth.start(), known_rig.plan(300, pose_rate=0.2))
    assert still.poses is None
    assert mended.history[-1][3] > left.history[-1][3] + 3.0
    before = distances(truth, np.tile(np.eye(4)[:3], (len(true), 1, 1)), true)
    after = distances(truth, moved.poses.rigid(), true)
    assert np.median(after) < 0.25 * np.median(before)


def test_poses_that_do_not_move_change_no_bit(truth: Planted) -> None:
    start, plan = known_rig.disturbed(truth, 1, local=False), known_rig.plan(12, check_every=6)
    without, _ = learn(truth, start, plan)
    still = TrainableRig(start, plan.rates, moving=True)
    with known_rig.photographs(truth) as photographs:
        LearnedFit(still, photographs, known_rig.schedule(truth), known_rig.surroundings(truth), plan).run()
    assert not still.poses.values.any()
    for name, array in arrays(without).items():
        np.testing.assert_array_equal(array, arrays(still)[name], err_msg=name)


def test_photographs_of_held_out_cameras_move_no_head(truth: Planted, tmp_path: Path) -> None:
    wrong, _ = known_rig.misplaced(truth)
    plan = known_rig.plan(20, check_every=5, pose_rate=0.1)
    expected, _ = learn(wrong, truth.start(), plan)
    frames = []
    for row, frame in enumerate(wrong.frames):
        spoiled = replace(frame, folder=tmp_path / str(row))
        shutil.copytree(frame.folder, spoiled.folder)
        Image.new("RGBA", (known_rig.SIZE, known_rig.SIZE), "red").save(spoiled.photograph(known_rig.HELD_OUT))
        frames.append(spoiled)
    found, _ = learn(replace(wrong, frames=frames), truth.start(), plan)
    assert expected.poses.values.any()
    for name, array in arrays(expected).items():
        np.testing.assert_array_equal(array, arrays(found)[name], err_msg=name)


@pytest.mark.parametrize("pose_rate", [0.0, 0.1])
def test_a_killed_fit_goes_on_to_the_same_bits(
    truth: Planted, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, pose_rate: float
) -> None:
    start, plan = (
        known_rig.disturbed(truth, 1, local=False),
        known_rig.plan(30, check_every=10, occlusion=Occlusion(0.5, 0.1), pose_rate=pose_rate),
    )
    undisturbed, _ = learn(truth, start, plan)
    slot = Checkpoints(tmp_path, "key").slot("checkpoint")
    step = Fit.step

    def dies(self: Fit, number: int, shots: list, **options: object) -> None:
        if number == 17:
            raise KeyboardInterrupt
        step(self, number, shots, **options)

    monkeypatch.setattr(Fit, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        learn(truth, start, plan, slot=slot)
    monkeypatch.setattr(Fit, "step", step)
    resumed, learned = learn(truth, start, plan, slot=slot)
    assert [row[0] for row in learned.history] == [10, 20, 30]
    for name, array in arrays(undisturbed).items():
        assert np.array_equal(array, arrays(resumed)[name]), name


def test_a_checkpoint_of_another_fit_is_not_used(truth: Planted, tmp_path: Path) -> None:
    start, plan = known_rig.disturbed(truth, 1, local=False), known_rig.plan(4, check_every=2)
    learn(truth, start, plan, slot=Checkpoints(tmp_path, "one").slot("fit"))
    _, learned = learn(truth, start, plan, slot=Checkpoints(tmp_path, "other").slot("fit", every_seconds=1e9))
    assert [row[0] for row in learned.history] == [2, 4]


class _FrameOrder(Schedule):
    """The cameras of one frame in the order in which a frame fitted alone takes them."""

    def windows(self, lane: int) -> Iterator[Window]:
        assert lane == 0
        views = 7
        order = camera_order(frame_generator(self.seed, "E000/000000"), views, 40)
        cameras = [camera for camera in range(8) if camera != known_rig.HELD_OUT]
        steps = tuple((0, cameras[index]) for index in order)
        while True:
            yield Window(tuple((0, camera) for camera in cameras), steps)


def test_no_components_equals_fitting_the_base_alone(truth: Planted) -> None:
    """One engine, two ways in: a frame fitted alone is a learned rig of one frame without components."""
    rates = known_rig.RATES
    plan = known_rig.plan(40, rates=rates, base_rates=rates, final_rate=0.1, check_every=1000, size_weight=0.1)
    base = known_rig.disturbed(truth, 0, local=False).base
    start = RigStart(base, np.zeros((1, 0), np.float32), None, neutral_row=0)
    schedule = _FrameOrder([(0, 0)], per_step=1, seed=5)
    rig = TrainableRig(start, rates)
    single = Planted(truth.base, truth.weights[:1], truth.deltas, truth.support, truth.frames[:1])
    surroundings = replace(known_rig.surroundings(single), validation=())
    with known_rig.photographs(single) as photographs:
        LearnedFit(rig, photographs, schedule, surroundings, plan).run()
    view = truth.frames[0]
    images = known_rig.photographs_of(truth.base, view.cameras)
    frame = FrameData(**vars(view), vertices=base.means.astype(np.float64), views=tiny.views(images, view.cameras))
    reference_plan = Plan(
        40, known_rig.RENDER, rates=rates, rate_unit="mm", final_rate=0.1, drift_weight=0.0, size_weight=0.1
    )
    reference = fit(base, frame, np.full(len(base), 8.0), reference_plan, seed=5).gaussians
    for name, array in rig.gaussians([]).items():
        opposite = -1.0 if name == "quats" else 1.0  # a fitted frame's are on the hemisphere of its start
        expected = getattr(reference, name)
        turned = np.where(np.abs(array - expected) > np.abs(array + expected), opposite, 1.0) * expected
        np.testing.assert_allclose(array, turned, rtol=1e-6, atol=1e-7, err_msg=name)


def test_a_frame_without_weights_is_the_base(truth: Planted) -> None:
    rig = TrainableRig(truth.start(), known_rig.RATES)
    for name, array in rig.gaussians(np.zeros(3)).items():
        np.testing.assert_allclose(array, getattr(truth.base, name), atol=1e-6)


def test_gradients_of_the_blended_rig_agree_with_finite_differences(truth: Planted) -> None:
    rig = TrainableRig(truth.start(local=True), known_rig.RATES)
    rig.base = {name: tensor.detach().double().requires_grad_() for name, tensor in rig.base.items()}
    rig.weights = rig.weights.detach().double().requires_grad_()
    basis = rig.basis
    basis.values, basis.unit = basis.values.detach().double().requires_grad_(), basis.unit.double()
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(known_rig.SIZE, known_rig.SIZE, 3, generator=generator, dtype=torch.float64)
    cameras = truth.frames[4].cameras
    viewmats, Ks = torch.as_tensor(cameras.viewmats[:1]), torch.as_tensor(cameras.Ks[:1])

    def value() -> torch.Tensor:
        activated = rig.activated(rig.weights[4:5])
        images, _ = rasterize(activated, Views(viewmats, Ks, known_rig.SIZE, known_rig.SIZE))
        return (images[0] * probe).sum()

    tensors = {"weights": rig.weights, "basis": basis.values, "means": rig.base["means"], "sh0": rig.base["sh0"]}
    gradients = torch.autograd.grad(value(), list(tensors.values()))
    for (name, tensor), gradient in zip(tensors.items(), gradients, strict=True):
        direction = torch.randn(tensor.shape, generator=generator, dtype=torch.float64)
        size = 1e-6
        with torch.no_grad():
            tensor += size * direction
            above = value()
            tensor -= 2 * size * direction
            below = value()
            tensor += size * direction
        expected = float((gradient * direction).sum())
        assert float(above - below) / (2 * size) == pytest.approx(expected, rel=2e-3), name


def test_one_bad_picture_changes_nothing_and_many_stop_the_fit(truth: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    original, calls = objective.photometric_loss, []

    def sometimes_nan(rendered: torch.Tensor, photographed: torch.Tensor, weight: float) -> torch.Tensor:
        calls.append(1)
        loss = original(rendered, photographed, weight)
        return loss * float("nan") if len(calls) in bad else loss

    monkeypatch.setattr(objective, "photometric_loss", sometimes_nan)
    bad = {5}
    rig, learned = learn(truth, known_rig.disturbed(truth, 0, local=False), known_rig.plan(20, check_every=10))
    assert learned.bad_steps == 1
    assert all(np.isfinite(array).all() for array in arrays(rig).values())
    calls.clear()
    bad = set(range(3, 20))
    with pytest.raises(InputError, match="not finite; check the photographs"):
        learn(truth, known_rig.disturbed(truth, 0, local=False), known_rig.plan(20, check_every=10))


def test_held_out_cameras_choose_nothing(truth: Planted, monkeypatch: pytest.MonkeyPatch) -> None:
    """The rig is that of the last step, also where earlier ones measured better: the tables report these cameras."""
    falling = iter(range(1000, 0, -1))
    monkeypatch.setattr(LearnedFit, "measure", lambda _fit, _pair: float(next(falling)))
    plan = known_rig.plan(12, check_every=3, base_rates=replace(known_rig.RATES, sh0=3.0))
    start = known_rig.disturbed(truth, 0, local=False)
    rig, learned = learn(truth, start, plan)
    assert [step for step, *_ in learned.history] == [3, 6, 9, 12]
    assert np.all(np.diff([row[3] for row in learned.history]) < 0)
    unmeasured, other = learn(truth, start, plan, validation=())
    assert np.isnan([row[3] for row in other.history]).all()
    for name, array in arrays(rig).items():
        np.testing.assert_array_equal(array, arrays(unmeasured)[name], err_msg=name)


def test_a_held_out_camera_that_sees_no_head_does_not_spoil_the_mean(truth: Planted, monkeypatch) -> None:
    plain = LearnedFit.measure
    blind = known_rig.surroundings(truth).validation[0]
    monkeypatch.setattr(LearnedFit, "measure", lambda fit, pair: np.nan if pair == blind else plain(fit, pair))
    _, learned = learn(truth, truth.start(), known_rig.plan(4, check_every=2))
    assert all(np.isfinite(row[3]) for row in learned.history)
