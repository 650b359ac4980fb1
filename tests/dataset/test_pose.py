"""Head poses: round trips, the algebra of the two spaces, and errors."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation

from splatrig.dataset.pose import moved, read_pose, to_head, to_world, write_pose
from splatrig.io.errors import InputError


def some_pose(seed):
    rng = np.random.default_rng(seed)
    return np.column_stack([Rotation.random(rng=rng).as_matrix(), rng.normal(scale=500.0, size=3)])


@given(seed=st.integers(0, 10**6), newline=st.sampled_from(["\n", "\r\n", "\n\n", " \n"]), square=st.booleans())
@settings(deadline=None, max_examples=50)
def test_poses_come_back_to_the_last_bit(tmp_path_factory, seed, newline, square):
    path = tmp_path_factory.mktemp("pose") / "000102_transform.txt"
    write_pose(path, some_pose(seed))
    path.write_bytes((path.read_text() + "0 0 0 1\n" * square).replace("\n", newline).encode("utf-8-sig"))
    assert_array_equal(read_pose(path), some_pose(seed))


@given(st.integers(0, 10**6))
def test_world_and_head_are_inverse_and_rigid(seed):
    pose = some_pose(seed)
    points = np.random.default_rng(seed).normal(scale=100.0, size=(9, 3))
    assert_allclose(to_head(to_world(points, pose), pose), points, atol=1e-9)
    moved = to_world(points, pose)
    assert_allclose(np.linalg.norm(moved[1:] - moved[:-1], axis=1), np.linalg.norm(points[1:] - points[:-1], axis=1))


def test_a_motion_comes_before_the_pose():
    pose, motion, points = some_pose(0), some_pose(1), np.random.default_rng(2).normal(size=(5, 3))
    assert_allclose(to_world(points, moved(pose, motion)), to_world(to_world(points, motion), pose), atol=1e-9)
    assert_array_equal(moved(pose, np.eye(4)[:3]), pose)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("1 0 0 0\n0 1 0\n0 0 1 0\n", "line 2: head pose: expected 4 numbers, got 3"),
        ("1 0 0 0\n\n0 1 0 inf\n0 0 1 0\n", "line 3: head pose: expected finite"),
        ("1 0 0 nan\n0 1 0 0\n0 0 1 0\n", "line 1: head pose: expected finite"),
        ("1 0 0 zero\n0 1 0 0\n0 0 1 0\n", "line 1: head pose: expected 4 numbers, got '1 0 0 zero'"),
        ("1 0 0 0\n0 1 0 0\n", "expected 3 rows of 4 numbers, got 2"),
        ("", "expected 3 rows of 4 numbers, got 0"),
        ("1 0 0 0\n0 1 0 0\n0 0 1 0\n0 0 0 2\n", "expected 3 rows of 4 numbers, got 4"),
        ("2 0 0 0\n0 1 0 0\n0 0 1 0\n", "expected a rotation"),
        ("1 0 0 0\n0 1 0 0\n0 0 -1 0\n", "expected a rotation"),
    ],
)
def test_faults_name_file_and_line(tmp_path, text, words):
    path = tmp_path / "000102_transform.txt"
    path.write_text(text)
    with pytest.raises(InputError, match=words) as caught:
        read_pose(path)
    assert "000102_transform.txt" in str(caught.value)
