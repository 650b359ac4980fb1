from dataclasses import replace

import numpy as np
import pytest

from splatrig.animation.family import (
    acts_on,
    displacement_mm,
    frontal_order,
    picture_family,
    pictured,
    swing_in,
    swing_of,
)
from splatrig.animation.heatmap import look
from splatrig.animation.render import picture_cameras, render, to_bytes
from splatrig.components.rig import Rig
from support import planted


@pytest.fixture(scope="module")
def made():
    return planted.head()


def test_renders_have_the_size_of_the_cameras_and_show_the_head(made):
    cameras = planted.cameras()
    images, alphas = render(made.neutral, cameras)
    assert images.shape == (3, 60, 40, 3)
    assert alphas.shape == (3, 60, 40, 1)
    assert images.min() >= 0.0
    assert images.max() <= 1.0
    row, column = 28, 21
    assert alphas[0, row, column, 0] > 0.9
    assert alphas[0, 0, 0, 0] == 0.0


def test_a_background_fills_what_the_head_does_not(made):
    images, _ = render(made.neutral, planted.cameras(), background=np.array([0.25, 0.5, 0.75]))
    np.testing.assert_allclose(images[0, 0, 0], [0.25, 0.5, 0.75], atol=1e-6)


def test_picture_cameras_keep_the_view(made):
    large = picture_cameras(planted.cameras(), 120)
    assert (large.height, large.width) == (120, 80)
    small, big = render(made.neutral, planted.cameras())[1][0], render(made.neutral, large)[1][0]
    pooled = big.reshape(60, 2, 40, 2).mean(axis=(1, 3))
    assert np.abs(pooled - small[..., 0]).mean() < 0.02


def test_to_bytes_rounds_and_clips():
    np.testing.assert_array_equal(to_bytes(np.array([-1.0, 0.0, 0.5, 1.0, 2.0])), [0, 0, 128, 255, 255])


def test_two_sided_weights_swing_by_deviations_with_neutral_in_the_middle():
    weights = np.array([-2.0, 0.0, 2.0])
    swing = swing_of(weights, 0, 1.5)
    assert swing.high == pytest.approx(1.5 * weights.std())
    assert swing.low == -swing.high
    assert [weight for weight, _ in swing.stops()] == [swing.low, 0.0, swing.high]
    path = swing.path(8)
    assert path[0] == 0.0
    assert path[2] == pytest.approx(swing.high)
    assert path[6] == pytest.approx(swing.low)


def test_one_sided_weights_never_leave_what_was_fitted():
    swing = swing_of(np.array([0.0, 0.3, 0.8]), 2, 5.0)
    assert [weight for weight, _ in swing.stops()] == [0.0, 0.4, 0.8]
    path = swing.path(10)
    assert path.min() == 0.0
    assert path.max() == pytest.approx(0.8)


def test_weights_that_are_all_negative_are_one_sided_too():
    swing = swing_of(np.array([0.0, -300.0, -500.0]), 0, 2.0)
    assert [weight for weight, _ in swing.stops()] == [0.0, -250.0, -500.0]
    assert swing.path(10).max() == 0.0


def test_displacement_is_that_of_the_planted_bump(made):
    parts = planted.components(made)
    rig = Rig.of(parts, made.neutral)
    swing = swing_of(np.array([0.0, 1.0]), 1, 2.0)
    expected = np.linalg.norm(planted.bumps(made.vertices, 3)[1], axis=1)
    np.testing.assert_allclose(displacement_mm(rig, swing), expected, atol=1e-4)


def test_the_camera_in_front_of_the_face_comes_first(made):
    cameras = planted.cameras().select([2, 1, 0])
    assert frontal_order(cameras, made.neutral.means).tolist() == [2, 1, 0]


def test_family_pictures_hold_every_component_and_camera(made):
    parts = planted.components(made)
    cameras = planted.cameras(2)
    view = look(made.vertices, made.faces, cameras)
    pictures = picture_family(Rig.of(parts, made.neutral), cameras, view, components=[0, 2], frames=5)
    assert sorted(pictures.stills) == [
        "component_01_cam0.png",
        "component_01_cam1.png",
        "component_03_cam0.png",
        "component_03_cam1.png",
    ]
    assert len(pictures.animation) == 5
    assert len({frame.shape for frame in pictures.animation}) == 1
    assert not np.array_equal(pictures.animation[0], pictures.animation[2])
    assert pictures.largest_mm == 10.0


def test_components_are_labeled_by_place_and_unit_of_their_name(made):
    parts = planted.components(made)
    assert acts_on(Rig.of(parts, made.neutral), 0) == ""
    names = ("SLDC 01 · chin · E006, E007 · jawOpen 0.99", "SLDC 02 · mouth left · E008", "SLDC 03 · nose · E009")
    rig = Rig.of(replace(parts, names=names), made.neutral)
    assert acts_on(rig, 0) == "chin\njawOpen 0.99\n"
    assert acts_on(rig, 1) == "mouth left\n"


def test_names_of_other_people_label_components_too(made):
    names = ("smile, a very long name for one component", "lip · upper", "")
    rig = Rig.of(replace(planted.components(made), names=names), made.neutral)
    assert acts_on(rig, 0) == "smile, a very long …\n"
    assert acts_on(rig, 1) == "lip · upper\n"
    assert acts_on(rig, 2) == "\n"


def test_blendshapes_swing_to_one_and_those_that_are_told_come_first(made):
    parts = planted.blendshapes(planted.components(made, family="learned", count=4))
    assert set(pictured(parts, 3)) == {0, 1, 3}
    assert pictured(parts, 9)[-1] == 2
    assert pictured(planted.components(made), 2) == [0, 1]
    swings = [swing_in(parts, k) for k in range(4)]
    assert {(swing.low, swing.high) for swing in swings} == {(0.0, 1.0)}
    assert [swing.high_label for swing in swings] == ["w = 1", "w = 1", "w = 1, not in the capture", "w = 1"]
    assert acts_on(Rig.of(parts, made.neutral), 0) == "jawOpen\n"
