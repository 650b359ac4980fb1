import csv
import io
import logging

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from splatrig.blendshapes.arkit import NAMES
from splatrig.control.live_link import COLUMNS, RATE, is_live_link, live_link_text, live_link_track
from splatrig.control.recorded import parse_table
from splatrig.control.track import Track
from splatrig.io.errors import InputError

HEADER = (
    "Timecode,BlendShapeCount,EyeBlinkLeft,EyeLookDownLeft,EyeLookInLeft,EyeLookOutLeft,EyeLookUpLeft,EyeSquintLeft,"
    "EyeWideLeft,EyeBlinkRight,EyeLookDownRight,EyeLookInRight,EyeLookOutRight,EyeLookUpRight,EyeSquintRight,EyeWideRight,"
    "JawForward,JawRight,JawLeft,JawOpen,MouthClose,MouthFunnel,MouthPucker,MouthRight,MouthLeft,MouthSmileLeft,"
    "MouthSmileRight,MouthFrownLeft,MouthFrownRight,MouthDimpleLeft,MouthDimpleRight,MouthStretchLeft,MouthStretchRight,"
    "MouthRollLower,MouthRollUpper,MouthShrugLower,MouthShrugUpper,MouthPressLeft,MouthPressRight,MouthLowerDownLeft,"
    "MouthLowerDownRight,MouthUpperUpLeft,MouthUpperUpRight,BrowDownLeft,BrowDownRight,BrowInnerUp,BrowOuterUpLeft,"
    "BrowOuterUpRight,CheekPuff,CheekSquintLeft,CheekSquintRight,NoseSneerLeft,NoseSneerRight,TongueOut,HeadYaw,HeadPitch,"
    "HeadRoll,LeftEyeYaw,LeftEyePitch,LeftEyeRoll,RightEyeYaw,RightEyePitch,RightEyeRoll"
)
"""Of the app's own files."""

PHONE = HEADER + "".join(
    f"\n14:03:52:{28 + row // 2}.{207 + row % 2 * 500},61,{','.join(f'{(row + k) % 10 / 10:.10f}' for k in range(61))}"
    for row in range(4)
)


def read(text: str, **options: object) -> Track:
    return live_link_track(parse_table(text, "x.csv"), "x.csv", **options)


def a_track(weights: np.ndarray, times: np.ndarray, names: tuple[str, ...] = NAMES) -> Track:
    return Track(times, names, weights, "learned_arkit", "demo", "made by hand")


def test_the_columns_are_the_apps():
    assert ",".join(COLUMNS) == HEADER


def test_a_file_of_the_app_is_read_by_name():
    track = read(PHONE)
    assert track.names == NAMES
    assert np.allclose(track.times * RATE, [0.0, 0.5, 1.0, 1.5])
    columns = HEADER.split(",")[2:]
    for name in ("jawRight", "jawLeft", "tongueOut", "eyeBlinkRight"):
        number = columns.index(name[0].upper() + name[1:])
        assert np.allclose(track.weights[:, NAMES.index(name)], (np.arange(4) + number) % 10 / 10), name


def test_other_programs_may_order_and_spell_columns_as_they_like():
    lines = list(csv.reader(io.StringIO(PHONE)))
    order = np.random.default_rng(0).permutation(len(COLUMNS))
    spelled = {name: name[0].lower() + name[1:] for name in COLUMNS}
    spelled |= {name: name.replace("Left", "_L").replace("Right", "_R") for name in COLUMNS if name.startswith("Mouth")}
    lines[0] = [spelled[name] for name in lines[0]]
    lines[0][0] = "timecode"
    other = read("\n".join(";".join(line[k] for k in order).replace(".", ",") for line in lines))
    assert (other.names, other.times.tolist()) == (read(PHONE).names, read(PHONE).times.tolist())
    assert np.array_equal(other.weights, read(PHONE).weights)


def test_rows_that_miss_repeat_or_have_no_face_leave_time_alone():
    lines = PHONE.splitlines()
    lost = "14:03:52:28.957,0"
    track = read("\n".join([*lines[:3], lines[2], lost, lines[4]]))
    assert np.allclose(track.times * RATE, [0.0, 0.5, 0.75, 1.5])
    whole = read(PHONE).weights
    assert np.allclose(track.weights[[0, 1, 3]], whole[[0, 1, 3]])
    assert np.allclose(track.weights[2], whole[1] + (whole[3] - whole[1]) / 4)


weights = hnp.arrays(np.float64, st.tuples(st.integers(1, 5), st.just(52)), elements=st.floats(0, 1))


@given(weights=weights, steps=st.lists(st.integers(1, 100), min_size=5, max_size=5))
def test_a_written_track_comes_back_to_the_bit_and_in_time(weights, steps):
    """Steps are of a 90th of a second, so that times fall between the 60 frames that timecodes count."""
    times = np.cumsum([0.3, *steps])[: len(weights)] / 90
    track = read(live_link_text(a_track(weights, times)), frames_per_second=RATE)
    assert track.names == NAMES
    assert np.array_equal(track.weights, weights)
    assert np.abs(track.times - (times - times[0])).max() <= 0.5 / RATE / 1000 + 1e-9


@pytest.mark.parametrize("rate", [7.3, 24.0, 30.0, 60.0])
def test_a_written_track_tells_its_rate(rate):
    count = int(3 * rate)
    track = read(live_link_text(a_track(np.zeros((count, 52)), np.arange(count) / rate)))
    assert np.allclose(track.times, np.arange(count) / rate, atol=1 / RATE / 1000)


def test_what_a_track_lacks_is_written_as_zero_and_what_is_beyond_is_cut():
    text = live_link_text(a_track(np.array([[-0.1, 1.5]]), np.zeros(1), ("jawOpen", "LEARNED 03")))
    row = dict(zip(COLUMNS, text.splitlines()[1].split(","), strict=True))
    assert row.pop("Timecode") == "00:00:00:00.000" and row.pop("BlendShapeCount") == "61"
    assert {float(word) for word in row.values()} == {0.0}
    small = live_link_text(a_track(np.array([[1e-9]]), np.zeros(1), ("jawOpen",)))
    assert "e" not in small.splitlines()[1], "readers may not know exponents"


def test_tracks_that_no_such_file_can_hold_are_refused():
    with pytest.raises(InputError, match=r"expected components named after ARKit's blendshapes .*; use learned_arkit"):
        live_link_text(a_track(np.zeros((1, 2)), np.zeros(1), ("PCA 01", "eyeLookInLeft")))
    with pytest.raises(InputError, match=r"expected rows with distinct timecodes, got 00:00:00:00\.000 twice"):
        live_link_text(a_track(np.zeros((2, 52)), np.array([0.0, 1e-6])))


EYES = "Timecode,EyeLookInLeft,EyeLookOutLeft,JawOpen,HeadYaw,LeftEyeYaw,LeftEyePitch,RightEyeYaw,RightEyePitch\n"


def test_eyes_that_only_turn_look_where_they_are_asked_to():
    text = EYES + "10:00:00:00.0,0,0,0.5,0,12.5,-10,12.5,5\n"
    looked = read(text, eye_rotations="degrees")
    found = dict(zip(looked.names, looked.weights[0], strict=True))
    assert found["jawOpen"] == 0.5
    expected = {"eyeLookOutLeft": 0.5, "eyeLookInRight": 0.5, "eyeLookUpLeft": 0.5, "eyeLookDownRight": 0.25}
    assert {name: weight for name, weight in found.items() if weight and name != "jawOpen"} == pytest.approx(expected)
    radians = read(EYES + f"10:00:00:00.0,0,0,0.5,0,{np.radians(12.5)},0,0,0\n", eye_rotations="radians")
    assert radians.weights[0, radians.names.index("eyeLookOutLeft")] == pytest.approx(0.5)


def test_eyes_are_left_alone_when_they_look_already_or_nobody_asks():
    assert not read(EYES + "10:00:00:00.0,0,0,0.5,0,12.5,-10,12.5,5\n").weights[0, :2].any()
    looking = read(EYES + "10:00:00:00.0,0.25,0,0.5,0,12.5,-10,12.5,5\n", eye_rotations="degrees")
    assert looking.names == ("eyeLookInLeft", "eyeLookOutLeft", "jawOpen")
    assert np.array_equal(looking.weights, [[0.25, 0, 0.5]])


def test_a_head_that_turns_is_told(caplog):
    with caplog.at_level(logging.INFO):
        read(EYES + "10:00:00:00.0,0,0,0.5,-0.31,0,0,0,0\n")
    assert "x.csv: head rotations of up to 0.31 are ignored" in caplog.text


def test_timecodes_tell_such_a_table():
    assert is_live_link(parse_table("jawOpen,TIMECODE\n0,0\n", "x.csv"))
    assert not is_live_link(parse_table("jawOpen,time\n0,0\n", "x.csv"))


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        ("10:00:00,0.5\n", "x.csv line 2: expected a timecode HH:MM:SS:FF.sss, got '10:00:00'"),
        ("10:00:00:00.0,0.5\n09:59:59:00.0,0.5\n", "x.csv line 3: expected increasing times, got 1 s less than before"),
        ("10:00:00:00.0\n", "x.csv: expected rows with weights, got 1 without"),
    ],
)
def test_broken_files_are_refused_in_one_sentence(rows, sentence):
    with pytest.raises(InputError) as error:
        read("Timecode,JawOpen\n" + rows)
    assert str(error.value).startswith(sentence) and "\n" not in str(error.value)
