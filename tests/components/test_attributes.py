import dataclasses
import shutil

import h5py
import numpy as np
import pytest

from splatrig.components.attribute_writer import aligned_quats, export_attributes
from splatrig.components.attributes import AttributeReader
from splatrig.components.fields import ATTRIBUTES
from splatrig.components.matrix import StandardizedRows, in_memory, standardize
from splatrig.evaluation.attribute_rows import read_attribute_rows
from splatrig.gaussians.gaussians import SH_C0
from splatrig.gaussians.store import read_fitted_frames, write_fitted_frames
from splatrig.io.errors import InputError
from splatrig.mesh.normals import vertex_normals
from support.synthetic import export_small_capture


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_small_capture(tmp_path_factory.mktemp("capture"))


@pytest.mark.parametrize("level", ["base", "subd1"])
def test_rows_are_the_raw_numbers_of_the_first_gaussians_in_frame_order(exported, level):
    count = len(exported.template.levels[level].vertices)
    with exported.reader(level) as reader:
        assert reader.frames == tuple(f"{row.expression}/{row.frame}" for row in exported.frames)
        assert reader.count == count
        for row, gaussians in enumerate(exported.gaussians):
            np.testing.assert_array_equal(reader.rows("xyz", row), gaussians.means[:count].ravel())
            np.testing.assert_array_equal(reader.rows("f_rest", row).reshape(count, 15, 3), gaussians.shN[:count])
            np.testing.assert_array_equal(reader.rows("opacity", row), gaussians.logit_opacities[:count])
            np.testing.assert_array_equal(reader.rows("scale", row), gaussians.log_scales[:count].ravel())
            rgb = reader.rows("rgb", row)
            np.testing.assert_allclose(rgb, 0.5 + SH_C0 * gaussians.sh0[:count].ravel(), rtol=1e-6, atol=1e-6)


def test_normals_are_those_of_the_levels_own_faces(exported):
    for name, level in exported.template.levels.items():
        with exported.reader(name) as reader:
            means = reader.rows("xyz", 4).reshape(-1, 3).astype(np.float64)
            normals = reader.rows("normal", 4).reshape(-1, 3)
        np.testing.assert_allclose(normals, vertex_normals(means, level.faces), atol=1e-6)


def test_rotations_are_the_same_rotations_on_the_neutrals_hemisphere(exported):
    with exported.reader("subd1") as reader:
        neutral = reader.rows("rotation", reader.neutral_row).reshape(-1, 4)
        for row, gaussians in enumerate(exported.gaussians):
            quats = reader.rows("rotation", row).reshape(-1, 4)
            assert (np.einsum("ij,ij->i", quats, neutral) >= 0).all()
            np.testing.assert_allclose(np.abs(np.einsum("ij,ij->i", quats, gaussians.quats)), 1.0, atol=1e-6)


def test_aligning_is_idempotent_and_gives_unit_length():
    rng = np.random.default_rng(0)
    quats, reference = rng.normal(size=(2, 50, 4))
    once = aligned_quats(quats, reference)
    np.testing.assert_allclose(np.linalg.norm(once, axis=1), 1.0)
    np.testing.assert_array_equal(aligned_quats(once, reference), aligned_quats(-once, reference))


def test_plural_names_are_soft_links(exported):
    with h5py.File(exported.attributes["base"]) as file:
        for link, name in {"normals": "normal", "rgbs": "rgb", "opacities": "opacity", "scales": "scale"}.items():
            assert isinstance(file.get(link, getlink=True), h5py.SoftLink)
            np.testing.assert_array_equal(file[link][0], file[name][0])


def test_only_training_rows_enter_the_matrix(exported):
    with exported.reader("base") as reader:
        matrix = reader.train_matrix(["xyz", "scale"])
        roles = np.array(reader.roles)
        assert set(roles) == {"train", "held_out"}
        assert len(matrix.rows) == (roles == "train").sum()
        streamed = np.concatenate([matrix.read(block) for block in matrix.blocks()], axis=1)
        whole = np.concatenate([reader.rows("xyz"), reader.rows("scale")], axis=1)
        np.testing.assert_array_equal(streamed, whole[roles == "train"])


def test_both_levels_carry_the_same_digest_of_the_fitted_frames(exported):
    with exported.reader("base") as base, exported.reader("subd1") as fine:
        assert len(base.sha256) == 64
        assert base.sha256 == fine.sha256


def test_std_is_the_root_mean_square_of_the_centered_data_of_each_attribute():
    rng = np.random.default_rng(0)
    arrays = {
        "xyz": (500 + 0.3 * rng.normal(size=(7, 30_000))).astype(np.float32),
        "scale": (-3 + 2 * rng.normal(size=(7, 30_000))).astype(np.float32),
    }
    found = standardize(in_memory(arrays), "mean")
    for (name, array), scale in zip(arrays.items(), found.scales, strict=True):
        wide = array.astype(np.float64)
        np.testing.assert_allclose(scale, np.sqrt(((wide - wide.mean(axis=0)) ** 2).mean()), rtol=2e-6, err_msg=name)
    assert found.std.shape == (60_000,)
    np.testing.assert_array_equal(found.std[[0, 29_999, 30_000]], found.scales[[0, 0, 1]])


def test_an_attribute_that_never_changes_has_std_one_and_zero_rows():
    constant = np.tile(np.linspace(0, 300, 60, dtype=np.float32), (5, 1))
    matrix = in_memory({"xyz": constant})
    found = standardize(matrix, "neutral")
    assert found.scales == [1.0]
    np.testing.assert_allclose(StandardizedRows(matrix, found).less_rest(), 0.0, atol=1e-4)


@pytest.mark.parametrize("at_once", [1, 16, 40, 4096])
def test_gaussian_blocks_are_the_rows_in_another_order(at_once, monkeypatch):
    monkeypatch.setattr("splatrig.components.matrix.GAUSSIANS_AT_ONCE", at_once)
    rng = np.random.default_rng(0)
    arrays = {name: rng.normal(size=(4, 50 * ATTRIBUTES[name].size)).astype(np.float32) for name in ("xyz", "rotation")}
    matrix = in_memory(arrays, neutral=2)
    rows = StandardizedRows(matrix, standardize(matrix, "neutral"))
    blocks = list(rows.gaussian_blocks(16))
    assert [block.shape[2] for block in blocks] == [16, 16, 16, 2]
    blocks = np.concatenate(blocks, axis=2)
    whole = rows.less_rest()
    expected = np.concatenate([whole[:, :150].reshape(4, 50, 3), whole[:, 150:].reshape(4, 50, 4)], axis=2)
    np.testing.assert_array_equal(blocks.swapaxes(1, 2), expected)


def test_a_store_of_another_topology_is_refused_and_leaves_no_output(exported, tmp_path):
    path = exported.stores["E001"]
    fitted = read_fitted_frames(path)
    short = tuple(type(g)(**{name: array[:-1] for name, array in g.items()}) for g in fitted.gaussians)
    bad = tmp_path / "E001.h5"
    write_fitted_frames(bad, type(fitted)(**{**vars(fitted), "gaussians": short, "attributes": {}}))
    outputs = {"base": tmp_path / "out" / "base.h5"}
    with pytest.raises(InputError, match=r"E001\.h5: frame 000000 has 641 Gaussians, .*vertex of the template, 642"):
        export_attributes(exported.frames, {**exported.stores, "E001": bad}, exported.template, outputs, "small")
    assert list((tmp_path / "out").iterdir()) == []


def test_a_number_that_is_not_finite_is_refused_by_file_and_frame(exported, tmp_path):
    fitted = read_fitted_frames(exported.stores["E001"])
    fitted.gaussians[1].log_scales[3, 0] = np.nan
    bad = tmp_path / "E001.h5"
    write_fitted_frames(bad, type(fitted)(**{**vars(fitted), "attributes": {}}))
    with pytest.raises(
        InputError,
        match=r"E001\.h5: frame 000006: expected finite log_scales, got NaN or infinity, first at Gaussian 3",
    ):
        export_attributes(
            exported.frames, {**exported.stores, "E001": bad}, exported.template, {"base": tmp_path / "b.h5"}, "small"
        )


def test_another_file_is_refused_by_name(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    with pytest.raises(InputError, match=r"other\.h5"):
        AttributeReader(tmp_path / "other.h5")


def test_a_frame_whose_head_is_elsewhere_is_warned_of(exported, tmp_path, caplog):
    stores = dict(exported.stores)
    stores["E002"] = tmp_path / "E002.h5"
    fitted = read_fitted_frames(exported.stores["E002"])
    lost = dataclasses.replace(fitted.gaussians[1], means=fitted.gaussians[1].means + np.float32([0, 300, 0]))
    moved = (fitted.gaussians[0], lost, *fitted.gaussians[2:])
    write_fitted_frames(stores["E002"], dataclasses.replace(fitted, gaussians=moved))
    export_attributes(exported.frames, stores, exported.template, {"base": tmp_path / "a.h5"}, "small")
    assert [record.getMessage()[:60] for record in caplog.records] == [
        "E002/000006: RMS displacement from the neutral is 300 mm and"
    ]


def _without(name):
    return lambda file: file.__delitem__(name)


def _replaced(name, array):
    def change(file):
        del file[name]
        file[name] = array

    return change


def _spoil(row):
    def change(file):
        file["xyz"][row, 7] = np.nan

    return change


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_without("frames"), "cannot be read as attributes .*frames.*; delete it and run again"),
        (_without("f_dc"), "expected the attribute f_dc, got xyz, normal, .*; delete it and run again"),
        (_replaced("xyz", np.zeros((15, 30), np.float32)), r"xyz is float32 \(15, 30\), expected floats \(15, 486\)"),
        (_replaced("xyz", np.zeros((3, 486), np.float32)), r"xyz is float32 \(3, 486\)"),
        (_replaced("scale", np.zeros((15, 486), np.int32)), "scale is int32"),
        (_replaced("role", np.array([b"train"] * 3)), "expected a role, train or held_out, of each of 15 frames"),
        (_replaced("role", np.array([b"test"] * 15)), "expected a role, train or held_out"),
        (_replaced("face_mask", np.ones(7, bool)), "triangles: expected vertices 0 to 6, got 0 to 161"),
        (_replaced("faces", np.arange(3)), r"triangles: expected three vertices each"),
        (lambda file: file.attrs.__setitem__("neutral_row", 99), "the neutral is row 99 of 15"),
        (_spoil(4), "training frame E001/000006 is not finite"),
    ],
)
def test_a_store_whose_parts_do_not_belong_together_is_refused(exported, tmp_path, change, sentence):
    shutil.copy(exported.attributes["base"], tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        change(file)
    with pytest.raises(InputError, match=sentence), AttributeReader(tmp_path / "a.h5") as reader:
        matrix = reader.train_matrix(["xyz", "f_dc"])
        for block in matrix.blocks():
            matrix.read(block)


def test_a_spoiled_held_out_row_is_named_when_it_is_read(exported, tmp_path):
    shutil.copy(exported.attributes["base"], tmp_path / "a.h5")
    with h5py.File(tmp_path / "a.h5", "r+") as file:
        _spoil(14)(file)
    with pytest.raises(InputError, match=r"a\.h5: xyz of E004/000012 is not finite"):
        read_attribute_rows(tmp_path / "a.h5", ["xyz"])
