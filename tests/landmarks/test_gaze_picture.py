from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from splatrig.dataset.dataset import Frame
from splatrig.landmarks.gaze import Gaze
from splatrig.landmarks.gaze_picture import draw_gaze, shown_frames
from support.face_scene import CANONICAL, POSE, stage

TURNS = np.array([0.0, 0.5, 20.0, -20.0, 5.0, 0.0, 19.0, -18.0, 1.0])
CLOSED = 5


def gaze_of(centers: np.ndarray) -> Gaze:
    count = len(TURNS)
    confidence = np.ones((count, 2))
    confidence[CLOSED] = 0.0
    yaw = np.repeat(TURNS[:, None], 2, axis=1)
    return Gaze(tuple(f"E/{f}" for f in range(count)), centers, np.full(2, 12.0), yaw, 0.0 * yaw, confidence)


@pytest.fixture
def gaze() -> Gaze:
    return gaze_of(CANONICAL.mean(axis=0) + np.array([[31.0, 20.0, 0.0], [-31.0, 20.0, 0.0]]))


def test_frames_that_differ_in_gaze_and_one_of_closed_eyes_are_shown(gaze):
    assert {0, 2, 3, CLOSED} < set(shown_frames(gaze))
    assert len(shown_frames(gaze)) == 6


def test_frames_that_look_alike_are_shown_once(gaze):
    still = replace(gaze, yaw_deg=0.0 * gaze.yaw_deg)
    assert shown_frames(still) == [0, CLOSED]


@pytest.mark.parametrize("known", [True, False])
def test_a_picture_is_drawn_with_and_without_eyes(gaze, tmp_path: Path, known):
    cameras = stage().in_head_space(POSE)
    for name in cameras.names:
        Image.new("RGBA", (cameras.width, cameras.height), (90, 90, 90, 255)).save(tmp_path / f"{name}.png")
    frames = [Frame("E", str(f), tmp_path, cameras) for f in range(len(TURNS))]
    draw_gaze(tmp_path / "gaze.png", frames, gaze if known else gaze_of(np.full((2, 3), np.nan)))
    with Image.open(tmp_path / "gaze.png") as image:
        colors = np.asarray(image.convert("RGB")).reshape(-1, 3).astype(int)
    cyan = (np.abs(colors - [23, 190, 207]) < 12).all(axis=1)
    assert cyan.any() == known
