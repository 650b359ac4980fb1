"""Triangulation: exact without noise, and deaf to cameras that are wrong."""

import numpy as np

from splatrig.landmarks.triangulate import project, projections, triangulate
from support.face_scene import CANONICAL, POSE, stage

P = projections(stage().in_head_space(POSE))


def test_points_that_are_seen_exactly_come_back():
    found = triangulate(P, project(P, CANONICAL), 2.0)
    np.testing.assert_allclose(found.positions, CANONICAL, atol=1e-6)
    assert found.inliers.all()
    assert found.errors.max() < 1e-6


def test_cameras_that_are_wrong_change_nothing():
    seen = project(P, CANONICAL)
    seen[2] += 60.0  # one camera as a whole
    generator = np.random.default_rng(0)
    wild = generator.random(seen.shape[:2]) < 0.25
    wild[2] = True
    seen[wild] += generator.uniform(20, 90, (wild.sum(), 2))
    found = triangulate(P, seen, 2.0)
    np.testing.assert_allclose(found.positions, CANONICAL, atol=0.02)
    np.testing.assert_array_equal(found.inliers, ~wild)


def test_noise_is_averaged_over_cameras():
    seen = project(P, CANONICAL) + np.random.default_rng(1).normal(0, 1.0, (len(P), len(CANONICAL), 2))
    misses = [
        np.linalg.norm(triangulate(P[rows], seen[rows], 4.0).positions - CANONICAL, axis=1).mean()
        for rows in ([3, 5], list(range(len(P))))
    ]
    assert misses[1] < 0.6 * misses[0]


def test_a_point_that_no_two_cameras_agree_on_is_nowhere():
    seen = project(P, CANONICAL)
    seen[1:, 0] = np.nan
    seen[:, 1] = np.random.default_rng(2).uniform(-2000, 2000, (len(P), 2))
    found = triangulate(P, seen, 0.5)
    assert np.isnan(found.positions[:2]).all() and np.isnan(found.errors[:2]).all()
    assert not found.inliers[:, :2].any()
    assert np.isfinite(found.positions[2:]).all()


def test_cameras_of_no_weight_are_not_asked():
    seen = project(P, CANONICAL)
    weights = np.ones(seen.shape[:2])
    weights[4] = 0
    found = triangulate(P, seen, 2.0, weights)
    assert not found.inliers[4].any()
    np.testing.assert_allclose(found.positions, CANONICAL, atol=1e-6)


def test_what_is_behind_a_camera_is_projected_nowhere():
    behind = stage().in_head_space(POSE).centers[:1] + np.array([[0.0, 0.0, 500.0]])
    assert np.isnan(project(P, behind)).any()
