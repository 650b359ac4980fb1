from dataclasses import replace

import numpy as np
import pytest
import trimesh

from splatrig.blendshapes import arkit
from splatrig.components.rig import Rig
from splatrig.export.glb import SPARSE_SHARE, read_glb
from splatrig.export.head import LONGEST_NAME, Clip, component_clip, morph_head, target_names, write_head_glb
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
def tour(head, rig):
    return Clip("tour", np.array([0.0, 0.5, 1.5]), head.weights(rig.components.W[[0, 3, 5]]))


@pytest.fixture(scope="module")
def file(head, tour, tmp_path_factory):
    path = tmp_path_factory.mktemp("glb") / "head.glb"
    write_head_glb(path, head, [tour, component_clip(head)])
    return path


def moved(opened, weights):
    """Return vertices [V, 3] in meters as a viewer would blend them."""
    primitive = opened.document["meshes"][0]["primitives"][0]
    vertices = opened.array(primitive["attributes"]["POSITION"]).astype(np.float64)
    for weight, target in zip(weights, primitive["targets"], strict=True):
        vertices = vertices + weight * opened.array(target["POSITION"])
    return vertices


def posed(rig, coefficients):
    """Return vertices [V, 3] in millimeters as the rig moves them."""
    return small_rig.HEAD.vertices + rig.pose(coefficients).means - rig.pose(np.zeros(rig.count)).means


def test_targets_at_weight_one_are_the_rig_at_the_end_of_a_range(rig, head, file):
    opened = read_glb(file)
    for target, (component, unit) in enumerate(zip(head.components, head.units, strict=True)):
        expected = posed(rig, unit * np.eye(rig.count)[component])
        np.testing.assert_allclose(1000 * moved(opened, np.eye(len(head.units))[target]), expected, atol=1e-3)


def test_any_pose_is_reached_by_weights_between_zero_and_one(rig, head, file):
    opened = read_glb(file)
    for coefficients in rig.components.W:
        weights = head.weights(coefficients)
        assert (weights >= 0).all()
        assert (weights <= 1).all()
        np.testing.assert_allclose(1000 * moved(opened, weights), posed(rig, coefficients), atol=1e-3)


def test_weights_of_both_signs_make_two_targets_and_a_limit_makes_one_that_ends_there():
    level, low, high = small_rig.level(), np.array([-2.0, 0.0, 0.0]), np.array([1.0, 3.0, 0.0])
    signed = morph_head(small_rig.rig("pca"), level, ("a", "b", "c"), low, high)
    assert signed.names == ("a +", "a -", "b", "c")
    np.testing.assert_array_equal(signed.units, [1.0, -2.0, 3.0, 1.0])
    np.testing.assert_array_equal(signed.components, [0, 0, 1, 2])
    np.testing.assert_array_equal(signed.weights(np.array([-1.0, 3.0, 0.5])), [0.0, 0.5, 1.0, 0.5])
    np.testing.assert_array_equal(signed.weights(np.array([9.0, -1.0, 0.0])), [1.0, 0.0, 0.0, 0.0])
    limited = morph_head(small_rig.rig("sldc"), level, ("a", "b", "c"), 0 * low, np.array([0.9, 0.7, 0.2]))
    assert limited.names == ("a", "b", "c")
    np.testing.assert_array_equal(limited.units, [1.0, 1.0, 1.0])


def test_components_with_the_names_of_arkit_are_targets_of_those_names_with_arkits_one():
    made = small_rig.HEAD
    parts = planted.components(made, count=len(arkit.NAMES))
    parts = replace(parts, names=arkit.NAMES)
    head = morph_head(Rig.of(parts, made.neutral), small_rig.level(), arkit.NAMES, np.zeros(52), np.full(52, 0.8))
    assert head.names == arkit.NAMES
    np.testing.assert_array_equal(head.units, 1.0)
    track = np.random.default_rng(0).random((4, 52))
    np.testing.assert_array_equal(head.weights(track), track)


def test_names_are_cut_to_63_bytes_and_stay_different():
    long = "LEARNED 01 · bouche élargie · " + "E006_Jaw_Drop_Brows_Up, " * 4
    names = target_names([(long, " +"), (long, " -"), (long + "x", " +"), ("short", ""), ("short", "")])
    assert len(set(names)) == 5
    assert all(len(name.encode()) <= LONGEST_NAME for name in names)
    assert [name[-2:] for name in names[:3]] == [" +", " -", " +"]
    assert names[3:] == ("short", "short (2)")
    assert all(name.startswith("LEARNED 01 · bouche élargie · E006") for name in names[:3])
    assert len(target_names([("é" * 60, "")])[0].encode()) == 62  # no half of a letter


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
    assert mesh["extras"]["targetNames"][-2:] == list(planted.EYE_NAMES)
    assert mesh["extras"]["components"][-2:] == [3, 4]
    assert mesh["extras"]["coefficientAtWeight1"][-2:] == [1.0, 1.0]
    count = len(head.names)
    np.testing.assert_array_equal(moved(opened, np.eye(count)[-1]), moved(opened, np.zeros(count)))


def test_names_are_where_blender_and_three_look_for_them(head, file):
    mesh = read_glb(file).document["meshes"][0]
    assert mesh["extras"]["targetNames"] == list(head.names)
    assert mesh["weights"] == [0.0] * len(head.names)
    assert {name.removesuffix(" +").removesuffix(" -") for name in head.names} == set(small_rig.NAMES)


def test_every_accessor_has_a_buffer_view_unless_sparse_is_asked_for(head, file, tmp_path):
    assert all("bufferView" in accessor for accessor in read_glb(file).document["accessors"])
    write_head_glb(tmp_path / "sparse.glb", head, [], sparse=True)
    assert any("sparse" in accessor for accessor in read_glb(tmp_path / "sparse.glb").document["accessors"]) == (
        (head.targets != 0).any(axis=2).mean(axis=1).min() < SPARSE_SHARE
    )
    weights = np.linspace(0, 1, len(head.names))
    np.testing.assert_array_equal(moved(read_glb(tmp_path / "sparse.glb"), weights), moved(read_glb(file), weights))


def test_animations_hold_weights_over_seconds(tour, head, file):
    opened, count = read_glb(file), len(head.names)
    played, components = opened.document["animations"]
    assert (played["name"], components["name"]) == ("tour", "components")
    sampler = played["samplers"][0]
    np.testing.assert_array_equal(opened.array(sampler["input"]), tour.times)
    np.testing.assert_allclose(opened.array(sampler["output"]).reshape(3, count), tour.weights, rtol=1e-6)
    weights = opened.array(components["samplers"][0]["output"]).reshape(-1, count)
    np.testing.assert_allclose(weights.max(axis=0), 1, atol=0.02)
    assert np.count_nonzero(weights, axis=1).max() == 1  # one after the other
    assert np.all(weights[[0, -1]] == 0)


def test_trimesh_opens_it_with_its_triangles_and_colors(head, file):
    geometry = next(iter(trimesh.load(file, process=False).geometry.values()))
    np.testing.assert_allclose(geometry.vertices * 1000, head.vertices, atol=1e-4)
    np.testing.assert_array_equal(geometry.faces, head.faces)
    assert geometry.is_watertight
    assert geometry.volume > 0  # faces look outwards


def test_components_that_move_no_centers_are_refused():
    rig = small_rig.rig("pca")
    columns = rig.components.columns["f_dc"]
    parts = replace(
        rig.components,
        C=rig.components.C[:, columns], mean=rig.components.mean[columns], std=rig.components.std[columns],
        offset=rig.components.offset[columns], columns=rig.components.columns.select(["f_dc"]),
    )  # fmt: skip
    with pytest.raises(InputError, match="move centers"):
        morph_head(Rig.of(parts, rig.neutral), small_rig.level(), small_rig.NAMES, np.zeros(3), np.ones(3))
