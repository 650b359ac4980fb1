"""Niantic's own library on SPZ files, where node and the library are installed."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from splatrig.gaussians.spz import VERSIONS, read_spz, write_spz
from support.random_gaussians import random_gaussians

HERE = Path(__file__).resolve().parent

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (HERE / "node_modules" / "@adobe" / "spz").is_dir(),
    reason="Niantic's SPZ library is not installed: npm ci --prefix tests/export (needs node)",
)


@pytest.mark.parametrize("version", VERSIONS)
def test_the_library_of_niantic_reads_what_we_read(tmp_path, version):
    write_spz(tmp_path / "a.spz", random_gaussians(60), version=version)
    command = ["node", str(HERE / "read_spz.mjs"), str(tmp_path / "a.spz")]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    ours = read_spz(tmp_path / "a.spz")
    assert (found["count"], found["degree"]) == (60, 3)
    expected = {
        "positions": ours.means,
        "rotations": np.roll(ours.quats, -1, axis=1),
        "scales": ours.log_scales,
        "colors": ours.sh0,
        "sh": ours.shN,
    }
    for field, array in expected.items():
        np.testing.assert_allclose(found[field], array.ravel(), atol=1e-6, err_msg=field)
    inside = np.abs(ours.logit_opacities) < 7  # what is stored as 0 or 1 has no finite logit
    np.testing.assert_allclose(np.array(found["alphas"])[inside], ours.logit_opacities[inside], atol=1e-5)
