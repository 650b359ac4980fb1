"""Mesh PLY files: round trips, a peer library, and refusals."""

import numpy as np
import pytest
import trimesh
from numpy.testing import assert_array_equal

from splatrig.io.errors import InputError
from splatrig.mesh.normals import vertex_normals
from splatrig.mesh.ply import PlyMesh, read_ply, write_ply
from support.ellipsoid import ellipsoid_head


@pytest.mark.parametrize("with_normals", [False, True])
@pytest.mark.parametrize("with_colors", [False, True])
def test_a_mesh_comes_back_in_its_order(tmp_path, with_normals, with_colors):
    vertices, faces = ellipsoid_head(2)
    mesh = PlyMesh(
        vertices.astype(np.float32),
        faces,
        vertex_normals(vertices, faces).astype(np.float32) if with_normals else None,
        np.random.default_rng(0).integers(0, 256, vertices.shape, dtype=np.uint8) if with_colors else None,
    )
    write_ply(tmp_path / "mesh.ply", mesh)
    again = read_ply(tmp_path / "mesh.ply")
    for name in ("vertices", "faces", "normals", "colors"):
        expected, got = getattr(mesh, name), getattr(again, name)
        assert (got is None) == (expected is None)
        if expected is not None:
            assert_array_equal(got, expected)


def test_trimesh_reads_the_same_mesh(tmp_path):
    vertices, faces = ellipsoid_head(1)
    colors = np.random.default_rng(0).integers(0, 256, vertices.shape, dtype=np.uint8)
    write_ply(tmp_path / "mesh.ply", PlyMesh(vertices.astype(np.float32), faces, colors=colors))
    peer = trimesh.load(tmp_path / "mesh.ply", process=False)
    assert_array_equal(peer.vertices.astype(np.float32), vertices.astype(np.float32))
    assert_array_equal(peer.faces, faces)
    assert_array_equal(peer.visual.vertex_colors[:, :3], colors)


@pytest.mark.parametrize("content", [b"", b"ply\nformat ascii 1.0\nelement vertex 1\n", b"v 0 0 0\n"])
def test_other_files_are_refused_by_name(tmp_path, content):
    (tmp_path / "broken.ply").write_bytes(content)
    with pytest.raises(InputError, match=r"broken\.ply"):
        read_ply(tmp_path / "broken.ply")


def test_a_file_cut_short_is_refused_by_name(tmp_path):
    vertices, faces = ellipsoid_head(1)
    write_ply(tmp_path / "mesh.ply", PlyMesh(vertices.astype(np.float32), faces))
    cut = tmp_path / "cut.ply"
    cut.write_bytes((tmp_path / "mesh.ply").read_bytes()[:-100])
    with pytest.raises(InputError, match=r"cut\.ply"):
        read_ply(cut)
