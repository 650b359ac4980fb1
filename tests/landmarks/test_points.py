"""The points that are used: each in one region, and on the other side where it belongs."""

import numpy as np

from splatrig.landmarks.points import MIRRORED, NETWORK_POINTS, POINTS, REGION_OF, REGIONS, rows_of


def test_each_point_is_in_one_region():
    assert len(POINTS) == len(set(POINTS)) == sum(map(len, REGIONS.values()))
    assert set(REGION_OF) == set(POINTS)
    assert min(POINTS) >= 0 and max(POINTS) < NETWORK_POINTS


def test_the_other_side_of_the_other_side_is_the_point_itself():
    np.testing.assert_array_equal(MIRRORED[MIRRORED], np.arange(len(POINTS)))


def test_left_is_mirrored_to_right_and_nose_and_lips_to_themselves():
    for here, there in (("left eye", "right eye"), ("left brow", "right brow"), ("nose", "nose"), ("lips", "lips")):
        assert set(MIRRORED[rows_of(here)]) == set(rows_of(there))


def test_rows_of_regions_are_increasing_and_disjoint():
    rows = [rows_of(name) for name in REGIONS]
    assert sorted(np.concatenate(rows)) == list(range(len(POINTS)))
    assert all((np.diff(part) > 0).all() for part in rows)
