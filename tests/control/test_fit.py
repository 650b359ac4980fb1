from dataclasses import replace

import numpy as np
import pytest

from splatrig.components.weights import weights_of_displacements
from splatrig.control.fit import frame_times, track_of, weights_of_gaussians, with_learned_gaze
from support import heads, planted

HEAD = heads.head(2)


def test_times_follow_frame_numbers_and_names_that_are_none_are_counted():
    assert np.allclose(frame_times(("000102", "000105", "000111"), 90.0), [0, 1 / 30, 0.1])
    assert np.allclose(frame_times(("frame_0001", "frame_0002", "frame_0010"), 90.0), [0, 1 / 90, 0.1])
    assert np.allclose(frame_times(("a", "b"), 10.0), [0, 0.1])
    assert np.allclose(frame_times(("5", "5"), 10.0), [0, 0.1])


@pytest.mark.parametrize("kind", ["pca", "sldc"])
def test_weights_of_frames_are_found_again(kind):
    attributes = ("xyz", "f_dc", "scale")  # quaternions are made unit length, so their frames are not quite linear
    family = heads.family(planted.head(1), kind, family=kind, attributes=attributes)
    frames = [family.rig.pose(weights) for weights in family.rig.components.W[:4]]
    found = weights_of_gaussians(family.rig.components, frames, family.rig.neutral, ridge=0.0)
    assert np.allclose(found, family.rig.components.W[:4], atol=1e-4)
    assert track_of(family.panel, np.arange(4.0), found, "frames").names == family.panel.names


@pytest.mark.parametrize("name", list(HEAD.families))
def test_weights_of_displacements_are_found_again_from_all_points_and_from_the_face(name):
    family = HEAD.families[name]
    W = family.rig.components.W[1:4]
    moved = np.stack([family.rig.pose(weights).means for weights in W]) - HEAD.base.means
    assert np.allclose(weights_of_displacements(family.rig.components, moved, ridge=0.0), W, atol=1e-3)
    mask = HEAD.base.means[:, 2] > -60
    moved[:, ~mask] = 99.0
    assert np.allclose(weights_of_displacements(family.rig.components, moved, ridge=0.0, mask=mask), W, atol=1e-2)


def test_local_weights_never_pull():
    family = HEAD.families["sldc_gauss_xyz"]
    moved = family.rig.pose(np.eye(5)[0]).means - HEAD.base.means
    found = weights_of_displacements(family.rig.components, -moved[None], ridge=0.0)
    assert np.array_equal(found, np.zeros((1, 5)))
    found = weights_of_displacements(family.rig.components, 3 * moved[None], ridge=0.0)
    assert found.max() == 1.0


def test_a_learned_rig_follows_the_centers_whatever_colors_single_fits_have():
    made = planted.head(1)
    family = heads.family(made, "learned_global", family="learned", attributes=planted.ALL_ATTRIBUTES)
    W = family.rig.components.W[:4]
    frames = [family.rig.pose(weights) for weights in W]
    recolored = [replace(frame, sh0=frame.sh0 + 5.0, means=frame.means + 1.0) for frame in frames]
    shifted = replace(made.neutral, means=made.neutral.means + 1.0)
    found = weights_of_gaussians(family.rig.components, recolored, shifted, ridge=0.0)
    assert np.allclose(found, W, atol=1e-3)


def test_eyes_look_where_they_do_in_the_frames_that_a_rig_was_learned_from():
    made = planted.head(1)
    plain = replace(planted.components(made, attributes=planted.ALL_ATTRIBUTES), family="learned", base=made.neutral)
    parts = planted.with_eyes(planted.with_free(plain, made.neutral, 9))
    moved = (parts.W[4:6, :3] @ parts.displacements[:3].reshape(3, -1)).reshape(2, -1, 3)
    found = weights_of_displacements(parts, moved)
    assert not found[:, 3:].any()
    looking = with_learned_gaze(parts, found, [parts.frames[4], "E999/000000"])
    np.testing.assert_array_equal(looking[:, :3], found[:, :3])
    np.testing.assert_array_equal(looking[:, 3:], [parts.W[4, 3:], [0, 0]])
    assert not found[:, 3:].any(), "what was given stays"


def test_lids_say_nothing_of_where_eyes_look_in_frames_that_a_rig_of_blendshapes_does_not_know():
    made = planted.head(1)
    plain = planted.components(made, family="learned", attributes=planted.ALL_ATTRIBUTES, count=4)
    parts = planted.blendshapes(plain)
    found = weights_of_displacements(parts, np.tensordot(parts.W[4:6], parts.displacements, axes=1))
    assert (found[:, 3] > 0).all()
    looking = with_learned_gaze(parts, found, [parts.frames[4], "E999/000000"])
    np.testing.assert_array_equal(looking[:, 3], [parts.W[4, 3], 0])
