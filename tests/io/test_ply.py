import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from splatrig.io.errors import InputError
from splatrig.io.ply import read_ply_table, write_ply_table

FACES = np.array([[0, 1, 2], [2, 1, 3]])


@pytest.fixture
def table():
    rows = np.zeros(4, dtype=[("x", "f4"), ("red", "u1"), ("weight", "f8")])
    rows["x"], rows["red"], rows["weight"] = [1.5, -2.0, 3.25, 0.0], [0, 7, 255, 1], [0.1, 0.2, 0.3, 0.4]
    return rows


def test_what_is_written_is_read(tmp_path, table):
    write_ply_table(tmp_path / "a.ply", table, FACES)
    rows, faces = read_ply_table(tmp_path / "a.ply")
    np.testing.assert_array_equal(faces, FACES)
    for name in table.dtype.names:
        np.testing.assert_array_equal(rows[name], table[name])


def test_the_peer_reads_what_is_written(tmp_path, table):
    write_ply_table(tmp_path / "a.ply", table, FACES)
    document = PlyData.read(str(tmp_path / "a.ply"))
    np.testing.assert_array_equal(document["vertex"]["weight"], table["weight"])
    np.testing.assert_array_equal(np.stack(document["face"]["vertex_indices"]), FACES)


@pytest.mark.parametrize("order", ["<", ">"])
def test_what_the_peer_writes_is_read(tmp_path, table, order):
    corners = np.empty(len(FACES), dtype=[("vertex_indices", "i4", (3,))])
    corners["vertex_indices"] = FACES
    elements = [PlyElement.describe(table, "vertex"), PlyElement.describe(corners, "face")]
    PlyData(elements, byte_order=order, comments=["by another program"]).write(str(tmp_path / "a.ply"))
    rows, faces = read_ply_table(tmp_path / "a.ply")
    np.testing.assert_array_equal(rows["x"], table["x"])
    np.testing.assert_array_equal(faces, FACES)


def test_a_file_cut_short_is_refused(tmp_path, table):
    write_ply_table(tmp_path / "a.ply", table, FACES)
    whole = (tmp_path / "a.ply").read_bytes()
    for length in range(len(whole)):
        (tmp_path / "b.ply").write_bytes(whole[:length])
        with pytest.raises(InputError, match=r"b\.ply"):
            read_ply_table(tmp_path / "b.ply")


def test_a_text_file_is_refused_with_what_to_do(tmp_path, table):
    PlyData([PlyElement.describe(table, "vertex")], text=True).write(str(tmp_path / "a.ply"))
    with pytest.raises(InputError, match="got format ascii; export it as binary"):
        read_ply_table(tmp_path / "a.ply")


def test_quads_are_refused(tmp_path, table):
    corners = np.empty(1, dtype=[("vertex_indices", "i4", (4,))])
    corners["vertex_indices"] = [[0, 1, 2, 3]]
    elements = [PlyElement.describe(table, "vertex"), PlyElement.describe(corners, "face")]
    PlyData(elements, byte_order="<").write(str(tmp_path / "a.ply"))
    with pytest.raises(InputError, match="triangulate it"):
        read_ply_table(tmp_path / "a.ply")


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(InputError, match=r"none\.ply"):
        read_ply_table(tmp_path / "none.ply")


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        (b"format binary_little_endian 1.0\n", b"", "not a PLY header, got 'end_header'"),
        (b"uchar red", b"uchar x", "property x appeared before"),
        (b"uchar int", b"uchar ushort", r"\(uchar int\), got list u1 u2"),
        (b"vertex_indices\n", b"vertex_indices\nproperty uchar flags\n", "got list u1 i4, u1"),
        (b"\x03\x00\x00\x00\x00", b"\x03\xff\xff\xff\xff", "a face names a vertex that is not among"),
    ],
)
def test_what_would_be_misread_is_refused(tmp_path, table, old, new, words):
    write_ply_table(tmp_path / "a.ply", table, FACES)
    content = (tmp_path / "a.ply").read_bytes()
    assert old in content
    (tmp_path / "a.ply").write_bytes(content.replace(old, new))
    with pytest.raises(InputError, match=rf"a\.ply.*{words}"):
        read_ply_table(tmp_path / "a.ply")
