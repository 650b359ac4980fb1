"""The networks find the face in photographs of the demo, wherever in the image and however large it is."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from splatrig.io.errors import InputError
from splatrig.landmarks.network import FaceFinder
from splatrig.landmarks.points import NOSE_TIP, POINTS
from support.canonical_landmarks import photographs
from support.face_networks import DETECTOR, face_finder

FRONT = "400029"


def front() -> np.ndarray:
    cameras, images = photographs()
    return images[cameras.names.index(FRONT)]


def found(image: np.ndarray) -> np.ndarray:
    points = face_finder().find(np.ascontiguousarray(image))
    assert points is not None
    return points[list(POINTS)]


@pytest.mark.parametrize("factor", [0.25, 0.5, 2.0])
def test_a_face_is_found_at_every_size(factor):
    image = Image.fromarray(front())
    size = (round(factor * image.width), round(factor * image.height))
    resized = np.asarray(image.resize(size, Image.Resampling.BOX if factor < 1 else Image.Resampling.BICUBIC))
    misses = np.linalg.norm(found(resized) / factor - found(front()), axis=1)
    assert np.median(misses) < 0.006 * image.height


def test_a_face_that_is_shifted_is_found_there():
    shifted = np.roll(front(), (37, -21), axis=(0, 1))
    misses = np.linalg.norm(found(shifted) - (found(front()) + np.array([-21, 37])), axis=1)
    assert np.median(misses) < 1.5


def test_a_face_that_is_rolled_is_found_upright():
    image = front()
    rolled = np.asarray(Image.fromarray(image).rotate(25))
    middle = np.array(image.shape[1::-1]) / 2
    turn = np.array(
        [[np.cos(np.radians(25)), np.sin(np.radians(25))], [-np.sin(np.radians(25)), np.cos(np.radians(25))]]
    )
    misses = np.linalg.norm(found(rolled) - ((found(image) - middle) @ turn.T + middle), axis=1)
    assert np.median(misses) < 4.0


@pytest.mark.parametrize("shade", [0, 127, 255])
def test_where_there_is_no_face_none_is_found(shade):
    assert face_finder().find(np.full((300, 200, 3), shade, np.uint8)) is None


def test_the_nose_is_in_front_of_the_eyes_and_depth_is_in_pixels():
    image = front()
    depth = face_finder().find_in_depth(np.ascontiguousarray(image))[:, 2]
    eyes = np.linalg.norm(found(image)[POINTS.index(33)] - found(image)[POINTS.index(263)])
    assert depth.argmin() in (1, 4, 5)
    assert 0.3 * eyes < depth[[33, 263]].mean() - depth[NOSE_TIP] < eyes
    twice = np.asarray(Image.fromarray(image).resize((2 * image.shape[1], 2 * image.shape[0])))
    larger = face_finder().find_in_depth(twice)[:, 2]
    assert np.ptp(larger) == pytest.approx(2 * np.ptp(depth), rel=0.1)


def test_a_file_that_is_no_network_is_named(tmp_path: Path):
    face_finder()
    (tmp_path / "broken.tflite").write_bytes(b"no network")
    with pytest.raises(InputError, match=r"broken\.tflite: is no network"):
        FaceFinder(DETECTOR, tmp_path / "broken.tflite")


def test_both_faces_of_a_photograph_are_found_the_clearest_first():
    image = front()
    half = (image.shape[1] // 2, image.shape[0] // 2)
    small = np.asarray(Image.fromarray(image).resize(half, Image.Resampling.BOX))
    both = np.full((image.shape[0], image.shape[1] + half[0], 3), image[0, 0], np.uint8)
    both[:, : image.shape[1]] = image
    both[half[1] :, image.shape[1] :] = small
    faces = face_finder().find_all(both)
    assert len(faces) == 2
    larger, smaller = sorted(faces, key=lambda points: -np.ptp(points[:, 1]))
    assert np.median(np.linalg.norm(larger[list(POINTS)] - found(image), axis=1)) < 2.0
    assert np.median(np.linalg.norm(smaller - [image.shape[1], half[1]] - larger / 2, axis=1)) < 2.0
    np.testing.assert_array_equal(faces[0], face_finder().find(both))


def test_one_face_is_found_once():
    assert len(face_finder().find_all(front())) == 1
