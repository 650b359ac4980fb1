"""`--sdm conda` makes the environment that a rule names, with its pins, and runs the rule's script in it."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from support import conda_stub

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(conda_stub.missing() is not None, reason=f"no stub of conda here: {conda_stub.missing()}"),
]
ENVIRONMENTS = sorted((ROOT / "envs").glob("*.yaml"))
FAMILY_OF_RULE = {
    "list_frames": "capture",
    "find_landmarks": "landmarks",
    "fit_expression": "training",
    "compute_pca": "components",
    "evaluate_fit": "evaluation",
    "write_panel": "control",
    "export_rig": "export",
}
"""A rule of each environment; its script has its name."""
OUTPUTS = (
    "frames.csv",
    "landmarks/landmarks.csv",
    "gaussians/E012_Jaw_Open_Huge_Smile.h5",
    "components/base/pca_all.h5",
    "evaluation/fit.csv",
    "control/panels/learned_local.json",
    "export/learned_local/rig.safetensors",
)


def test_a_rule_of_each_family_runs_in_its_own_environment_to_the_same_bytes(finished, tmp_path):
    assert {*FAMILY_OF_RULE.values(), "tracking"} == {
        path.stem for path in ENVIRONMENTS
    }  # which the demo has no use for
    folder = tmp_path / "copy"
    shutil.copytree(finished.directory, folder, ignore=shutil.ignore_patterns("log"))
    targets = [f"results/tiny/{name}" for name in OUTPUTS]
    for target in targets:
        (folder / target).unlink()
    tools = conda_stub.install(tmp_path / "conda", ENVIRONMENTS)
    environment = {name: value for name, value in finished.environment.items() if name != "SPLATRIG_CACHE"}
    command = [sys.executable, "-m", "snakemake", "--configfile", "tiny.yaml", "--cores", "2", "--sdm", "conda"]
    command += ["--rerun-triggers", "mtime", "--allowed-rules", *FAMILY_OF_RULE, "--", *targets]
    environment["PATH"] = f"{tools}{os.pathsep}{environment['PATH']}"
    done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    for target in targets:
        assert (folder / target).read_bytes() == (finished.directory / target).read_bytes(), target

    calls = [line.split(" ", 1) for line in (tmp_path / "conda" / "record").read_text().splitlines()]
    prefixes = {found[1]: prefix for prefix, words in calls if (found := re.search(r"tmp\w+\.(\w+)\.py", words))}
    assert prefixes.keys() == FAMILY_OF_RULE.keys()
    for script, name in FAMILY_OF_RULE.items():
        source = Path(f"{prefixes[script]}.yaml").read_text()
        assert source == (ROOT / "envs" / f"{name}.yaml").read_text(), script
        stubs = {path.name: path.read_text() for path in Path(prefixes[script]).glob("share/stub/*")}
        pins = dict(re.findall(r"^  - ([^=\s]+)=(\S+)$", source, re.MULTILINE))
        assert stubs == {package: version for package, version in pins.items() if package != "python"}
