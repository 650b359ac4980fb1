import numpy as np
import pytest
from plyfile import PlyData, PlyElement

from splatrig.gaussians.gaussians import SHAPES
from splatrig.gaussians.ply import LOGIT_LIMIT, read_splats, write_splats
from splatrig.io.errors import InputError
from support.random_gaussians import random_gaussians


def _edit(path, keep=lambda _: True, **values):
    """Rewrite a splat file with only some properties, in reverse order, some with other values."""
    rows = PlyData.read(str(path))["vertex"].data
    names = [name for name in reversed(rows.dtype.names) if keep(name)]
    edited = np.empty(len(rows), dtype=[(name, "<f4") for name in names])
    for name in names:
        edited[name] = values.get(name, rows[name])
    PlyData([PlyElement.describe(edited, "vertex")]).write(str(path))


def test_what_is_written_is_read_back(tmp_path):
    gaussians = random_gaussians(20)
    write_splats(tmp_path / "a.ply", gaussians)
    back = read_splats(tmp_path / "a.ply")
    for name in SHAPES:
        np.testing.assert_allclose(getattr(back, name), getattr(gaussians, name), atol=1e-6)


def test_f_rest_is_channel_major_in_the_file(tmp_path):
    gaussians = random_gaussians(4)
    write_splats(tmp_path / "a.ply", gaussians)
    rows = PlyData.read(str(tmp_path / "a.ply"))["vertex"].data
    np.testing.assert_array_equal(rows["f_rest_0"], gaussians.shN[:, 0, 0])
    np.testing.assert_array_equal(rows["f_rest_1"], gaussians.shN[:, 1, 0])
    np.testing.assert_array_equal(rows["f_rest_15"], gaussians.shN[:, 0, 1])
    np.testing.assert_array_equal(rows["f_rest_44"], gaussians.shN[:, 14, 2])


def test_properties_are_read_by_name_and_normals_may_be_absent(tmp_path):
    gaussians = random_gaussians(5)
    write_splats(tmp_path / "a.ply", gaussians)
    _edit(tmp_path / "a.ply", keep=lambda name: name not in ("nx", "ny", "nz"))
    back = read_splats(tmp_path / "a.ply")
    np.testing.assert_array_equal(back.means, gaussians.means)
    np.testing.assert_array_equal(back.shN, gaussians.shN)


def test_absent_f_rest_is_zero(tmp_path):
    write_splats(tmp_path / "a.ply", random_gaussians(5))
    _edit(tmp_path / "a.ply", keep=lambda name: not name.startswith("f_rest"))
    assert not read_splats(tmp_path / "a.ply").shN.any()


def test_degree_one_files_keep_their_channels_apart(tmp_path):
    write_splats(tmp_path / "a.ply", random_gaussians(2))
    wanted = {f"f_rest_{index}": np.full(2, index, np.float32) for index in range(9)}
    _edit(tmp_path / "a.ply", keep=lambda name: not name.startswith("f_rest") or name in wanted, **wanted)
    rest = read_splats(tmp_path / "a.ply").shN
    np.testing.assert_array_equal(rest[0, :3], [[0, 3, 6], [1, 4, 7], [2, 5, 8]])
    assert not rest[:, 3:].any()


def test_infinite_opacities_are_clipped(tmp_path):
    write_splats(tmp_path / "a.ply", random_gaussians(2))
    _edit(tmp_path / "a.ply", opacity=np.float32([np.inf, -np.inf]))
    np.testing.assert_array_equal(read_splats(tmp_path / "a.ply").logit_opacities, [LOGIT_LIMIT, -LOGIT_LIMIT])


def test_quaternions_are_made_unit(tmp_path):
    gaussians = random_gaussians(3)
    write_splats(tmp_path / "a.ply", gaussians)
    _edit(tmp_path / "a.ply", **{f"rot_{part}": 2 * gaussians.quats[:, part] for part in range(4)})
    np.testing.assert_allclose(read_splats(tmp_path / "a.ply").quats, gaussians.quats, atol=1e-6)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"keep": lambda name: name != "scale_1"}, "with the property scale_1, got none"),
        ({"keep": lambda name: name != "f_rest_7"}, "expected 0, 9, 24 or 45 properties f_rest_0, f_rest_1, …, got 44"),
        ({"x": np.float32([np.nan, 0])}, "expected finite means, got NaN or infinity, first at Gaussian 0"),
        ({"rot_2": np.float32([0, np.nan])}, "expected finite quats, got NaN or infinity, first at Gaussian 1"),
    ],
)
def test_a_file_that_does_not_fit_is_named_with_the_reason(tmp_path, change, message):
    write_splats(tmp_path / "a.ply", random_gaussians(2))
    _edit(tmp_path / "a.ply", **change)
    with pytest.raises(InputError, match=rf"a\.ply: .*{message}"):
        read_splats(tmp_path / "a.ply")


def test_other_numbers_of_f_rest_are_refused(tmp_path):
    write_splats(tmp_path / "a.ply", random_gaussians(2))
    (tmp_path / "a.ply").write_bytes((tmp_path / "a.ply").read_bytes().replace(b"f_rest_44", b"f_rest_98"))
    with pytest.raises(InputError, match="got 45 with other indices"):
        read_splats(tmp_path / "a.ply")


def test_a_file_that_is_no_ply_is_refused(tmp_path):
    (tmp_path / "a.ply").write_bytes(b"\x00\x01\x02")
    with pytest.raises(InputError, match=r"a\.ply: not a PLY file"):
        read_splats(tmp_path / "a.ply")
