import numpy as np
import pytest

from splatrig.tracking.landmark_pose import FaceState, rigid_motion_to, state_from_landmarks
from support.photographed_template import pose_error, pose_of, state, template

POSE = pose_of((5.0, -12.0, 3.0), (10.0, -4.0, 20.0))


def _points(of):
    head = template()
    return (head.landmarks + np.tensordot(of.weights, head.landmark_shapes(), 1)) @ of.pose[:, :3].T + of.pose[:, 3]


def _found(points, before=None):
    head = template()
    before = before or state(pose_of((0.0, 0.0, 0.0), (0.0, 0.0, 0.0)))
    return state_from_landmarks(points, head.landmarks, head.landmark_shapes(), before)


def test_a_rigid_motion_comes_back():
    points = np.random.default_rng(0).normal(size=(20, 3))
    found = rigid_motion_to(points, points @ POSE[:, :3].T + POSE[:, 3], np.ones(20))
    np.testing.assert_allclose(found, POSE, atol=1e-12)


def test_pose_and_large_weights_come_back():
    true = state(POSE, jawOpen=0.7, browInnerUp=0.8)
    found = _found(_points(true))
    error = pose_error(found.pose, POSE)
    assert error.degrees < 0.6 and error.millimeters < 0.8
    names = template().names
    assert found.weights[names.index("jawOpen")] == pytest.approx(0.7, abs=0.15)
    assert found.weights[names.index("browInnerUp")] == pytest.approx(0.8, abs=0.2)


def test_a_third_of_outliers_moves_the_pose_little():
    true = state(POSE, jawOpen=0.5)
    points, generator = _points(true), np.random.default_rng(1)
    bad = generator.random(len(points)) < 0.3
    points[bad] += generator.normal(0.0, 25.0, (bad.sum(), 3))
    error = pose_error(_found(points).pose, POSE)
    assert error.degrees < 3.0 and error.millimeters < 4.0  # what photographs mend


def test_without_a_face_the_frame_before_stays():
    before = FaceState(POSE, np.full(len(template().names), 0.25))
    found = _found(np.full(template().landmarks.shape, np.nan), before)
    assert found is before
