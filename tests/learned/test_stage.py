from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from splatrig.components.component_file import Components, read_components, write_components
from splatrig.components.fields import Columns
from splatrig.config.models import LearnedAppearance, LearnedLocal, LearnedSolve
from splatrig.fitting.recipe import render_options
from splatrig.fitting.trainable_rig import TrainableRig
from splatrig.fitting.world import World
from splatrig.io.errors import InputError
from splatrig.learned.compare import COLUMNS, Comparison, compare, measured_fits, summary, unseen_weights
from splatrig.learned.mesh_components import carried_by_meshes, mesh_pca, mesh_sldc, read_meshes
from splatrig.learned.stage import (
    Subject,
    as_components,
    learn,
    learned_plan,
    rig_start,
    training_schedule,
    validation_pairs,
)
from support import subject as small
from support import tiny

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return small.write_subject(tmp_path_factory.mktemp("subject"))


@pytest.fixture(scope="module")
def starts(subject: Subject) -> dict:
    names = subject.names("train")
    meshes = read_meshes(subject.dataset.folder, names, subject.template)
    rows = carried_by_meshes(subject.neutral, meshes, subject.template, names, subject.neutral_row(names))
    level = subject.template.base
    return {"global": mesh_pca(rows, 2, level), "local": mesh_sldc(rows, small.sldc_options(), small.SUPPORT, level)}


def lifted(components: Components, subject: Subject) -> Components:
    """Return components of the tracked vertices, in plain units about the neutral, for every Gaussian."""
    level = subject.template.levels[subject.template.finest]
    up = subject.template.between("base", subject.template.finest)
    raw = components.C * components.std
    columns = Columns(components.columns.names, up.shape[0])
    fields = components.columns.by_gaussian(raw)
    mean = columns.row_of(subject.neutral)
    return replace(
        components,
        C=columns.by_column(np.stack([up @ field for field in fields]).astype(np.float32)),
        mean=mean,
        std=np.ones_like(mean),
        offset=np.zeros_like(mean),
        columns=columns,
        faces=level.faces,
        face_mask=level.mask,
    )


@pytest.mark.parametrize("family", ["global", "local"])
def test_a_learned_rig_beats_the_mesh_components_it_started_from(
    subject: Subject, starts: dict, family: str, tmp_path: Path
) -> None:
    """A side that bulges brightens too, which meshes cannot know."""
    config = small.learned_config()
    start = rig_start(config, small.SUPPORT, subject, starts[family], family, seed=0)
    plan = learned_plan(config, tiny.config(), "silhouette", family, start, subject.pixel_size)
    learned = learn(start, subject, config, plan, 0, CPU)
    path = tmp_path / f"learned_{family}.h5"
    write_components(path, as_components(learned, subject, family, {"k": 2}))
    files = {"mesh": lifted(starts[family], subject), "learned": read_components(path)}
    names = subject.names("train")
    comparison = Comparison(subject, plan.render, LearnedSolve(30, 0.05), CPU)
    fits = dict.fromkeys((*names, *subject.names("held_out")), subject.neutral)
    table = compare(comparison, files, fits, k=2)
    assert tuple(table.columns) == COLUMNS
    means = summary(table).set_index(["method", "split", "region"])["psnr"]
    margin = {"global": 1.0, "local": 0.2}[family]  # dB after so few steps
    for split in ("train", "held_out"):
        assert means["learned", split, "mask"] > means["mesh", split, "mask"] + margin
        assert means["learned", split, "mask"] > means["fits", split, "mask"] + margin
    assert set(table["camera"]) == {"400000"}


def test_a_comparison_without_held_out_cameras_or_frames_says_what_to_hold_out(subject: Subject) -> None:
    render = render_options(tiny.config(), "silhouette")
    with pytest.raises(InputError, match=r"capture\.held_out\.expressions: got none"):
        everything = replace(subject, frames=subject.frames.assign(role="train"))
        compare(Comparison(everything, render, LearnedSolve(1, 0.05), CPU), {}, {}, k=2, splits=["held_out"])
    with pytest.raises(InputError, match=r"capture\.held_out\.cameras: got none"):
        cameras = replace(subject.cameras, held_out=np.zeros(len(subject.cameras), dtype=bool))
        seen = replace(subject, dataset=replace(subject.dataset, cameras=cameras))
        compare(Comparison(seen, render, LearnedSolve(1, 0.05), CPU), {}, {}, k=2)


def test_the_same_seed_learns_the_same_bits(subject: Subject, starts: dict) -> None:
    config = small.learned_config(steps=6)
    start = rig_start(config, small.SUPPORT, subject, starts["global"], "global", seed=0)
    plan = learned_plan(config, tiny.config(), "silhouette", "global", start, subject.pixel_size)
    first, second = (
        as_components(learn(start, subject, config, plan, 3, CPU), subject, "global", {}) for _ in range(2)
    )
    assert np.array_equal(first.C, second.C)
    assert np.array_equal(first.W, second.W)


def test_windows_of_too_little_memory_learn_too(subject: Subject, starts: dict) -> None:
    config = small.learned_config(steps=8, memory_gib=tiny.WIDTH * tiny.HEIGHT * 4 * 8 / 2**30)
    schedule = training_schedule(config, subject, 5, 0, World())
    assert schedule.window_pairs == 2, "in each of two lanes, and as many decoded ahead"
    start = rig_start(config, small.SUPPORT, subject, starts["global"], "global", seed=0)
    plan = learned_plan(config, tiny.config(), "silhouette", "global", start, subject.pixel_size)
    learned = learn(start, subject, config, plan, 3, CPU)
    assert np.isfinite(learned.report.history["psnr"]).all()


def test_a_soft_support_may_grow_and_is_penalised_with_distance(subject: Subject, starts: dict) -> None:
    config = small.learned_config(local=LearnedLocal(0.5, "gauss", "soft", 0.5))
    start = rig_start(config, small.SUPPORT, subject, starts["local"], "local", seed=0)
    (block,) = start.blocks
    assert block.support is not None and block.penalty is not None
    assert block.support.sum() > starts["local"].by_gaussian().any(axis=2).sum()
    centers = starts["local"].centers
    np.testing.assert_allclose(block.penalty[np.arange(2), centers], 0, atol=1e-6)


@pytest.mark.parametrize("support", ["hard", "soft"])
@pytest.mark.parametrize("family", ["global", "local"])
@pytest.mark.parametrize("given", ["base", "subd1"])
@pytest.mark.parametrize("level", ["base", "subd1"])
def test_components_live_on_the_level_that_is_asked_for(
    subject: Subject, starts: dict, level: str, given: str, family: str, support: str
) -> None:
    """Lifted to a finer level or cut to a coarser one, with supports and penalties, and carried to every Gaussian."""
    template = subject.template
    components = starts[family] if given == "base" else lifted(starts[family], subject)
    config = small.learned_config(level=level, local=LearnedLocal(0.5, "gauss", support, 0.5))
    start = rig_start(config, small.SUPPORT, subject, components, family, seed=0)
    (block,) = start.blocks
    count = len(template.levels[level].vertices)
    assert block.deltas["means"].shape == (2, count, 3)
    shown = TrainableRig(start, tiny.config().rates).gaussians(start.weights[2])
    moved = starts[family].rows()[2] - starts[family].rows()[0]
    everywhere = template.between("base", "subd1") @ moved[: 3 * len(template.base.vertices)].reshape(-1, 3)
    np.testing.assert_allclose(shown.means - subject.neutral.means, everywhere, atol=2e-3)
    if family == "local" and support == "hard":
        acting = template.between("base", level) @ starts[family].by_gaussian().any(axis=2).T.astype(float)
        assert np.array_equal(block.support, acting.T > 0)
        assert not block.deltas["means"][~block.support].any()


def test_appearance_can_have_components_of_its_own(subject: Subject, starts: dict) -> None:
    config = small.learned_config(steps=4, appearance=LearnedAppearance(["opacity", "f_rest"], 2))
    start = rig_start(config, small.SUPPORT, subject, starts["global"], "global", seed=0)
    plan = learned_plan(config, tiny.config(), "silhouette", "global", start, subject.pixel_size)
    components = as_components(learn(start, subject, config, plan, 0, CPU), subject, "global", {})
    assert components.W.shape[1] == 4
    assert components.columns.names[-2:] == ("opacity", "f_rest")


def test_a_random_start_needs_no_components(subject: Subject) -> None:
    start = rig_start(small.learned_config(k=3), small.SUPPORT, subject, None, "global", seed=0)
    assert start.weights.shape == (5, 3)


def test_components_of_other_frames_are_refused(subject: Subject, starts: dict) -> None:
    from dataclasses import replace

    other = replace(starts["global"], frames=("a/1", "a/2", "a/3", "a/4", "a/5"))
    with pytest.raises(InputError, match="other training frames"):
        rig_start(small.learned_config(), small.SUPPORT, subject, other, "global", seed=0)


def test_validation_pairs_are_held_out_cameras_of_training_frames(subject: Subject) -> None:
    pairs = validation_pairs(subject, subject.names("train"), 3, seed=0)
    assert len(pairs) == 3
    assert {camera for _, camera in pairs} == {0}
    assert len(validation_pairs(subject, subject.names("train"), 100, seed=0)) == 5


def test_a_few_cameras_suffice_for_weights(subject: Subject, starts: dict) -> None:
    comparison = Comparison(subject, render_options(tiny.config(), "silhouette"), LearnedSolve(20, 0.05), CPU)
    components = lifted(starts["global"], subject)
    for cameras in (1, 2):
        weights = unseen_weights(comparison, components, subject.names("held_out"), cameras)
        assert weights.shape == (1, 2)


def test_a_perfect_fit_measures_as_one(subject: Subject) -> None:
    comparison = Comparison(subject, render_options(tiny.config(), "silhouette"), LearnedSolve(1, 0.05), CPU)
    table = measured_fits(comparison, subject.names("train")[:1], "train", [subject.neutral])
    assert table.loc[table["region"] == "mask", "psnr"].item() > 40


def test_components_that_share_a_gaussian_share_the_rate(subject: Subject, starts: dict) -> None:
    config = small.learned_config(rate_factor=0.5)
    training = tiny.config()
    for family, expected in (("global", 0.5 / np.sqrt(2)), ("local", None)):
        start = rig_start(config, small.SUPPORT, subject, starts[family], family, seed=0)
        plan = learned_plan(config, training, "silhouette", family, start, pixel_size=2.0)
        support = start.blocks[0].support
        reaching = 2 if support is None else support.sum() / support.any(axis=0).sum()
        assert plan.rates.means == pytest.approx(0.5 / np.sqrt(reaching) * 2.0 * training.rates.means)
        assert expected is None or plan.rates.means == pytest.approx(expected * 2.0 * training.rates.means)
        assert plan.rates.sh0 == pytest.approx(0.5 / np.sqrt(reaching) * training.rates.sh0)
        assert plan.base_rates.means == pytest.approx(config.base_rate_factor * 2.0 * training.rates.means)
