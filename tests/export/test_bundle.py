import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from safetensors import safe_open
from safetensors.numpy import save_file

from splatrig.export.bundle import Coefficients, write_bundle
from splatrig.gaussians.gaussians import SHAPES
from splatrig.io.errors import InputError
from support import small_rig
from support.bundle import read_bundle

EXAMPLE = Path(__file__).resolve().parents[2] / "docs" / "examples" / "load_rig.py"


def coefficients(rig):
    panel = small_rig.panel(rig)
    return Coefficients(panel.names, panel.low, panel.high, panel.presets)


@pytest.fixture(params=["sldc", "pca"])
def rig(request):
    return small_rig.rig(request.param)


@pytest.fixture
def file(rig, tmp_path):
    write_bundle(tmp_path / "rig.safetensors", rig, coefficients(rig), family="sldc_gauss_xyz", subject="planted")
    return tmp_path / "rig.safetensors"


def test_a_pose_of_the_bundle_is_the_rigs(rig, file):
    bundle = read_bundle(file)
    weights = np.array([0.7, 0.2, 1.0])
    pose, expected = dict(bundle.rig.pose(weights).items()), rig.pose(weights)
    assert set(pose) == set(SHAPES)
    for name, array in expected.items():
        np.testing.assert_allclose(pose[name], array, atol=2e-5)


def test_equal_rigs_give_equal_bytes(rig, file, tmp_path):
    write_bundle(tmp_path / "again.safetensors", rig, coefficients(rig), family="sldc_gauss_xyz", subject="planted")
    assert file.read_bytes() == (tmp_path / "again.safetensors").read_bytes()


def test_names_presets_and_weights_of_the_frames_are_in_it(rig, file):
    with safe_open(file, framework="numpy") as opened:
        description = json.loads(opened.metadata()["splatrig"])
        presets, weights = opened.get_tensor("presets"), opened.get_tensor("frames.weights")
    assert description["names"] == list(small_rig.NAMES)
    assert description["presets"] == ["E001", "E002-7s"]
    assert len(description["frames"]) == len(weights)
    assert description["limits"] == (None if rig.components.limits is None else [0.0, 1.0])
    np.testing.assert_array_equal(weights, rig.components.W)
    np.testing.assert_allclose(presets[0], rig.components.W[3])


def test_the_example_poses_the_rig(rig, file):
    command = [sys.executable, str(EXAMPLE), str(file), "E001", "SLDC 02=0.25"]
    found = json.loads(subprocess.run(command, check=True, capture_output=True, text=True).stdout)
    weights = np.array([rig.components.W[3, 0], 0.25, rig.components.W[3, 2]])
    for name, array in rig.pose(weights).items():
        np.testing.assert_allclose(np.array(found[name]), array, atol=2e-5)


def test_the_example_is_short():
    assert len(EXAMPLE.read_text().splitlines()) <= 30


def test_other_files_are_refused(tmp_path):
    (tmp_path / "a.safetensors").write_bytes(b"nothing")
    with pytest.raises(InputError, match="cannot be read as a rig"):
        read_bundle(tmp_path / "a.safetensors")
    for description in ({"format": "another"}, []):
        save_file({"x": np.zeros(3)}, str(tmp_path / "b.safetensors"), {"splatrig": json.dumps(description)})
        with pytest.raises(InputError, match="export it again"):
            read_bundle(tmp_path / "b.safetensors")
