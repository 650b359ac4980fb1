from dataclasses import replace

import numpy as np
import pytest
import trimesh

from splatrig.components.rig import Rig
from splatrig.export.glb import read_glb
from splatrig.export.head import Clip, component_clip, morph_head, write_head_glb
from splatrig.io.errors import InputError
from support import planted, small_rig


@pytest.fixture(scope="module", params=["sldc", "pca"])
def rig(request):
    return small_rig.rig(request.param)


@pytest.fixture(scope="module")
def head(rig):
    panel = small_rig.panel(rig)
    return morph_head(rig, small_rig.level(), panel.names, panel.low, panel.high)


@pytest.fixture(scope="module")
def file(head, tmp_path_factory):
    path = tmp_path_factory.mktemp("glb") / "head.glb"
    times = np.array([0.0, 0.5, 1.5])
    write_head_glb(
        path, head, [Clip("tour", times, np.array([[0, 0, 0], [1, 0.5, 0], [0, 0, 1.0]])), component_clip(head)]
    )
    return path


def moved(opened, weights):
    """Return vertices [V, 3] in metres as a viewer would blend them."""
    primitive = opened.document["meshes"][0]["primitives"][0]
    vertices = opened.array(primitive["attributes"]["POSITION"]).astype(np.float64)
    for weight, target in zip(weights, primitive["targets"], strict=True):
        vertices = vertices + weight * opened.array(target["POSITION"])
    return vertices


def test_targets_at_weight_one_are_the_rig_at_the_end_of_a_range(rig, head, file):
    opened = read_glb(file)
    rest = rig.pose(np.zeros(rig.count)).means
    for k in range(rig.count):
        weights = np.zeros(rig.count)
        weights[k] = head.units[k]
        expected = small_rig.HEAD.vertices + rig.pose(weights).means - rest
        np.testing.assert_allclose(1000 * moved(opened, np.eye(rig.count)[k]), expected, atol=1e-3)


def test_free_gaussians_leave_the_mesh_as_it_is(tmp_path):
    made = small_rig.HEAD
    plain = replace(planted.components(made, attributes=planted.ALL_ATTRIBUTES), family="learned", base=made.neutral)
    panel = small_rig.panel(small_rig.rig())
    for name, parts in (("plain", plain), ("free", planted.with_free(plain, made.neutral, 9))):
        head = morph_head(Rig.of(parts, made.neutral), small_rig.level(), panel.names, panel.low, panel.high)
        write_head_glb(tmp_path / f"{name}.glb", head, [component_clip(head)])
    assert (tmp_path / "free.glb").read_bytes() == (tmp_path / "plain.glb").read_bytes()


def test_eyes_are_targets_by_name_that_leave_the_mesh_as_it_is(tmp_path):
    made = small_rig.HEAD
    plain = replace(planted.components(made, attributes=planted.ALL_ATTRIBUTES), family="learned", base=made.neutral)
    parts = planted.with_eyes(planted.with_free(plain, made.neutral, 9))
    ends = np.minimum(parts.W.min(axis=0), 0), np.ones(5)
    head = morph_head(Rig.of(parts, made.neutral), small_rig.level(), parts.names, *ends)
    write_head_glb(tmp_path / "eyes.glb", head, [component_clip(head)])
    opened = read_glb(tmp_path / "eyes.glb")
    mesh = opened.document["meshes"][0]
    assert mesh["extras"]["targetNames"][3:] == list(planted.EYE_NAMES)
    assert mesh["extras"]["coefficientAtWeight1"][3:] == [1.0, 1.0]
    np.testing.assert_array_equal(moved(opened, np.eye(5)[4]), moved(opened, np.zeros(5)))


def test_a_range_ends_on_its_longer_side(rig):
    head = morph_head(rig, small_rig.level(), small_rig.NAMES, np.array([-2.0, 0.0, 0.0]), np.array([1.0, 3.0, 0.0]))
    np.testing.assert_array_equal(head.units, [-2.0, 3.0, 1.0])


def test_names_are_where_blender_and_three_look_for_them(file):
    mesh = read_glb(file).document["meshes"][0]
    assert mesh["extras"]["targetNames"] == list(small_rig.NAMES)
    assert mesh["weights"] == [0.0, 0.0, 0.0]


def test_animations_hold_weights_over_seconds(file):
    opened = read_glb(file)
    tour, components = opened.document["animations"]
    assert (tour["name"], components["name"]) == ("tour", "components")
    sampler = tour["samplers"][0]
    np.testing.assert_allclose(opened.array(sampler["input"]), [0, 0.5, 1.5])
    np.testing.assert_allclose(opened.array(sampler["output"]).reshape(3, 3)[1], [1, 0.5, 0])
    weights = opened.array(components["samplers"][0]["output"]).reshape(-1, 3)
    np.testing.assert_allclose(weights.max(axis=0), 1, atol=0.02)
    assert np.count_nonzero(weights, axis=1).max() == 1  # one after the other
    assert np.all(weights[[0, -1]] == 0)


def test_trimesh_opens_it_with_its_triangles_and_colors(head, file):
    geometry = next(iter(trimesh.load(file, process=False).geometry.values()))
    np.testing.assert_allclose(geometry.vertices * 1000, head.vertices, atol=1e-4)
    np.testing.assert_array_equal(geometry.faces, head.faces)
    assert geometry.is_watertight
    assert geometry.volume > 0  # faces look outwards


def test_few_moved_vertices_are_stored_sparse():
    rig = small_rig.rig("sldc")
    panel = small_rig.panel(rig)
    head = morph_head(rig, small_rig.level(), panel.names, panel.low, panel.high)
    moving = (head.targets != 0).any(axis=2).mean()
    assert moving < 0.7


def test_components_that_move_no_centers_are_refused():
    rig = small_rig.rig("pca")
    columns = rig.components.columns["f_dc"]
    parts = replace(
        rig.components,
        C=rig.components.C[:, columns], mean=rig.components.mean[columns], std=rig.components.std[columns],
        offset=rig.components.offset[columns], columns=rig.components.columns.select(["f_dc"]),
    )  # fmt: skip
    with pytest.raises(InputError, match="move centres"):
        morph_head(Rig.of(parts, rig.neutral), small_rig.level(), small_rig.NAMES, np.zeros(3), np.ones(3))
