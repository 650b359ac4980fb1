"""A face that lies off its mesh is noticed, and one that is only found inexactly is not."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatrig.landmarks.calibration_faults import ON_SURFACE
from splatrig.landmarks.misplaced import misplacement
from splatrig.mesh.nearest import Surface
from support.face_scene import CANONICAL, face_mesh

POINTS = CANONICAL[ON_SURFACE]


def test_noise_is_no_misplacement():
    noisy = POINTS + np.random.default_rng(0).normal(0, 1.0, POINTS.shape)
    assert not misplacement(noisy, Surface(*face_mesh())).is_real


@pytest.mark.parametrize(("shift", "degrees"), [([0, 6.0, 0], 0), ([0, 0, 5.0], 0), ([4.0, 0, 2.0], 3.0)])
def test_a_motion_is_found(shift, degrees):
    turn = Rotation.from_euler("x", degrees, degrees=True)
    middle = POINTS.mean(axis=0)
    moved = turn.apply(POINTS - middle) + middle + shift
    found = misplacement(moved + np.random.default_rng(0).normal(0, 0.2, POINTS.shape), Surface(*face_mesh()))
    assert found.is_real
    assert found.after_mm < 0.3 < found.before_mm
    assert found.millimetres == pytest.approx(np.linalg.norm(shift), abs=1.0)
    assert found.degrees == pytest.approx(degrees, abs=1.5)
