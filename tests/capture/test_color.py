"""Colour correction against the formula of the release, value by value."""

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.capture.color import corrected, correction_table
from splatrig.io.errors import InputError


def test_none_changes_nothing():
    image = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    assert_array_equal(corrected(image, correction_table(None)), image)


def test_gamma_is_the_formula_of_the_release():
    raw = np.random.default_rng(0).integers(0, 256, (50, 3), dtype=np.uint8)
    black = 3 / 255
    for value, got in zip(raw, corrected(raw, correction_table("multiface_gamma")), strict=True):
        for channel, gain in enumerate((1.4, 1.1, 1.6)):
            light = min(max(value[channel] / 255 * gain / 1.1 - black, 0), 2)
            expected = min(max((0.95 / (1 - black) * light) ** 0.5 - 15 / 255, 0), 1)
            assert_allclose(got[channel], 255 * expected, atol=0.5)


def test_gamma_brightens_and_keeps_order():
    table = correction_table("multiface_gamma").astype(int)
    assert (np.diff(table, axis=0) >= 0).all()
    assert (table[40] >= 80).all()
    assert_array_equal(table[0], 0)


def test_an_unknown_correction_is_named():
    with pytest.raises(InputError, match="sepia"):
        correction_table("sepia")
