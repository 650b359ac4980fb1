"""Where eyes look, how far that is believed, and what is said where no eyes can be seen."""

from dataclasses import replace

import numpy as np
import pytest

from splatrig.landmarks.eye_views import EyeViews
from splatrig.landmarks.gaze import Gaze
from splatrig.landmarks.measure_gaze import find_gaze, iris_fronts, look_ahead, measure_gaze
from support.synthetic_eyes import CENTERS, SKIN, Eyes, lids_of_eyes, views_of_eyes

TURNS = np.repeat(np.array([[0, 0], [20, 0], [-18, 4], [0, 12], [6, -8]], dtype=float)[:, None], 2, axis=1)
FRAMES = [f"E/{number}" for number in range(len(TURNS))]
NEUTRAL, LEARNED = np.arange(len(TURNS)) == 0, np.ones(len(TURNS), bool)
CLOSED = 4
"""The frame whose lids are closed."""


def eyes() -> Eyes:
    return Eyes(TURNS, open_mm=np.where(np.arange(len(TURNS)) == CLOSED, 1.2, 11.0))


@pytest.fixture(scope="module")
def views() -> EyeViews:
    return views_of_eyes(eyes())


def measured(views: EyeViews) -> Gaze:
    return measure_gaze(views, FRAMES, lids_of_eyes(eyes()), neutral=NEUTRAL, learned=LEARNED)


def test_open_eyes_are_believed_and_closed_ones_look_as_in_the_neutral(views):
    gaze = measured(views)
    opened = np.arange(len(TURNS)) != CLOSED
    assert (gaze.confidence[opened] > 0.9).all() and (gaze.confidence[CLOSED] == 0.0).all()
    assert np.abs(gaze.yaw_deg - TURNS[..., 0])[opened].max() < 1.5
    assert np.abs(gaze.pitch_deg - TURNS[..., 1])[opened].max() < 1.5
    assert (gaze.yaw_deg[CLOSED] == gaze.yaw_deg[0]).all() and (gaze.pitch_deg[CLOSED] == gaze.pitch_deg[0]).all()
    assert np.linalg.norm(gaze.centers - CENTERS, axis=1).max() < 1.0
    assert gaze.frames == tuple(FRAMES)


def test_an_eye_that_no_camera_sees_in_a_frame_is_not_believed_there(views):
    there = views.there.copy()
    there[2, 1] = False
    gaze = measured(replace(views, there=there))
    assert gaze.confidence[2, 1] == 0.0 and gaze.confidence[2, 0] > 0.9
    assert gaze.yaw_deg[2, 1] == gaze.yaw_deg[0, 1]
    assert gaze.yaw_deg[2, 0] == pytest.approx(TURNS[2, 0, 0], abs=1.5)


def test_irises_are_in_front_of_eyeballs_whatever_single_cameras_say(views):
    iris = views.iris.copy()
    iris[:, :, 2] += 15.0
    fronts = iris_fronts(replace(views, iris=iris), np.ones((len(TURNS), 2), bool))
    np.testing.assert_allclose(fronts, CENTERS + np.array([0.0, 0.0, 10.5]), atol=2.0)


def test_where_no_camera_sees_eyes_they_look_ahead_and_a_sentence_says_so(views, caplog):
    gaze = measured(replace(views, there=np.zeros_like(views.there)))
    assert (gaze.confidence == 0).all() and (gaze.yaw_deg == 0).all() and gaze.known.all()
    assert "too few cameras see both irises: eyes look straight ahead" in caplog.text
    np.testing.assert_allclose(gaze.centers, CENTERS, atol=1.5)


def test_faces_without_irises_have_no_gaze(views, caplog):
    gaze = measured(replace(views, gray=np.full_like(views.gray, SKIN)))
    assert (gaze.confidence == 0).all()
    assert "no iris has a border" in caplog.text


def test_an_eye_without_landmarks_has_no_place():
    lids = lids_of_eyes(eyes())
    lids[1] = np.nan
    gaze = look_ahead(FRAMES, lids, "for a test")
    np.testing.assert_array_equal(gaze.known, [True, False])
    assert np.isfinite(gaze.yaw_deg).all()


@pytest.mark.parametrize(
    ("lids", "network", "said"),
    [
        (lids_of_eyes(eyes()), None, "capture.landmarks"),
        (np.full((2, 16, 3), np.nan), "iris.tflite", "no landmarks of both eyes"),
    ],
)
def test_without_network_or_landmarks_no_photograph_is_read(lids, network, said, caplog):
    gaze = find_gaze([], lids, network, neutral=np.zeros(0, bool), learned=np.zeros(0, bool))
    assert gaze.frames == () and gaze.confidence.shape == (0, 2)
    assert said in caplog.text
