"""The KRT reader: round trips, tolerance, and errors that name file, line and camera."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose
from scipy.spatial.transform import Rotation

from splatrig.capture.krt import KrtCamera, read_krt, write_krt
from splatrig.io.errors import InputError
from support.raw_capture import stage_cameras

number = st.floats(-1e4, 1e4, allow_nan=False)


@st.composite
def cameras(draw):
    names = draw(st.lists(st.from_regex(r"[0-9]{6}", fullmatch=True), min_size=1, max_size=5, unique=True))
    result = []
    for name in names:
        fx, fy = draw(st.floats(1, 1e4)), draw(st.floats(1, 1e4))
        K = np.array([[fx, 0, draw(number)], [0, fy, draw(number)], [0, 0, 1]])
        rotation = Rotation.random(rng=draw(st.integers(0, 1000))).as_matrix()
        translation = np.array([draw(number) for _ in range(3)])
        result.append(KrtCamera(name, K, np.zeros(5), np.column_stack([rotation, translation])))
    return result


@given(written=cameras(), newline=st.sampled_from(["\n", "\r\n", "\n\n", "  \n"]), end=st.sampled_from(["", "\n\n"]))
@settings(deadline=None, max_examples=50)
def test_cameras_come_back_in_their_order(tmp_path_factory, written, newline, end):
    path = tmp_path_factory.mktemp("krt") / "KRT"
    write_krt(path, written)
    path.write_bytes((path.read_text().rstrip("\n") + end).replace("\n", newline).encode("utf-8-sig"))
    again = read_krt(path)
    assert list(again) == [camera.name for camera in written]
    for camera in written:
        for part in ("K", "distortion", "extrinsics"):
            assert_allclose(getattr(again[camera.name], part), getattr(camera, part), rtol=0, atol=1e-8)


def lines_of(tmp_path):
    write_krt(tmp_path / "KRT", stage_cameras(("400030", "400002")))
    return (tmp_path / "KRT").read_text().splitlines()


@pytest.mark.parametrize(
    ("line", "text", "words"),
    [
        (2, "120 0", "line 2, camera 400030: intrinsics: expected 3 numbers, got 2"),
        (5, "0 0 0 0", "line 5, camera 400030: distortion: expected 5 numbers, got 4"),
        (14, "0 0 0 0 x", "line 14, camera 400002: distortion: expected 5 numbers, got '0 0 0 0 x'"),
        (15, "1 0 0 nan", "line 15, camera 400002: extrinsics: expected finite"),
        (15, "1 0 0", "line 15, camera 400002: extrinsics: expected 4 numbers, got 3"),
        (10, "400030", "line 10, camera 400030: this camera appeared before"),
        (10, "400002 front", "line 10: expected the name of a camera"),
        (5, None, "line 5, camera 400030: distortion: expected 5 numbers, got 4"),
        (17, None, "line 16, camera 400002: the file ends after 6 of the 7 lines"),
        (10, "cam%2", "line 10, camera cam%2: expected a name of letters, digits"),
        (10, "../2", "line 10, camera ../2: expected a name of letters, digits"),
        (2, "-120 0 12", "line 1, camera 400030: expected intrinsics"),
        (2, "120 3 12", "line 1, camera 400030: expected square axes"),
        (6, "2 0 0 5", "line 1, camera 400030: extrinsics: expected a rotation"),
    ],
)
def test_faults_name_file_line_and_camera(tmp_path, line, text, words):
    lines = lines_of(tmp_path)
    lines[line - 1 : line] = [] if text is None else [text]
    (tmp_path / "KRT").write_text("\n".join(lines))
    with pytest.raises(InputError, match=words) as caught:
        read_krt(tmp_path / "KRT")
    assert str(tmp_path / "KRT") in str(caught.value)


def test_every_truncation_is_refused_or_a_whole_number_of_cameras(tmp_path):
    content = "\n".join(lines_of(tmp_path))
    path = tmp_path / "KRT"
    for end in range(0, len(content), 7):
        path.write_text(content[:end])
        try:
            assert list(read_krt(path)) in (["400030"], ["400030", "400002"])
        except InputError as error:
            assert "KRT" in str(error)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match="no KRT file"):
        read_krt(tmp_path / "KRT")
