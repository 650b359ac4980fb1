from dataclasses import replace

import h5py
import numpy as np
import pytest

from splatrig.components.component_file import Components, Origin, Solver, read_components, write_components
from splatrig.components.fields import Columns
from splatrig.components.rig import Rig
from splatrig.io.errors import InputError
from support import planted

FRAMES, K, GAUSSIANS = 6, 3, 5
COLUMNS = Columns(("xyz", "rotation"), GAUSSIANS)


def random_components(family: str = "pca", offset: bool = True) -> Components:
    rng = np.random.default_rng(0)
    columns = len(COLUMNS)

    def normal(*shape: int) -> np.ndarray:
        return rng.normal(size=shape).astype(np.float32)

    return Components(
        family=family,
        W=normal(FRAMES, K),
        C=normal(K, columns),
        mean=normal(columns),
        std=np.repeat(np.float32([2.0, 0.5]), [15, 20]),
        offset=normal(columns) if offset else None,
        columns=COLUMNS,
        faces=np.array([[0, 1, 2], [2, 3, 4]]),
        face_mask=np.array([True, False, True, True, False]),
        frames=tuple(f"E{i:03d}/000000" for i in range(FRAMES)),
        origin=Origin(level="base", rest="neutral", parameters='{"lambda": 1.5, "k": 3}'),
        explained_variance=rng.uniform(size=K),
        limits=(-1.0, 1.0),
        centers=np.arange(K),
        solver=Solver(converged=True, iterations=7, objective=rng.uniform(size=7), bad_steps=2),
        names=tuple(f"component {k}" for k in range(K)),
    )


@pytest.mark.parametrize("family", ["pca", "mbspca", "sldc", "learned"])
@pytest.mark.parametrize("offset", [True, False])
def test_a_written_file_reads_back_the_same(tmp_path, family, offset):
    written = random_components(family, offset)
    write_components(tmp_path / "c.h5", written)
    read = read_components(tmp_path / "c.h5")
    for name in ("W", "C", "mean", "std", "faces", "face_mask"):
        np.testing.assert_array_equal(getattr(read, name), getattr(written, name))
    if offset:
        np.testing.assert_array_equal(read.offset, written.offset)
    else:
        assert read.offset is None
    assert (read.family, read.columns, read.frames, read.names) == (
        family,
        written.columns,
        written.frames,
        written.names,
    )
    assert (read.origin, read.limits, read.base) == (written.origin, written.limits, None)
    np.testing.assert_array_equal(read.explained_variance, written.explained_variance)
    np.testing.assert_array_equal(read.centers, written.centers)
    np.testing.assert_array_equal(read.solver.objective, written.solver.objective)
    assert (read.solver.converged, read.solver.iterations, read.solver.bad_steps) == (True, 7, 2)
    assert read.solver.history is None
    np.testing.assert_array_equal(read.rows(), written.rows())


def test_sldc_components_are_stored_gaussian_by_gaussian(tmp_path):
    components = random_components("sldc")
    write_components(tmp_path / "c.h5", components)
    with h5py.File(tmp_path / "c.h5") as file:
        assert file["sldc_C"].shape == (K, GAUSSIANS, 7)
        np.testing.assert_array_equal(file["sldc_C"][1, 2, :3], components.C[1, 6:9])
        np.testing.assert_array_equal(file["sldc_C"][1, 2, 3:], components.C[1, 15 + 8 : 15 + 12])


def test_column_order_and_gaussian_order_are_inverse():
    C = random_components().C
    np.testing.assert_array_equal(COLUMNS.by_column(COLUMNS.by_gaussian(C)), C)


def test_rows_do_not_change_the_offset():
    components = random_components()
    before = components.offset.copy()
    components.rows()
    components.standardize(components.rows())
    np.testing.assert_array_equal(components.offset, before)


def test_data_matrix_may_be_a_link(tmp_path):
    components = random_components()
    with h5py.File(tmp_path / "rows.h5", "w") as file:
        file["dataMat"] = np.ones((FRAMES, 35), np.float32)
    write_components(tmp_path / "c.h5", components, h5py.ExternalLink("rows.h5", "/dataMat"))
    with h5py.File(tmp_path / "c.h5") as file:
        np.testing.assert_array_equal(file["dataMat"][:], np.ones((FRAMES, 35)))
    np.testing.assert_array_equal(read_components(tmp_path / "c.h5").C, components.C)


def test_another_file_is_refused_by_name(tmp_path):
    with h5py.File(tmp_path / "other.h5", "w") as file:
        file["x"] = 1
    (tmp_path / "text.h5").write_text("not HDF5")
    for name in ("other.h5", "text.h5", "absent.h5"):
        with pytest.raises(InputError, match=name):
            read_components(tmp_path / name)


def test_a_shape_that_does_not_fit_is_refused():
    good = random_components()
    with pytest.raises(InputError, match=r"mean has shape \(3,\), expected \(35,\)"):
        Components(**{**vars(good), "mean": good.mean[:3]})


def _put(name, index, value):
    def change(file):
        numbers = file[name][:]
        numbers[index] = value
        file[name][:] = numbers

    return change


def _replaced(name, array):
    def change(file):
        attributes = dict(file[name].attrs)
        del file[name]
        file[name] = array
        file[name].attrs.update(attributes)

    return change


def test_free_gaussians_follow_those_of_the_mesh(tmp_path):
    made = planted.head(1)
    plain = replace(planted.components(made, attributes=planted.ALL_ATTRIBUTES), family="learned", base=made.neutral)
    write_components(tmp_path / "c.h5", planted.with_free(plain, made.neutral, 7))
    read = read_components(tmp_path / "c.h5")
    assert (read.structured, read.columns.count) == (len(made.neutral), len(made.neutral) + 7)
    with h5py.File(tmp_path / "c.h5") as file:
        assert file.attrs["structured"] == len(made.neutral)
    assert read.on_mesh.columns == plain.columns
    for name in ("C", "mean", "std", "offset", "displacements"):
        np.testing.assert_array_equal(getattr(read.on_mesh, name), getattr(plain, name))
    np.testing.assert_array_equal(read.displacements, plain.displacements)
    assert read.all_displacements.shape == (3, read.columns.count, 3)
    assert plain.on_mesh is plain
    here, there = (Rig.of(parts, made.neutral).pose(parts.W[4]) for parts in (plain, read))
    for name, array in there.first(plain.structured).items():
        np.testing.assert_allclose(array, getattr(here, name), atol=1e-4)


def test_families_of_other_gaussians_do_not_stand_on_one_head():
    made = planted.head(1)
    plain = planted.components(made, attributes=planted.ALL_ATTRIBUTES)
    rigs = [Rig.of(parts, made.neutral) for parts in (planted.with_free(plain, made.neutral, 7), plain)]
    with pytest.raises(InputError, match="the same free Gaussians"):
        Rig.stack(rigs)


def _shortened_head(file):
    """Leave a mesh of fewer vertices than Gaussians, which only learned rigs may have."""
    _replaced("faceMask", np.ones(4, bool))(file)
    _replaced("tris", np.array([[0, 1, 2]]))(file)
    file.attrs["structured"] = 4


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (_put("pca_C", (1, 2), np.nan), "C of the components: expected finite numbers"),
        (_put("pca_W", (0, 0), np.inf), "W of the components: expected finite"),
        (_put("pca_offset", 3, np.nan), "offset of the components: expected finite"),
        (_put("STD", slice(0, 15), 0.0), "std of the components: expected values above 0"),
        (_put("tris", 0, 5), "triangles: expected vertices 0 to 4, got 2 to 5"),
        (_replaced("tris", np.arange(3)), r"triangles: expected three vertices each, \[T, 3\], got \(3,\)"),
        (_replaced("pca_W", np.zeros(FRAMES, np.float32)), r"expected W \[F, K\]"),
        (_replaced("dim_info", np.array([[0, 15], [10, 35]])), "does not divide the columns among attributes of 5"),
        (_replaced("faceMask", np.ones(4, bool)), "expected a faceMask of 5 structured Gaussians, got one of 4"),
        (_shortened_head, r"face_mask has shape \(4,\), expected \(5,\)"),
    ],
)
def test_numbers_that_cannot_be_components_are_refused_by_the_file(tmp_path, change, sentence):
    write_components(tmp_path / "c.h5", random_components())
    with h5py.File(tmp_path / "c.h5", "r+") as file:
        change(file)
    with pytest.raises(InputError, match=rf"c\.h5: .*{sentence}"):
        read_components(tmp_path / "c.h5")


def test_what_the_capture_tells_of_blendshapes_comes_back_and_stays_with_them(tmp_path):
    made = planted.head(1)
    written = planted.blendshapes(planted.components(made, family="learned", count=4))
    write_components(tmp_path / "c.h5", written)
    read = read_components(tmp_path / "c.h5")
    assert read.told.tolist() == [True, True, False, True]
    assert read.are_blendshapes
    assert read.keeps_name.all()
    assert not read.turns_eye_alone.any()
    assert read.first(2) is read.without_eyes() is read
    chosen = read.select(np.array([2, 0]))
    assert (chosen.names, chosen.told.tolist()) == (("cheekPuff", "jawOpen"), [False, True])
    assert read.on_mesh.told.tolist() == read.told.tolist()
    assert random_components().told is None
    with pytest.raises(InputError, match=r"told has shape \(3,\), expected \(4,\)"):
        replace(read, told=read.told[:3])
    with pytest.raises(InputError, match=r"names has shape \(0,\), expected \(4,\)"):
        replace(read, names=())
