"""Killed, cut off from its disk, out of step with the clock: after the documented recovery, the same bytes.

The campaign of random kills is benchmarks/workflow/faults.py; here are a few of each kind, over a finished run's copy.
"""

import importlib.util
import os
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from splatrig.components.attributes import AttributeReader
from splatrig.components.component_file import read_components
from splatrig.gaussians.store import read_fitted_frames
from splatrig.io.errors import InputError
from splatrig.mesh.template import read_template

pytestmark = pytest.mark.workflow

ROOT = Path(__file__).resolve().parents[2]
SMILE = "E012_Jaw_Open_Huge_Smile"
SINCE_NOW = "find results resources -newermt now -exec touch -h {} +"


def _benchmark(name):
    """A module of benchmarks/, by its path; with the folder on sys.path others would hide packages of tests."""
    spec = importlib.util.spec_from_file_location(name, ROOT / "benchmarks" / "workflow" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module


faults = _benchmark("faults")


@pytest.fixture
def copied(finished, tmp_path):
    """A copy of the finished run, time stamps and Snakemake's memory included; returns a function from targets."""
    folder = tmp_path / "copy"
    shutil.copytree(finished.directory, folder, ignore=shutil.ignore_patterns("log"))

    def run(*targets):
        command = [sys.executable, "-m", "snakemake", "--configfile", "tiny.yaml", "--cores", "2", "--retries", "2"]
        command += targets
        environment = {name: value for name, value in finished.environment.items() if name != "SPLATRIG_CACHE"}
        return faults.Run(folder, command, environment)

    return run


def remove(folder, *patterns):
    for path in [path for pattern in patterns for path in folder.glob(pattern)]:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def words(run):
    return (run.folder / "snakemake.out").read_text()


def test_kills_and_a_vanished_file_leave_the_same_bytes(finished, copied):
    run = copied("results/tiny/components/subd2/pca_xyz.h5")
    results = run.folder / "results/tiny"
    remove(results, f"frames/{SMILE}.csv", f"dataset/{SMILE}", "gaussians/*.h5", "attributes/*.h5")
    remove(results, "components/subd2/pca_xyz.h5")
    for kind, share in {"fit_neutral": 0.5, "fit_expression": 0.4}.items():  # the longest, so that no kill comes late
        shares = {kind: share}
        killed, complete = run.disturb(lambda kind, shares=shares: shares.pop(kind, None), most=1)
        assert (killed, complete) == ([kind, "snakemake"], False)
        run.recover()
    (results / "frames/E042_Mouth_Nose_Left.csv").unlink()  # as a file server may lose one that was there
    run.undisturbed()
    assert faults.differences(finished.directory / "results", run.folder / "results") == []


@contextmanager
def small_disk(folder, kilobytes):
    """A file system of its own at `folder`, for the time of a block; skips the test where that is not allowed."""
    folder.mkdir(parents=True)
    mount = ["mount", "-t", "tmpfs", "-o", f"size={kilobytes}k", "tmpfs", str(folder)]
    if os.geteuid() != 0 or subprocess.run(mount, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system needs root")
    try:
        yield lambda options: subprocess.run(["mount", "-o", f"remount,{options}", str(folder)], check=True)
    finally:
        subprocess.run(["umount", "--lazy", str(folder)], check=True)


def test_a_full_and_a_read_only_disk_are_named_and_leave_nothing_half(finished, copied):
    run = copied(f"results/tiny/frames/{SMILE}.csv")
    results = run.folder / "results"
    shutil.rmtree(results)
    with small_disk(results, 400) as remount:
        assert run.start().wait() == 1
        said = words(run)
        assert "No space left on device; make room there, then run the same command again." in said
        assert "Traceback" not in said.split(" ends:")[1]
        assert not list(results.glob("tiny/dataset/E*")), "nothing that could be taken for a whole result"
        assert not faults.leftovers(results)

        remount("size=100m,ro")
        (run.folder / "snakemake.out").unlink()
        assert run.start().wait() == 1
        assert "Read-only file system" in words(run)

        remount("rw")
        run.recover()
        run.undisturbed()
        differing = faults.differences(finished.directory / "results", results)
        assert [line for line in differing if f"/{SMILE}" in line and "dataset/" in line] == []
        assert (results / "tiny/dataset" / SMILE).is_dir()


@pytest.mark.parametrize(
    ("path", "read"),
    [
        ("template/template.h5", read_template),
        ("gaussians/neutral.h5", read_fitted_frames),
        ("attributes/base.h5", AttributeReader),
        ("components/base/pca_all.h5", read_components),
    ],
)
@pytest.mark.parametrize("share", [0.0, 0.01, 0.5, 0.999])
def test_a_truncated_hdf5_is_named_with_what_to_do(finished, tmp_path, path, read, share):
    content = (finished.results / path).read_bytes()
    damaged = tmp_path / "damaged.h5"
    damaged.write_bytes(content[: int(share * len(content))])
    with pytest.raises(InputError, match=r"damaged\.h5: cannot be read as .*; delete it and run again\.$"):
        read(damaged)


def test_a_truncated_hdf5_left_by_a_crash_is_mended_by_deleting_it(finished, copied):
    run = copied("results/tiny/components/base/pca_all.h5")
    damaged = run.folder / "results/tiny/attributes/base.h5"
    os.truncate(damaged, damaged.stat().st_size // 2)
    assert run.start().wait() == 1
    last = words(run).rpartition("ends:")[2]
    assert "attributes/base.h5: cannot be read as attributes" in last
    assert "delete it and run again" in last
    damaged.unlink()
    run.undisturbed()
    assert faults.differences(finished.directory / "results", run.folder / "results") == []


def test_a_clock_that_was_ahead_costs_a_rerun_and_no_result(finished, copied):
    run = copied("results/tiny/components/subd2/pca_xyz.h5")
    later = time.time() + 5 * 3600
    os.utime(run.folder / "results/tiny/attributes/subd2.h5", (later, later))
    assert run.start().wait() == 1
    assert "could indicate a clock skew problem" in words(run)
    subprocess.run(SINCE_NOW, shell=True, cwd=run.folder, check=True)
    run.undisturbed()
    assert faults.differences(finished.directory / "results", run.folder / "results") == []


def test_a_clock_that_was_behind_costs_a_rerun_and_no_result(finished, copied):
    run = copied("results/tiny/components/subd2/pca_xyz.h5")
    earlier = time.time() - 5 * 3600
    os.utime(run.folder / "results/tiny/components/subd2/pca_xyz.h5", (earlier, earlier))
    run.undisturbed()
    assert faults.differences(finished.directory / "results", run.folder / "results") == []
