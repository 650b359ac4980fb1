"""The network for eyes finds lids and iris in photographs of the demo, of both eyes alike."""

import numpy as np
import pytest
from PIL import Image

from splatrig.capture.demo.head import load_head
from splatrig.landmarks.iris import LID_POINTS
from splatrig.landmarks.network import Crop
from splatrig.landmarks.triangulate import project, projections
from support.canonical_landmarks import photographs
from support.demo_gaze import true_centers
from support.demo_head import head_path
from support.face_networks import iris_finder

FRONT = "400029"
FRONT_MM = 15.7
"""From the center of the demo's eyeball to its iris."""


def eye_of(eye: int) -> tuple[np.ndarray, np.ndarray]:
    """Return a crop of one eye [64, 64, 3], and where the middle of its iris is in it."""
    cameras, images = photographs()
    row = cameras.names.index(FRONT)
    front = true_centers(load_head(head_path()))[eye] + [0.0, 0.0, FRONT_MM]
    place = project(projections(cameras)[[row]], front[None])[0, 0]
    crop = Crop(place + np.array([3.0, 2.0]), 140.0, 0.0)
    return crop.pixels(Image.fromarray(images[row]), 64), np.array([32.0, 32.0]) - np.array([3.0, 2.0]) * 64 / 140


@pytest.mark.parametrize("eye", [0, 1])
def test_iris_and_lids_are_found(eye):
    finder = iris_finder()
    pixels, place = eye_of(eye)
    lids, iris = finder.find(pixels, right=eye == 1)
    assert np.linalg.norm(iris - place) < 2.0
    assert lids.shape == (LID_POINTS, 2)
    low, high = lids.min(axis=0), lids.max(axis=0)
    assert (low < iris).all() and (iris < high).all()
    assert 12 < high[0] - low[0] < 40 and 3 < high[1] - low[1] < 15


def test_a_mirrored_eye_is_the_other_eye():
    finder = iris_finder()
    pixels, _ = eye_of(0)
    lids, iris = finder.find(pixels, right=False)
    mirrored_lids, mirrored_iris = finder.find(pixels[:, ::-1], right=True)
    np.testing.assert_allclose(mirrored_iris, [64 - iris[0], iris[1]], atol=1e-4)
    np.testing.assert_allclose(mirrored_lids, np.column_stack([64 - lids[:, 0], lids[:, 1]]), atol=1e-4)


def test_lids_go_around_their_opening():
    lids, _ = iris_finder().find(eye_of(0)[0], right=False)
    steps = np.roll(lids, -1, axis=0) - lids
    lower, upper = steps[: LID_POINTS // 2 - 1, 0], steps[LID_POINTS // 2 + 1 : -1, 0]
    assert (np.sign(lower) == np.sign(lower[0])).all() and (np.sign(upper) == -np.sign(lower[0])).all()
