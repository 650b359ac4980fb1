import numpy as np
import pytest

from splatrig.animation.camera_path import ZOOM, eased, fixed, orbit, path_about, through, zoomed
from splatrig.io.errors import InputError
from support import planted

TARGET = np.array([3.0, -4.0, 5.0])


def centers(cameras):
    return -np.einsum("cji,cj->ci", cameras.viewmats[:, :3, :3], cameras.viewmats[:, :3, 3])


def seen(cameras, point):
    """Return where each camera sees a point, in its own space."""
    return cameras.viewmats[:, :3, :3] @ point + cameras.viewmats[:, :3, 3]


def assert_rigid(cameras):
    turns = cameras.viewmats[:, :3, :3]
    np.testing.assert_allclose(turns @ turns.transpose(0, 2, 1), np.tile(np.eye(3), (len(turns), 1, 1)), atol=1e-9)
    np.testing.assert_allclose(np.linalg.det(turns), 1.0, atol=1e-9)


@pytest.mark.parametrize("degrees", [60.0, 200.0])
def test_an_orbit_keeps_the_target_where_the_camera_saw_it(degrees):
    camera = planted.cameras().select([0])
    path = orbit(camera, 24, TARGET, degrees=degrees, elevation=10.0, turns=1.0)
    assert_rigid(path)
    np.testing.assert_allclose(seen(path, TARGET), np.tile(seen(camera, TARGET), (24, 1)), atol=1e-9)
    distances = np.linalg.norm(centers(path) - TARGET, axis=1)
    np.testing.assert_allclose(distances, distances[0], rtol=1e-9)


def test_a_swing_starts_at_the_camera_and_spans_its_degrees():
    camera = planted.cameras().select([0])
    path = orbit(camera, 400, TARGET, degrees=60.0, elevation=0.0)
    np.testing.assert_allclose(path.viewmats[0], camera.viewmats[0], atol=1e-9)
    away = centers(path) - TARGET
    angles = np.degrees(np.arctan2(away[:, 0], away[:, 2]))
    assert np.ptp(angles) == pytest.approx(60.0, abs=0.1)
    np.testing.assert_allclose(away[:, 1], away[0, 1], atol=1e-9)  # level


def test_elevation_raises_the_camera():
    camera = planted.cameras().select([0])
    assert centers(orbit(camera, 1, TARGET, elevation=20.0))[0, 1] > centers(camera)[0, 1] + 10


def test_a_path_stops_at_its_cameras_and_goes_around_the_head():
    cameras = planted.cameras()
    path = through(cameras, 30, np.zeros(3))
    assert_rigid(path)
    for index in range(3):
        np.testing.assert_allclose(path.viewmats[10 * index], cameras.viewmats[index], atol=1e-9)
        np.testing.assert_allclose(path.Ks[10 * index], cameras.Ks[index], atol=1e-9)
    lengths = np.linalg.norm(centers(path), axis=1)
    ends = np.linalg.norm(centers(cameras), axis=1)
    assert lengths.min() >= ends.min() - 1e-6
    assert lengths.max() <= ends.max() + 1e-6
    steps = np.linalg.norm(np.diff(centers(path), axis=0), axis=1)
    assert steps[0] < 0.5 * steps[:10].max()  # eased at the stop


def test_an_open_path_ends_at_the_last_camera():
    cameras = planted.cameras()
    path = through(cameras, 11, np.zeros(3), loop=False)
    np.testing.assert_allclose(path.viewmats[-1], cameras.viewmats[-1], atol=1e-9)


def test_opposite_cameras_have_a_path_too():
    front = planted.cameras().select([0])
    back = orbit(front, 4, np.zeros(3), degrees=360.0, elevation=0.0, turns=1.0).select([1])
    both = type(front)(
        ("a", "b"),
        np.concatenate([front.viewmats, back.viewmats]),
        np.concatenate([front.Ks, back.Ks]),
        front.width,
        front.height,
        np.zeros(2, bool),
    )
    path = through(both, 9, np.zeros(3))
    assert np.isfinite(path.viewmats).all()
    assert np.linalg.norm(centers(path), axis=1).min() > 0.9 * np.linalg.norm(centers(front))


def test_easing_is_flat_at_both_ends():
    np.testing.assert_allclose(eased(np.array([0.0, 0.5, 1.0])), [0.0, 0.5, 1.0])
    assert eased(np.array([0.01]))[0] < 0.001


def test_each_kind_of_path_goes_over_the_cameras_that_are_named():
    cameras = planted.cameras()
    path = path_about(cameras, 5, np.zeros(3), "fixed", [cameras.names[1]], zoom=1.0)
    np.testing.assert_allclose(path.viewmats, np.tile(cameras.viewmats[1], (5, 1, 1)))
    np.testing.assert_allclose(path.Ks, fixed(cameras.select([1]), 5).Ks)
    between = path_about(cameras, 6, np.zeros(3), "cameras")
    np.testing.assert_allclose(between.viewmats[0], cameras.viewmats[0])
    np.testing.assert_allclose(between.Ks[0], zoomed(cameras, ZOOM).Ks[0])
    with pytest.raises(InputError, match=r"video\.cameras: camera nobody"):
        path_about(cameras, 5, np.zeros(3), "fixed", ["nobody"])


def test_the_orbit_of_a_film_comes_back_to_where_it_begins_and_sees_both_sides():
    cameras = planted.cameras()
    path = path_about(cameras, 48, TARGET, "orbit", [cameras.names[1]])
    np.testing.assert_allclose(path.viewmats[24], path.viewmats[0], atol=1e-9)  # two swings
    away, begin = centers(path) - TARGET, centers(path)[0] - TARGET
    sides = np.cross(begin, away)[:, 1]
    assert sides.min() < -0.1 * begin @ begin < 0.1 * begin @ begin < sides.max()


def test_zooming_magnifies_about_the_middle_of_the_picture():
    cameras = planted.cameras()
    wide = zoomed(cameras, 0.5)
    point = np.array([20.0, 30.0, 40.0])
    pixels = [np.einsum("cij,cj->ci", c.Ks, seen(c, point)) for c in (cameras, wide)]
    places = [p[:, :2] / p[:, 2:] for p in pixels]
    middle = [cameras.width / 2, cameras.height / 2]
    np.testing.assert_allclose(places[1] - middle, 0.5 * (places[0] - middle), atol=1e-9)


def test_one_camera_makes_no_path():
    with pytest.raises(InputError, match="at least 2 cameras"):
        through(planted.cameras().select([0]), 5, TARGET)
