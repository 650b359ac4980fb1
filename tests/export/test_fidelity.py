import numpy as np
import pytest

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
