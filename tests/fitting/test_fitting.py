from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from splatrig.fitting import fitting
from splatrig.fitting.engine import Fit
from splatrig.fitting.fitting import FitContext, Fitted, as_stored, fit_expression, fit_neutral, stragglers
from splatrig.gaussians.gaussians import SHAPES
from splatrig.gaussians.store import FittedFrames, read_fitted_frames, write_fitted_frames
from splatrig.io.errors import InputError
from support import tiny

FRAMES = ["000100", "000103", "000106"]


class KilledError(Exception):
    pass


@pytest.fixture(scope="module")
def context(tmp_path_factory) -> FitContext:
    folder = tmp_path_factory.mktemp("dataset")
    dataset = tiny.write_dataset(folder, dict(zip(FRAMES, (0.0, 2.0, 4.0), strict=True)))
    plan = tiny.plan(12, render=replace(tiny.RENDER, backdrop="random"))
    return FitContext(dataset, tiny.template(), plan, 0, torch.device("cpu"), tiny.INITIAL, checkpoint_steps=5)


def of_neutral(context: FitContext, steps: int = 30) -> FitContext:
    """The same with more steps."""
    return replace(context, plan=replace(context.plan, steps=steps))


@pytest.fixture(scope="module")
def neutral(context, tmp_path_factory) -> FittedFrames:
    fitted = fit_neutral(of_neutral(context), "E001_Tiny", FRAMES[0], tmp_path_factory.mktemp("events"))
    return as_stored(context, "E001_Tiny", [fitted])


@pytest.fixture(scope="module")
def whole(context, neutral, tmp_path_factory) -> list[Fitted]:
    """An expression fitted without interruption and without checkpoints."""
    return fit_expression(context, "E001_Tiny", FRAMES, neutral, tmp_path_factory.mktemp("events"))


def _equal(first: Fitted, second: Fitted) -> bool:
    arrays = zip(first.gaussians.items(), second.gaussians.items(), strict=True)
    return first.metrics.equals(second.metrics) and all(np.array_equal(a, b) for (_, a), (_, b) in arrays)


def _kill_at(monkeypatch: pytest.MonkeyPatch, count: int) -> None:
    """Let the process die at the `count`-th step that it takes."""
    steps = iter(range(count))
    step = Fit.step

    def dying(self: Fit, number: int, *given: object, **options: object) -> None:
        if next(steps, None) is None:
            raise KilledError
        step(self, number, *given, **options)

    monkeypatch.setattr(Fit, "step", dying)


def test_every_frame_is_fitted_in_order_and_measured_by_every_camera(whole):
    assert [frame.frame for frame in whole] == FRAMES
    for frame in whole:
        assert len(frame.losses) == 12
        assert set(frame.metrics["camera"]) == set(tiny.cameras().names)
        assert frame.train_psnr > 25


@pytest.mark.parametrize("steps", [3, 7, 19, 30])
def test_a_killed_job_goes_on_to_the_same_bits(context, neutral, whole, tmp_path, monkeypatch, steps):
    resumable = replace(context, progress=tmp_path / "progress")
    with monkeypatch.context() as patch:
        _kill_at(patch, steps)
        with pytest.raises(KilledError):
            fit_expression(resumable, "E001_Tiny", FRAMES, neutral, tmp_path / "events")
    with monkeypatch.context() as patch:
        _kill_at(patch, 36 - steps // 12 * 12 - steps % 12 // 5 * 5)  # all that is not kept
        again = fit_expression(resumable, "E001_Tiny", FRAMES, neutral, tmp_path / "events")
    assert all(_equal(first, second) for first, second in zip(whole, again, strict=True))


def test_a_killed_neutral_goes_on_to_the_same_bits(context, neutral, tmp_path, monkeypatch):
    resumable = replace(of_neutral(context), progress=tmp_path / "progress")
    with monkeypatch.context() as patch:
        _kill_at(patch, 23)
        with pytest.raises(KilledError):
            fit_neutral(resumable, "E001_Tiny", FRAMES[0], tmp_path / "events")
    with monkeypatch.context() as patch:
        _kill_at(patch, 10)
        again = fit_neutral(resumable, "E001_Tiny", FRAMES[0], tmp_path / "events")
    for name in SHAPES:
        np.testing.assert_array_equal(getattr(again.gaussians, name), getattr(neutral.gaussians[0], name))


def test_progress_of_another_seed_is_not_taken_up(context, neutral, tmp_path):
    resumable = replace(context, progress=tmp_path / "progress")
    fit_expression(resumable, "E001_Tiny", FRAMES[:1], neutral, tmp_path / "events")
    other = replace(resumable, seed=1)
    alone = fit_expression(replace(context, seed=1), "E001_Tiny", FRAMES[:1], neutral, tmp_path / "more")
    again = fit_expression(other, "E001_Tiny", FRAMES[:1], neutral, tmp_path / "events")
    assert _equal(alone[0], again[0])


def test_the_stored_frames_hold_metrics_recipe_and_steps(context, whole, tmp_path):
    write_fitted_frames(tmp_path / "e.h5", as_stored(context, "E001_Tiny", whole))
    back = read_fitted_frames(tmp_path / "e.h5")
    assert back.frames == tuple(FRAMES)
    assert len(back.metrics) == 3 * len(tiny.cameras()) * 2
    assert back.attributes["steps"] == "[12, 12, 12]"
    assert '"backdrop": "random"' in str(back.attributes["recipe"])


def test_losses_metrics_and_pictures_are_in_the_event_files(context, neutral, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    fit_expression(context, "E001_Tiny", FRAMES[:2], neutral, tmp_path)
    events = EventAccumulator(str(tmp_path)).Reload()
    assert {f"loss/{frame}" for frame in FRAMES[:2]} <= set(events.Tags()["scalars"])
    assert [event.step for event in events.Scalars("held_out/psnr")] == [100, 103]
    assert len(events.Tags()["images"]) == 2


@pytest.mark.parametrize("backdrop", ["random", "plate"])
def test_the_warm_up_fits_and_measures_a_patch(context, backdrop):
    render = replace(tiny.RENDER, backdrop=backdrop)
    metrics = fitting.warm_up_kernels(replace(context, plan=replace(context.plan, render=render)))
    assert metrics["camera"].tolist() == ["warm-up", "warm-up"]
    assert np.isfinite(metrics["psnr"]).all()


def test_stragglers_are_far_below_the_median_of_the_others():
    assert stragglers([30.0, 30.5, 26.0, 29.5], 3.0) == [2]
    assert stragglers([30.0, 30.5, 28.0, 29.5], 3.0) == []
    assert stragglers([30.0, 26.0], 3.0) == [1]
    assert stragglers([20.0], 3.0) == []


def test_a_straggler_is_fitted_again_with_more_steps_and_reported(context, neutral, tmp_path, monkeypatch, caplog):
    plain = fitting._fitted
    spoiled = []

    def spoil_once(context, data, start, reference, checkpoints):
        if data.frame == FRAMES[1] and not spoiled:
            spoiled.append(data.frame)
            plan = replace(context.plan, steps=1, rates=replace(context.plan.rates, means=20.0))
            context = replace(context, plan=plan)
        return plain(context, data, start, reference, checkpoints)

    monkeypatch.setattr(fitting, "_fitted", spoil_once)
    fitted = fit_expression(context, "E001_Tiny", FRAMES, neutral, tmp_path)
    assert [len(frame.losses) for frame in fitted] == [12, 36, 12]
    assert fitted[1].train_psnr > 25
    assert "E001_Tiny/000103: " in caplog.text
    assert "36 steps instead of 12" in caplog.text


def test_a_camera_with_wrong_exposure_is_named(context, tmp_path, caplog):
    dataset = tiny.write_dataset(tmp_path / "dataset", {"000100": 0.0})
    path = Path(dataset.folder / "E001_Tiny" / "000100" / "400002.png")
    pixels = np.asarray(Image.open(path)).copy()
    pixels[..., :3] //= 4
    Image.fromarray(pixels).save(path)
    fit_neutral(replace(of_neutral(context), dataset=dataset), "E001_Tiny", "000100", tmp_path / "events")
    assert "E001_Tiny: training camera 400002 is matched" in caplog.text
    assert caplog.text.count("is matched") == 1


def test_no_camera_of_a_sound_capture_is_named(context, neutral, tmp_path, caplog):
    fit_expression(context, "E001_Tiny", FRAMES[:1], neutral, tmp_path)
    assert "is matched" not in caplog.text


def test_a_broken_photograph_stops_the_job_by_name(context, neutral, tmp_path):
    dataset = tiny.write_dataset(tmp_path / "dataset", {"000100": 0.0, "000103": 1.0})
    Path(dataset.folder / "E001_Tiny" / "000103" / "400002.png").write_bytes(b"")
    with pytest.raises(InputError, match=r"000103/400002\.png: the photograph cannot be read"):
        fit_expression(replace(context, dataset=dataset), "E001_Tiny", ["000100", "000103"], neutral, tmp_path / "e")
