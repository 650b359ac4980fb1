"""Labels that a capture brings: taken as they are, and refused in a sentence where they cannot be right."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from splatrig.capture.labels import LABELS, read_labels, write_labels
from splatrig.dataset.regions import Region
from splatrig.io.errors import InputError

WIDTH, HEIGHT = 6, 4
PARTS = np.arange(WIDTH * HEIGHT, dtype=np.uint8).reshape(HEIGHT, WIDTH) % len(LABELS)


@pytest.fixture
def photograph(tmp_path):
    path = tmp_path / "photograph.png"
    Image.new("RGB", (WIDTH, HEIGHT)).save(path)
    return path


def test_gray_and_palette_images_have_the_same_labels(tmp_path, photograph):
    write_labels(tmp_path / "gray.png", PARTS)
    colored = Image.fromarray(PARTS).convert("P")
    colored.putpalette([200, 10, 30, 7, 7, 7, 255, 255, 0, 0, 0, 90, 1, 2, 3])
    colored.save(tmp_path / "palette.png")
    for name in ("gray", "palette"):
        assert_array_equal(read_labels(tmp_path / f"{name}.png", photograph, WIDTH, HEIGHT), PARTS)
    assert LABELS[1:] == (Region.SKIN, Region.MOUTH, Region.EYES, Region.HAIR)


def test_smaller_photographs_get_labels_that_are_not_mixed(tmp_path, photograph):
    halves = np.where(np.arange(WIDTH) < 4, 1, 4).astype(np.uint8)[None].repeat(HEIGHT, axis=0)
    write_labels(tmp_path / "labels.png", halves)
    assert_array_equal(read_labels(tmp_path / "labels.png", photograph, 3, 2), [[1, 1, 4]] * 2)


def test_labels_of_another_size_are_refused(tmp_path, photograph):
    write_labels(tmp_path / "labels.png", PARTS[:, :5])
    sentence = rf"labels\.png: expected labels of 6×4 pixels as their photograph {photograph} has, got 5×4; make them"
    with pytest.raises(InputError, match=sentence):
        read_labels(tmp_path / "labels.png", photograph, WIDTH, HEIGHT)


def test_colors_in_place_of_indices_are_refused(tmp_path, photograph):
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "labels.png")
    with pytest.raises(InputError, match=r"8-bit gray or palette image, got mode RGB; save the indices"):
        read_labels(tmp_path / "labels.png", photograph, WIDTH, HEIGHT)


def test_an_index_without_a_meaning_is_refused(tmp_path, photograph):
    write_labels(tmp_path / "labels.png", PARTS + 7)
    with pytest.raises(InputError, match=r"0 nothing, 1 skin, 2 mouth, 3 eyes, 4 hair\), got 11; translate them"):
        read_labels(tmp_path / "labels.png", photograph, WIDTH, HEIGHT)


def test_a_damaged_file_is_refused(tmp_path, photograph):
    (tmp_path / "labels.png").write_bytes(b"no image")
    with pytest.raises(InputError, match=r"labels\.png: cannot be read as labels"):
        read_labels(tmp_path / "labels.png", photograph, WIDTH, HEIGHT)
