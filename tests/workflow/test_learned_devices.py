"""One rig of the pipeline, and the free Gaussians of one, learned by several processes."""

import shutil

import numpy as np
import pytest
import yaml
from scipy.spatial import cKDTree

from splatrig.components.component_file import read_components
from splatrig.gaussians.free import read_free

pytestmark = pytest.mark.workflow

ROUNDED = 1e-3
"""Fraction of the entries whose gradient is so near zero that Adam takes another direction by rounding."""
TARGET = "results/tiny/components/subd2/learned_global.h5"


def configured(path, **learned):
    raw = yaml.safe_load(path.read_text())
    raw["learned"] |= learned
    path.write_text(yaml.safe_dump(raw))


def by_devices(finished, folder, target, read, **learned):
    """What `read` gives of a target that one process makes and, from the same start, two: by their number."""
    project = type(finished)(folder / "copy")
    shutil.copytree(finished.directory, project.directory)
    found = {}
    for devices in (1, 2):
        configured(project.config, devices=devices, photographs_per_step=2, **learned)
        done = project.snakemake(target)
        assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
        found[devices] = read(project.directory / target)
    return project, found


def test_two_processes_give_the_rig_that_one_gives(finished, tmp_path):
    project, found = by_devices(finished, tmp_path, TARGET, read_components, free=0)
    one, two = (found[devices].W @ found[devices].C for devices in (1, 2))
    assert np.isclose(two, one, atol=1e-3 * np.abs(one).max()).mean() > 1 - ROUNDED
    base = found[1].columns.row_of(found[1].base)
    close = np.isclose(found[2].columns.row_of(found[2].base), base, atol=1e-4 * np.abs(base).max())
    assert close.mean() > 1 - ROUNDED
    log = (project.directory / "logs/tiny/learn_rig/global.log").read_text()
    assert log.count(f"components, {found[2].columns.count} Gaussians") == 1
    assert log.count("step 8: loss") == 1


def test_two_processes_find_as_many_free_gaussians_in_the_same_places(finished, tmp_path):
    """Not the same ones: which errors are drawn hangs on their last bits."""
    _, found = by_devices(finished, tmp_path, "results/tiny/components/free.h5", read_free, free=0.5)
    one, two = found[1], found[2]
    assert len(one) > 10
    assert abs(len(two) - len(one)) < 0.05 * len(one)
    apart, _ = cKDTree(one.means).query(two.means)
    own, _ = cKDTree(one.means).query(one.means, k=2)
    assert np.median(apart) < 3 * np.median(own[:, 1]) + 1.0, "mm"
    spread = [np.quantile(which.means, [0.05, 0.5, 0.95], axis=0) for which in (one, two)]
    np.testing.assert_allclose(spread[1], spread[0], atol=8.0)


def test_fewer_gpus_than_it_asks_for_end_the_run_before_it_begins(finished, tmp_path):
    """Snakemake would give the job fewer, and say nothing."""
    config = finished.config_with("device", "cuda", tmp_path / "config.yaml")
    configured(config, devices=4, photographs_per_step=4)
    done = finished.snakemake("--dry-run", TARGET, config=config)
    assert done.returncode == 1
    said = "error: learned.devices: got 4, but jobs of this run may use 3 GPUs at a time; say so by --resources gpu=4"
    assert said in done.stdout + done.stderr
    done = finished.snakemake("--dry-run", "--resources", "gpu=4", "--", TARGET, config=config)
    assert done.returncode == 0, done.stderr
