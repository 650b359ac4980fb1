import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from splatrig.mesh.normals import vertex_areas, vertex_normals
from splatrig.tracking.proportions import affine_motion
from support.ellipsoid import ellipsoid_head

VERTICES, FACES = ellipsoid_head()
NORMALS, AREAS = vertex_normals(VERTICES, FACES), vertex_areas(VERTICES, FACES)
SEEN = (VERTICES[:, 2] > 0.0).astype(float)
NARROW = np.column_stack([np.diag([0.94, 1.02, 1.0]), [0.5, -0.5, 2.0]])


def _of(motion, points):
    return points @ motion[:, :3].T + motion[:, 3]


def _fitted(moved, certain, offsets=None):
    offsets = ((moved - VERTICES) * NORMALS).sum(axis=1) if offsets is None else offsets
    return affine_motion(VERTICES, NORMALS, offsets, AREAS, certain)


def test_the_unseen_back_takes_the_width_of_the_seen_front():
    moved = _of(NARROW, VERTICES)
    found = _of(_fitted(moved, SEEN), VERTICES)
    back = SEEN == 0.0
    before, after = (np.abs(((own - moved) * NORMALS).sum(axis=1))[back].mean() for own in (VERTICES, found))
    assert before > 2.0 and after < before / 3.0  # one round; stereo has four


def test_where_nothing_is_certain_nothing_moves():
    motion = _fitted(_of(NARROW, VERTICES), np.zeros(len(VERTICES)))
    assert_allclose(motion, np.eye(3, 4), atol=1e-9)


def test_shifts_and_the_size_are_not_regularized():
    larger = np.column_stack([1.03 * np.eye(3), [2.0, -1.0, 0.5]])
    assert_allclose(_fitted(_of(larger, VERTICES), SEEN), larger, atol=1e-3)  # the weight of the identity


def test_a_fifth_of_contradictory_points_does_not_count():
    offsets = ((_of(NARROW, VERTICES) - VERTICES) * NORMALS).sum(axis=1)
    wrong = offsets + 8.0 * (np.random.default_rng(0).random(len(offsets)) < 0.2)
    clean, spoiled = (_of(_fitted(None, SEEN, own), VERTICES) for own in (offsets, wrong))
    assert np.linalg.norm(clean - spoiled, axis=1).max() < 0.6


@pytest.mark.parametrize("angle", [35.0, -120.0])
def test_the_axes_of_the_world_do_not_matter(angle):
    turn = Rotation.from_euler("xyz", [angle, 0.5 * angle, 10.0], degrees=True).as_matrix()
    offsets = ((_of(NARROW, VERTICES) - VERTICES) * NORMALS).sum(axis=1)
    here = affine_motion(VERTICES, NORMALS, offsets, AREAS, SEEN)
    there = affine_motion(VERTICES @ turn.T + 50.0, NORMALS @ turn.T, offsets, AREAS, SEEN)
    assert_allclose(_of(there, VERTICES @ turn.T + 50.0), _of(here, VERTICES) @ turn.T + 50.0, atol=1e-6)
