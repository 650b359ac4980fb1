from dataclasses import replace

import numpy as np
import pytest

from splatrig.dataset.cameras import read_cameras
from splatrig.io.errors import InputError
from support import tiny


def test_a_pixel_spans_depth_over_focal_length():
    rig = tiny.cameras()
    depths = np.linalg.norm(rig.viewmats[:, :3, 3], axis=1)  # the cameras look at the origin
    assert rig.pixel_size(np.zeros(3)) == pytest.approx(np.median(depths) / np.sqrt(230.0 * 231.0))
    assert rig.scaled(0.5).pixel_size(np.zeros(3)) == pytest.approx(2 * rig.pixel_size(np.zeros(3)))


def test_cameras_that_all_look_away_are_named():
    with pytest.raises(InputError, match="in front of none of the 5 training cameras"):
        tiny.cameras().pixel_size(np.array([0.0, 0.0, 5000.0]))


@pytest.mark.parametrize(
    ("field", "change", "sentence"),
    [
        ("viewmats", [[2.0, 1, 1, 1], [1, 2, 1, 1], [1, 1, 2, 1], [1, 1, 1, 1]], "expected a rigid transform"),
        ("Ks", [[-1.0, 1, 1], [1, 1, 1], [1, 1, 1]], "expected finite intrinsics, fx, fy > 0, no skew"),
        ("Ks", [[1.0, 1, np.nan], [1, 1, 1], [1, 1, 1]], "expected finite numbers"),
    ],
)
def test_what_no_rasterizer_can_draw_is_refused_before_one_sees_it(field, change, sentence):
    cameras = tiny.cameras()
    changed = getattr(cameras, field).copy()
    changed[1] *= change
    with pytest.raises(InputError, match=sentence) as found:
        replace(cameras, **{field: changed})
    assert cameras.names[1] in str(found.value) or "NaN" in str(found.value)


def test_a_missing_file_is_said_to_be_missing(tmp_path):
    with pytest.raises(InputError, match=r"cameras\.json: expected a file, got none; run the pipeline"):
        read_cameras(tmp_path / "cameras.json")
