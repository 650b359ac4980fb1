from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from splatrig.blendshapes.arkit import NAMES
from splatrig.components.assemble import named
from splatrig.components.component_file import Components, read_components, write_components
from splatrig.components.rig import Rig
from splatrig.components.weights import limits_of, weights_of_displacements, weights_of_rows
from splatrig.control.panel import panel_of
from splatrig.fitting.checkpoint import Checkpoints, Slot
from splatrig.fitting.engine import Fit
from splatrig.fitting.trainable_rig import RigStart
from splatrig.gaussians.free import FreeGaussians, Motion
from splatrig.io.errors import InputError
from splatrig.landmarks.gaze import Gaze, angles_of, direction_of
from splatrig.learned.compare import Comparison, unseen
from splatrig.learned.eyes import (
    CAP_DEG,
    DEGREES,
    LEAST_DEG,
    SIDEWAYS_DEG,
    UNITS,
    VERTICAL_DEG,
    Looking,
    cap,
    chord_weights,
    degrees_of_lids,
    eye_colors,
    gaze_units,
    seed_eyes,
    seeds_per_eye,
    turning_eyes,
)
from splatrig.learned.find_free import FindOptions, find_free, unborn
from splatrig.learned.free_start import with_free
from splatrig.learned.plan import learned_plan
from splatrig.learned.stage import Subject, as_components, learn, rig_start
from support import subject as small
from support import tiny
from support.looks import DISTANCE, empty_look, painted

CPU = torch.device("cpu")
CENTERS = np.array([[18.0, 5, 45], [-18.0, 5, 45]])
RADIUS = 11.0
FLOAT32 = 2e-5
"""Millimeters: rounding of coordinates of 60 mm."""
STORED = 2e-3
"""Of what a component file keeps in standardized float32, in millimeters."""
COUNT = 160


def gaze_of(names: list[str], aside: float = 20.0) -> Gaze:
    """Eyes that look aside and up, by frame, from a neutral that looks down a little."""
    yaw = np.linspace(0, 1, len(names))[:, None] * [aside, 0.8 * aside] + 1.0
    pitch = np.where(np.arange(len(names)) % 2, 0.4 * aside, 0.0)[:, None] - [3.0, 3.0]
    return Gaze(tuple(names), CENTERS, np.full(2, RADIUS), yaw, pitch, np.ones((len(names), 2)))


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return small.write_subject(tmp_path_factory.mktemp("subject"))


@pytest.fixture(scope="module")
def starts(subject: Subject) -> dict[str, Components]:
    return small.starts(subject)


@pytest.fixture(scope="module")
def looking(subject: Subject) -> Looking:
    names = subject.names("train")
    return Looking.of(gaze_of(names), names, subject.neutral_name)


def start_of(subject: Subject, starts: dict[str, Components], family: str) -> RigStart:
    return rig_start(small.options(family, level="base"), subject, starts[family])


def free_of(start: RigStart, looking: Looking) -> FreeGaussians:
    free = seed_eyes(unborn(start, COUNT), start.base.means, looking)
    return replace(free, opacities=np.full(COUNT, 0.5, np.float32))


@pytest.mark.parametrize(
    ("unit", "eye", "looks"),
    [
        ("eyeLookInLeft", 0, (-SIDEWAYS_DEG, 0)),
        ("eyeLookOutLeft", 0, (SIDEWAYS_DEG, 0)),
        ("eyeLookUpLeft", 0, (0, VERTICAL_DEG)),
        ("eyeLookDownLeft", 0, (0, -VERTICAL_DEG)),
        ("eyeLookInRight", 1, (SIDEWAYS_DEG, 0)),
        ("eyeLookOutRight", 1, (-SIDEWAYS_DEG, 0)),
        ("eyeLookUpRight", 1, (0, VERTICAL_DEG)),
        ("eyeLookDownRight", 1, (0, -VERTICAL_DEG)),
    ],
)
def test_units_turn_eyes_where_their_names_say(
    subject: Subject, starts: dict[str, Components], looking: Looking, unit: str, eye: int, looks: tuple[float, float]
) -> None:
    """The left eye of the subject is at +x: out of it is +x."""
    start = start_of(subject, starts, "global")
    parts = turning_eyes(with_free(start, free_of(start, looking)), free_of(start, looking), looking).parts
    assert [part.names for part in parts] == [gaze_units(0), gaze_units(1)]
    rotation = Rotation.from_quat(parts[eye].quats[parts[eye].names.index(unit)], scalar_first=True)
    np.testing.assert_allclose(angles_of(rotation.apply([0, 0, 1])), looks, atol=1e-9)


@pytest.mark.parametrize("degrees", [0.0, 3.0, 12.0, 19.9])
def test_weights_of_chords_are_where_the_eye_looks(degrees: float) -> None:
    whole = np.array([20.0, 25.0])
    weights = chord_weights(np.array([degrees, -degrees]), whole)
    ahead, turned = direction_of(0.0, 0.0), direction_of(20.0, 0.0)
    there = ahead + weights[0] * (turned - ahead)
    assert angles_of(there)[0] == pytest.approx(degrees)
    assert np.linalg.norm(there) > 1 - 0.3 / 12, "an eyeball of 12 mm sinks by less than 0.3 mm"
    assert weights[1] == 0
    assert chord_weights(np.array([90.0]), np.array([25.0])) == pytest.approx(1)


def test_weights_begin_where_the_table_of_gaze_says(subject: Subject, looking: Looking) -> None:
    names = subject.names("train")
    gaze, first = gaze_of(names), names.index(subject.neutral_name)
    for eye, outward in enumerate((1, -1)):
        into, out, up, down = looking.weights(eye).T
        yaw, pitch = (
            gaze.yaw_deg[:, eye] - gaze.yaw_deg[first, eye],
            gaze.pitch_deg[:, eye] - gaze.pitch_deg[first, eye],
        )
        np.testing.assert_array_equal(out > 0, outward * yaw > 1e-9)
        np.testing.assert_array_equal(into > 0, outward * yaw < -1e-9)
        np.testing.assert_array_equal(up > 0, pitch > 1e-9)
        assert not down.any()
        np.testing.assert_allclose(np.abs(out + into), np.abs(yaw) / SIDEWAYS_DEG, atol=0.02)
    assert not looking.weights(0)[first].any()


def test_eyes_that_were_not_seen_look_as_in_the_neutral(subject: Subject) -> None:
    names = subject.names("train")
    gaze = gaze_of(names)
    gaze.confidence[2, 0] = 0.0
    looking = Looking.of(gaze, names, subject.neutral_name)
    assert not looking.weights(0)[2].any()
    assert looking.weights(1)[2].any()


def test_a_frame_without_gaze_is_named(subject: Subject) -> None:
    names = subject.names("train")
    with pytest.raises(InputError, match=rf"gaze\.csv: expected every frame of frames\.csv, got none of {names[-1]}"):
        Looking.of(gaze_of(names[:-1]), names, subject.neutral_name)


def test_eyes_get_even_caps_on_their_fronts(subject: Subject, starts: dict[str, Components], looking: Looking) -> None:
    start = start_of(subject, starts, "global")
    free, each = seed_eyes(unborn(start, COUNT), start.base.means, looking), seeds_per_eye(COUNT)
    assert each == 40
    assert (free.motions[: 2 * each] == np.repeat([Motion.LEFT_EYE, Motion.RIGHT_EYE], each)).all()
    assert (free.motions[2 * each :] == Motion.PARENT).all()
    for eye in range(2):
        away = free.means[eye * each : (eye + 1) * each] - CENTERS[eye]
        np.testing.assert_allclose(np.linalg.norm(away, axis=1), RADIUS, rtol=1e-5)
        assert np.degrees(np.arccos(away[:, 2] / RADIUS)).max() < CAP_DEG
        apart = np.linalg.norm(away[:, None] - away[None], axis=2) + 1e9 * np.eye(each)
        assert apart.min(axis=1).min() > 0.5 * apart.min(axis=1).mean(), "no two are in one place"
    nearest = np.linalg.norm(free.means[:5, None] - start.base.means, axis=2).argmin(axis=1)
    assert (free.parents[:5] == nearest).all()


@pytest.mark.parametrize(
    ("count", "expected"), [(0, 0), (3, 0), (400, 100), (5000, 200), (22_000, 880), (90_000, 1500)]
)
def test_eyes_get_a_fraction_of_what_there_is(count: int, expected: int) -> None:
    assert seeds_per_eye(count) == expected


def test_a_cap_of_any_number_is_on_the_unit_ball() -> None:
    for count in (1, 2, 77):
        np.testing.assert_allclose(np.linalg.norm(cap(count), axis=1), 1)


@pytest.mark.parametrize("change", ["unknown", "small", "unseen", "no table"])
def test_where_there_is_no_gaze_to_learn_from_eyes_stand_still(
    subject: Subject, starts: dict[str, Components], looking: Looking, change: str
) -> None:
    names = subject.names("train")
    gaze = gaze_of(names, aside=20.0 if change != "small" else 0.9 * LEAST_DEG)
    if change == "unseen":
        gaze.confidence[:] = 0.0
    if change == "unknown":
        gaze = replace(gaze, centers=np.full((2, 3), np.nan))
    start, free = start_of(subject, starts, "local"), free_of(start_of(subject, starts, "local"), looking)
    none = None if change == "no table" else Looking.of(gaze, names, subject.neutral_name)
    structured = with_free(start, free)
    found = turning_eyes(structured, free, none)
    assert not found.parts
    np.testing.assert_array_equal(found.weights, start.weights)
    own = free.motions != Motion.PARENT
    assert not any(values[:, len(start.basis.support[0]) :][:, own].any() for values in found.basis.deltas.values())


def test_colors_are_those_that_cameras_see_and_behind_lids_of_the_nearest() -> None:
    look = empty_look()
    points = torch.tensor([[0.0, 0, 0], [20.0, 0, 0], [24.0, 0, -5]])
    painted(look, look.photo, points[0], [1.0, 0, 0])
    painted(look, look.photo, points[1], [0.0, 0, 1])
    look.depth[:] = DISTANCE + 3
    painted(look, look.depth, points[2], DISTANCE - 3.0, reach=1)
    torch.testing.assert_close(eye_colors(points, look), torch.tensor([[1.0, 0, 0], [0, 0, 1], [0, 0, 1]]))
    look.depth[:] = DISTANCE - 20
    torch.testing.assert_close(eye_colors(points, look), torch.full((3, 3), 0.5))


@pytest.fixture(scope="module", params=["global", "local"])
def rig(
    request: pytest.FixtureRequest, subject: Subject, starts: dict[str, Components], looking: Looking
) -> tuple[Components, FreeGaussians]:
    """Components of a rig with eyes, after a few steps, as a file gives them back."""
    options = small.options(request.param, level="base", steps=4, photographs_per_step=2)
    start = rig_start(options, subject, starts[request.param])
    free = free_of(start, looking)
    plan = learned_plan(options, tiny.RENDER, start, subject.pixel_size)
    learned = learn(turning_eyes(with_free(start, free), free, looking), subject, options, plan, 0, CPU)
    return named(as_components(learned, subject, options), subject.template), free


def test_a_rig_of_either_family_ends_with_the_eyes_by_name(
    rig: tuple[Components, FreeGaussians], tmp_path: Path
) -> None:
    components, free = rig
    write_components(tmp_path / "rig.h5", components)
    read = read_components(tmp_path / "rig.h5")
    assert read.names[2:] == gaze_units(0) + gaze_units(1)
    assert read.turns_eye.tolist() == [False] * 2 + [True] * 8
    low, high = limits_of(read)
    assert (low[2:] == 0).all()
    assert (high[2:] == 1).all()
    assert read.W[:, 2:].min() >= 0
    assert read.W[:, 2:].max() <= 1
    assert not read.without_eyes().turns_eye.any()
    assert len(read.without_eyes()) == 2
    assert read.first(1).names == (read.names[0], *read.names[2:])
    assert not read.on_mesh.C[2:].any(), "they do nothing to structured Gaussians"
    of_eyes = np.append(np.zeros(read.structured, bool), free.motions >= Motion.LEFT_EYE)
    assert not read.C[:2, read.columns.of_gaussians(of_eyes)].any(), "others do nothing to eyes"
    assert read.C[2:, read.columns.of_gaussians(of_eyes)].any(axis=1).all()


def test_blendshapes_by_name_move_the_lids_and_turn_the_eyes_by_one_weight(
    subject: Subject, starts: dict[str, Components], looking: Looking, tmp_path: Path
) -> None:
    options = small.options("arkit", level="base", steps=4, photographs_per_step=2)
    start = rig_start(options, subject, starts["arkit"])
    free = free_of(start, looking)
    begun = turning_eyes(with_free(start, free), free, looking)
    names = gaze_units(0) + gaze_units(1)
    own = [NAMES.index(name) for name in names]
    seen = [name for name in names if "Out" in name or "Up" in name]
    seen[seen.index("eyeLookOutRight")] = "eyeLookInRight"  # both eyes look to the left
    assert begun.weights.shape == start.weights.shape
    assert begun.blendshapes.told.tolist() == [name in (*small.BULGES, *seen) for name in NAMES]
    np.testing.assert_array_equal(begun.weights[:, own].any(axis=0), [name in seen for name in names])
    plan = learned_plan(options, tiny.RENDER, begun, subject.pixel_size)
    made = as_components(learn(begun, subject, options, plan, 0, CPU), subject, options)
    write_components(tmp_path / "rig.h5", made)
    read = read_components(tmp_path / "rig.h5")
    assert read.names == NAMES
    assert np.flatnonzero(read.turns_eye).tolist() == sorted(own)
    assert len(read.without_eyes()) == len(read.first(3)) == len(NAMES)
    assert not read.W[:, ~read.told].any()
    assert read.displacements[own].any(axis=(1, 2)).all(), "lids move"
    for eye, motion in enumerate((Motion.LEFT_EYE, Motion.RIGHT_EYE)):
        rows = read.structured + np.flatnonzero(free.motions == motion)
        for name, unit in zip(gaze_units(eye), UNITS, strict=True):
            posed = Rig.of(read, read.base).pose(np.eye(len(NAMES))[NAMES.index(name)])
            axis = np.array(unit.axis) * ([1, 1, 1] if eye == 0 else [1, -1, -1])
            turned = Rotation.from_rotvec(np.radians(unit.degrees) * axis).apply(read.base.means[rows] - CENTERS[eye])
            np.testing.assert_allclose(posed.means[rows], turned + CENTERS[eye], atol=STORED)
    others = [k for k in range(len(NAMES)) if k not in own]
    of_eyes = np.append(np.zeros(read.structured, bool), free.motions >= Motion.LEFT_EYE)
    assert not read.C[others][:, read.columns.of_gaussians(of_eyes)].any()


def test_blendshapes_turn_eyes_as_far_as_these_look_for_the_weights_of_the_lids(
    subject: Subject, starts: dict[str, Components], looking: Looking
) -> None:
    start = start_of(subject, starts, "arkit")
    weights, told = start.weights.copy(), start.blendshapes.told.copy()
    np.testing.assert_array_equal(degrees_of_lids(weights, start.blendshapes, looking), DEGREES)
    for eye, factor in ((0, 16.0), (1, 16.0)):
        columns = [NAMES.index(name) for name in gaze_units(eye)]
        weights[:, columns] = looking.degrees(eye).clip(0.0) / factor
        told[columns] = True
    known = replace(start.blendshapes, told=told)
    found = degrees_of_lids(weights, known, looking)
    farthest = max(looking.degrees(eye)[:, :2].max() for eye in (0, 1))
    assert found == pytest.approx([farthest, farthest, 16.0, VERTICAL_DEG])
    assert degrees_of_lids(4.0 * weights, known, looking)[2] == pytest.approx(VERTICAL_DEG / 2.0)
    free = free_of(start, looking)
    begun = turning_eyes(with_free(replace(start, weights=weights, blendshapes=known), free), free, looking)
    angle = Rotation.from_quat(begun.parts[1].quats, scalar_first=True).magnitude()
    np.testing.assert_allclose(np.degrees(angle), found)
    up = NAMES.index("eyeLookUpLeft")
    np.testing.assert_allclose(begun.weights[:, up], looking.degrees(0)[:, 2].clip(0.0) / 16.0, atol=0.02)


def test_an_eye_turned_by_a_weight_of_one_is_exactly_rotated(rig: tuple[Components, FreeGaussians]) -> None:
    """After learning, which moves and turns the base, and after the file's standardized units."""
    components, free = rig
    head, base = Rig.of(components, components.base), components.base
    for eye in range(2):
        rows = components.structured + np.flatnonzero(free.motions == Motion.LEFT_EYE + eye)
        for number, unit in enumerate(UNITS):
            weights = np.zeros(len(components))
            weights[2 + 4 * eye + number] = 1.0
            posed = head.pose(weights)
            axis = np.array(unit.axis) * ([1, 1, 1] if eye == 0 else [1, -1, -1])
            rotation = Rotation.from_rotvec(np.radians(unit.degrees) * axis)
            expected = rotation.apply(base.means[rows] - CENTERS[eye]) + CENTERS[eye]
            np.testing.assert_allclose(posed.means[rows], expected, atol=STORED)
            turned = rotation * Rotation.from_quat(base.quats[rows], scalar_first=True)
            away = Rotation.from_quat(posed.quats[rows], scalar_first=True) * turned.inv()
            assert away.magnitude().max() < 1e-3
            others = np.setdiff1d(np.arange(len(base)), rows)
            np.testing.assert_allclose(posed.means[others], base.means[others], atol=STORED)


def test_solvers_that_see_the_mesh_alone_leave_the_eyes(
    rig: tuple[Components, FreeGaussians], subject: Subject
) -> None:
    components, _ = rig
    moved = np.random.default_rng(0).standard_normal((3, components.structured, 3))
    for ridge in (0.0, 1e-3):
        found = weights_of_displacements(components, moved, ridge=ridge)
        assert not found[:, 2:].any()
        assert found[:, :2].any()
    rows = weights_of_rows(components.on_mesh, components.on_mesh.rows())
    assert np.isfinite(rows).all()
    assert not rows[:, 2:].any()
    found = unseen(Comparison(subject, tiny.RENDER, 2, CPU), components, subject.names("held_out"))
    assert found.weights.shape == (1, 10)


def test_sliders_of_eyes_go_from_zero_to_one(rig: tuple[Components, FreeGaussians], subject: Subject) -> None:
    components, _ = rig
    panel = panel_of("learned", components, subject.template.base, subject="x", neutral_frame=subject.neutral_name)
    assert panel.names[2:] == gaze_units(0) + gaze_units(1)
    assert panel.low[2:].tolist() == [0.0] * 8
    assert panel.high[2:].tolist() == [1.0] * 8


def test_eyes_are_found_with_the_rest_and_a_killed_search_goes_on_to_the_same_bits(
    subject: Subject,
    starts: dict[str, Components],
    looking: Looking,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    options = small.options(level="base", steps=8, photographs_per_step=1)
    start = start_of(subject, starts, "global")
    plan = learned_plan(options, tiny.RENDER, start, subject.pixel_size)
    few = FindOptions(rounds=2, share=0.3, views=2, looks=4, quota=0.0)

    def found(slot: Slot | None = None) -> FreeGaussians:
        return find_free(start, subject, COUNT, options, plan, 0, CPU, slot, few, looking)

    whole, step = found(), Fit.step
    for motion in (Motion.LEFT_EYE, Motion.RIGHT_EYE):
        own = whole.means[whole.motions == motion] - CENTERS[motion - Motion.LEFT_EYE]
        assert len(own) > 20
        assert np.abs(np.linalg.norm(own, axis=1) - RADIUS).mean() < 2
    assert (whole.motions == Motion.PARENT).any()
    slot = Checkpoints(tmp_path, "key").slot("checkpoint")

    def dies(self: Fit, number: int, shots: list, **kept: object) -> None:
        if number == 5:
            raise KeyboardInterrupt
        step(self, number, shots, **kept)

    monkeypatch.setattr(Fit, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        found(slot)
    monkeypatch.setattr(Fit, "step", step)
    resumed = found(slot)
    for name, array in vars(whole).items():
        np.testing.assert_array_equal(getattr(resumed, name), array)
