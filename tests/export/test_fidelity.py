import numpy as np
import pytest

from splatrig.components.rig import Rig
from splatrig.export.fidelity import BEST_DB, measure, read_exported
from splatrig.export.splats import write_splat_glb
from splatrig.gaussians.axes import PLY_AXES, to_axes
from splatrig.gaussians.ply import write_splats
from splatrig.gaussians.spz import write_spz
from splatrig.io.errors import InputError
from support import planted, small_rig

LOSSLESS_DB = 60.0
SPZ_DB = 45.0
"""With 8 bits of every coefficient; on the demo it is 54 dB."""


def test_poses_have_the_free_gaussians_after_those_of_the_mesh(tmp_path):
    made = planted.head(1)
    plain = planted.components(made, family="learned", attributes=planted.ALL_ATTRIBUTES)
    weights, count = np.array([0.8, 0.1, 0.5]), len(made.neutral)
    grown = Rig.of(planted.with_free(plain, made.neutral, 9), made.neutral).pose(weights)
    write_splats(tmp_path / "a.ply", to_axes(grown, PLY_AXES))
    write_spz(tmp_path / "a.spz", to_axes(grown, "metres"))
    write_splat_glb(tmp_path / "a.glb", grown)
    alone = Rig.of(plain, made.neutral).pose(weights)
    for suffix in ("ply", "spz", "glb"):
        found = read_exported(tmp_path / f"a.{suffix}")
        assert len(found) == count + 9, suffix
        np.testing.assert_allclose(found.means[:count], alone.means, atol=0.5, err_msg=suffix)


def test_exported_poses_rendered_again_are_what_was_exported(tmp_path):
    gaussians = small_rig.rig("pca", follow=True).pose(np.array([0.8, 0.1, 0.5]))
    write_splats(tmp_path / "a.ply", to_axes(gaussians, PLY_AXES))
    write_spz(tmp_path / "a.spz", to_axes(gaussians, "metres"))
    write_splat_glb(tmp_path / "a.glb", gaussians)
    files = [str(tmp_path / f"a.{suffix}") for suffix in ("ply", "spz", "glb")]
    table = measure({"a": gaussians}, {"a": files}, planted.cameras())
    assert list(table.columns) == ["pose", "file", "bytes", "camera", "psnr_head", "psnr_image"]
    assert len(table) == 3 * 3
    worst = table.groupby("file")["psnr_head"].min()
    assert worst["ply"] > LOSSLESS_DB
    assert worst["glb"] > LOSSLESS_DB
    assert SPZ_DB < worst["spz"] < BEST_DB
    sizes = table.groupby("file")["bytes"].first()
    assert sizes["spz"] < 0.4 * sizes["ply"]


def test_other_suffixes_are_refused(tmp_path):
    with pytest.raises(InputError, match="expected a pose as"):
        read_exported(tmp_path / "a.obj")
