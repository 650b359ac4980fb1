from dataclasses import fields

import numpy as np
import pytest

from splatrig.io.errors import InputError
from splatrig.landmarks.gaze import Gaze, angles_of, direction_of, read_gaze, write_gaze

GAZE = Gaze(
    frames=("E001_Neutral/000102", "NA/NA"),
    centers=np.array([[31.0, 20.5, 60.25], [-30.0, 20.0, 61.0]]),
    radii_mm=np.array([12.0, 12.25]),
    yaw_deg=np.array([[1.5, -2.0], [30.0, 28.5]]),
    pitch_deg=np.array([[0.0, 0.5], [-10.0, -12.0]]),
    confidence=np.array([[1.0, 0.5], [0.25, 0.0]]),
)


def test_the_table_of_gaze_reads_back_what_was_written(tmp_path):
    write_gaze(tmp_path / "gaze.csv", GAZE)
    again = read_gaze(tmp_path / "gaze.csv")
    for field in fields(Gaze):
        np.testing.assert_array_equal(getattr(again, field.name), getattr(GAZE, field.name))
    assert again.known.all()


def test_an_eye_that_is_not_shown_has_no_center_and_is_not_known(tmp_path):
    unseen = Gaze(GAZE.frames, np.full((2, 3), np.nan), np.full(2, np.nan), *np.zeros((3, 2, 2)))
    write_gaze(tmp_path / "gaze.csv", unseen)
    again = read_gaze(tmp_path / "gaze.csv")
    assert not again.known.any()
    np.testing.assert_array_equal(again.confidence, 0.0)


@pytest.mark.parametrize(
    ("yaw", "pitch", "direction"),
    [(0.0, 0.0, (0, 0, 1)), (90.0, 0.0, (1, 0, 0)), (0.0, 90.0, (0, 1, 0)), (-45.0, 0.0, (-(0.5**0.5), 0, 0.5**0.5))],
)
def test_yaw_turns_to_the_subjects_left_and_pitch_upwards(yaw, pitch, direction):
    np.testing.assert_allclose(direction_of(np.array(yaw), np.array(pitch)), direction, atol=1e-12)


def test_angles_are_those_of_their_direction():
    yaw, pitch = np.random.default_rng(0).uniform(-80, 80, (2, 50))
    np.testing.assert_allclose(angles_of(3.0 * direction_of(yaw, pitch)), (yaw, pitch), atol=1e-9)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("E001_Neutral,000102,right", "E001_Neutral,000102,left"),
        ("NA,NA,right", "NA,NB,right"),
        (",0.25\n", ",1.25\n"),
        (",30.0,", ",,"),
        ("pitch_deg", "pitch"),
    ],
)
def test_a_damaged_table_is_named(tmp_path, old, new):
    path = tmp_path / "gaze.csv"
    write_gaze(path, GAZE)
    text = path.read_text(encoding="utf-8")
    assert text.count(old) == 1
    path.write_text(text.replace(old, new), encoding="utf-8")
    with pytest.raises(InputError, match=r"gaze\.csv: expected"):
        read_gaze(path)
