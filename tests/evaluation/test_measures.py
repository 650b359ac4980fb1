import numpy as np
import pytest
import torch

from splatrig.evaluation.measures import (
    attribute_error,
    bootstrap_interval,
    hoyer,
    jump,
    rms,
    support_radius,
    zero_rows,
)
from splatrig.mesh.topology import unique_edges
from support import planted


def test_identical_rows_have_no_error():
    values = np.random.default_rng(0).normal(size=(3, 5, 4))
    for name in ("xyz", "rotation", "f_dc", "scale"):
        own = values[..., :3] if name != "rotation" else values
        assert attribute_error(name, own, own).max() < 1e-7


def test_a_known_shift_gives_that_shift_in_mm():
    rest = np.random.default_rng(0).normal(size=(4, 6, 3))
    assert rms(attribute_error("xyz", rest + np.array([3.0, 4.0, 0.0]), rest)) == pytest.approx(5.0)


@pytest.mark.parametrize("angle", [0.01, 30.0, 179.0])
@pytest.mark.parametrize("sign", [1, -1])
def test_a_known_turn_gives_that_angle_whatever_the_sign_of_the_quaternion(angle, sign):
    half = np.radians(angle) / 2
    turned = sign * 2.5 * np.array([[[np.cos(half), 0.0, np.sin(half), 0.0]]])
    still = np.array([[[1.0, 0.0, 0.0, 0.0]]])
    assert attribute_error("rotation", turned, still)[0, 0] == pytest.approx(angle, rel=1e-6)


def test_color_error_is_in_rgb():
    gray = np.zeros((1, 1, 3))
    white = np.full((1, 1, 3), 0.5 / 0.28209479177387814)
    assert attribute_error("f_dc", white, gray)[0, 0] == pytest.approx(0.5 * np.sqrt(3))


def test_rms_of_nothing_is_nan():
    assert np.isnan(rms(np.empty(0)))


def test_hoyer_of_one_row_is_one_and_of_equal_rows_zero():
    values = np.array([[0.0, 7.0, 0.0, 0.0], [2.0, 2.0, 2.0, 2.0], [0.0, 0.0, 0.0, 0.0]])
    found = hoyer(values)
    assert found[:2] == pytest.approx([1.0, 0.0])
    assert np.isnan(found[2])


def test_hoyer_of_two_of_four_rows():
    assert hoyer(np.array([[1.0, 1.0, 0.0, 0.0]]))[0] == pytest.approx(2 - np.sqrt(2))


def test_zero_rows_counts_what_is_not_touched():
    assert zero_rows(np.array([[0.0, 1.0, 0.0, 5.0], [1.0, 1.0, 1.0, 1e-9]])) == pytest.approx(3 / 8)


def test_support_radius_is_the_ball_that_holds_the_motion():
    line = np.stack([np.arange(10.0), np.zeros(10), np.zeros(10)], axis=1)
    lengths = np.zeros((2, 10))
    lengths[0, [2, 5]] = [2.0, 1.0]
    lengths[1, 7] = 1.0
    assert support_radius(lengths, line) == pytest.approx([3.0, 0.0])
    assert np.isnan(support_radius(np.zeros((1, 10)), line)[0])


def test_jump_of_a_step_is_one_and_of_a_ramp_its_slope():
    edges = np.stack([np.arange(9), np.arange(1, 10)], axis=1)
    step = np.zeros((10, 3))
    step[5:, 0] = 4.0
    ramp = np.zeros((10, 3))
    ramp[:, 1] = np.arange(10) * 3.0
    found = jump(np.stack([step, ramp, np.zeros((10, 3))]), edges)
    assert found[:2] == pytest.approx([1.0, 1 / 9])
    assert np.isnan(found[2])


def test_refining_the_mesh_halves_a_slope_and_keeps_a_step():
    def along(count):
        x = np.linspace(0, 1, count)
        return np.stack([np.stack([x, 0 * x, 0 * x], 1), np.stack([1.0 * (x > 0.5), 0 * x, 0 * x], 1)])

    def chain(count):
        return np.stack([np.arange(count - 1), np.arange(1, count)], axis=1)

    coarse, fine = jump(along(11), chain(11)), jump(along(21), chain(21))
    assert fine == pytest.approx([coarse[0] / 2, coarse[1]])


def test_unique_edges_follow_euler():
    made = planted.head(1)
    edges = unique_edges(made.faces).ends
    assert len(made.vertices) - len(edges) + len(made.faces) == 2
    assert np.all(edges[:, 0] < edges[:, 1])


def test_bootstrap_interval_holds_the_mean_and_is_reproducible():
    values = np.random.default_rng(3).normal(5.0, 1.0, size=60)
    first = bootstrap_interval(values, np.random.default_rng(0))
    assert first == bootstrap_interval(values, np.random.default_rng(0))
    assert first.low < first.mean < first.high
    assert first.mean == pytest.approx(values.mean())
    assert first.high - first.low == pytest.approx(2 * 1.96 / np.sqrt(60), rel=0.25)


def test_a_single_value_has_no_interval():
    found = bootstrap_interval(np.array([3.0]), np.random.default_rng(0))
    assert (found.mean, found.count) == (3.0, 1)
    assert np.isnan([found.low, found.high]).all()


def test_psnr_of_equal_pictures_is_infinite():
    from splatrig.fitting.metrics import psnr

    picture = torch.rand(4, 5, 3)
    assert psnr(picture, picture) == np.inf
    assert psnr(picture, picture + 0.1) == pytest.approx(20.0, abs=1e-3)
