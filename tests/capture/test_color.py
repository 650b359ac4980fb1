"""Color correction against the formula of the release, value by value."""

from typing import get_args

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.capture.color import corrected, correction_table
from splatrig.config.choices import ColorCorrection
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


def test_ava256_is_shown_by_the_formula_of_its_readers():
    s, black, gains = 1 / 1.1059, (4.4, 3.1, 4.2), (1.279545, 1.1059, 1.6)
    table = correction_table("ava256_gamma")
    for value in range(256):
        for channel, gain in enumerate(gains):
            b, x = black[channel] / 255, value / 255
            light = max(x * gain * s / (1 - b) - b * s / (1 - b), 1e-6)
            assert_allclose(table[value, channel], 255 * min(light ** (1 / 1.5254), 1), atol=0.55)


def test_goliath_is_balanced_as_its_release_says():
    table = correction_table("goliath_gamma")
    for value, channel, black, gain in ((40, 0, 2, 1.4), (99, 1, 1, 1.1), (120, 2, 2, 1.6)):
        assert_allclose(table[value, channel], 255 * ((value - black) * gain / 255) ** (1 / 2.2), atol=0.5)


BRIGHT_FROM = {"multiface_gamma": 40, "ava256_gamma": 60, "goliath_gamma": 40}
"""Raw values from which all channels are shown as 80 or more; the curve of Ava-256 is the darkest."""


@pytest.mark.parametrize("color", get_args(ColorCorrection))
def test_gamma_brightens_and_keeps_order(color):
    table = correction_table(color).astype(int)
    assert (np.diff(table, axis=0) >= 0).all()
    assert (table[BRIGHT_FROM[color]] >= 80).all()
    assert_array_equal(table[0], 0)


def test_an_unknown_correction_is_named():
    with pytest.raises(InputError, match="sepia"):
        correction_table("sepia")
