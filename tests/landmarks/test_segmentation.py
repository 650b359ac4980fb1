"""The network that finds people finds the demo's head, and nothing where there is nobody."""

import numpy as np
import pytest
from PIL import Image

from splatrig.landmarks.segmentation import Segmenter
from support.canonical_landmarks import photographs
from support.face_networks import segmenter


@pytest.fixture(scope="module")
def network() -> Segmenter:
    return segmenter()


def front():
    cameras, images = photographs()
    return np.ascontiguousarray(images[cameras.names.index("400029")])


def test_a_head_is_found_and_its_surroundings_are_not(network):
    image = front()
    alpha = network.alpha(image)
    assert alpha.shape == image.shape[:2] and alpha.dtype == np.uint8
    height, width = alpha.shape
    assert alpha[height // 3 : height // 2, width // 3 : 2 * width // 3].min() > 200, "the middle of the face"
    assert alpha[: height // 8, : width // 8].max() < 60, "a corner above the head"


def test_alpha_follows_the_photograph(network):
    image = front()
    shifted = np.roll(image, 24, axis=1)
    one, other = (network.alpha(own).astype(float) for own in (image, shifted))
    assert np.abs(np.roll(one, 24, axis=1) - other)[:, 48:-48].mean() < 12.0
    wide = np.pad(image, ((0, 0), (200, 200), (0, 0)))
    assert np.abs(network.alpha(wide)[:, 200:-200].astype(float) - one)[: len(one) // 2].mean() < 30.0
    half = Image.fromarray(image).resize((image.shape[1] // 2, image.shape[0] // 2), Image.Resampling.BOX)
    small = np.asarray(Image.fromarray(network.alpha(np.asarray(half))).resize(image.shape[1::-1]), dtype=float)
    assert np.abs(small - one).mean() < 12.0


@pytest.mark.parametrize("shade", [0, 127])
def test_where_there_is_nobody_nothing_is_found(network, shade):
    assert network.alpha(np.full((300, 200, 3), shade, np.uint8)).mean() < 40.0
