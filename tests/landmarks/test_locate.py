"""Which cameras look into the face is read off the image, whatever the calibration says."""

import numpy as np

from splatrig.landmarks.locate import camera_weights, faces_seen, facing_cosines, locate
from support.face_scene import CANONICAL, POSE, face_scene, stage


def true_cosines() -> np.ndarray:
    towards = stage().in_head_space(POSE).centers - CANONICAL.mean(axis=0)
    return towards[:, 2] / np.linalg.norm(towards, axis=1)


def test_how_squarely_a_camera_looks_is_read_off_its_points():
    np.testing.assert_allclose(facing_cosines(face_scene().seen, CANONICAL), true_cosines(), atol=0.05)


def test_a_camera_that_sees_no_face_looks_away():
    seen = face_scene().seen
    seen[3] = np.nan
    assert facing_cosines(seen, CANONICAL)[3] == -1.0
    assert camera_weights(seen, CANONICAL)[3] == 0.0
    assert faces_seen(seen) == len(seen) - 1


def test_cameras_at_the_side_are_asked_only_where_too_few_look_into_the_face():
    seen = face_scene().seen
    weights = camera_weights(seen, CANONICAL)
    assert weights[4] == 1.0 and weights[0] == weights[-1] == 0.0
    seen[1:-2] = np.nan
    np.testing.assert_array_equal(np.flatnonzero(camera_weights(seen, CANONICAL)), [0, 7, 8])


def test_the_face_is_located_where_it_is():
    scene = face_scene()
    located = locate(scene.cameras.in_head_space(POSE), scene.seen, CANONICAL)
    assert np.linalg.norm(located.positions - CANONICAL, axis=1).max() < 1.0
