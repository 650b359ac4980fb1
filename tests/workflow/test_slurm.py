"""The same DAG through a real one-node SLURM gives the same results as a local run, and survives killed jobs."""

import os
import re
import subprocess
import time
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml

from support import slurm_node

pytestmark = [
    pytest.mark.workflow,
    pytest.mark.skipif(slurm_node.missing() is not None, reason=f"no SLURM here: {slurm_node.missing()}"),
]

PROFILE = Path(__file__).resolve().parents[2] / "profiles" / "slurm" / "config.yaml"
HERE = {
    "jobs": 2,
    "latency-wait": 5,
    "retries": 1,
    "slurm-init-seconds-before-status-checks": 1,
    "config": ["device=cpu"],
    "default-resources": {"mem_mb": "500 * attempt", "runtime": 5},
}
"""What of the profile differs on one small node without a GPU."""
NO_ACCOUNTING = {
    "slurm-status-command": "squeue",  # sacct would wait for ever
    "default-resources": HERE["default-resources"] | {"slurm_account": "none"},
    "set-resources": {"build_template": {"mem_mb": "60 * attempt**5"}},  # too little at first, really
}
MEMORY = r"MinMemoryNode=(\d+)M"
TARGETS = ["results/tiny/gaussians/E012_Jaw_Open_Huge_Smile.h5"]


def _kill_the_first(rule: str, run: subprocess.Popen[str], environment: dict[str, str]) -> bool:
    """Cancel the first running job of a rule; return whether one was seen before the run ended."""
    look = ["squeue", "-h", "-t", "R", "-o", "%i %k"]
    while run.poll() is None:
        listing = subprocess.run(look, capture_output=True, text=True, env=environment).stdout
        for line in listing.splitlines():
            number, _, comment = line.partition(" ")
            if rule in comment:
                subprocess.run(["scancel", "--signal=KILL", "--full", number], check=True, env=environment)
                return True
        time.sleep(0.2)
    return False


def _profile(project, changes: dict) -> list[str]:
    """Write a profile beside the one for SLURM; return the option that names it."""
    profile = project.directory / "profiles" / "slurm_test"
    profile.mkdir()
    (profile / "config.yaml").write_text(yaml.safe_dump(yaml.safe_load(PROFILE.read_text()) | HERE | changes))
    return ["--workflow-profile", str(profile)]


def _values(path):
    with h5py.File(path, "r") as file:
        return {name: file[name][:] for name in file if isinstance(file[name], h5py.Dataset) and file[name].ndim > 1}


def test_a_slurm_run_with_killed_jobs_equals_a_local_run(finished, copy_project, tmp_path):
    project = copy_project(tmp_path / "cluster")
    options = _profile(project, NO_ACCOUNTING)
    with slurm_node.one_node(tmp_path / "slurm") as slurm:
        run = project.start(*options, *TARGETS, **slurm)
        killed = _kill_the_first("fit_neutral", run, os.environ | slurm)
        output, _ = run.communicate(timeout=600)
        show = ["scontrol", "show", "jobs", "-o"]
        jobs = subprocess.run(show, capture_output=True, text=True, env=os.environ | slurm).stdout.splitlines()
    assert killed, output[-5000:]
    assert run.returncode == 0, output[-5000:]
    for rule, memory in {"fit_neutral": [3000, 6000], "build_template": [60, 1920]}.items():
        attempts = [job for job in jobs if f"rule_{rule}" in job]
        assert [int(re.search(MEMORY, job)[1]) for job in attempts] == memory, "the second attempt asks for more"
        assert ["JobState=COMPLETED" in job for job in attempts] == [False, True], attempts
    assert all("Partition=cpu" in job for job in jobs)
    assert len([job for job in jobs if "prepare" in job]) == 1, "calibration and cameras go into one job"
    assert output.count("Trying to restart job") == 2
    for target in TARGETS:
        local, cluster = (_values(place / target) for place in (finished.directory, project.directory))
        assert local.keys() == cluster.keys()
        for name, values in local.items():
            np.testing.assert_array_equal(cluster[name], values, err_msg=f"{target}: {name}")


@pytest.mark.skipif(slurm_node.missing(accounting=True) is not None, reason=f"{slurm_node.missing(accounting=True)}")
def test_with_accounting_the_profile_runs_as_it_is(copy_project, tmp_path):
    project = copy_project(tmp_path / "cluster")
    options = _profile(project, {})
    with slurm_node.one_node(tmp_path / "slurm", accounting=True) as slurm:
        for words in ("add account lab", "add user root account=lab", "modify user root set defaultaccount=lab"):
            command = ["sacctmgr", "-i", *words.split()]
            subprocess.run(command, check=True, capture_output=True, env=os.environ | slurm)
        run = project.start(*options, "--verbose", "resources/captures/tiny/frame_list.txt", **slurm)
        output, _ = run.communicate(timeout=300)
        ask = ["sacct", "-X", "--noheader", "--parsable2", "--format=Account,Partition,ReqMem,State"]
        jobs = subprocess.run(ask, capture_output=True, text=True, env=os.environ | slurm).stdout.splitlines()
    assert run.returncode == 0, output[-5000:]
    assert jobs == ["lab|cpu|500M|COMPLETED"], "charged to the user's account"
    assert "command=sacct" in output, "the executor asks the accounting how jobs are doing"
