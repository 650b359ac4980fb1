import numpy as np
import pytest

from splatrig.config.names import track_of_pose
from splatrig.control.track import Track, write_track
from splatrig.export.poses import weights_of_pose
from splatrig.io.errors import InputError
from support import small_rig


@pytest.fixture
def panel():
    return small_rig.panel(small_rig.rig())


def test_the_neutral_and_presets_need_no_track(panel):
    assert track_of_pose("neutral") is None
    assert track_of_pose("E002-7s", list(panel.presets)) is None
    np.testing.assert_array_equal(weights_of_pose("neutral", panel), panel.neutral)
    np.testing.assert_array_equal(weights_of_pose("E002-7s", panel), panel.presets["E002-7s"])


def test_a_moment_of_a_track_is_interpolated(panel, tmp_path):
    times, weights = np.array([0.0, 1.0, 2.0]), np.arange(9.0).reshape(3, 3)
    order = (2, 0, 1)
    track = Track(times, tuple(small_rig.NAMES[k] for k in order), weights, panel.family, "planted")
    write_track(tmp_path / "tour.csv", track)
    assert track_of_pose("my-tour-1.5s") == "my-tour"
    found = weights_of_pose("tour-1.5s", panel, tmp_path / "tour.csv")
    expected = np.empty(3)
    expected[list(order)] = (weights[1] + weights[2]) / 2
    np.testing.assert_allclose(found, expected)
    with pytest.raises(InputError, match=r"pose tour-25s: expected a moment of the track, from 0 to 2 s, got 25 s"):
        weights_of_pose("tour-25s", panel, tmp_path / "tour.csv")


def test_an_unknown_pose_is_refused_with_those_that_there_are(panel):
    with pytest.raises(InputError, match=r"pose smile: .* one of E001"):
        weights_of_pose("smile", panel)
