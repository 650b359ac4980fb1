"""The same DAG through a real one-node SLURM gives the same results as a local run, and survives a killed job."""

import re
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

import slurm_node

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(slurm_node.missing() is not None, reason=f"no SLURM here: {slurm_node.missing()}"),
]

PROFILE = Path(__file__).resolve().parents[2] / "profiles" / "slurm" / "config.yaml"
HERE = {
    "jobs": 2,
    "latency-wait": 5,
    "retries": 1,
    "slurm-status-command": "squeue",  # without accounting, sacct waits for ever
    "slurm-init-seconds-before-status-checks": 1,
    "config": ["device=cpu"],
    "default-resources": {"slurm_account": "none", "mem_mb": "200 * attempt", "runtime": 5},
}
"""What of the profile differs on one small node without a GPU."""
MEMORY = r"MinMemoryNode=(\d+)M"
TARGETS = ["results/tiny/gaussians/E012_Jaw_Open_Huge_Smile.h5"]


def _kill_the_first(rule: str, seconds: float = 600) -> bool:
    """Cancel the first running job of a rule; return whether one was seen."""
    for _ in range(int(seconds * 5)):
        listing = subprocess.run(["squeue", "-h", "-t", "R", "-o", "%i %k"], capture_output=True, text=True).stdout
        for line in listing.splitlines():
            number, _, comment = line.partition(" ")
            if rule in comment:
                subprocess.run(["scancel", "--signal=KILL", "--full", number], check=True)
                return True
        time.sleep(0.2)
    return False


def _values(path):
    with h5py.File(path, "r") as file:
        return {name: file[name][:] for name in file if isinstance(file[name], h5py.Dataset) and file[name].ndim > 1}


def test_a_slurm_run_with_a_killed_job_equals_a_local_run(finished, copy_project, tmp_path):
    project = copy_project(tmp_path / "cluster")
    profile = project.directory / "profiles" / "slurm_test"
    profile.mkdir()
    (profile / "config.yaml").write_text(yaml.safe_dump(yaml.safe_load(PROFILE.read_text()) | HERE))
    with slurm_node.one_node(tmp_path / "slurm"):
        run = project.start("--profile", str(profile), *TARGETS)
        killed = _kill_the_first("fit_neutral")
        output, _ = run.communicate(timeout=600)
        jobs = subprocess.run(["scontrol", "show", "jobs", "-o"], capture_output=True, text=True).stdout.splitlines()
    assert killed, output[-5000:]
    memory = [int(found[1]) for job in jobs if "fit_neutral" in job and (found := re.search(MEMORY, job))]
    assert sorted(memory) == [3000, 6000], jobs  # the second attempt asked for more
    assert all("Partition=cpu" in job for job in jobs)
    assert len([job for job in jobs if "prepare" in job]) == 1, "calibration and cameras go into one job"
    assert run.returncode == 0, output[-5000:]
    assert "Trying to restart job" in output
    for target in TARGETS:
        local, cluster = (_values(place / target) for place in (finished.directory, project.directory))
        assert local.keys() == cluster.keys()
        for name, values in local.items():
            np.testing.assert_array_equal(cluster[name], values, err_msg=f"{target}: {name}")
