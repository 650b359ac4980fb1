"""Tracked meshes: into head space from either space, pruned alike, and refused when they do not fit together."""

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.testing import assert_allclose, assert_array_equal
from scipy.spatial.transform import Rotation

from splatrig.capture.layout import CaptureLayout
from splatrig.capture.tracked import Tracking, read_topology, rigid_motion, space_by_pose
from splatrig.dataset.pose import to_world, write_pose
from splatrig.io.errors import InputError
from splatrig.mesh.obj import read_obj, write_obj
from splatrig.mesh.topology import pieces
from support.ellipsoid import ellipsoid_head
from support.raw_capture import UNREFERENCED, RawCapture

SEGMENT = "E002_Smile"


def frames_of(raw):
    return CaptureLayout(raw.root).frames(SEGMENT, raw.cameras)


@pytest.mark.parametrize("space", ["world", "head"])
@pytest.mark.parametrize("with_bin", [True, False])
def test_all_ways_of_writing_a_capture_give_the_same_head(tmp_path, space, with_bin):
    raw = RawCapture(tmp_path / "raw", space=space, with_bin=with_bin).write()
    files = frames_of(raw)
    tracking = Tracking(read_topology(files[0].mesh))
    for item in files:
        expected = raw.head[SEGMENT, item.frame][UNREFERENCED:]
        tracked = tracking.read(item)
        assert_allclose(tracked.vertices, expected, atol=1e-5)
        assert_array_equal(tracked.head_to_world, raw.poses[SEGMENT, item.frame])
        assert_allclose(tracking.positions(item), expected, atol=1e-5)


def test_unreferenced_vertices_are_dropped_and_order_is_kept(raw):
    topology = read_topology(frames_of(raw)[0].mesh)
    assert_array_equal(topology.pruning.faces, raw.faces - UNREFERENCED)
    assert_array_equal(topology.pruning.kept, np.arange(UNREFERENCED, raw.faces.max() + 1))


def test_an_unreferenced_vertex_may_be_nan_in_the_bin(raw):
    item = frames_of(raw)[0]
    head = raw.head[SEGMENT, item.frame].copy()
    head[0] = np.nan
    item.positions.write_bytes(head.astype("<f4").tobytes())
    assert np.isfinite(Tracking(read_topology(item.mesh)).read(item).vertices).all()


def test_the_space_follows_from_the_pose_where_nothing_else_tells():
    rng = np.random.default_rng(0)
    head = rng.normal(scale=70.0, size=(200, 3)) + np.array([5.0, -20.0, 10.0])
    pose = np.column_stack([np.eye(3), [40.0, -300.0, 1000.0]])
    assert space_by_pose(to_world(head, pose), pose) == "world"
    assert space_by_pose(head, pose) == "head"


def spoil_vertices(path: Path):
    mesh = read_obj(path)
    write_obj(path, np.concatenate([mesh.vertices, mesh.vertices[:1]]), mesh.faces)


def spoil_faces(path: Path):
    mesh = read_obj(path)
    write_obj(path, mesh.vertices, np.roll(mesh.faces, 1, axis=1))


def spoil_count(path: Path):
    mesh = read_obj(path)
    write_obj(path, mesh.vertices, mesh.faces[:-2])


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (spoil_vertices, "168 vertices, not 167"),
        (spoil_count, "318 triangles, not 320"),
        (spoil_faces, "320 other triangles, the first at 1"),
    ],
)
def test_another_topology_names_the_frame_and_what_differs(raw, spoil, words):
    first, second, *_ = frames_of(raw)
    spoil(second.mesh)
    with pytest.raises(InputError, match=words) as caught:
        Tracking(read_topology(first.mesh)).read(second)
    assert str(second.mesh) in str(caught.value)
    assert str(first.mesh) in str(caught.value)


def test_a_bin_of_another_size_is_named(raw):
    first, second, *_ = frames_of(raw)
    second.positions.write_bytes(second.positions.read_bytes()[:-12])
    with pytest.raises(InputError, match=r"000103\.bin: expected 167 vertices"):
        Tracking(read_topology(first.mesh)).positions(second)


def test_a_nan_in_a_bin_is_named(raw):
    item = frames_of(raw)[0]
    head = raw.head[SEGMENT, item.frame].copy()
    head[-1] = np.nan
    item.positions.write_bytes(head.astype("<f4").tobytes())
    with pytest.raises(InputError, match=r"000100\.bin: expected finite positions, got NaN or infinity at 1 vert"):
        Tracking(read_topology(item.mesh)).read(item)


def test_an_obj_of_another_frame_is_found_out(raw):
    first, second, *_ = frames_of(raw)
    first.mesh.write_bytes(second.mesh.read_bytes())
    with pytest.raises(InputError, match=r"000100\.obj: the OBJ fits neither"):
        Tracking(read_topology(first.mesh)).read(first)


def test_spaces_that_change_within_a_segment_are_refused(raw):
    first, second, *_ = frames_of(raw)
    write_obj(second.mesh, raw.head[SEGMENT, second.frame], raw.faces)
    tracking = Tracking(read_topology(first.mesh))
    tracking.read(first)
    with pytest.raises(InputError, match="expected one space for all OBJ files"):
        tracking.read(second)


def test_a_mesh_that_is_inside_out_is_turned_with_its_texture(raw, caplog):
    item = frames_of(raw)[0]
    mesh = read_obj(item.mesh)
    write_obj(item.mesh, mesh.vertices, mesh.faces[:, ::-1], mesh.uvs, mesh.uv_faces[:, ::-1])
    topology = read_topology(item.mesh)
    assert_array_equal(topology.pruning.faces, raw.faces - UNREFERENCED)
    assert_array_equal(topology.uv_faces, mesh.uv_faces)
    assert "inside out (clockwise); they are flipped" in caplog.text
    assert np.isfinite(Tracking(topology).read(item).vertices).all()


def test_faces_that_disagree_about_the_outside_are_counted(raw, caplog):
    item = frames_of(raw)[0]
    mesh = read_obj(item.mesh)
    mesh.faces[7] = mesh.faces[7, ::-1]
    write_obj(item.mesh, mesh.vertices, mesh.faces)
    read_topology(item.mesh)
    assert "0 edges have more than two triangles, 3 have two triangles of opposite orientation" in caplog.text


@pytest.mark.parametrize("scale", [1e-3, 1e-1, 1e2])
def test_other_units_than_millimetres_are_refused(raw, scale):
    item = frames_of(raw)[0]
    mesh = read_obj(item.mesh)
    pose = raw.poses[SEGMENT, item.frame] * [1, 1, 1, scale]
    write_pose(item.pose, pose)
    item.positions.unlink()
    head = raw.head[SEGMENT, item.frame] * scale
    write_obj(item.mesh, to_world(head, pose), mesh.faces)
    with pytest.raises(InputError, match=r"000100\.obj: the tracked mesh is .* mm from corner to corner, expected 50"):
        Tracking(read_topology(item.mesh)).read(replace(item, positions=None))


@given(arrays(np.float64, 3, elements=st.floats(-1.0, 1.0)), arrays(np.float64, 3, elements=st.floats(-80.0, 80.0)))
def test_rigid_motion_is_found_whatever_the_jaw_does(axis, shift):
    rest = ellipsoid_head(2)[0]
    turn = Rotation.from_rotvec(axis)
    jaw = rest + np.where(rest[:, 1:2] < np.quantile(rest[:, 1], 0.3), [0.0, -30.0, 10.0], 0.0)
    center = rest.mean(axis=0)
    millimetres, degrees = rigid_motion(rest, turn.apply(jaw) + shift)
    assert degrees == pytest.approx(np.degrees(np.linalg.norm(axis)), abs=1e-5)
    assert millimetres == pytest.approx(np.linalg.norm(turn.apply(center) + shift - center), abs=1e-6)


def tear(raw):
    """Tear the tracked meshes of a segment along the middle, as exporters do that give a vertex one texture place."""
    first = read_obj(frames_of(raw)[0].mesh)
    right = first.vertices[first.faces].mean(axis=1)[:, 0] > np.median(first.vertices[:, 0])
    copied, faces = np.unique(first.faces[right]), first.faces.copy()
    faces[right] = len(first.vertices) + np.searchsorted(copied, first.faces[right])
    for item in frames_of(raw):
        vertices, head = read_obj(item.mesh).vertices, raw.head[SEGMENT, item.frame]
        write_obj(item.mesh, np.concatenate([vertices, vertices[copied]]), faces, first.uvs, first.uv_faces)
        item.positions.write_bytes(np.concatenate([head, head[copied]]).astype("<f4").tobytes())


def test_a_mesh_torn_at_its_seams_is_read_as_one(raw, caplog):
    whole = read_topology(frames_of(raw)[0].mesh)
    before = [Tracking(whole).read(item).vertices for item in frames_of(raw)]
    tear(raw)
    topology = read_topology(frames_of(raw)[0].mesh)
    assert re.search(r"torn at its texture seams: \d+ vertices of its border duplicate", caplog.text)
    assert pieces(topology.pruning.faces, len(topology.pruning.kept)).max() == 0
    assert len(topology.pruning.kept) == len(whole.pruning.kept)
    tracking = Tracking(topology)
    for item, vertices in zip(frames_of(raw), before, strict=True):
        found = tracking.read(item).vertices
        assert_allclose(found[topology.pruning.faces], vertices[whole.pruning.faces], atol=1e-4)
        assert_array_equal(found, tracking.positions(item))
    assert_array_equal(topology.uv_faces, whole.uv_faces)


def test_seams_that_come_apart_in_a_frame_are_refused(raw):
    tear(raw)
    first, second, *_ = frames_of(raw)
    topology = read_topology(first.mesh)
    head = np.frombuffer(second.positions.read_bytes(), dtype="<f4").reshape(-1, 3).copy()
    head[topology.copies[:3, 0]] += 2.0
    second.positions.write_bytes(head.tobytes())
    with pytest.raises(InputError, match=rf"{second.frame}\.bin: 3 vertices are 3\.46 mm away from their copies"):
        Tracking(topology).positions(second)
