from dataclasses import replace

import numpy as np
import pytest

from splatrig.capture.krt import as_krt
from splatrig.dataset.pose import moved
from splatrig.io.errors import InputError
from splatrig.landmarks.points import POINTS
from splatrig.tracking.calibration import scale_to_millimeters, scaled
from splatrig.tracking.export import COLUMNS, merge_tables, write_quality, write_tracked_meshes, write_weights
from splatrig.tracking.faces import LID_ROWS, SegmentFaces, read_faces, write_faces
from splatrig.tracking.segment import SegmentTracker
from support.photographed_template import (
    landmarks_seen,
    neutral_head,
    photographs,
    pose_error,
    pose_of,
    stage,
    state,
    template,
    write_shots,
)

REST = pose_of((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
POSES = (pose_of((1.0, 2.0, 0.0), (2.0, 0.0, 1.0)), pose_of((2.0, 4.0, -1.0), (4.0, -1.0, 2.0)))
STATES = (state(POSES[0], jawOpen=0.25), state(POSES[1], jawOpen=0.5))


@pytest.fixture(scope="module")
def cameras():
    return stage()


@pytest.fixture(scope="module")
def shot(cameras):
    """Photographs of two frames."""
    return [photographs(template().posed(own.weights), own.pose, cameras) for own in STATES]


@pytest.fixture(scope="module")
def tracker(cameras, tmp_path_factory):
    head = template()
    rest = {"0001": photographs(head.vertices, REST, cameras)}
    return SegmentTracker(
        neutral_head(), write_shots(tmp_path_factory.mktemp("neutral"), "Neutral", rest, cameras), head.landmarks
    )


def _faces(cameras, seen, frames=("0002", "0003")):
    rows = np.stack([own / [cameras.width, cameras.height] for own in seen]).astype(np.float32)
    return SegmentFaces(frames, cameras.names, rows, rows[:, :, LID_ROWS])


def _blind(cameras, count=2):
    return _faces(cameras, [np.full((len(cameras), len(POINTS), 2), np.nan)] * count)


def test_a_segment_is_tracked(tracker, cameras, shot, tmp_path):
    shots = write_shots(tmp_path, "Jaw", {"0002": shot[0], "0003": shot[1]}, cameras)
    faces = _faces(cameras, [landmarks_seen(own, cameras, noise_px=0.5) for own in STATES])
    tracked = list(tracker.track(shots, faces))
    assert [own.frame for own in tracked] == ["0002", "0003"]
    jaw = template().names.index("jawOpen")
    for own, true in zip(tracked, STATES, strict=True):
        error = pose_error(own.state.pose, true.pose)
        assert error.degrees < 0.15 and error.millimeters < 0.3
        assert own.state.weights[jaw] == pytest.approx(true.weights[jaw], abs=0.1)
        misses = np.linalg.norm(own.vertices - template().posed(true.weights), axis=1)[template().skin]
        assert misses.mean() < 0.4
        assert own.is_possible and own.agreement > 0.7 and not own.disagreeing and own.cameras == cameras.names
        assert own.landmark_px < 1.5
    _check_files(tracked, tmp_path)


def _check_files(tracked, folder):
    from splatrig.capture.tracked import read_positions
    from splatrig.dataset.pose import read_pose
    from splatrig.mesh.obj import read_obj

    neutral = neutral_head()
    write_tracked_meshes(folder / "tracked_mesh" / "Jaw", "Jaw", neutral, tracked)
    mesh = read_obj(folder / "tracked_mesh" / "Jaw" / "0002.obj")
    pose = read_pose(folder / "tracked_mesh" / "Jaw" / "0002_transform.txt")
    head = read_positions(folder / "tracked_mesh" / "Jaw" / "0002.bin", len(mesh.vertices))
    np.testing.assert_allclose(mesh.vertices, head @ pose[:, :3].T + pose[:, 3], atol=1e-3)
    write_weights(folder / "weights.csv", "Jaw", template().names, tracked)
    write_quality(folder / "frames.csv", "Jaw", tracked)
    table = merge_tables(folder / "all.csv", [folder / "frames.csv"])
    assert list(table.columns) == COLUMNS and table["frame"].tolist() == ["0002", "0003"] and table["tracked"].all()


def test_frames_without_a_face_are_found_from_the_ones_before(tracker, cameras, shot, tmp_path):
    shots = write_shots(tmp_path, "Jaw", {"0002": shot[0], "0003": shot[1]}, cameras)
    tracked = list(tracker.track(shots, _blind(cameras)))
    for own, true in zip(tracked, STATES, strict=True):
        assert pose_error(own.state.pose, true.pose).degrees < 0.3
        assert np.isnan(own.landmark_px)


def test_a_third_of_wrong_landmarks_does_not_move_what_is_tracked(tracker, cameras, shot, tmp_path):
    shots = write_shots(tmp_path, "Jaw", {"0002": shot[0], "0003": shot[1]}, cameras)
    generator, seen = np.random.default_rng(6), [landmarks_seen(own, cameras, noise_px=0.5) for own in STATES]
    for points in seen:
        bad = generator.random(points.shape[:2]) < 0.3
        points[bad] += generator.normal(0.0, 20.0, (bad.sum(), 2))
    jaw = template().names.index("jawOpen")
    for own, true in zip(tracker.track(shots, _faces(cameras, seen)), STATES, strict=True):
        error = pose_error(own.state.pose, true.pose)
        assert error.degrees < 0.2 and error.millimeters < 0.4
        assert own.state.weights[jaw] == pytest.approx(true.weights[jaw], abs=0.15) and own.is_possible


def test_a_frame_without_a_head_gets_no_mesh_and_the_next_is_tracked(tracker, cameras, shot, tmp_path, caplog):
    empty = [np.full((cameras.height, cameras.width), 0.1, np.float32)] * len(cameras)
    shots = write_shots(tmp_path, "Jaw", {"0002": empty, "0003": shot[1]}, cameras)
    nothing = np.full((len(cameras), len(POINTS), 2), np.nan)
    faces = _faces(cameras, [nothing, landmarks_seen(STATES[1], cameras)])
    gone, back = tracker.track(shots, faces)
    assert not gone.is_possible and "Jaw/0002" in caplog.text and back.is_possible
    assert pose_error(back.state.pose, POSES[1]).degrees < 0.2


def test_the_world_of_the_calibration_does_not_matter(tracker, cameras, shot, tmp_path):
    world, bottom = pose_of((40.0, -70.0, 110.0), (500.0, -300.0, 2000.0)), [0.0, 0.0, 0.0, 1.0]
    elsewhere = cameras.in_head_space(np.linalg.inv(np.vstack([world, bottom]))[:3])
    viewmats = elsewhere.viewmats.copy()
    viewmats[:, :3, 3] /= 1000.0
    meters = replace(elsewhere, viewmats=viewmats)
    millimeters = scale_to_millimeters(landmarks_seen(state(REST), cameras), meters, template().landmarks, None)
    krt = dict(zip(cameras.names, as_krt(meters), strict=True))
    settled = replace(
        meters, viewmats=np.stack([np.vstack([own.extrinsics, bottom]) for own in scaled(krt, millimeters)])
    )
    rest = {"0001": photographs(template().vertices, REST, cameras)}
    reference = write_shots(tmp_path / "neutral", "Neutral", rest, settled)
    other = SegmentTracker(replace(neutral_head(), pose=moved(world, REST)), reference, template().landmarks)
    faces = _faces(cameras, [landmarks_seen(STATES[0], cameras)], ("0002",))
    (here,) = tracker.track(write_shots(tmp_path, "Jaw", {"0002": shot[0]}, cameras), faces)
    (there,) = other.track(write_shots(tmp_path, "Jaw", {"0002": shot[0]}, settled), faces)
    np.testing.assert_allclose(there.state.pose, moved(world, here.state.pose), atol=0.05)
    np.testing.assert_allclose(there.state.weights, here.state.weights, atol=0.01)
    assert np.linalg.norm(there.vertices - here.vertices, axis=1)[template().skin].mean() < 0.02


def test_a_camera_that_is_late_is_named_and_does_not_track(tracker, cameras, shot, tmp_path, caplog):
    late = [*shot[1][:2], shot[0][2], *shot[1][3:]]
    shots = write_shots(tmp_path, "Jaw", {"0003": late}, cameras)
    seen = [landmarks_seen(STATES[1], cameras)]
    (own,) = tracker.track(shots, _faces(cameras, seen, ("0003",)))
    assert own.disagreeing == ("camera2",) and "camera2" not in own.cameras
    assert pose_error(own.state.pose, POSES[1]).degrees < 0.2
    assert "camera camera2 shows the head elsewhere than the others do" in caplog.text


def test_a_camera_without_a_photograph_costs_no_frame(tracker, cameras, shot, tmp_path):
    shots = write_shots(tmp_path, "Jaw", {"0002": [None, *shot[0][1:]]}, cameras)
    (own,) = tracker.track(shots, _faces(cameras, [landmarks_seen(STATES[0], cameras)], ("0002",)))
    assert own.cameras == cameras.names[1:] and pose_error(own.state.pose, POSES[0]).degrees < 0.2


def test_a_frame_of_one_camera_is_refused(tracker, cameras, shot, tmp_path):
    shots = write_shots(tmp_path, "Jaw", {"0002": [shot[0][0], None, None, None, None]}, cameras)
    with pytest.raises(InputError, match="frame 0002 has photographs of 1 training cameras"):
        list(tracker.track(shots, _faces(cameras, [landmarks_seen(STATES[0], cameras)], ("0002",))))


def test_what_shows_no_head_gets_no_mesh(tracker, cameras, tmp_path, caplog):
    noise = np.random.default_rng(0).random((len(cameras), cameras.height, cameras.width)).astype(np.float32)
    shots = write_shots(tmp_path, "Jaw", {"0002": list(noise)}, cameras)
    tracked = list(tracker.track(shots, _faces(cameras, [landmarks_seen(STATES[0], cameras)], ("0002",))))
    assert not tracked[0].is_possible and "the frame gets no tracked mesh" in caplog.text
    with pytest.raises(InputError, match="the photographs of none of its 1 frames agree with the tracked head"):
        write_tracked_meshes(tmp_path / "out", "Jaw", neutral_head(), tracked)
    assert not (tmp_path / "out").exists()


def test_the_reference_frame_is_the_neutral_at_rest_whatever_its_landmarks_say(tracker, cameras, shot, tmp_path):
    frames = {"0001": photographs(template().vertices, REST, cameras), "0002": shot[0]}
    shots = write_shots(tmp_path, "Neutral", frames, cameras)
    seen = [landmarks_seen(state(REST, eyeBlinkLeft=0.5), cameras), landmarks_seen(STATES[0], cameras)]
    own, other = tracker.track(shots, _faces(cameras, seen, ("0001", "0002")))
    assert not own.state.weights.any() and own.vertices is neutral_head().head.vertices and own.turned_deg == 0.0
    assert own.agreement == 1.0 and own.cameras == cameras.names and np.isfinite(own.landmark_px)
    assert other.state.weights.any() and pose_error(other.state.pose, POSES[0]).degrees < 0.2


def test_faces_come_back_from_their_file(tmp_path, cameras):
    faces = _faces(cameras, [landmarks_seen(own, cameras) for own in STATES])
    write_faces(tmp_path / "faces.npz", faces)
    read = read_faces(tmp_path / "faces.npz")
    assert (read.frames, read.cameras) == (faces.frames, faces.cameras)
    np.testing.assert_array_equal(read.seen, faces.seen)
    other = cameras.scaled(0.5)
    np.testing.assert_allclose(read.of("0002", other), 0.5 * read.of("0002", cameras), rtol=1e-5)
