from dataclasses import replace

import numpy as np
import pytest

from splatrig.io.errors import InputError
from splatrig.landmarks.points import MIRRORED, POINTS
from splatrig.mesh.nearest import Surface
from splatrig.tracking.faces import LID_ROWS, SegmentFaces
from splatrig.tracking.neutral import disagreeing, head_space, lids_at_rest, read_neutral, write_neutral
from splatrig.tracking.stereo import refined_neutral
from splatrig.tracking.template_head import NOT_SEARCHED
from splatrig.tracking.views import band_passed
from support.photographed_template import (
    landmarks_seen,
    neutral_head,
    photographs,
    pose_error,
    pose_of,
    stage,
    state,
    template,
)

REST = pose_of((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
POSE = pose_of((4.0, -9.0, 2.0), (12.0, 5.0, -8.0))


def _faces(seen, cameras):
    rows = (seen / [cameras.width, cameras.height])[None].astype(np.float32)
    return SegmentFaces(("0001",), cameras.names, rows, rows[:, :, LID_ROWS])


def test_head_space_has_the_templates_axes_wherever_the_world_is():
    cameras = stage()
    pose, landmarks = head_space(_faces(landmarks_seen(state(POSE), cameras), cameras), cameras, template().landmarks)
    error = pose_error(pose, POSE)
    assert error.degrees < 0.5 and error.millimeters < 1.0
    assert np.nanmedian(np.linalg.norm(landmarks - template().landmarks, axis=1)) < 1.0


def test_lids_at_rest_are_medians_so_that_neither_noise_nor_a_blink_of_one_frame_counts():
    head, cameras = template(), stage()
    poses = [REST, POSE, pose_of((1.0, 3.0, 0.0), (0.0, 2.0, 1.0)), pose_of((-2.0, 0.0, 1.0), (3.0, 0.0, 0.0)), REST]
    states = [state(pose) for pose in poses]
    states[2] = state(poses[2], eyeBlinkLeft=1.0, eyeBlinkRight=1.0)
    seen = [landmarks_seen(own, cameras) for own in states]
    seen[1] += [0.0, 1.0]  # what the network is off in one frame
    rows = (np.array(seen) / [cameras.width, cameras.height]).astype(np.float32)
    frames = tuple(f"{number:04d}" for number in range(1, 6))
    faces = SegmentFaces(frames, cameras.names, rows, rows[:, :, LID_ROWS])
    found = lids_at_rest(faces, frames, poses, cameras, head.landmarks)
    assert np.linalg.norm(found - head.landmarks[LID_ROWS], axis=1).max() < 0.3
    nobody = replace(faces, lids=np.full_like(faces.lids, np.nan))
    assert np.isnan(lids_at_rest(nobody, frames, poses, cameras, head.landmarks)).all()


def test_where_eyes_look_is_not_searched_in_the_lids():
    names = template().names
    assert {"eyeBlinkLeft", "eyeBlinkRight", "eyeWideLeft", "eyeSquintLeft", "eyeLookUpLeft"} <= set(names)
    assert not set(names) & set(NOT_SEARCHED) and len(NOT_SEARCHED) == 6


def test_a_third_of_wrong_points_is_not_believed():
    cameras, generator = stage(), np.random.default_rng(2)
    seen = landmarks_seen(state(POSE), cameras, noise_px=0.2)
    bad = generator.random(seen.shape[:2]) < 0.3
    seen[bad] += generator.normal(0.0, 20.0, (bad.sum(), 2))
    pose, _ = head_space(_faces(seen, cameras), cameras, template().landmarks)
    error = pose_error(pose, POSE)
    assert error.degrees < 2.0 and error.millimeters < 2.5


def test_a_neutral_that_nobody_sees_is_refused():
    cameras = stage()
    nothing = np.full((len(cameras), len(POINTS), 2), np.nan)
    with pytest.raises(InputError, match="first frame must show the neutral face to two cameras"):
        head_space(_faces(nothing, cameras), cameras, template().landmarks)


def test_a_mirrored_face_is_refused():
    cameras = stage()
    seen = landmarks_seen(state(REST), cameras)[:, MIRRORED]
    with pytest.raises(InputError, match="the face is mirrored"):
        head_space(_faces(seen, cameras), cameras, template().landmarks)


def test_stereo_moves_a_dented_neutral_back(monkeypatch):
    monkeypatch.setattr("splatrig.tracking.stereo.REACHES_MM", (5.0, 3.0))
    head, cameras = template(), stage((-20.0, 0.0, 20.0))
    forehead = np.array([0.0, 55.0, 115.0])
    dent = -3.0 * np.exp(-((np.linalg.norm(head.vertices - forehead, axis=1) / 25.0) ** 2))
    dented = head.with_vertices(head.vertices + dent[:, None] * [0.0, 0.2, 1.0])
    bands = [band_passed(image, 0.6) for image in photographs(head.vertices, REST, cameras)]
    refined = refined_neutral(dented, [(state(REST), bands)], cameras)
    near = head.skin[np.abs(dent[head.skin]) > 1.0]
    surface = Surface(head.vertices, head.faces)
    before, after = (np.median(surface.nearest(own.vertices[near])[1]) for own in (dented, refined))
    assert after < 0.5 * before


def test_stereo_narrows_a_wide_head_where_no_camera_sees_it_too(monkeypatch):
    monkeypatch.setattr("splatrig.tracking.stereo.REACHES_MM", (8.0, 5.0))
    head, cameras = template(), stage((-30.0, 0.0, 30.0))
    bands = [band_passed(image, 0.6) for image in photographs(head.vertices, REST, cameras)]
    wide = head.mapped(np.diag([1.05, 1.0, 1.0, 0.0])[:3])
    refined = refined_neutral(wide, [(state(REST), bands)], cameras)
    unseen = head.skin[(head.vertices[head.skin, 2] < 0.0) & (np.abs(head.vertices[head.skin, 0]) > 50.0)]
    before, after = (np.abs(own.vertices - head.vertices)[unseen, 0].mean() for own in (wide, refined))
    assert before > 2.5 and after < 0.6 * before
    smiles = [np.ptp(own.shapes[own.names.index("mouthSmileLeft"), :, 0]) for own in (wide, head, refined)]
    assert abs(smiles[2] - smiles[1]) < 0.5 * abs(smiles[0] - smiles[1])


def test_the_camera_that_is_calibrated_wrongly_is_named_and_not_its_neighbors(caplog):
    head, cameras = template(), stage()
    Ks = cameras.Ks.copy()
    Ks[1, :2, 2] += [4.0, -2.0]
    wrong = replace(cameras, Ks=Ks)
    images, used = photographs(head.vertices, REST, cameras), np.ones(len(cameras), dtype=bool)
    assert not disagreeing(images, head, state(REST), cameras, used).any()
    assert disagreeing(images, head, state(REST), wrong, used).tolist() == [False, True, False, False, False]
    assert "camera camera1 shows the neutral" in caplog.text


def test_a_neutral_comes_back_from_its_file(tmp_path):
    neutral = neutral_head(("camera4",))
    write_neutral(tmp_path / "neutral.npz", neutral)
    read = read_neutral(tmp_path / "neutral.npz")
    assert (read.frame, read.wrong, read.head.names) == (neutral.frame, ("camera4",), neutral.head.names)
    np.testing.assert_array_equal(read.head.vertices, neutral.head.vertices)
    np.testing.assert_allclose(read.mesh.positions(read.head.vertices), neutral.mesh.positions(neutral.head.vertices))
    np.testing.assert_allclose(read.head.shapes, neutral.head.shapes, atol=1e-5)
