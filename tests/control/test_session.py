import threading
import time

import numpy as np
import pytest

from splatrig.control.head import Head
from splatrig.control.track import Track
from splatrig.control.viewer.session import Follower, Session
from splatrig.io.errors import InputError
from support import heads

HEAD = heads.head(1)
LOCAL, GLOBAL = "sldc_gauss_xyz", "pca_all"


def test_sliders_presets_and_reset():
    session = Session(HEAD)
    session.set_weight(LOCAL, 2, 0.7)
    assert session.pose[LOCAL].tolist() == [0, 0, 0.7, 0, 0] and session.changed.is_set()
    session.preset(GLOBAL, "E001")
    assert np.array_equal(session.pose[GLOBAL], HEAD.panels[GLOBAL].presets["E001"])
    assert not session.pose[LOCAL].any()
    session.reset()
    assert not any(weights.any() for weights in session.pose.values())


def test_the_pose_is_a_copy():
    session = Session(HEAD)
    session.pose[LOCAL][:] = 9.0
    assert not session.pose[LOCAL].any()


def test_random_faces_follow_from_the_seed_and_stay_in_the_ranges():
    first, second = Session(HEAD, seed=4), Session(HEAD, seed=4)
    for session in (first, second):
        session.randomise(LOCAL)
    panel = HEAD.panels[LOCAL]
    assert np.array_equal(first.pose[LOCAL], second.pose[LOCAL]) and first.pose[LOCAL].any()
    assert (first.pose[LOCAL] >= panel.low).all() and (first.pose[LOCAL] <= panel.high).all()


def test_the_pose_of_a_frame_is_what_was_learned_for_it():
    session = Session(HEAD)
    session.frame("E002/000007")
    assert np.allclose(session.pose[GLOBAL], HEAD.families[GLOBAL].rig.components.W[7])
    with pytest.raises(InputError, match="has no weights of E999/000001"):
        session.frame("E999/000001")


def test_drag_pin_and_release():
    session = Session(HEAD)
    moved = HEAD.gaussians({LOCAL: np.eye(5)[1]}).means - HEAD.base.means
    vertex = int(np.linalg.norm(moved, axis=1).argmax())
    place = session.start_drag(vertex)
    direction = -place / np.linalg.norm(place)
    assert session.hit(place - 300.0 * direction, direction) == vertex
    assert session.hit(place - 300.0 * direction, -direction) is None
    session.drag_to(place + 0.5 * moved[vertex])
    session.end_drag()
    pose = session.pose
    assert any(weights.any() for weights in pose.values())
    session.drag_to(place + 99.0)  # nothing is held
    assert all(np.array_equal(session.pose[name], pose[name]) for name in pose)
    session.pin(vertex)
    assert np.allclose(session.pins[vertex], HEAD.gaussians(pose).means[vertex])
    session.release_pins()
    assert not session.pins


def test_what_is_recorded_is_what_was_shown():
    session = Session(HEAD)
    with pytest.raises(InputError, match="nothing is being recorded"):
        session.stop_recording()
    session.start_recording()
    for weight in (0.1, 0.2, 0.3):
        time.sleep(0.01)
        session.set_weight(LOCAL, 0, weight)
    tracks = {track.family: track for track in session.stop_recording()}
    assert np.allclose(tracks[LOCAL].weights[:, 0], [0.0, 0.1, 0.2, 0.3])
    assert tracks[LOCAL].times[0] == 0.0 and len(tracks[GLOBAL]) == 4


def test_a_track_plays_to_its_end_and_stops_when_told():
    session, panel = Session(HEAD), HEAD.panels[LOCAL]
    track = Track(np.array([0.0, 0.2]), panel.names[::-1], np.eye(2, 5), LOCAL, "planted")
    session.play(track, threading.Event(), lambda: 10.0)
    assert np.allclose(session.pose[LOCAL], track.weights[-1][::-1])
    stop = threading.Event()
    stop.set()
    session.reset()
    session.play(track, stop, lambda: 1.0)
    assert not session.pose[LOCAL].any()


def test_the_other_method_moves_its_centers_alike():
    leader = Head("planted", {LOCAL: HEAD.families[LOCAL]}, HEAD.template)
    pose = {LOCAL: np.array([0.5, 0.0, 1.0, 0.0, 0.2])}
    assert np.allclose(Follower(leader, leader).pose(pose)[LOCAL], pose[LOCAL], atol=0.01)
    other = Head("planted", {GLOBAL: HEAD.families[GLOBAL]}, HEAD.template)
    follower = Follower(leader, other)
    found = follower.pose(pose)[GLOBAL]
    wanted = leader.gaussians(pose).means - leader.base.means

    def missed(weights: np.ndarray) -> float:
        return float(np.square(other.gaussians({GLOBAL: weights}).means - other.base.means - wanted).sum())

    assert missed(found) < missed(np.zeros(4))
    assert all(missed(found) <= missed(found + step) * 1.01 for step in 0.1 * np.eye(4))


def test_moves_are_undone_one_by_one_and_what_comes_fast_is_one(monkeypatch):
    clock = [100.0]
    monkeypatch.setattr("splatrig.control.viewer.session.time.monotonic", lambda: clock[0])
    session = Session(HEAD)
    session.undo()  # nothing yet
    seen = [session.pose[LOCAL]]
    for component in range(3):
        clock[0] += 2.0
        for weight in (0.1, 0.2, 0.3):
            clock[0] += 0.1
            session.set_weight(LOCAL, component, weight)
        seen.append(session.pose[LOCAL])
    for expected in seen[-2::-1]:
        session.undo()
        assert np.array_equal(session.pose[LOCAL], expected)
    session.set_weight(LOCAL, 0, 0.7)  # at once after undoing: a move of its own
    session.undo()
    assert np.array_equal(session.pose[LOCAL], seen[0])
