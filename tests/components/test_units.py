import numpy as np
import pytest

from splatrig.components.units import cosines, read_unit_weights, read_units
from splatrig.io.errors import InputError

FRAMES = ("E/1", "E/2", "F/1")
HEAD = "expression,frame,unit,weight\n"


def test_weights_stand_in_the_order_of_the_frames_and_absent_ones_are_zero(tmp_path):
    (tmp_path / "t.csv").write_text("\ufeff" + HEAD + "F,1,smile,0.5\nE,1,jaw,1\nG,7,jaw,9\n", encoding="utf-8")
    names, weights = read_unit_weights(tmp_path / "t.csv", FRAMES)
    assert names == ("jaw", "smile")
    assert weights.tolist() == [[1.0, 0.0], [0.0, 0.0], [0.0, 0.5]]


def test_a_table_without_lines_has_no_units(tmp_path):
    (tmp_path / "t.csv").write_text(HEAD)
    names, weights = read_unit_weights(tmp_path / "t.csv", FRAMES)
    assert (names, weights.shape) == ((), (3, 0))


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        (b"", "expected the columns expression, frame, unit, weight, got nothing"),
        (b"expression,frame,weight\n", "expected the columns .*, got expression, frame, weight"),
        (HEAD.encode() + b"E,1,jaw,1\nE,2,jaw,wide\n", "line 3: expected a finite weight, got 'wide'"),
        (HEAD.encode() + b"E,1,jaw,nan\n", "line 2: expected a finite weight"),
        (HEAD.encode() + b"E,1\n", "line 2: expected a finite weight, got None"),
        (HEAD.encode() + b"E,1,jaw,1\nE,1,jaw,2\n", "line 3: got jaw in E/1 a second time"),
        (b"\x89HDF\xff\xfe", "expected a table in UTF-8"),
    ],
)
def test_a_table_that_holds_no_weights_is_refused_with_its_line(tmp_path, text, sentence):
    (tmp_path / "t.csv").write_bytes(text)
    with pytest.raises(InputError, match=rf"t\.csv.*{sentence}"):
        read_units(tmp_path / "t.csv", FRAMES, 7)


@pytest.mark.parametrize(
    ("arrays", "sentence"),
    [
        ({"names": np.array(["a"])}, "expected an .npz with the arrays names"),
        ({"names": np.array(["a"], dtype=object), "shapes": np.zeros((1, 7, 3))}, "expected an .npz with the arrays"),
        (
            {"names": np.array(["a"]), "shapes": np.zeros((1, 9, 3))},
            r"expected shapes of .*\(1, 7, 3\).*got \(1, 9",
        ),
        ({"names": np.array(["a"]), "shapes": np.full((1, 7, 3), np.nan)}, "expected finite"),
    ],
)
def test_shapes_that_do_not_fit_are_refused_by_name(tmp_path, arrays, sentence):
    np.savez(tmp_path / "s.npz", **arrays)
    with pytest.raises(InputError, match=rf"s\.npz: {sentence}"):
        read_units(tmp_path / "s.npz", FRAMES, 7)


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "s.npz").write_bytes(b"PK but no more")
    with pytest.raises(InputError, match=r"s\.npz: expected an \.npz"):
        read_units(tmp_path / "s.npz", FRAMES, 7)


def test_cosines_of_nothing_are_zero():
    left, right = np.array([[1.0, 1.0], [0.0, 0.0]]), np.array([[2.0, 0.0]])
    np.testing.assert_allclose(cosines(left, right), [[np.sqrt(0.5)], [0.0]])
