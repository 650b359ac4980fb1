import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import Image

from splatrig.dataset.regions import MEMBERS, REGIONS, Region, RegionFolder
from splatrig.io.errors import InputError

FLAGS = np.arange(64, dtype=np.uint8).reshape(4, 16)


def test_flags_come_back_and_are_an_image_to_look_at(tmp_path):
    folder = RegionFolder(tmp_path)
    folder.write("E001/000102", "400002", FLAGS)
    assert_array_equal(folder.read("E001/000102", "400002", 16, 4), FLAGS)
    with Image.open(tmp_path / "E001" / "000102" / "400002.png") as image:
        colors = np.asarray(image.convert("RGB"))
    assert colors[0, 0].tolist() == [0, 0, 0]
    assert len({tuple(colors.reshape(-1, 3)[region | Region.WHOLE]) for region in Region}) == len(Region)


def test_every_flag_is_of_the_regions_whose_bits_it_has():
    assert REGIONS == ("whole", "skin", "mouth", "eyes", "hair", "beyond")
    for flags in (0, 1, 19, 63):
        assert_array_equal(MEMBERS[flags], [bool(flags & 2**bit) for bit in range(6)])


def test_missing_regions_and_those_of_another_size_are_one_sentence(tmp_path):
    folder = RegionFolder(tmp_path)
    with pytest.raises(InputError, match=r"400002\.png: regions are missing; delete the folder and run again"):
        folder.read("E001/000102", "400002", 16, 4)
    folder.write("E001/000102", "400002", FLAGS)
    with pytest.raises(InputError, match=r"expected regions of 16×5 pixels as the photographs, got 16×4"):
        folder.read("E001/000102", "400002", 16, 5)
