"""Of several people in the photographs the one is taken that the cameras agree on, and that is large in them."""

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatrig.landmarks.canonical import similarity_to
from splatrig.landmarks.locate import locate
from splatrig.landmarks.one_face import same_face
from splatrig.landmarks.triangulate import project, projections
from support.face_scene import CANONICAL, POSE, stage

LOOKING = slice(1, 8)
"""Of the nine cameras those that see the face from less than 60 degrees."""


def seen_at(pose, points=CANONICAL, noise_px=2.0, seed=0):
    """Return what the cameras that look into the face see of a face in a pose [3, 4]."""
    cameras = stage()
    projected = project(projections(cameras), points @ pose[:, :3].T + pose[:, 3])
    return projected + np.random.default_rng(seed).normal(0, noise_px, projected.shape)


def behind(shift=(250.0, -40.0, 700.0)):
    """Return the pose of somebody behind and aside, turned a little."""
    turn = Rotation.from_euler("xyz", [3, 12, 5], degrees=True).as_matrix()
    return np.column_stack([turn @ POSE[:, :3], POSE[:, 3] + shift])


def candidates(first, *others):
    """Return the faces of each camera that looks into the face, the clearest in front: `others`, then `first`."""
    rows = range(*LOOKING.indices(len(first)))
    return [[*(other[row] for other in others), first[row]] if row in rows else [] for row in range(len(first))]


def test_the_larger_of_two_people_is_taken_by_every_camera():
    person, other = seen_at(POSE), seen_at(behind(), seed=1)
    chosen = same_face(stage(), candidates(person, other))
    assert [points is None for points in chosen] == [True, *[False] * 7, True]
    for row in range(*LOOKING.indices(9)):
        np.testing.assert_array_equal(chosen[row], person[row])


def test_a_poster_that_all_but_one_camera_prefers_does_not_win():
    flat = CANONICAL * [0.8, 0.8, 0.0]
    person, poster = seen_at(POSE), seen_at(behind((-200.0, 60.0, 600.0)), flat, seed=2)
    faces = candidates(person, poster)
    faces[3] = faces[3][::-1]
    faces[5] = [poster[5]]  # the person hides her face from this one
    chosen = same_face(stage(), faces)
    for row in (1, 2, 3, 4, 6, 7):
        np.testing.assert_array_equal(chosen[row], person[row])
    seen = np.array([np.full_like(person[0], np.nan) if points is None else points for points in chosen])
    found = similarity_to(locate(stage(), seen, CANONICAL).positions, CANONICAL)
    assert np.linalg.norm(found.shift - POSE[:, 3]) < 10.0


def test_wrong_faces_that_no_two_cameras_agree_on_are_left():
    person, generator = seen_at(POSE), np.random.default_rng(3)
    anywhere = [seen_at(behind(generator.normal(0, 300, 3)), seed=row)[row] for row in range(9)]
    chosen = same_face(stage(), candidates(person, anywhere))
    for row in range(*LOOKING.indices(9)):
        np.testing.assert_array_equal(chosen[row], person[row])


@pytest.mark.parametrize("millimeters", [1.0, 1000.0, 137.0])
def test_the_choice_does_not_depend_on_the_unit_of_the_world(millimeters):
    cameras, person, other = stage(), seen_at(POSE), seen_at(behind(), seed=1)
    viewmats = cameras.viewmats.copy()
    viewmats[:, :3, 3] /= millimeters
    chosen = same_face(replace(cameras, viewmats=viewmats), candidates(person, other))
    for row in range(*LOOKING.indices(9)):
        np.testing.assert_array_equal(chosen[row], person[row])


def test_a_camera_that_agrees_with_nobody_keeps_its_clearest_face():
    person, other = seen_at(POSE), seen_at(behind(), seed=1)
    faces = candidates(person, other)
    faces[2] = [person[2] + [200.0, -90.0], other[2] + [-30.0, 250.0]]
    np.testing.assert_array_equal(same_face(stage(), faces)[2], faces[2][0])


def test_single_faces_are_taken_as_they_are():
    person = list(seen_at(POSE))
    chosen = same_face(stage(), [[points] for points in person])
    assert all(own is points for own, points in zip(chosen, person, strict=True))
    assert same_face(stage(), [[] for _ in person]) == [None] * 9
