"""What the doctor says of sound captures and of spoiled ones."""

from dataclasses import replace

import numpy as np
import pytest

from splatrig.doctor.verdicts import FINE, LOOK, WRONG, camera_lines
from support.doctored import CAMERAS, EXPRESSIONS, FRAMES, HEIGHT, SCALE, WIDTH, sound

COUNT = EXPRESSIONS * FRAMES


def said(capture, **options):
    return [(verdict.rank, verdict.where) for verdict in capture.judged(**options)]


def test_of_a_sound_capture_nothing_is_said():
    assert said(sound()) == []


@pytest.mark.parametrize("seed", range(3))
def test_tracking_noise_of_half_a_millimeter_is_no_fault(seed):
    generator = np.random.default_rng(seed)
    noisy = sound().with_meshes(lambda vertices: vertices + generator.normal(scale=0.5, size=vertices.shape))
    assert said(noisy) == []


@pytest.mark.parametrize("brightness", [0.5, 1.5])
def test_an_exposure_of_its_own_is_no_fault(brightness):
    capture = sound()
    frames = []
    for frame in capture.frames:
        grays = frame.grays.copy()
        grays[2] = np.clip(brightness * (grays[2].astype(float) - 128) + 128, 0, 255)
        frames.append(replace(frame, grays=grays))
    assert said(replace(capture, frames=tuple(frames))) == []


def test_a_camera_without_photographs_is_not_compared():
    capture = sound()
    frames = [replace(frame, digests=("", *frame.digests[1:])) for frame in capture.frames]
    bare = replace(capture, frames=tuple(frames))
    assert said(bare) == []
    subject = replace(bare.subject, read=lambda frame: bare.frames[frame])
    scores, _ = subject.scores(1)
    lines = camera_lines(subject, scores, [])
    assert [line.rank for line in lines] == [FINE] * CAMERAS
    assert "too little" in lines[0].why and f"{COUNT} photographs fit" in lines[1].why


def test_a_camera_that_froze_is_named_with_the_frames():
    capture = sound()
    for frame in range(5, 8):
        capture = capture.with_photograph(frame, 3, 4, copied=True)
    (verdict,) = capture.judged()
    assert (verdict.rank, verdict.where, verdict.camera) == (WRONG, "camera c3", 3)
    assert "its photographs of E1/000, E1/001, E1/002, E1/003 are equal, pixel by pixel" in verdict.why


def test_a_camera_that_shows_one_photograph_always_is_frozen_and_nothing_else():
    capture = sound()
    for frame in range(COUNT):
        capture = capture.with_photograph(frame, 1, 0, copied=True)
    (verdict,) = capture.judged()
    assert (verdict.rank, verdict.camera) == (WRONG, 1)
    assert "froze" in verdict.why and f"and {COUNT - 4} more" in verdict.why


def test_one_camera_alone_with_equal_photographs_of_a_still_head_is_worth_a_look():
    capture = sound()
    capture = capture.with_mesh(1, replace(capture.subject.tracked[0], frame="001"))
    for camera in range(CAMERAS):
        capture = capture.with_photograph(1, camera, 0, copied=camera == 3)
    assert said(capture) == [(LOOK, "camera c3")]


def test_equal_photographs_of_a_head_that_keeps_still_are_no_fault():
    capture = sound()
    capture = capture.with_mesh(1, replace(capture.subject.tracked[0], frame="001"))
    for camera in range(CAMERAS):
        capture = capture.with_photograph(1, camera, 0, copied=True)
    assert said(capture) == []


def test_frames_that_share_all_photographs_are_worth_a_look():
    capture = sound()
    for camera in range(CAMERAS):
        capture = capture.with_photograph(6, camera, 4, copied=True)
    assert (LOOK, "frame E1/002") in said(capture)


@pytest.mark.parametrize(("step", "word"), [(-1, "late"), (1, "early")])
@pytest.mark.parametrize("copied", [False, True])
def test_a_camera_that_is_shifted_by_a_frame_is_named(step, word, copied):
    capture = sound()
    for frame in range(COUNT):
        first = FRAMES * (frame // FRAMES)
        shown = int(np.clip(frame + step, first, first + FRAMES - 1))
        capture = capture.with_photograph(frame, 2, shown, copied=copied)
    (verdict,) = capture.judged()
    assert (verdict.rank, verdict.where) == (WRONG, "camera c2")
    assert f"it is {word} by a frame" in verdict.why


@pytest.mark.parametrize("shown", [4, 6, 11])
def test_one_photograph_of_another_moment_is_named_with_the_moment(shown):
    (verdict,) = sound().with_photograph(5, 4, shown).judged()
    assert (verdict.rank, verdict.where) == (WRONG, "camera c4, frame E1/001")
    assert sound().subject.names[shown] in verdict.why or "just " in verdict.why


def test_where_too_many_photographs_are_odd_the_rest_is_counted(monkeypatch):
    monkeypatch.setattr("splatrig.doctor.verdicts._MOST_PHOTOGRAPHS", 2)
    capture = sound()
    for frame, camera in ((1, 0), (5, 2), (9, 4)):
        capture = capture.with_photograph(frame, camera, (frame + 6) % COUNT)
    ranks = [rank for rank, _ in said(capture)]
    assert ranks.count(WRONG) == 2
    assert (LOOK, "tracked_mesh") in said(capture)


def test_the_mesh_of_another_frame_is_named():
    capture = sound()
    (verdict,) = capture.with_mesh(2, capture.subject.tracked[9]).judged()
    assert (verdict.rank, verdict.where) == (WRONG, "frame E0/002")
    assert "its tracked mesh and pose are those of E2/001" in verdict.why


def test_photographs_of_another_frame_are_named_with_it():
    capture = sound()
    for camera in range(CAMERAS):
        capture = capture.with_photograph(6, camera, 3)
    (verdict,) = capture.judged()
    assert (verdict.rank, verdict.where) == (WRONG, "frame E1/002")
    assert "fit the tracked mesh of E0/003 better" in verdict.why


def test_a_lost_track_is_worth_a_look():
    capture = sound()
    mesh = capture.subject.tracked[2]
    lost = replace(mesh, vertices=mesh.vertices + np.array([30.0, -25.0, 0.0]))
    (verdict,) = capture.with_mesh(2, lost).judged()
    assert (verdict.rank, verdict.where) == (LOOK, "frame E0/002")


@pytest.mark.parametrize(("factor", "words"), [(2.0, "2 times as large"), (0.5, "0.5 times as large")])
def test_a_calibration_of_another_size_is_named_with_the_factor(factor, words):
    Ks = np.diag([factor, factor, 1.0]) @ sound().subject.cameras.Ks
    (verdict,) = sound().with_intrinsics(Ks).judged()
    assert (verdict.rank, verdict.where) == (WRONG, "KRT")
    assert words in verdict.why and f"by {1 / factor:g}" in verdict.why


def test_one_camera_with_a_calibration_of_another_size_is_named():
    Ks = sound().subject.cameras.Ks.copy()
    Ks[3] = np.diag([2.0, 2.0, 1.0]) @ Ks[3]
    (verdict,) = sound().with_intrinsics(Ks).judged()
    assert (verdict.rank, verdict.where) == (WRONG, "camera c3")
    assert "multiply its fx, fy, cx and cy by 0.5" in verdict.why


def test_a_camera_that_was_moved_is_worth_a_look():
    Ks = sound().subject.cameras.Ks.copy()
    Ks[3, 0, 2] += 8
    (verdict,) = sound().with_intrinsics(Ks).judged()
    assert (verdict.rank, verdict.where) == (LOOK, "camera c3")


@pytest.mark.parametrize(("rows", "rank"), [(slice(None), WRONG), (slice(0, 60), LOOK)])
def test_a_mask_that_lacks_the_head_is_named_where_masks_are_used(rows, rank):
    mask = sound().frames[5].mattes[2].copy()
    mask[rows] = 0
    capture = sound().with_mask(5, 2, mask)
    assert said(capture) == [(rank, "camera c2, frame E1/001")]
    assert said(capture, masks=False) == []


def test_a_camera_with_smaller_images_is_judged_by_what_they_show():
    capture, views = sound(), sound().subject.cameras
    sizes = np.tile([WIDTH, HEIGHT], (CAMERAS, 1))
    sizes[2] = WIDTH - 30, HEIGHT - 50
    frames = []
    for frame in capture.frames:
        grays, mattes = frame.grays.copy(), frame.mattes.copy()
        for images in (grays, mattes):
            images[2, HEIGHT - 50 :], images[2, :, WIDTH - 30 :] = 0, 0
        frames.append(replace(frame, grays=grays, mattes=mattes))
    subject = replace(capture.subject, cameras=replace(views, sizes=sizes))
    assert said(replace(capture, subject=subject, frames=tuple(frames))) == []
    scores, _ = replace(subject, read=lambda frame: frames[frame]).scores(1)
    assert scores.inside[:, 2].min() > 0.97


def test_photographs_without_detail_are_not_judged():
    capture = sound()
    flat = np.full((CAMERAS, HEIGHT, WIDTH), 90, dtype=np.uint8)
    frames = tuple(replace(frame, grays=flat) for frame in capture.frames)
    assert said(replace(capture, frames=frames)) == []


def test_motion_is_measured_in_pixels_of_the_photographs():
    subject = sound().subject
    assert subject.motion(0, 0, 2) == 0
    assert subject.height == SCALE * HEIGHT
    assert 0.01 < subject.motion(0, 3, 2) < 0.2
