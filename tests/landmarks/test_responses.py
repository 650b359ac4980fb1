"""What the network shows of ARKit's blendshapes: the table; `test_web_webcam` reads weights by it."""

import numpy as np
import pytest

from splatrig.blendshapes.arkit import NAMES
from splatrig.io.errors import InputError
from splatrig.landmarks.points import POINTS, rows_of
from splatrig.landmarks.responses import STABLE, read_responses, write_responses
from support.network_responses import RESPONSES, SEEN, TABLE, symmetric


def of(name: str) -> np.ndarray:
    return RESPONSES.shapes[RESPONSES.names.index(name)]


def test_all_blendshapes_but_gaze_and_tongue_are_in_the_table_in_arkits_order():
    assert RESPONSES.names == SEEN == tuple(name for name in NAMES if "Look" not in name and name != "tongueOut")


def test_the_responses_are_symmetric():
    np.testing.assert_allclose(symmetric(RESPONSES.shapes), RESPONSES.shapes, atol=0.011)  # two decimals


def test_an_open_jaw_lowers_the_lower_lip_and_a_blink_the_upper_lid_most():
    assert POINTS[np.abs(of("jawOpen")[:, 1]).argmax()] in (17, 14, 84, 314, 87, 317)
    assert of("jawOpen")[POINTS.index(17), 1] < -20
    lowered = of("eyeBlinkLeft")[:, 1]
    assert lowered[[POINTS.index(point) for point in (385, 386, 387)]].mean() < -1
    assert np.abs(of("eyeBlinkLeft")[rows_of("lips")]).max() < 1


def test_stable_points_move_least():
    stable = np.isin(POINTS, STABLE)
    lengths = np.linalg.norm(RESPONSES.shapes, axis=2)
    assert lengths[:, stable].mean() < 0.5 * lengths[:, ~stable].mean()


def test_what_is_written_is_read_and_a_missing_row_is_refused(tmp_path):
    path = tmp_path / "responses.csv"
    write_responses(path, RESPONSES.names, RESPONSES.shapes)
    assert path.read_bytes() == TABLE.read_bytes()
    lines = path.read_text().splitlines(keepends=True)
    path.write_text("".join([*lines[:5], *lines[6:]]))
    with pytest.raises(InputError, match=r"responses.csv: expected the 122 points in order for each of 43"):
        read_responses(path, RESPONSES.neutral)
