import numpy as np
import pytest

from splatrig.animation.pictures import GAP
from splatrig.animation.portrait import MOST_COLUMNS, portrait, sheet_of_heads
from support import tiny


def flat(value, width=30):
    return np.full((20, width, 3), value, dtype=np.uint8)


def test_a_portrait_shows_the_head_in_the_middle_of_the_image():
    fine = tiny.template().finest_level
    picture = portrait(tiny.truth(fine.vertices, fine.faces), tiny.cameras(), 96)
    assert picture.shape[0] == 96 and picture.dtype == np.uint8
    lit = np.argwhere(picture.any(axis=2))
    assert len(lit) > 20
    assert lit.mean(axis=0) == pytest.approx(np.array(picture.shape[:2]) / 2, abs=10)


def test_heads_of_other_widths_are_side_by_side_in_their_order():
    sheet = sheet_of_heads({"anna": flat(50), "ben": flat(90, width=20)})
    assert sheet.shape[1] == 2 * (30 + GAP) + GAP
    assert sheet[GAP, GAP].tolist() == [50] * 3
    left = GAP + 30 + GAP
    assert sheet[GAP, left].tolist() == [0] * 3 and sheet[GAP, left + 5].tolist() == [90] * 3


def test_heads_of_other_heights_get_the_highest():
    small = np.full((10, 15, 3), 70, np.uint8)
    sheet = sheet_of_heads({"anna": flat(50), "ben": small})
    left = GAP + 30 + GAP
    assert (sheet[GAP : GAP + 20, left : left + 30] == 70).all()


def test_the_last_row_is_filled_with_white():
    sheet = sheet_of_heads({f"s{index}": flat(60) for index in range(MOST_COLUMNS + 1)})
    assert sheet.shape[1] == MOST_COLUMNS * (30 + GAP) + GAP
    assert (sheet[len(sheet) // 2 :, -30:] == 255).all()
