"""What is not known of an image is that of the nearest pixel that is."""

import numpy as np
from numpy.testing import assert_array_equal

from splatrig.capture.nearest import filled


def test_unknown_pixels_take_the_nearest_known_one():
    image = np.zeros((1, 5, 3), dtype=np.uint8)
    image[0, 0], image[0, 4] = 10, 50
    known = np.array([[True, False, False, False, True]])
    assert_array_equal(filled(image, known)[0, [0, 1, 3, 4], 0], [10, 10, 50, 50])
    assert_array_equal(filled(image, np.zeros_like(known)), 0)
