from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from splatrig.control.track import FORMAT, Track, parse_csv, parse_json, read_track, write_track
from splatrig.io.errors import InputError

NAMES = ("PCA 01 · chin, mouth", 'PCA 02 · "brow"', "PCA 03")


def a_track(rows: int = 4) -> Track:
    weights = np.random.default_rng(0).normal(size=(rows, 3)) * [1e-9, 1.0, 1e6]
    return Track(np.arange(rows) / 30, NAMES, weights, "pca_all", "demo", "made, by hand")


@given(weights=hnp.arrays(np.float64, (2, 3), elements=st.floats(allow_nan=False, allow_infinity=False)))
@pytest.mark.parametrize("suffix", [".csv", ".json"])
def test_every_bit_comes_back(weights, suffix, tmp_path_factory):
    path = tmp_path_factory.mktemp("track") / f"track{suffix}"
    track = Track(np.array([0.1, 0.1 + 0.2]), NAMES, weights, "pca_all", "demo", "here")
    write_track(path, track)
    back = read_track(path)
    assert back.weights.tobytes() == weights.tobytes() or np.array_equal(back.weights, weights)
    assert np.array_equal(back.times, track.times)
    assert (back.names, back.family, back.subject, back.source) == (NAMES, "pca_all", "demo", "here")


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "expected a line of column names"),
        ("# format: splatrig track 7\ntime_s,a\n0,1\n", "expected the format splatrig track 1, got 'splatrig track 7'"),
        ("seconds,a\n0,1\n", "x.csv line 1: expected the column time_s"),
        ("time_s,a\n", "expected a line of column names and rows of numbers, got only a line of names"),
        ("time_s,a\n0,1\n1\n", "x.csv line 3: expected 2 numbers, got 1"),
        ("time_s,a\n0,one\n", "x.csv line 2, column 'a': expected a finite number, got 'one'"),
        ("time_s,a\n0,nan\n", "x.csv line 2, column 'a': expected a finite number, got 'nan'"),
        ("time_s,a,a\n0,1,2\n", "x.csv: expected every component once, got 'a' twice"),
        ("time_s,a\n1,1\n1,2\n", "x.csv: expected increasing times, got 1 s after 1 s in row 2"),
    ],
)
def test_malformed_csv_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(InputError) as error:
        parse_csv(text, "x.csv")
    assert sentence in str(error.value)
    assert str(error.value).startswith("x.csv") and "\n" not in str(error.value)


GOOD = f'"format": "{FORMAT}", "format_version": 1, '


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("{", "x.json line 1: expected JSON"),
        ("[1]", "x.json, key 'format': expected 'splatrig track', got a list"),
        ("{}", "x.json, key 'format': expected 'splatrig track', got nothing"),
        (f'{{"format": "{FORMAT}", "format_version": 2}}', "key 'format_version': expected 1, got 2"),
        ("{" + GOOD + '"names": "a"}', "key 'names': expected a list, got 'a'"),
        ("{" + GOOD + '"names": [1], "times_s": [0], "weights": [[1]]}', "key 'names': expected names"),
        (
            "{" + GOOD + '"names": ["a"], "times_s": ["x"], "weights": [[1]]}',
            "key 'times_s[0]': expected a finite",
        ),
        ("{" + GOOD + '"names": ["a"], "times_s": [0], "weights": []}', "key 'weights': expected 1 rows"),
        (
            "{" + GOOD + '"names": ["a"], "times_s": [0], "weights": [[1, 2]]}',
            "'weights[0]': expected 1 numbers, got 2",
        ),
        ("{" + GOOD + '"names": ["a"], "times_s": [0], "weights": [[true]]}', "key 'weights[0][0]': expected a finite"),
        ("{" + GOOD + '"names": ["a"], "times_s": [], "weights": []}', "x.json: expected at least one time"),
    ],
)
def test_malformed_json_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(InputError) as error:
        parse_json(text, "x.json")
    assert sentence in str(error.value)
    assert str(error.value).startswith("x.json") and "\n" not in str(error.value)


def test_other_files_are_refused(tmp_path):
    with pytest.raises(InputError, match=r"expected a track named \.csv or \.json, got \.txt"):
        write_track(tmp_path / "track.txt", a_track())
    with pytest.raises(InputError, match="cannot be read as a track"):
        read_track(tmp_path / "absent.csv")
    (tmp_path / "bytes.csv").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(InputError, match="cannot be read as a track"):
        read_track(tmp_path / "bytes.csv")


def test_components_are_found_by_name():
    track = a_track()
    turned = track.ordered(NAMES[::-1])
    assert np.array_equal(turned.weights, track.weights[:, ::-1])
    with pytest.raises(InputError, match="'PCA 09' is missing"):
        track.ordered([*NAMES, "PCA 09"])
    with pytest.raises(InputError, match="got also 'PCA 03'"):
        track.ordered(NAMES[:2])


def test_between_rows_weights_are_linear():
    track = a_track()
    assert np.allclose(track.at(0.5 / 30), (track.weights[0] + track.weights[1]) / 2)
    assert np.array_equal(track.at(-1), track.weights[0])
    assert np.array_equal(track.at(99), track.weights[-1])


def test_editors_that_add_a_byte_order_mark_and_crlf_do_no_harm(tmp_path: Path):
    write_track(tmp_path / "t.csv", a_track())
    text = (tmp_path / "t.csv").read_text(encoding="utf-8")
    (tmp_path / "t.csv").write_bytes(("\ufeff" + text.replace("\n", "\r\n")).encode())
    assert np.array_equal(read_track(tmp_path / "t.csv").weights, a_track().weights)


def test_a_spreadsheet_that_fills_up_and_quotes_comments_does_no_harm(tmp_path: Path):
    write_track(tmp_path / "t.csv", a_track())
    lines = (tmp_path / "t.csv").read_text(encoding="utf-8").splitlines()
    saved = [f'"{line}",,' if number == 1 else f"{line},," for number, line in enumerate(lines) if line[0] == "#"]
    rows = [line for line in lines if line[0] != "#"]
    (tmp_path / "t.csv").write_text("\n".join([*saved, *rows, ",,,", "# checked,,,"]) + "\n", encoding="utf-8")
    read = read_track(tmp_path / "t.csv")
    assert np.array_equal(read.weights, a_track().weights)
    assert (read.family, read.subject, read.names) == (a_track().family, a_track().subject, a_track().names)


@pytest.mark.parametrize("text", ["[" * 100_000, '{"a": 1' + "0" * 5000 + "}"])
def test_json_that_no_program_wrote_is_refused_like_any_other(text):
    with pytest.raises(InputError, match=r"^x\.json: expected JSON, got "):
        parse_json(text, "x.json")


def test_numbers_beyond_floating_point_are_refused():
    text = "{" + GOOD + '"names": ["a"], "times_s": [0], "weights": [[1' + "0" * 400 + "]]}"
    with pytest.raises(InputError, match=r"key 'weights\[0\]\[0\]': expected a finite number, got 1000"):
        parse_json(text, "x.json")
