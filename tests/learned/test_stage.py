from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from splatrig.blendshapes.arkit import NAMES
from splatrig.components.assemble import named
from splatrig.components.component_file import Components, read_components, write_components
from splatrig.components.fields import Columns
from splatrig.dataset.decoding import read_photograph
from splatrig.dataset.pose import moved, write_pose
from splatrig.dataset.regions import Region, RegionFolder
from splatrig.fitting.rates import LEARNING_RATES, scaled
from splatrig.fitting.trainable_rig import TrainableRig
from splatrig.fitting.world import World
from splatrig.io.errors import InputError
from splatrig.learned.compare import COLUMNS, Comparison, compare, measured_fits, measured_rig, summary, unseen
from splatrig.learned.plan import RATE_FACTOR, LearningOptions, learned_plan
from splatrig.learned.stage import (
    Learned,
    Subject,
    as_components,
    learn,
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
    return small.starts(subject)


def learned(subject: Subject, options: LearningOptions, components: Components, seed: int = 0) -> Learned:
    """Learn a rig at rates that suit few steps on photographs of few pixels."""
    start = rig_start(options, subject, components)
    plan = learned_plan(options, tiny.RENDER, start, subject.pixel_size, scaled(tiny.RATES, 0.5), rate_factor=1.0)
    return learn(start, subject, options, plan, seed, CPU)


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
    options = small.options(family)
    rig = learned(subject, options, starts[family])
    path = tmp_path / f"learned_{family}.h5"
    write_components(path, as_components(rig, subject, options))
    files = {"mesh": lifted(starts[family], subject), "learned": read_components(path)}
    names = subject.names("train")
    comparison = Comparison(subject, tiny.RENDER, 30, CPU)
    fits = dict.fromkeys((*names, *subject.names("held_out")), subject.neutral)
    table = compare(comparison, files, fits, k=2)
    assert tuple(table.columns) == COLUMNS
    means = summary(table).set_index(["method", "split", "region"])["psnr"]
    margin = {"global": 1.0, "local": 0.2}[family]  # dB after so few steps
    for split in ("train", "held_out"):
        assert means["learned", split, "mask"] > means["mesh", split, "mask"] + margin
        assert means["learned", split, "mask"] > means["fits", split, "mask"] + margin
    assert set(table["camera"]) == {"400000"}


def test_blendshapes_keep_their_names_and_amplitudes_and_those_that_nothing_tells_of_stay_as_they_are(
    subject: Subject, starts: dict, tmp_path: Path
) -> None:
    options, start = small.options("arkit", steps=24), starts["arkit"]
    rig = learned(subject, options, start)
    write_components(tmp_path / "rig.h5", as_components(rig, subject, options))
    found = read_components(tmp_path / "rig.h5")
    assert (found.names, found.limits, found.told.tolist()) == (NAMES, (0.0, 1.0), start.told.tolist())
    assert not found.W[:, ~found.told].any()
    assert found.W.max() < 0.8, "weights are not stretched to reach 1"
    before = lifted(start, subject).displacements
    np.testing.assert_allclose(found.displacements[~found.told], before[~found.told], atol=1e-3)
    told = [NAMES.index(name) for name in small.BULGES]
    sizes = np.linalg.norm(found.displacements[told], axis=(1, 2)) / np.linalg.norm(before[told], axis=(1, 2))
    assert (np.abs(sizes - 1.0) < 0.15).all()
    assert (np.abs(found.W[:, told] - 0.5 * small.WEIGHTS[: len(found.W)]) < 0.15).all()
    assert not found.by_gaussian()[NAMES.index("tongueOut")].any()
    assert named(found, subject.template).names == NAMES


@pytest.mark.parametrize(("family", "given"), [("arkit", "local"), ("global", "arkit")])
def test_a_family_cannot_start_from_components_of_another_kind(
    subject: Subject, starts: dict, family: str, given: str
) -> None:
    with pytest.raises(InputError, match=rf"to start the {family} family from, got (components|blendshapes)"):
        rig_start(small.options(family), subject, starts[given])


def test_a_comparison_sums_errors_by_region(subject: Subject, tmp_path: Path) -> None:
    names, regions = subject.names("train")[:2], RegionFolder(tmp_path)
    for name in names:
        frame = subject.dataset.frame(name)
        matte = read_photograph(frame.photograph(0), tiny.WIDTH, tiny.HEIGHT)[..., 3] > 127
        half = np.where(np.arange(tiny.HEIGHT)[:, None] < 24, Region.WHOLE | Region.EYES, Region.WHOLE)
        regions.write(name, "400000", np.where(matte, half, 0).astype(np.uint8))
    comparison = Comparison(subject, tiny.RENDER, 1, CPU, regions)
    table = measured_fits(comparison, names, "train", [subject.neutral] * 2)
    inside, image = table[table["region"] == "mask"], table[table["region"] == "image"]
    assert image["sse_whole"].isna().all()
    assert inside["sse_mouth"].isna().all()
    assert np.allclose(-10 * np.log10(inside["sse_whole"] / inside["pixels_whole"]), inside["psnr"], rtol=1e-5)
    assert (inside["sse_eyes"] < inside["sse_whole"]).all()
    assert (inside["pixels_eyes"] < inside["pixels_whole"]).all()


def test_a_comparison_without_held_out_cameras_or_frames_says_what_to_hold_out(subject: Subject) -> None:
    with pytest.raises(InputError, match=r"capture\.held_out\.expressions: got none"):
        everything = replace(subject, frames=subject.frames.assign(role="train"))
        compare(Comparison(everything, tiny.RENDER, 1, CPU), {}, {}, k=2, splits=["held_out"])
    with pytest.raises(InputError, match=r"capture\.held_out\.cameras: got none"):
        cameras = replace(subject.cameras, held_out=np.zeros(len(subject.cameras), dtype=bool))
        seen = replace(subject, dataset=replace(subject.dataset, cameras=cameras))
        compare(Comparison(seen, tiny.RENDER, 1, CPU), {}, {}, k=2)


def test_the_same_seed_learns_the_same_bits(subject: Subject, starts: dict) -> None:
    options = small.options(steps=6)
    first, second = (as_components(learned(subject, options, starts["global"], 3), subject, options) for _ in range(2))
    assert np.array_equal(first.C, second.C)
    assert np.array_equal(first.W, second.W)


def test_windows_of_too_little_memory_learn_too(subject: Subject, starts: dict) -> None:
    options = small.options(steps=8, memory_gib=tiny.WIDTH * tiny.HEIGHT * 4 * 8 / 2**30)
    schedule = training_schedule(options, subject, subject.names("train"), 0, World())
    assert schedule.window_pairs == 2, "in each of two lanes, and as many decoded ahead"
    rig = learned(subject, options, starts["global"], 3)
    assert np.isfinite(rig.report.history["psnr"]).all()


@pytest.mark.parametrize("family", ["global", "local"])
@pytest.mark.parametrize("given", ["base", "subd1"])
@pytest.mark.parametrize("level", ["base", "subd1"])
def test_components_live_on_the_level_that_is_asked_for(
    subject: Subject, starts: dict, level: str, given: str, family: str
) -> None:
    """Lifted to a finer level or cut to a coarser one, with supports, and carried to every Gaussian."""
    template = subject.template
    components = starts[family] if given == "base" else lifted(starts[family], subject)
    start = rig_start(small.options(family, level=level), subject, components)
    basis = start.basis
    count = len(template.levels[level].vertices)
    assert basis.deltas["means"].shape == (2, count, 3)
    shown = TrainableRig(start, tiny.RATES).gaussians(start.weights[2])
    moved = starts[family].rows()[2] - starts[family].rows()[0]
    everywhere = template.between("base", "subd1") @ moved[: 3 * len(template.base.vertices)].reshape(-1, 3)
    np.testing.assert_allclose(shown.means - subject.neutral.means, everywhere, atol=2e-3)
    if family == "local":
        acting = template.between("base", level) @ starts[family].by_gaussian().any(axis=2).T.astype(float)
        assert np.array_equal(basis.support, acting.T > 0)
        assert not basis.deltas["means"][~basis.support].any()


@pytest.mark.parametrize("family", ["global", "local"])
def test_components_may_move_opacity_and_higher_spherical_harmonics(
    subject: Subject, starts: dict, family: str, tmp_path: Path
) -> None:
    """They start still, as meshes know nothing of them, and end moved; the file gives the frames that were learned."""
    attributes = ("xyz", "f_dc", "opacity", "rotation", "scale", "f_rest")
    options = small.options(family, steps=8, attributes=attributes)
    done = learned(subject, options, starts[family])
    rig, components = done.rig, as_components(done, subject, options)
    assert components.columns.names == attributes
    moved = components.columns.by_attribute(components.C * components.std)
    assert all(moved[name].any() for name in attributes)
    path = tmp_path / f"learned_{family}.h5"
    write_components(path, components)
    rows = rig.rows(rig.weights.detach())
    for field, values in read_components(path).columns.by_field(read_components(path).rows()).items():
        np.testing.assert_allclose(values, rows[field].detach().numpy(), atol=2e-3, err_msg=field)


def test_components_of_other_frames_are_refused(subject: Subject, starts: dict) -> None:
    other = replace(starts["global"], frames=("a/1", "a/2", "a/3", "a/4", "a/5"))
    with pytest.raises(InputError, match="initial components of this run's training frames"):
        rig_start(small.options(), subject, other)


def test_validation_pairs_are_held_out_cameras_of_training_frames(subject: Subject) -> None:
    pairs = validation_pairs(subject, subject.names("train"), seed=0, count=3)
    assert len(pairs) == 3
    assert {camera for _, camera in pairs} == {0}
    assert len(validation_pairs(subject, subject.names("train"), seed=0)) == 5


def test_missing_photographs_are_in_no_pair(tmp_path: Path, starts: dict) -> None:
    subject = small.write_subject(tmp_path)
    names = subject.names("train")
    for name, camera in ((names[1], "400000"), (names[1], "400002"), (names[3], "400004")):
        (subject.dataset.folder / name / f"{camera}.png").unlink()
    schedule = training_schedule(small.options(), subject, names, 0, World())
    assert {(frame, camera) for frame in range(5) for camera in range(1, 5)} - {*schedule.pairs} == {(1, 2), (3, 4)}
    assert {frame for frame, _ in validation_pairs(subject, names, 0)} == {0, 2, 3, 4}
    comparison = Comparison(subject, tiny.RENDER, 2, CPU)
    components = lifted(starts["global"], subject)
    posing = unseen(comparison, components, names[:2], cameras=3)
    table = measured_rig(comparison, names[:2], "train", "global", components, posing)
    assert set(table["frame"]) == {names[0].split("/")[1]}


def test_a_few_cameras_suffice_for_weights(subject: Subject, starts: dict) -> None:
    comparison = Comparison(subject, tiny.RENDER, 20, CPU)
    components = lifted(starts["global"], subject)
    for cameras in (1, 2):
        found = unseen(comparison, components, subject.names("held_out"), cameras)
        assert found.weights.shape == (1, 2)


def misplaced(root: Path) -> Subject:
    """Return a subject with the heads of all frames but the neutral tracked some millimeters off."""
    subject, generator = small.write_subject(root), np.random.default_rng(0)
    for name in (*subject.names("train"), *subject.names("held_out")):
        if name != subject.neutral_name:
            folder = subject.dataset.frame(name).folder
            shift = np.column_stack([np.eye(3), 1.5 * generator.standard_normal(3)])
            write_pose(folder / f"{folder.name}_transform.txt", moved(small.POSE, shift))
    return subject


def test_heads_that_tracking_misplaced_are_measured_where_the_rig_has_them(
    subject: Subject, starts: dict, tmp_path: Path
) -> None:
    """Of training frames as learned, of unseen ones as found in training cameras: camera 0, held out, tells nothing."""
    wrong, options = misplaced(tmp_path), small.options(steps=120)
    start = rig_start(options, subject, starts["global"])
    plan = learned_plan(options, tiny.RENDER, start, subject.pixel_size, scaled(tiny.RATES, 0.5), rate_factor=1.0)
    fits = dict.fromkeys((*subject.names("train"), *subject.names("held_out")), subject.neutral)
    psnr = {}
    for rate in (0.0, 0.3):
        found = learn(start, wrong, options, replace(plan, pose_rate=rate), 0, CPU)
        components = as_components(found, subject, options)
        assert (components.head_motions is None) == (rate == 0)
        table = compare(Comparison(wrong, tiny.RENDER, 100, CPU), {"rig": components}, fits, 2)
        means = summary(table).query("method == 'rig' and region == 'mask'")
        psnr[rate] = means.set_index("split")["psnr"]
    assert (psnr[0.3] > psnr[0.0] + 1.0).all()
    few, names = Comparison(wrong, tiny.RENDER, 8, CPU), subject.names("held_out")
    expected = unseen(few, components, names)
    for name in names:
        Image.new("RGBA", (tiny.WIDTH, tiny.HEIGHT), "red").save(wrong.dataset.frame(name).photograph(0))
    found = unseen(few, components, names)
    np.testing.assert_array_equal(found.weights, expected.weights)
    np.testing.assert_array_equal(found.motions[names[0]], expected.motions[names[0]])
    assert not np.allclose(found.motions[names[0]], np.eye(4)[:3], atol=1e-2)


def test_corrections_of_head_poses_add_up(subject: Subject) -> None:
    first, second = subject.names("train")[:2]
    motions = [
        np.column_stack([np.eye(3)[order], shift]) for order, shift in (([1, 2, 0], [1, 2, 3]), ([0, 1, 2], [4, 0, 0]))
    ]
    twice = subject.corrected({second: motions[0]}).corrected({second: motions[1]}).dataset
    expected = subject.cameras.in_head_space(moved(moved(small.POSE, motions[0]), motions[1]))
    np.testing.assert_allclose(twice.frame(second).cameras.viewmats, expected.viewmats, atol=1e-9)
    np.testing.assert_array_equal(twice.frame(first).cameras.viewmats, subject.dataset.frame(first).cameras.viewmats)


def test_a_perfect_fit_measures_as_one(subject: Subject) -> None:
    comparison = Comparison(subject, tiny.RENDER, 1, CPU)
    table = measured_fits(comparison, subject.names("train")[:1], "train", [subject.neutral])
    assert table.loc[table["region"] == "mask", "psnr"].item() > 40


@pytest.mark.parametrize("family", ["global", "local"])
def test_components_move_a_gaussian_alike_whatever_their_number_and_their_weights(
    subject: Subject, starts: dict, family: str
) -> None:
    """Random steps of all components at their learning rate, as each frame's Gaussians see them."""
    options = small.options(family)
    start = rig_start(options, subject, starts[family])
    support = np.ones((2, 1), bool) if start.basis.support is None else start.basis.support
    signs = np.random.default_rng(0).choice([-1.0, 1.0], (2000, *support.shape))
    moves = np.einsum("fk,dkn->dfn", start.weights, signs * support)[..., support.any(axis=0)]
    plan = learned_plan(options, tiny.RENDER, start, pixel_size=2.0)
    largest = plan.rates.means * np.sqrt(np.square(moves).mean())
    assert largest == pytest.approx(RATE_FACTOR * 2.0 * LEARNING_RATES.means, rel=0.02)
    assert plan.rates.sh0 / plan.rates.means == pytest.approx(LEARNING_RATES.sh0 / (2.0 * LEARNING_RATES.means))
    assert plan.base_rates.means == pytest.approx(2.0 * LEARNING_RATES.means)
    assert plan.base_rates.sh0 == LEARNING_RATES.sh0


def test_the_rate_of_components_follows_the_unit_of_their_weights(subject: Subject, starts: dict) -> None:
    start = rig_start(small.options("local"), subject, starts["local"])
    halved = replace(start, weights=0.5 * start.weights)
    assert halved.leverage == pytest.approx(0.5 * start.leverage)
    assert replace(start, weights=np.zeros_like(start.weights)).leverage == 1.0


@pytest.mark.parametrize(("steps", "every"), [(2500, 250), (8, 1)])
def test_a_rig_is_measured_ten_times_or_after_every_step(
    subject: Subject, starts: dict, steps: int, every: int
) -> None:
    options = small.options(steps=steps)
    start = rig_start(options, subject, starts["global"])
    assert learned_plan(options, tiny.RENDER, start, subject.pixel_size).check_every == every
