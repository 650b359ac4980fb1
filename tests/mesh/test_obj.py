"""The OBJ reader: round trips, dialects, and errors that name file and line."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.io.errors import InputError
from splatrig.mesh.obj import read_obj, write_obj

coordinate = st.floats(-1e5, 1e5, allow_nan=False, width=32)


@st.composite
def meshes(draw):
    count = draw(st.integers(3, 10))
    vertices = draw(st.lists(st.tuples(coordinate, coordinate, coordinate), min_size=count, max_size=count))
    index = st.integers(0, count - 1)
    face = st.lists(index, min_size=3, max_size=3, unique=True)
    faces = draw(st.lists(face, min_size=1, max_size=10))
    return np.array(vertices), np.array(faces, dtype=np.int64)


@given(mesh=meshes(), with_uvs=st.booleans(), newline=st.sampled_from(["\n", "\r\n", "\n\n"]))
@settings(deadline=None)
def test_a_mesh_comes_back_in_its_order(tmp_path_factory, mesh, with_uvs, newline):
    vertices, faces = mesh
    path = tmp_path_factory.mktemp("obj") / "mesh.obj"
    uvs = np.linspace(0, 1, 2 * len(vertices)).reshape(-1, 2) if with_uvs else None
    write_obj(path, vertices, faces, uvs, faces[:, ::-1] if with_uvs else None)
    path.write_bytes(path.read_bytes().replace(b"\n", newline.encode()))
    again = read_obj(path)
    assert_allclose(again.vertices, vertices, atol=5e-7)
    assert_array_equal(again.faces, faces)
    if with_uvs:
        assert_allclose(again.uvs, uvs, atol=5e-7)
        assert_array_equal(again.uv_faces, faces[:, ::-1])
    else:
        assert again.uv_faces is None
        assert again.uvs.shape == (0, 2)


def read(tmp_path, text):
    path = tmp_path / "mesh.obj"
    path.write_text(text)
    return read_obj(path)


SQUARE = "v 0 0 0\nv 1 0 0\nv 1 1 0\nv 0 1 0\n"


def test_vertices_at_one_place_are_not_merged_and_seams_do_not_split(tmp_path):
    mesh = read(tmp_path, "v 0 0 0\nv 0 0 0\nv 1 0 0\nv 5 5 5\nvt 0 0\nvt 1 1\nf 1/1 2/2 3/1\nf 1/2 3/1 2/1\n")
    assert len(mesh.vertices) == 4
    assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 1]])
    assert_array_equal(mesh.uv_faces, [[0, 1, 0], [1, 0, 0]])


@pytest.mark.parametrize("corner", ["{v}", "{v}/{v}", "{v}//{v}", "{v}/{v}/{v}"])
def test_polygons_become_fans_in_every_dialect(tmp_path, corner):
    face = "f " + " ".join(corner.format(v=v) for v in (1, 2, 3, 4))
    mesh = read(tmp_path, SQUARE + "vt 0 0\nvt 1 0\nvt 1 1\nvt 0 1\nvn 0 0 1\n" * 4 + face)
    assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3]])


def test_negative_indices_count_back_from_the_face(tmp_path):
    mesh = read(tmp_path, "v 9 9 9\nv 0 0 0\nv 1 0 0\nv 1 1 0\nf -3 -2 -1\nv 7 7 7\nf -1 1 2\n")
    assert_array_equal(mesh.faces, [[1, 2, 3], [4, 0, 1]])


def test_comments_materials_colors_and_blank_lines_are_passed_over(tmp_path):
    mesh = read(tmp_path, "# head\nmtllib a.mtl\n\nv 0 0 0 .1 .2 .3\nv 1 0 0 1\r\nv 0 1 0\no x\ns 1\nf 1 2 3\n")
    assert mesh.vertices.shape == (3, 3)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("v 0 0\n", "line 1: vertex: expected 3 numbers, got 2"),
        ("v 0 0 x\n", "line 1: vertex: expected 3 numbers, got '0 0 x'"),
        (SQUARE + "v 0 nan 0\n", "line 5: vertex: expected finite"),
        (SQUARE + "vt 0\n", "line 5: texture coordinate: expected 2"),
        (SQUARE + "f 1 2\n", "line 5: face: expected 3 corners or more, got 2"),
        (SQUARE + "f 1 2 9\n", "line 5: face: vertex index 9 does not exist, the file has 4"),
        (SQUARE + "f 1 2 0\n", "line 5: face: vertex indices begin with 1"),
        (SQUARE + "f 1 2 -9\n", "line 5: face: vertex index -9 is before the first"),
        (SQUARE + "f 1/1 2/2 3/3\n", "line 5: face: texture index 3 does not exist"),
        (SQUARE + "vt 0 0\nf 1/1 2 3\n", "line 6: face: expected texture indices at all"),
        (SQUARE + "f 1 b 3\n", "line 5: face: expected a vertex index, got 'b'"),
        (SQUARE, "4 vertices and 0 faces"),
        ("", "0 vertices and 0 faces"),
    ],
)
def test_faults_are_named_with_file_and_line(tmp_path, text, words):
    with pytest.raises(InputError, match=words) as caught:
        read(tmp_path, text)
    assert "mesh.obj" in str(caught.value)


@given(st.binary(max_size=200))
@settings(deadline=None)
def test_noise_is_read_or_refused_but_never_crashes(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("obj") / "noise.obj"
    path.write_bytes(content)
    with pytest.raises(InputError, match=r"noise\.obj"):
        read_obj(path)


def test_triangles_that_name_a_vertex_twice_are_left_out(tmp_path):
    mesh = read(tmp_path, "\ufeff" + SQUARE + "f 1 2 2\nf 1 2 3 3\nf 1 1 3 4\n")
    assert len(mesh.vertices) == 4
    assert_array_equal(mesh.faces, [[0, 1, 2], [0, 2, 3]])
