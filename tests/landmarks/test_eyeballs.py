"""Eyeballs that are drawn exactly are found where they are, as large as they are, and turned as they are."""

from dataclasses import replace

import numpy as np
import pytest

from splatrig.landmarks.eye_views import EyeViews
from splatrig.landmarks.eyeballs import RADIUS_MM, Eyeballs, border_contrast, fit_eyeballs
from support.synthetic_eyes import CENTERS, IRIS, WHITE, Eyes, views_of_eyes

TURNS = np.array([[0, 0], [0, 0], [18, 2], [-20, 0], [2, 11], [9, -9], [-10, 5]], dtype=float)
BOTH = np.repeat(TURNS[:, None], 2, axis=1)
LEARNED = np.ones(len(TURNS), bool)
NEUTRAL = np.arange(len(TURNS)) < 2


@pytest.fixture(scope="module")
def looking_around() -> EyeViews:
    return views_of_eyes(Eyes(BOTH))


def fitted(views: EyeViews, radius_mm: float = 12.0, learned: np.ndarray = LEARNED) -> Eyeballs:
    fronts = CENTERS + np.array([1.0, -1.0, radius_mm + 0.5])
    opened = np.ones((len(TURNS), 2), bool)
    return fit_eyeballs(views, fronts, 1.0, opened=opened, neutral=NEUTRAL, learned=learned)


@pytest.mark.parametrize("radius_mm", [12.0, 15.5])
def test_centers_radii_and_turns_are_found(radius_mm):
    eyes = Eyes(BOTH + np.array([[0.5, 0.0], [-0.5, 0.0]]), radius_mm)
    found = fitted(views_of_eyes(eyes), radius_mm)
    assert found.radius_mm == pytest.approx(radius_mm, rel=0.03)
    assert found.iris_mm == pytest.approx(eyes.iris_mm, abs=0.1)
    assert np.linalg.norm(found.centers - CENTERS, axis=1).max() < 0.5
    assert np.abs(found.turns_deg - eyes.turns_deg).max() < 0.8


def test_without_sideways_gaze_eyeballs_are_average_ones_and_look_ahead():
    found = fitted(views_of_eyes(Eyes(0.0 * BOTH)))
    assert found.radius_mm == pytest.approx(RADIUS_MM, abs=0.6)
    assert np.abs(found.turns_deg).max() < 0.5


def test_frames_that_are_held_out_do_not_move_eyeballs_but_are_measured(looking_around):
    learned, changed = np.arange(len(TURNS)) != 4, BOTH.copy()
    changed[4] = -25.0, 0.0
    one, other = (fitted(views, learned=learned) for views in (looking_around, views_of_eyes(Eyes(changed))))
    np.testing.assert_array_equal(one.centers, other.centers)
    assert one.radius_mm == other.radius_mm
    np.testing.assert_allclose(other.turns_deg[4], changed[4], atol=1.5)


def test_without_borders_eyeballs_stay_where_they_were_looked_for(looking_around):
    found = fitted(replace(looking_around, gray=np.full_like(looking_around.gray, 100)))
    np.testing.assert_allclose(found.centers, CENTERS + np.array([1.0, -1.0, 0.5]), atol=0.5)
    assert found.radius_mm == pytest.approx(RADIUS_MM)


def test_the_border_of_an_iris_has_the_contrast_of_iris_and_white(looking_around):
    eyes = Eyes(BOTH)
    right = Eyeballs(CENTERS, eyes.radius_mm, eyes.iris_mm, eyes.turns_deg)
    wrong = Eyeballs(CENTERS, eyes.radius_mm, eyes.iris_mm, eyes.turns_deg + np.array([9.0, 0.0]))
    assert (border_contrast(looking_around, right) > 0.85 * (WHITE - IRIS)).all()
    assert (border_contrast(looking_around, wrong) < 0.5 * (WHITE - IRIS)).all()
