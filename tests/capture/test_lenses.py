"""Lens distortion by OpenCV's formulas, and images that are straight again."""

import logging
from dataclasses import replace

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from PIL import Image
from scipy.ndimage import gaussian_filter, map_coordinates

from splatrig.capture.calibration import calibrated_cameras
from splatrig.capture.krt import KrtCamera, read_krt, write_krt
from splatrig.capture.lenses import Lenses, distorted, distorted_pixels, largest_shift
from splatrig.io.errors import InputError
from support.raw_capture import NEUTRAL, run

K = np.array([[600.0, 0, 165], [0, 610, 110], [0, 0, 1]])
WIDTH, HEIGHT = 320, 240
FIVE = np.array([-0.28, 0.09, 0.002, -0.001, 0.02])
"""A barrel, in OpenCV's order k1 k2 p1 p2 k3."""
EIGHT = np.array([0.4, 0.1, -0.001, 0.0015, 0.02, 0.75, 0.2, 0.03])
NOTHING = np.zeros(5)
LEVELS = 2.0
"""Gray levels: values are rounded twice, and bilinear interpolation cuts peaks of this pattern by half a level."""
BIAS = 0.05
"""Gray levels: interpolation must not darken."""


def krt_camera(coefficients):
    return KrtCamera("1", K, coefficients, np.hstack([np.eye(3), np.zeros((3, 1))]))


def lenses(coefficients):
    camera = krt_camera(coefficients)
    return Lenses({"1": camera}, calibrated_cameras({"1": camera}, dict.fromkeys(["1"], (WIDTH, HEIGHT))))


def by_the_book(x, y, k1, k2, p1, p2, k3, k4=0.0, k5=0.0, k6=0.0):
    """The formulas of OpenCV's page on camera calibration, one point at a time."""
    r2 = x**2 + y**2
    bend = (1 + k1 * r2 + k2 * r2**2 + k3 * r2**3) / (1 + k4 * r2 + k5 * r2**2 + k6 * r2**3)
    return x * bend + 2 * p1 * x * y + p2 * (r2 + 2 * x**2), y * bend + p1 * (r2 + 2 * y**2) + 2 * p2 * x * y


def pattern():
    """A smooth photograph as a pinhole would take it, in gray levels."""
    noise = np.random.default_rng(0).random((HEIGHT, WIDTH))
    smooth = gaussian_filter(noise, 6)
    return 40 + 170 * (smooth - smooth.min()) / np.ptp(smooth)


def seen_by(coefficients, image):
    """What a lens makes of a pinhole's image: each of its pixels by the ray that reaches it."""
    step = 8
    columns, rows = np.arange(0, WIDTH + step, step), np.arange(0, HEIGHT + step, step)
    grid = np.stack(np.meshgrid(columns, rows), axis=-1).reshape(-1, 2) + 0.5
    straight = grid
    for _ in range(100):  # a contraction, as lenses go
        straight = straight + grid - distorted_pixels(straight, K, coefficients)
    straight = straight.reshape(len(rows), len(columns), 2)
    fine = np.mgrid[:HEIGHT, :WIDTH] / step
    places = [map_coordinates(straight[..., axis], fine, order=3) - 0.5 for axis in (1, 0)]
    return map_coordinates(image, places, order=3, mode="nearest")


@pytest.mark.parametrize("coefficients", [FIVE, EIGHT], ids=["five", "eight"])
def test_points_move_by_opencvs_formulas(coefficients):
    points = np.random.default_rng(1).uniform(-0.5, 0.5, (20, 2))
    for point, found in zip(points, distorted(points, coefficients), strict=True):
        assert_allclose(found, by_the_book(*point, *coefficients), rtol=0, atol=1e-14)


def test_the_largest_shift_is_that_of_a_border_point():
    corner = np.array([by_the_book(*((np.array([0.0, 0.0]) - K[:2, 2]) / [600, 610]), *FIVE)]) * [600, 610] + K[:2, 2]
    found = largest_shift(K, FIVE, WIDTH, HEIGHT)
    assert found >= np.linalg.norm(corner)
    assert found < 1.5 * np.linalg.norm(corner)
    assert largest_shift(K, NOTHING, WIDTH, HEIGHT) < 1e-9


@pytest.mark.parametrize("coefficients", [FIVE, EIGHT], ids=["five", "eight"])
def test_what_a_lens_has_bent_is_straight_again(coefficients):
    image = pattern()
    bent = np.round(seen_by(coefficients, image)).astype(np.uint8)
    assert np.abs(bent - image)[40:-40, 40:-40].max() > 5 * LEVELS
    straight = lenses(coefficients).undo(np.dstack([bent] * 3), 0)
    assert straight.shape == (HEIGHT, WIDTH, 3)
    inside = slice(16, -16)
    error = (straight[..., 0] - image)[inside, inside]
    assert np.abs(error).max() < LEVELS
    assert abs(error.mean()) < BIAS


def test_labels_are_not_mixed_and_a_straight_lens_changes_nothing():
    labels = np.random.default_rng(2).choice(np.array([0, 4], np.uint8), (HEIGHT, WIDTH))
    assert set(np.unique(lenses(FIVE).undo(labels, 0, mix=False))) == {0, 4}
    assert lenses(NOTHING).undo(labels, 0) is labels
    assert lenses(np.array([1e-4, 0, 0, 0, 0])).undo(labels, 0) is labels


def test_where_a_photograph_ends_is_black_and_said(caplog):
    with caplog.at_level(logging.INFO):
        straight = lenses(np.array([0.3, 0, 0, 0, 0])).undo(np.full((HEIGHT, WIDTH), 200, np.uint8), 0)
        lenses(FIVE)
    assert straight[0, 0] == 0
    assert straight[HEIGHT // 2, WIDTH // 2] == 200
    assert [record.levelname for record in caplog.records] == ["WARNING", "INFO"]
    assert "black where the photograph ends" in caplog.text


def test_coefficients_in_another_order_are_refused():
    with pytest.raises(InputError, match=r"camera 1: its distortion \[-5.0, .* folds the image over"):
        lenses(np.array([-5.0, 0.0, 0.0, 0.0, 0.0]))


def test_eight_coefficients_are_read_and_six_are_not(raw):
    krt = read_krt(raw.root / "KRT")
    write_krt(raw.root / "KRT", [replace(camera, distortion=EIGHT) for camera in krt.values()])
    assert_array_equal(read_krt(raw.root / "KRT")["400030"].distortion, EIGHT)
    write_krt(raw.root / "KRT", [replace(camera, distortion=EIGHT[:6]) for camera in krt.values()])
    with pytest.raises(InputError, match="distortion: expected 5 numbers, got 6"):
        read_krt(raw.root / "KRT")


def test_photographs_and_masks_of_a_data_set_are_undistorted(raw, tmp_path):
    """Both of a photograph, with the bright head, and of a mask that is the photograph's head."""
    bend = np.array([-5.0, 0.0, 0.0, 0.0, 0.0])
    krt = {name: replace(camera, distortion=bend) for name, camera in read_krt(raw.root / "KRT").items()}
    write_krt(raw.root / "KRT", krt.values())
    raw.write_masks(NEUTRAL)
    run(raw, tmp_path / "out", NEUTRAL, background="masks", frames_per_expression=1)
    rgba = np.asarray(Image.open(tmp_path / "out" / "000100" / "400002.png"))
    cameras = calibrated_cameras(krt, dict.fromkeys(sorted(krt), (rgba.shape[1], rgba.shape[0])))
    straighten = Lenses(krt, cameras)
    for given, found in (
        (np.asarray(Image.open(raw.image(NEUTRAL, "400002", "000100"))), rgba[..., :3]),
        (np.asarray(Image.open(raw.mask(NEUTRAL, "400002", "000100"))), rgba[..., 3]),
    ):
        assert_array_equal(found, straighten.undo(given, 0))
        assert (found != given).any()
