"""Khronos' own validator on the files, where node and the validator are installed."""

import json
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

from splatrig.export.head import Clip, component_clip, morph_head, write_head_glb
from splatrig.export.splats import EXTENSION, write_splat_glb
from support import small_rig

HERE = Path(__file__).resolve().parent
INSTALL = "npm ci --prefix tests/export"

pytestmark = pytest.mark.skipif(
    shutil.which("node") is None or not (HERE / "node_modules" / "gltf-validator").is_dir(),
    reason=f"Khronos' glTF validator is not installed: {INSTALL} (needs node)",
)


def report(path):
    command = ["node", str(HERE / "validate.cjs"), str(path)]
    return json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)[0]


@pytest.mark.parametrize("sparse", [False, True])
@pytest.mark.parametrize("family", ["sldc", "pca"])
def test_the_head_is_valid_gltf(tmp_path, family, sparse):
    rig = small_rig.rig(family)
    panel = small_rig.panel(rig)
    head = morph_head(rig, small_rig.level(), panel.names, panel.low, panel.high)
    tour = Clip("tour", np.array([0.0, 1.0]), head.weights(np.array([[0, 0, 0], [1.0, 0.5, -1.0]])))
    write_head_glb(tmp_path / "head.glb", head, [tour, component_clip(head)], sparse=sparse)
    found = report(tmp_path / "head.glb")
    assert found["issues"]["messages"] == []
    assert found["info"]["animationCount"] == 2
    assert found["info"]["hasMorphTargets"]
    assert found["info"]["extensionsUsed"] == ["KHR_materials_unlit"]


def test_splats_have_no_fault_but_names_younger_than_the_validator(tmp_path):
    """The validator of npm knows neither the extension nor that attributes may be called after it."""
    write_splat_glb(tmp_path / "a.glb", small_rig.HEAD.neutral)
    messages = report(tmp_path / "a.glb")["issues"]["messages"]
    strange = [m for m in messages if m["severity"] == 0 and f"attributes/{EXTENSION}:" not in m["pointer"]]
    assert strange == []
    assert {m["code"] for m in messages} <= {"UNSUPPORTED_EXTENSION", "MESH_PRIMITIVE_INVALID_ATTRIBUTE"}


def test_the_validator_sees_faults(tmp_path):
    rig = small_rig.rig()
    panel = small_rig.panel(rig)
    head = morph_head(rig, small_rig.level(), panel.names, panel.low, panel.high)
    backwards = Clip("backwards", np.array([1.0, 0.0]), np.zeros((2, 3)))
    write_head_glb(tmp_path / "bad.glb", head, [backwards])
    assert report(tmp_path / "bad.glb")["issues"]["numErrors"] > 0
