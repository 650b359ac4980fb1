"""The jobs of the stage: landmarks of a neutral on disk, and what is said where there are none."""

import json
import logging
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from splatrig.dataset.cameras import Cameras, write_cameras
from splatrig.dataset.frames import ChosenFrame, write_frames
from splatrig.dataset.pose import write_pose
from splatrig.landmarks.detect import detect
from splatrig.landmarks.picture import draw_landmarks
from splatrig.landmarks.points import NETWORK_POINTS, POINTS
from splatrig.landmarks.stage import Check, Neutral, check, check_own, find, write_check
from splatrig.landmarks.triangulate import project, projections
from splatrig.mesh.obj import write_obj
from support.face_scene import CANONICAL, HEIGHT, POSE, WIDTH, face_mesh, stage

HELD_OUT = 4
"""The camera in front of the face."""


def write_neutral(root: Path, cameras: Cameras) -> Neutral:
    """Write a neutral of black photographs, and open it."""
    folder = root / "dataset" / "N" / "000001"
    folder.mkdir(parents=True)
    held_out = np.arange(len(cameras)) == HELD_OUT
    write_cameras(root / "dataset" / "cameras.json", replace(cameras, held_out=held_out))
    write_frames(root / "N.csv", [ChosenFrame("N", "000001", len(cameras), "", "", True)])
    write_obj(folder / "000001.obj", *face_mesh())
    write_pose(folder / "000001_transform.txt", POSE)
    for name in cameras.names:
        Image.new("RGBA", (cameras.width, cameras.height)).save(folder / f"{name}.png")
    return Neutral.open(root / "dataset" / "cameras.json", root / "N.csv", "N")


@pytest.fixture
def neutral(tmp_path: Path) -> Neutral:
    return write_neutral(tmp_path, stage())


def seen_by(neutral: Neutral) -> np.ndarray:
    return neutral.seen(CANONICAL)


class Finder:
    """A network that finds the same points in each photograph, and counts them."""

    def __init__(self) -> None:
        self.count = 0

    def find_all(self, pixels: np.ndarray) -> list[np.ndarray]:
        assert pixels.shape == (HEIGHT, WIDTH, 3)
        self.count += 1
        return [] if self.count == 2 else [np.arange(2.0 * NETWORK_POINTS).reshape(-1, 2)]


def test_held_out_cameras_are_not_looked_at(neutral):
    (neutral.frame.photograph(HELD_OUT)).unlink()
    finder = Finder()
    seen = detect(neutral.frame, finder)
    assert finder.count == len(neutral.frame.cameras) - 1
    assert np.isnan(seen[HELD_OUT]).all() and np.isnan(seen[1]).all()
    np.testing.assert_array_equal(seen[0], np.arange(2.0 * NETWORK_POINTS).reshape(-1, 2)[list(POINTS)])


def test_landmarks_are_found_where_the_face_is(neutral):
    found = find(neutral, seen_by(neutral), CANONICAL)
    np.testing.assert_allclose(found.positions, CANONICAL, atol=1e-4)
    assert found.found.all() and (found.cameras >= 2).all()


@pytest.mark.parametrize("faces", [0, 1])
def test_without_a_face_that_two_cameras_see_a_sentence_says_so(neutral, caplog, faces):
    seen = seen_by(neutral)
    seen[faces:] = np.nan
    assert not find(neutral, seen, CANONICAL).found.any()
    assert "of the training cameras sees a face, landmarks need two" in caplog.text
    assert check(neutral, seen, CANONICAL, "KRT", 1.0) == Check(None, [], [])


def test_landmarks_that_cameras_do_not_agree_on_are_left_out(neutral, caplog):
    seen = seen_by(neutral) + np.random.default_rng(0).normal(0, 60, (9, 1, 2))
    assert not find(neutral, seen, CANONICAL).found.any()
    assert "landmarks are left out" in caplog.text


def test_a_sound_capture_is_written_with_its_figures(neutral, tmp_path, caplog):
    with caplog.at_level(logging.WARNING):
        write_check(tmp_path / "check.json", check(neutral, seen_by(neutral), CANONICAL, "KRT", 1.0))
    written = json.loads((tmp_path / "check.json").read_text())
    assert written["odd"] == written["wrong"] == [] and written["agreeing_fraction"] == 1.0
    assert written["reprojection_error_percent_of_height"] < 0.01
    assert not caplog.records


def test_what_is_odd_or_wrong_is_said_and_written(tmp_path, caplog):
    write_check(tmp_path / "check.json", Check(None, ["the head leans"], ["it is upside down"]))
    written = json.loads((tmp_path / "check.json").read_text())
    assert written == {"odd": ["the head leans"], "wrong": ["it is upside down"]}
    said = [(record.levelname, record.message) for record in caplog.records]
    assert said == [("WARNING", "it is upside down"), ("WARNING", "the head leans")]


def test_a_calibration_of_other_photographs_is_wrong(tmp_path):
    cameras = stage()
    doubled = Cameras(
        cameras.names, cameras.viewmats, np.diag([2, 2, 1.0]) @ cameras.Ks, WIDTH, HEIGHT, cameras.held_out
    )
    neutral = write_neutral(tmp_path, doubled)
    seen = project(projections(cameras.in_head_space(POSE)), CANONICAL)
    seen[HELD_OUT] = np.nan
    found = check(neutral, seen, CANONICAL, "KRT", 1.0)
    assert len(found.wrong) == 1 and "2 times as large" in found.wrong[0] and not found.odd


def test_landmarks_of_a_user_that_are_elsewhere_are_wrong(neutral):
    assert check_own(neutral, CANONICAL, CANONICAL, "mine.csv") == Check(None, [], [])
    found = check_own(neutral, CANONICAL + np.array([0, 0, 30.0]), CANONICAL, "mine.csv")
    assert len(found.wrong) == 1 and found.wrong[0].startswith("mine.csv: the landmarks are ")


@pytest.mark.parametrize("faces", [0, 9])
def test_a_picture_is_drawn_with_and_without_a_face(neutral, tmp_path, faces):
    seen = seen_by(neutral)
    seen[faces:] = np.nan
    draw_landmarks(tmp_path / "landmarks.png", neutral.frame, seen, find(neutral, seen, CANONICAL).positions, CANONICAL)
    with Image.open(tmp_path / "landmarks.png") as image:
        assert image.width > 300
        assert len(np.unique(np.asarray(image))) > 2
