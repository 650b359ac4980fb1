import json
import logging
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from splatrig.blendshapes.arkit import NAMES
from splatrig.capture.demo.expressions import frame_names, frame_weights, load_expressions, peak_weights
from splatrig.control.drive import Settings, driven, read_driving_file, read_settings
from splatrig.control.fit import frame_times
from splatrig.control.live_link import live_link_text
from splatrig.control.panel import Panel
from splatrig.control.track import Track, write_track
from splatrig.io.errors import InputError

ROOT = Path(__file__).resolve().parents[2]
EYES = ("eyeLookInLeft", "eyeLookOutLeft")


def a_panel(names: tuple[str, ...], family: str = "learned_arkit") -> Panel:
    zeros = np.zeros(len(names))
    return Panel(family, "me", names, zeros, zeros + 1, (0, 1), zeros, np.eye(len(names)), zeros, {})


def a_track(rows: int = 4, names: tuple[str, ...] = NAMES) -> Track:
    weights = np.random.default_rng(0).uniform(size=(rows, len(names)))
    return Track(2.0 + np.arange(rows) / 2, names, weights, "learned_arkit", "demo", "made by hand")


def written(folder: Path, text: str, name: str = "walk.csv") -> Path:
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return path


def as_json(track: Track) -> str:
    rows = zip(track.times.tolist(), track.weights.tolist(), strict=True)
    return json.dumps([{"time_s": time, **dict(zip(track.names, row, strict=True))} for time, row in rows])


def as_table(track: Track) -> str:
    rows = [
        ",".join(map(repr, [time, *row]))
        for time, row in zip(track.times.tolist(), track.weights.tolist(), strict=True)
    ]
    return "\n".join([",".join(["time_s", *track.names]), *rows])


@pytest.mark.parametrize("write", [live_link_text, as_table, as_json])
@pytest.mark.parametrize("name", ["walk.csv", "walk.json"])
def test_a_files_kind_is_told_by_its_content(write, name, tmp_path):
    track = read_driving_file(written(tmp_path, write(a_track()), name), Settings(fps=60))
    assert track.names == NAMES
    assert np.array_equal(track.weights, a_track().weights)
    assert np.allclose(track.times, np.arange(4) / 2)


@pytest.mark.parametrize("name", ["walk.csv", "walk.json"])
def test_a_track_of_splatrig_stays_as_it_is(name, tmp_path):
    own = Track(np.array([3.0, 4.0]), ("jawOpen",), np.array([[-0.5], [1.5]]), "learned_arkit", "demo", "the page")
    write_track(tmp_path / name, own)
    track = read_driving_file(tmp_path / name, Settings())
    assert (track.names, track.source, track.times.tolist()) == (own.names, own.source, [3.0, 4.0])
    assert np.array_equal(track.weights, own.weights)
    assert np.array_equal(read_driving_file(tmp_path / name, Settings(scale=0.5)).weights, [[0.0], [0.75]])


def test_the_neutral_goes_and_gains_come(tmp_path):
    rows = np.array([[0.2, 0.2, 0.1], [0.3, 0.2, 0.6], [0.4, 0.2, 1.0], [0.5, 0.2, 0.0]])
    track = Track(np.arange(4) / 4, ("jawOpen", "mouthClose", "cheekPuff"), rows, "arkit", "", "")
    path = written(tmp_path, as_table(track))
    for neutral in (0.125, [0.0, 0.25], [0.125, 0.125]):
        assert np.allclose(read_driving_file(path, Settings(neutral=neutral)).weights[:, 0], [0, 0.05, 0.15, 0.25])
    settings = Settings(neutral=0.0, scale=0.5, gain={"jawOpen": 4.0, "mouthClose": 0.0})
    weights = [[0, 0, 0], [0.2, 0, 0.25], [0.4, 0, 0.45], [0.6, 0, 0]]
    assert np.allclose(read_driving_file(path, settings).weights, weights)


@given(gain=st.floats(0, 10), scale=st.floats(0.001, 2))
def test_weights_stay_from_0_to_1_whatever_the_gain(gain, scale, tmp_path_factory):
    path = written(tmp_path_factory.mktemp("driving"), as_table(a_track()))
    weights = read_driving_file(path, Settings(scale=scale, gain=dict.fromkeys(NAMES, gain))).weights
    assert np.allclose(weights, np.clip(a_track().weights * gain * scale, 0, 1))


def test_percentages_are_refused_until_they_are_scaled(tmp_path):
    path = written(tmp_path, "time_s,jawOpen\n0,0\n1,55\n")
    with pytest.raises(
        InputError, match=r"at 1 s: expected weights from 0 to 1, got 55 for jawOpen; write `scale: 0\.01`"
    ):
        read_driving_file(path, Settings())
    assert np.allclose(read_driving_file(path, Settings(scale=0.01)).weights[:, 0], [0, 0.55])


@pytest.mark.parametrize("neutral", [3.5, [1.0, 0.5], [0.0, 9.0]])
def test_a_neutral_outside_the_file_is_refused(neutral, tmp_path):
    with pytest.raises(InputError, match=r"walk\.csv, neutral in its settings: expected a time up to 1\.5 s or two in"):
        read_driving_file(written(tmp_path, as_table(a_track())), Settings(neutral=neutral))


def test_settings_are_read(tmp_path):
    text = "fps: 60\nneutral: [1, 2.5]\nscale: 2\ngain: {jawOpen: 1.2}\neye_rotations: degrees\n"
    settings = read_settings(written(tmp_path, text, "walk.yaml"))
    expected = Settings(fps=60, neutral=[1, 2.5], scale=2, gain={"jawOpen": 1.2}, eye_rotations="degrees")
    assert settings == expected
    assert read_settings(written(tmp_path, "# nothing\n", "walk.yaml")) == Settings()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("gian: {}", "walk.yaml, the top level: unknown key 'gian'; did you mean gain?"),
        (
            "gain: {JawOpen: 1}",
            "walk.yaml, gain: got 'JawOpen', expected names of ARKit's blendshapes, such as jawOpen",
        ),
        ("gain: {jawOpen: much}", "walk.yaml, gain.jawOpen: got 'much', expected a number (at least 0)"),
        ("gain: 1.2", "walk.yaml, gain: got 1.2, expected a section of keys"),
        ("fps: 0", "walk.yaml, fps: got 0, expected a number (at most 1000, more than 0) or null"),
        ("neutral: -1", "walk.yaml, neutral: got -1, expected a number (at least 0) or a list"),
        (
            "neutral: [1]",
            "walk.yaml, neutral: got [1], expected a number (at least 0) or a list (with 2 or more items, with 2 or",
        ),
        ("eye_rotations: turns", "walk.yaml, eye_rotations: got 'turns', expected one of degrees, radians or null"),
        ("60", "walk.yaml: expected keys and values, such as `fps: 60`, got 60"),
        ("a: [", "walk.yaml: cannot be read as settings of a driving file (while parsing"),
    ],
)
def test_broken_settings_are_refused_in_one_sentence(text, sentence, tmp_path):
    path = written(tmp_path, text, "walk.yaml")
    with pytest.raises(InputError) as error:
        read_settings(path)
    assert str(error.value).startswith(f"{tmp_path}/{sentence}") and "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"\xff\xfet\x00", "cannot be read as weights of blendshapes"),
        (b"{", "line 1: expected JSON"),
        (b"", "expected a line of column names"),
        (b"# format: splatrig track 9\ntime_s,a\n0,1\n", "expected the format splatrig track 1"),
    ],
)
def test_files_that_are_none_of_them_are_refused(content, sentence, tmp_path):
    (tmp_path / "walk.csv").write_bytes(content)
    with pytest.raises(InputError) as error:
        read_driving_file(tmp_path / "walk.csv", Settings())
    assert sentence in str(error.value) and "\n" not in str(error.value)


def test_a_family_plays_what_it_has_by_name_and_rests_elsewhere(caplog):
    names = ("corrective 1", *NAMES[::-1])
    with caplog.at_level(logging.INFO):
        track = driven(a_track(names=("jawOpen", "cheekPuff", "chin")), a_panel(names))
    assert (track.family, track.subject, track.names) == ("learned_arkit", "me", names)
    assert np.array_equal(
        track.weights[:, names.index("jawOpen")], a_track(names=("jawOpen", "cheekPuff", "chin")).weights[:, 0]
    )
    assert np.count_nonzero(track.weights.any(axis=0)) == 2
    assert "moving in the file, but not in the rig: chin" in caplog.text


def test_other_families_are_refused_with_the_way_to_play_it():
    panel = a_panel(("LEARNED 01 · chin", *EYES), "learned_local")
    with pytest.raises(InputError) as error:
        driven(a_track(), panel)
    assert "learned_local of me: expected components named eyeBlinkLeft" in str(error.value)
    assert "control/tracks/learned_local/from_me/learned_arkit/driven/NAME.csv" in str(error.value)


def test_the_demos_weights_as_a_phone_would_record_them_play_its_frames(tmp_path):
    """True weights of all frames, 90 numbers a second, through a file of the app: the same, and in time."""
    expressions = load_expressions(ROOT / "resources" / "expressions" / "demo.yaml")
    frames = [name for segment in expressions for name in frame_names(segment, 3)]
    rows = [row for segment in expressions for row in frame_weights(peak_weights(expressions, segment), 3)]
    weights = np.array([[row.get(name, 0.0) for name in NAMES] for row in rows])
    true = Track(frame_times(frames, 90.0), NAMES, weights, "truth", "demo", "truth")
    path = written(tmp_path, live_link_text(true))
    track = driven(read_driving_file(path, Settings(fps=60)), a_panel(NAMES))
    assert np.array_equal(track.weights, true.weights)
    assert np.abs(track.times - true.times).max() < 0.5 / 60
