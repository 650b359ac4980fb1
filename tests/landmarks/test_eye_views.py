"""Crops of eyes show what they claim to, from cameras that train and face them."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Frame
from splatrig.landmarks.eye_views import CROP_SIZE, MOST_CAMERAS, EyeViews, choose_cameras, look_at_eyes
from splatrig.landmarks.iris import IrisFinder
from splatrig.landmarks.points import rows_of
from splatrig.landmarks.triangulate import project, projections
from support.face_scene import CANONICAL, POSE, stage

LIDS = np.stack([CANONICAL[rows_of("left eye")], CANONICAL[rows_of("right eye")]])
EYES = LIDS.mean(axis=1)
FRONT, ASIDE = 4, (0, 8)
"""Of the stage's cameras: the one in front of the face, and those that look from the side."""


class Finder(IrisFinder):
    """A network that finds an opening of the lids that fills a quarter of the crop, and the iris in its middle."""

    def __init__(self) -> None:
        self.size = 64
        self.sides: list[bool] = []

    def find(self, pixels: np.ndarray, *, right: bool) -> tuple[np.ndarray, np.ndarray]:
        assert pixels.shape == (64, 64, 3)
        self.sides.append(right)
        angles = 2 * np.pi * np.arange(16) / 16
        return 32 + 8 * np.column_stack([np.cos(angles), np.sin(angles)]), np.array([32.0, 32.0])


@pytest.fixture
def frame(tmp_path: Path) -> Frame:
    """Return a frame of black photographs with a white dot at the middle of each eye."""
    cameras = stage().in_head_space(POSE)
    cameras = replace(cameras, held_out=np.arange(len(cameras)) == 3)
    for row, places in enumerate(project(projections(cameras), EYES)):
        pixels = np.zeros((cameras.height, cameras.width, 4), np.uint8)
        for x, y in places:
            if 0 <= x < cameras.width and 0 <= y < cameras.height:
                pixels[int(y), int(x)] = 255
        Image.fromarray(pixels).save(tmp_path / f"{cameras.names[row]}.png")
    return Frame("E", "1", tmp_path, cameras)


@pytest.fixture
def views(frame: Frame) -> EyeViews:
    return look_at_eyes([frame], LIDS, Finder())


def test_the_middle_of_the_lids_is_in_the_middle_of_every_crop(views):
    assert views.there[0].sum() == 2 * 6  # nine cameras without a held-out one and two at the side
    for e, m in np.argwhere(views.there[0]):
        place = project(views.P[0, e, m][None], EYES[[e]])[0, 0]
        np.testing.assert_allclose(place, CROP_SIZE / 2, atol=1e-6)
        bright = np.argwhere(views.gray[0, e, m] > 0.5 * views.gray[0, e, m].max()).mean(axis=0)[::-1] + 0.5
        np.testing.assert_allclose(bright, place, atol=6.0)  # a pixel of the photograph is five of the crop


def test_projections_of_crops_are_those_of_the_photographs(frame, views):
    chosen = choose_cameras(frame.cameras, EYES)
    for m, camera in enumerate(chosen):
        ends = project(np.stack([views.P[0, 0, m], projections(frame.cameras)[camera]]), CANONICAL)
        lengths = np.linalg.norm(ends - ends[:, :1], axis=2)[:, 1:]
        assert np.ptp(lengths[0] / lengths[1]) < 1e-6  # similar triangles


def test_what_the_network_finds_is_moved_into_the_crop(views):
    there = views.there[0]
    np.testing.assert_allclose(views.iris[0][there], CROP_SIZE / 2, atol=1e-6)
    area = np.pi * (np.linalg.norm(views.lids[0][there] - CROP_SIZE / 2, axis=-1).mean()) ** 2
    assert views.opening[0][there].sum(axis=(1, 2)) == pytest.approx(area, rel=0.1)
    np.testing.assert_allclose(views.openness, np.pi / 4, rtol=0.05)


def test_held_out_cameras_and_those_at_the_side_are_not_looked_at(frame):
    chosen = choose_cameras(frame.cameras, EYES)
    assert FRONT in chosen and not {3, *ASIDE} & set(chosen)


def test_right_eyes_are_told_to_the_network(frame):
    finder = Finder()
    look_at_eyes([frame], LIDS, finder)
    assert finder.sides == [False, True] * 6


def many(count: int, widest: float) -> Cameras:
    """Return cameras on an arc around the face, the first in front."""
    base = stage().in_head_space(POSE).select([FRONT] * count)
    angles = np.radians(np.linspace(0.0, widest, count))
    viewmats = base.viewmats.copy()
    for row, angle in enumerate(angles):
        turn = np.eye(4)
        turn[:3, :3] = [[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]]
        shift = np.eye(4)
        shift[:3, 3] = EYES.mean(axis=0)
        viewmats[row] = viewmats[row] @ shift @ turn @ np.linalg.inv(shift)
    names = tuple(f"{row:03d}" for row in range(count))
    return replace(base, names=names, viewmats=viewmats, held_out=np.zeros(count, bool))


def test_of_many_cameras_some_from_all_sides_are_taken():
    chosen = choose_cameras(many(40, 48.0), EYES)
    assert len(chosen) == MOST_CAMERAS and {0, 39} <= set(chosen)
    assert np.diff(chosen).max() <= 10


def test_of_few_cameras_that_face_the_eyes_none_is_left_out_for_one_aside():
    cameras = many(12, 62.0)  # nine within 50 degrees
    order = np.arange(12)[::-1]
    chosen = choose_cameras(cameras.select(order), EYES)
    assert len(chosen) == MOST_CAMERAS
    far = many(9, 62.0)
    assert sorted(far.names[row] for row in choose_cameras(far, EYES)) == list(far.names[:8])
