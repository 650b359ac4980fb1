from dataclasses import replace

import numpy as np
from numpy.testing import assert_allclose

from splatrig.landmarks.points import POINTS
from splatrig.tracking.faces import LID_ROWS, SegmentFaces
from support import tiny


def test_points_are_fractions_of_what_each_camera_has_photographed():
    cameras = tiny.cameras(3)
    sizes = np.array([[40, 48], [40, 46], [30, 48]])
    seen = np.full((1, 2, len(POINTS), 2), 0.5, dtype=np.float32)
    faces = SegmentFaces(("1",), (cameras.names[0], cameras.names[2]), seen, seen[:, :, LID_ROWS])
    found = faces.of("1", replace(cameras, sizes=sizes))
    assert_allclose(found[[0, 2]], np.broadcast_to(sizes[[0, 2], None] / 2, (2, len(POINTS), 2)))
    assert np.isnan(found[1]).all(), "a camera that was not asked"
    assert_allclose(faces.lids_of("1", cameras)[2, 0], [20, 24])
