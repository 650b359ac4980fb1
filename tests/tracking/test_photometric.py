import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatrig.landmarks.triangulate import projections
from splatrig.tracking.faces import LID_ROWS
from splatrig.tracking.neutral import SCALES, STEP, bands_of
from splatrig.tracking.photometric import (
    LidTerm,
    Seen,
    aligned,
    camera_agreement,
    camera_shifts,
    reference_of,
    state_slopes,
)
from splatrig.tracking.views import Band
from support.photographed_template import photographs, pose_error, pose_of, stage, state, template

REST = pose_of((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
MOVED = pose_of((1.5, -2.5, 1.0), (3.0, -2.0, 4.0))


@pytest.fixture(scope="module")
def cameras():
    return stage()


@pytest.fixture(scope="module")
def reference(cameras):
    head = template()
    return reference_of(photographs(head.vertices, REST, cameras), head.vertices, head.faces, cameras, SCALES, STEP)


def test_the_pose_of_a_moved_head_is_found(cameras, reference):
    head = template()
    bands = bands_of(photographs(head.vertices, MOVED, cameras), SCALES)
    found, agreement = aligned(state(REST), head, reference, bands, cameras, scales=SCALES)
    error = pose_error(found.pose, MOVED)
    assert error.degrees < 0.1 and error.millimeters < 0.2
    assert agreement > 0.7 and not found.weights.any()


def test_weights_and_pose_are_found_together(cameras, reference):
    head = template()
    true = state(MOVED, jawOpen=0.5, mouthLeft=0.4)
    bands = bands_of(photographs(head.posed(true.weights), MOVED, cameras), SCALES)
    start = state(pose_of((1.0, -2.0, 1.0), (2.5, -2.0, 4.0)))
    found, _ = aligned(start, head, reference, bands, cameras, scales=SCALES)
    found, _ = aligned(found, head, reference, bands, cameras, scales=SCALES, lids=_lids(head, true, seen=()))
    jaw, left = (head.names.index(name) for name in ("jawOpen", "mouthLeft"))
    assert found.weights[jaw] == pytest.approx(0.5, abs=0.12) and found.weights[left] == pytest.approx(0.4, abs=0.15)
    assert np.delete(found.weights, [jaw, left]).max() < 0.35
    assert (found.weights >= 0.0).all() and (found.weights <= 1.0).all()
    motion, true_motion = head.posed(found.weights) - head.vertices, head.posed(true.weights) - head.vertices
    assert np.linalg.norm((motion - true_motion)[head.skin], axis=1).mean() < 0.5


def test_exposure_of_a_camera_does_not_matter(cameras, reference):
    head = template()
    images = photographs(head.vertices, MOVED, cameras)
    gains = np.linspace(0.8, 1.25, len(images))
    plain, changed = (
        aligned(state(REST), head, reference, bands_of(own, SCALES), cameras, scales=SCALES)[0].pose
        for own in (images, [np.float32(gain) * image for gain, image in zip(gains, images, strict=True)])
    )
    assert pose_error(changed, plain).degrees < 0.02


def test_a_rigid_change_of_the_world_changes_nothing_in_the_head(cameras, reference):
    head, images = template(), photographs(template().vertices, MOVED, stage())
    turn = Rotation.from_euler("xyz", [40.0, -20.0, 110.0], degrees=True).as_matrix()
    shift = np.array([100.0, -300.0, 50.0])
    there = np.vstack([np.column_stack([turn, shift]), [0.0, 0.0, 0.0, 1.0]])
    elsewhere = stage().in_head_space(np.linalg.inv(there)[:3])
    carried = there[:3] @ np.vstack([REST, [0.0, 0.0, 0.0, 1.0]])
    other = reference_of(
        photographs(head.vertices, REST, cameras), head.vertices @ turn.T + shift, head.faces, elsewhere, SCALES, STEP
    )
    bands = bands_of(images, SCALES)
    here, _ = aligned(state(REST), head, reference, bands, cameras, scales=SCALES)
    moved, _ = aligned(state(carried), head, other, bands, elsewhere, scales=SCALES)
    expected = there[:3] @ np.vstack([here.pose, [0.0, 0.0, 0.0, 1.0]])
    assert pose_error(moved.pose, expected).degrees < 1e-3
    assert np.abs(moved.pose - expected).max() < 0.02


def test_slopes_in_space_are_differences_of_values(cameras, reference):
    head, scale = template(), SCALES[0]
    bands = bands_of(photographs(head.vertices, REST, cameras), SCALES)[scale]
    seen = Seen(bands, projections(cameras), reference.cameras)
    places = reference.on(head.vertices, head.faces)
    expected = np.zeros(len(places))
    _, _, slopes = seen.residuals(places, expected)
    for axis in range(3):
        step = np.zeros(3)
        step[axis] = 3.0
        ahead, behind = (seen.residuals(places + side * step, expected)[0] for side in (1.0, -1.0))
        differences = (behind - ahead) / 6.0
        assert np.corrcoef(differences, slopes[:, axis])[0, 1] > 0.97
        assert np.polyfit(differences, slopes[:, axis], 1)[0] == pytest.approx(1.0, abs=0.15)


def test_slopes_of_the_state_are_differences_of_residuals(cameras, reference):
    head, generator = template(), np.random.default_rng(4)
    true = state(MOVED, jawOpen=0.3, mouthSmileLeft=0.2)
    band = _plane(cameras, 0.03, -0.02)
    seen = Seen([band] * len(cameras), projections(cameras), reference.cameras)
    points, shapes = (
        reference.on(head.vertices, head.faces),
        np.stack([reference.on(s, head.faces) for s in head.shapes]),
    )
    expected = generator.normal(size=len(points))

    def residuals(change):
        turn = Rotation.from_rotvec(change[:3]).as_matrix() @ true.pose[:, :3]
        places = (points + np.tensordot(true.weights + change[6:], shapes, 1)) @ turn.T + true.pose[:, 3] + change[3:6]
        return seen.residuals(places, expected)

    size = 6 + len(head.names)
    _, _, slopes = residuals(np.zeros(size))
    turn = true.pose[:, :3]
    turned = (points + np.tensordot(true.weights, shapes, 1)) @ turn.T
    jacobian = state_slopes(turned, turn, slopes, shapes)
    np.testing.assert_array_equal(state_slopes(turned, turn, slopes, None), jacobian[:, :6])
    for column, step in zip(np.eye(size), [1e-4] * 3 + [1e-2] * 3 + [1e-3] * len(head.names), strict=True):
        ahead, behind = (residuals(side * step * column)[0] for side in (1.0, -1.0))
        differences = (behind - ahead) / (2.0 * step)  # residuals are expected minus seen
        np.testing.assert_allclose(jacobian @ column, differences, rtol=1e-4, atol=1e-4)


def _plane(cameras, along_x, along_y):
    """Return a band whose values are linear in the pixel, so that interpolation is exact."""
    rows, columns = np.mgrid[: cameras.height, : cameras.width] + 0.5
    full = np.ones((cameras.height, cameras.width))
    return Band(along_x * columns + along_y * rows, along_x * full, along_y * full)


def test_a_camera_that_shows_the_head_elsewhere_is_found_by_how_far(cameras, reference):
    head = template()
    images = photographs(head.vertices, REST, cameras)
    images[3] = np.roll(images[3], (2, -3), axis=(0, 1))
    bands = bands_of(images, SCALES)
    shifts = camera_shifts(head.vertices, head.faces, reference, bands, cameras, SCALES)
    assert shifts[3] == pytest.approx([-3.0, 2.0], abs=0.1)
    assert np.abs(np.delete(shifts, 3, axis=0)).max() < 0.1
    agreement = camera_agreement(head.vertices, head.faces, reference, bands[SCALES[-1]], cameras, SCALES[-1])
    assert agreement[3] < 0.6 < np.delete(agreement, 3).min()


def test_cameras_without_a_photograph_have_no_say(cameras, reference):
    head = template()
    images = photographs(head.vertices, MOVED, cameras)
    bands = bands_of([None, *images[1:]], SCALES)
    there = reference.of_cameras(np.array([False, True, True, True, True]))
    found, _ = aligned(state(REST), head, there, bands, cameras, scales=SCALES)
    assert pose_error(found.pose, MOVED).degrees < 0.15
    assert np.isnan(camera_shifts(head.vertices, head.faces, there, bands, cameras, SCALES)[0]).all()


def _lids(head, true, seen=None):
    rows = np.arange(len(LID_ROWS)) if seen is None else np.array(seen, dtype=int)
    rest, shapes = head.landmarks[LID_ROWS][rows], head.landmark_shapes()[:, LID_ROWS][:, rows]
    found = (rest + np.tensordot(true.weights, shapes, 1)) @ true.pose[:, :3].T + true.pose[:, 3]
    return LidTerm.of(found, rest, shapes)


def test_blinks_are_measured_by_the_landmarks_of_the_lids(cameras, reference):
    head = template()
    true = state(REST, eyeBlinkLeft=0.8)
    bands = bands_of(photographs(head.posed(true.weights), REST, cameras), SCALES)
    start = state(REST, eyeBlinkLeft=0.5, eyeBlinkRight=0.2)
    found, _ = aligned(start, head, reference, bands, cameras, scales=SCALES[1:], lids=_lids(head, true))
    weights = dict(zip(head.names, found.weights, strict=True))
    assert weights["eyeBlinkLeft"] == pytest.approx(0.8, abs=0.15) and weights["eyeBlinkRight"] < 0.05


def test_lids_that_were_not_found_have_no_say():
    head, true = template(), state(REST)
    term = _lids(head, true)
    gone = LidTerm.of(np.full_like(term.found, np.nan), term.rest, term.shapes)
    hessian, gradient = np.zeros((6 + len(head.names),) * 2), np.zeros(6 + len(head.names))
    gone.add_to(hessian, gradient, true)
    assert not hessian.any() and not gradient.any()
    term.add_to(hessian, gradient, true)
    assert hessian[6:, 6:].any() and not hessian[:6].any() and np.abs(gradient).max() < 1e-12
