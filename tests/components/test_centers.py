import numpy as np
import pytest

from splatrig.components.centers import CenterPriors, Centers, Places, mirror_map
from splatrig.io.errors import InputError
from support.synthetic import demo_level


def test_the_mirror_of_a_symmetric_head_is_its_own_inverse_and_swaps_the_sides():
    level, _ = demo_level()
    mirror = mirror_map(level.vertices)
    assert (mirror[mirror] == np.arange(len(mirror))).mean() > 0.9
    image = level.vertices * [-1.0, 1.0, 1.0]
    off = mirror != np.arange(len(mirror))
    assert 0.85 < off.mean() < 0.99
    assert np.percentile(np.linalg.norm(level.vertices[mirror] - image, axis=1)[off], 95) < 4.0


def test_a_head_that_stands_askew_keeps_its_pairs():
    level, _ = demo_level()
    angle = np.radians(8)
    turn = np.array([[np.cos(angle), 0, np.sin(angle)], [0, 1, 0], [-np.sin(angle), 0, np.cos(angle)]])
    moved = level.vertices @ turn.T + np.array([12.0, -3.0, 40.0])
    assert (mirror_map(moved) == mirror_map(level.vertices)).mean() > 0.99


def test_free_centers_start_at_the_largest_energy_and_follow_the_peaks():
    centers = Centers(2, CenterPriors(), 10)
    assert centers.place(0, np.arange(10.0)) == 9
    assert centers.place(1, -np.arange(10.0)) == 0
    centers.follow(np.array([4, 5]), np.array([1.0, 0.0]))
    np.testing.assert_array_equal(centers.vertices, [4, 0])


def test_fixed_centers_come_first_and_never_move():
    centers = Centers(3, CenterPriors((6, 2)), 10)
    assert [centers.place(k, np.arange(10.0)) for k in range(3)] == [6, 2, 9]
    centers.follow(np.array([1, 1, 1]), np.ones(3))
    np.testing.assert_array_equal(centers.vertices, [6, 2, 1])
    assert centers.place(0, np.arange(10.0)) == 6


def test_a_pair_follows_the_component_that_moves_more():
    mirror = np.arange(10)[::-1].copy()
    centers = Centers(3, CenterPriors(mirror=mirror), 10)
    assert [centers.place(k, np.arange(10.0)) for k in range(3)] == [9, 0, 9]
    np.testing.assert_array_equal(centers.partner, [1, 0, -1])
    centers.follow(np.array([7, 3, 5]), np.array([1.0, 2.0, 1.0]))
    np.testing.assert_array_equal(centers.vertices, [6, 3, 5])


def test_a_fixed_center_off_the_middle_fixes_its_partner():
    mirror = np.arange(10)[::-1].copy()
    centers = Centers(4, CenterPriors((2, 8), mirror), 10)
    assert [centers.place(k, np.arange(10.0)) for k in range(4)] == [2, 7, 8, 1]
    assert centers.places(np.arange(4)).fixed.all()


def test_a_vertex_on_the_middle_has_no_partner():
    centers = Centers(2, CenterPriors(mirror=np.array([0, 2, 1])), 3)
    centers.place(0, np.array([1.0, 0.0, 0.0]))
    np.testing.assert_array_equal(centers.partner, [-1, -1])


def test_places_survive_another_order():
    mirror = np.arange(10)[::-1].copy()
    centers = Centers(3, CenterPriors((2,), mirror), 10)
    for k in range(3):
        centers.place(k, np.arange(10.0))
    places = centers.places(np.array([2, 1, 0]))
    np.testing.assert_array_equal(places.vertices, [9, 7, 2])
    np.testing.assert_array_equal(places.partner, [-1, 2, 1])
    np.testing.assert_array_equal(places.fixed, [False, True, True])
    resumed = Centers(3, CenterPriors((2,), mirror), 10, Places(*places))
    assert resumed.place(0, np.arange(10.0)) == 9
    assert resumed.place(1, np.arange(10.0)) == 7


@pytest.mark.parametrize(
    ("fixed", "message"), [((10,), "got vertex 10, expected 0 to 9"), ((1, 2, 3), "got 3 vertices, expected at most")]
)
def test_fixed_centers_that_cannot_be_are_refused(fixed, message):
    with pytest.raises(InputError, match=message):
        Centers(2, CenterPriors(fixed), 10)
