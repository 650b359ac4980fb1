import numpy as np
import pytest

from splatrig.tracking.neutral import SCALES, STEP, bands_of
from splatrig.tracking.photometric import aligned, reference_of
from splatrig.tracking.rendered import rendered_reference, turn_between
from support.photographed_template import photographs, pose_error, pose_of, stage, state, template

REST = pose_of((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


def test_the_turn_between_poses_is_their_angle():
    assert turn_between(REST, pose_of((0.0, 12.0, 0.0), (5.0, 0.0, 0.0))) == pytest.approx(12.0)


def test_a_head_turned_by_25_degrees_is_found_by_a_rendered_reference():
    head, cameras = template(), stage()
    true, start = pose_of((0.0, 25.0, 0.0), (4.0, 0.0, 0.0)), pose_of((1.0, 23.0, 1.0), (3.0, 1.0, 0.0))
    neutral, used = photographs(head.vertices, REST, cameras), np.ones(len(cameras), dtype=bool)
    bands = bands_of(photographs(head.vertices, true, cameras), SCALES)
    rendered = rendered_reference(neutral, REST, head, state(start), cameras, SCALES, STEP, used)
    own = reference_of(neutral, head.vertices, head.faces, cameras, SCALES, STEP)
    found, agreement = aligned(state(start), head, rendered, bands, cameras, scales=SCALES)
    _, without = aligned(state(start), head, own, bands, cameras, scales=SCALES)
    error = pose_error(found.pose, true)
    assert error.degrees < 0.3 and error.millimeters < 0.5
    assert agreement > without + 0.03
