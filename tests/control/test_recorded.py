import logging

import numpy as np
import pytest

from splatrig.control.recorded import blendshapes_of, parse_table, track_of_rows
from splatrig.io.errors import InputError


def weights_of(text: str) -> tuple[tuple[str, ...], np.ndarray]:
    return blendshapes_of(parse_table(text, "x.csv"), "x.csv")


@pytest.mark.parametrize(
    "text",
    [
        "t,jawOpen,mouthClose\n0,0.25,1\n1,0.5,0\n",
        "\ufefft,JawOpen,MouthClose\r\n0,0.25,1\r\n\r\n1,0.5,0\r\n",
        "t;Jaw Open;mouth_close\n0;0,25;1\n1;0,5;0\n",
        't\tjaw.open\tMOUTHCLOSE\r0\t".25"\t1e0\r1\t5e-1\t0',
        '# made by hand\n"t","mouthClose","jawOpen"\n0,1,0.25,,\n"1","0","0.5"\n,,\n',
    ],
)
def test_tables_of_many_editors_are_the_same(text):
    names, weights = weights_of(text)
    assert names == ("jawOpen", "mouthClose")
    assert np.array_equal(weights, [[0.25, 1], [0.5, 0]])


def test_other_columns_do_not_matter():
    assert weights_of("_neutral,jawOpen,face,noseWidth\n9,0.5,left,x\n")[0] == ("jawOpen",)


def test_rows_without_a_face_have_no_weights():
    weights = weights_of("t,jawOpen,mouthClose\n0,1,1\n1,,\n2,nan,NaN\n3\n")[1]
    assert np.isnan(weights[1:]).all() and not np.isnan(weights[0]).any()


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("", "x.csv: expected a line of column names and rows of numbers, got nothing"),
        ("# only a comment\n\n", "got nothing"),
        ("t,jawOpen\n", "got only a line of names"),
        ("t,jawOpen\n0,1,2\n", "x.csv line 2: expected 2 cells, one per column name, got 3"),
        ("t,jawOpen\n0,one\n", "x.csv line 2, column 'jawOpen': expected a finite number, got 'one'"),
        ("t,jawOpen\n0,inf\n", "x.csv line 2, column 'jawOpen': expected a finite number, got 'inf'"),
        (
            "t,jawOpen,mouthClose\n0,1,0\n\n1,1\n",
            "x.csv line 4: expected all 2 weights or, where no face was seen, none",
        ),
        ("t,jawOpen,Jaw_Open\n0,1,2\n", "expected one column per blendshape, got 'jawOpen' and 'Jaw_Open' for jawOpen"),
        ("t,chin\n0,1\n", "expected columns named after ARKit's blendshapes (jawOpen, …), got t, chin"),
    ],
)
def test_a_broken_table_is_refused_in_one_sentence(text, sentence):
    with pytest.raises(InputError) as error:
        weights_of(text)
    assert sentence in str(error.value)
    assert str(error.value).startswith("x.csv") and "\n" not in str(error.value)


def made(times: list[float], weights: list[float], slack_s: float = 0.0):
    places = [f"x.csv line {row + 2}" for row in range(len(times))]
    rows = np.array(weights)[:, None]
    return track_of_rows(np.array(times), ["jawOpen"], rows, places, where="x.csv", program="a test", slack_s=slack_s)


def test_times_begin_at_zero_and_repeated_rows_are_passed_over():
    track = made([5.0, 5.5, 5.5, 6.0, 6.0], [0.1, 0.2, 0.9, 0.4, 0.9])
    assert np.array_equal(track.times, [0.0, 0.5, 1.0])
    assert np.array_equal(track.weights[:, 0], [0.1, 0.2, 0.4])


def test_rows_that_fall_behind_by_little_are_passed_over_and_by_more_are_refused():
    assert np.array_equal(made([0.0, 1.0, 0.99, 2.0], [0.1, 0.2, 0.3, 0.4], 0.02).weights[:, 0], [0.1, 0.2, 0.4])
    with pytest.raises(InputError, match=r"^x\.csv line 4: expected increasing times, got 0\.5 s less than before"):
        made([0.0, 1.0, 0.5, 2.0], [0.1, 0.2, 0.3, 0.4], 0.02)


def test_rows_without_a_face_are_filled_along_a_line_and_a_long_pause_is_told(caplog):
    nan = float("nan")
    with caplog.at_level(logging.WARNING):
        track = made([0.0, 1.0, 2.0, 4.0, 5.0], [nan, 0.2, nan, 0.8, nan])
    assert np.allclose(track.weights[:, 0], [0.2, 0.2, 0.4, 0.8, 0.8])
    assert "x.csv: no weights for 3.00 s from 1.00 s on" in caplog.text
    with pytest.raises(InputError, match=r"^x\.csv: expected rows with weights, got 2 without; no face was seen"):
        made([0.0, 1.0], [nan, nan])
