"""Tables of landmarks come back as they were written; a user's is checked at the door."""

from pathlib import Path

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.io.errors import InputError
from splatrig.landmarks.points import NOSE_TIP, POINTS, rows_of
from splatrig.landmarks.table import (
    attach,
    no_landmarks,
    read_detections,
    read_landmarks,
    read_positions,
    write_detections,
    write_landmarks,
)
from splatrig.mesh.nearest import Surface
from support.face_scene import CANONICAL, face_mesh, face_scene

VERTICES, FACES = face_mesh()
COUNT = len(POINTS)
IN_FRONT = np.array([0, 0, 1.5])


def landmarks():
    positions = CANONICAL + IN_FRONT
    positions[5] = np.nan
    return attach(positions, Surface(VERTICES, FACES), np.full(COUNT, 3), np.full(COUNT, 0.25))


def test_landmarks_come_back(tmp_path: Path):
    written = landmarks()
    write_landmarks(tmp_path / "landmarks.csv", written)
    again = read_landmarks(tmp_path / "landmarks.csv", len(FACES))
    assert_allclose(again.positions, written.positions, atol=1e-4)
    assert_array_equal(again.triangles, written.triangles)
    assert_allclose(again.barycentric, written.barycentric, atol=1e-6)
    assert_array_equal(again.cameras, written.cameras)
    assert_allclose(again.errors, written.errors)
    assert not again.found[5] and again.cameras[5] == 0


def test_no_landmarks_are_a_table_without_rows(tmp_path: Path):
    write_landmarks(tmp_path / "landmarks.csv", no_landmarks())
    assert (tmp_path / "landmarks.csv").read_text() == "point,region,x,y,z,triangle,a,b,c,cameras,error\n"
    again = read_landmarks(tmp_path / "landmarks.csv", len(FACES))
    assert not again.found.any()
    assert again.vertex(NOSE_TIP, FACES) is None
    assert again.marks(VERTICES, FACES) is None


def test_the_nose_is_a_vertex_and_eyes_and_mouth_are_between_their_points():
    found = landmarks()
    assert found.vertex(NOSE_TIP, FACES) == POINTS.index(NOSE_TIP)
    marks = found.marks(VERTICES, FACES)
    assert_array_equal(marks.nose_tip, VERTICES[POINTS.index(NOSE_TIP)])
    assert_allclose(marks.left_eye, (CANONICAL + IN_FRONT)[rows_of("left eye")].mean(axis=0))
    assert marks.right_eye[0] < 0 < marks.left_eye[0] and marks.mouth[1] < marks.nose_tip[1] < marks.left_eye[1]


def test_landmarks_of_another_mesh_are_refused(tmp_path: Path):
    write_landmarks(tmp_path / "landmarks.csv", landmarks())
    with pytest.raises(InputError, match=r"triangle \d+ does not exist, the tracked mesh has 20"):
        read_landmarks(tmp_path / "landmarks.csv", 20)


def test_a_user_needs_to_give_points_and_positions_alone(tmp_path: Path):
    (tmp_path / "own.csv").write_text("z,point,x,y\n1,4,2,3\n4,33,5,6\n7,263,8,9\n0,61,1,2\n")
    positions = read_positions(tmp_path / "own.csv")
    assert positions[POINTS.index(4)].tolist() == [2, 3, 1]
    assert np.isfinite(positions[:, 0]).sum() == 4


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("point,x,y\n4,1,2\n", "z is missing"),
        ("point,x,y,z\n4,1,2,3\n4,1,2,3\n", "point 4 appears twice"),
        ("point,x,y,z\n200,1,2,3\n", "point 200 is none of the 122"),
        ("point,x,y,z\n4,1,here,3\n", "column y: expected numbers"),
        ("point,x,y,z\n4,1,,3\n33,1,2,3\n", "point 4: expected three finite numbers"),
        ("point,x,y,z\n4,1,2,3\n", "at least 4 of the 122 points, got 1"),
    ],
)
def test_a_users_mistake_is_named(tmp_path: Path, text: str, sentence: str):
    (tmp_path / "own.csv").write_text(text)
    with pytest.raises(InputError, match=rf"own\.csv: .*{sentence}"):
        read_positions(tmp_path / "own.csv")


def test_detections_come_back_with_names_that_look_like_numbers(tmp_path: Path):
    seen = face_scene().seen
    seen[2] = np.nan
    names = ("007", "08", "NA", *(f"{row}" for row in range(3, 9)))
    write_detections(tmp_path / "seen.csv", names, seen)
    assert_allclose(read_detections(tmp_path / "seen.csv", names), seen, atol=5e-4)
    fewer = read_detections(tmp_path / "seen.csv", names[::-1][:3])
    assert_allclose(fewer, seen[::-1][:3], atol=5e-4)


def test_detections_of_no_face_come_back(tmp_path: Path):
    write_detections(tmp_path / "seen.csv", ("a", "b"), np.full((2, COUNT, 2), np.nan))
    assert np.isnan(read_detections(tmp_path / "seen.csv", ("a", "b"))).all()
