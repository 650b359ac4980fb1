"""The changes that docs/extending shows are applied to a copy of the sources, and what they add is run."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest

pytestmark = pytest.mark.workflow

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "extending"
PAGES = sorted(page for page in FOLDER.glob("*.md") if "```diff" in page.read_text(encoding="utf-8"))

RENDERS_ALIKE = """
import torch
from splatrig.rasterize.backends import load_backend
from splatrig.rasterize.scene import Splats, Views

seeded = torch.Generator().manual_seed(0)
means = torch.randn(20, 3, generator=seeded)
ones = torch.ones(20)
splats = Splats(means, torch.randn(20, 4, generator=seeded), 0.2 * torch.ones(20, 3), 0.5 * ones, means.sigmoid())
pose = torch.eye(4)[None].clone()
pose[0, 2, 3] = 6.0
views = Views(pose, torch.tensor([[[40.0, 0, 16], [0, 40, 16], [0, 0, 1]]]), 32, 32)
double, single = (load_backend(name)(splats, views)[0] for name in ("numba_double", "numba"))
assert double.std() > 0.05
assert (double - single).abs().max() < 1e-4
"""


def _change(page: Path) -> str:
    return "".join(re.findall(r"```diff\n(.*?)```", page.read_text(encoding="utf-8"), re.S))


def _apply(change: str, directory: Path) -> None:
    alone = os.environ | {"GIT_CEILING_DIRECTORIES": str(directory.parent)}  # not the repository it may lie in
    done = subprocess.run(
        ["git", "apply", "-C0", "-"], cwd=directory, input=change, capture_output=True, text=True, env=alone
    )
    assert done.returncode == 0, done.stderr


@pytest.fixture(scope="module")
def extended(finished, copy_project, tmp_path_factory):
    """A copy with the changes of all pages, and the tiny capture's results."""
    project = copy_project(tmp_path_factory.mktemp("extended") / "project")
    for page in PAGES:
        _apply(_change(page), project.directory)
    for folder in ("results", "resources/captures"):
        shutil.copytree(finished.directory / folder, project.directory / folder)
    return project


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_change_of_a_page_applies_alone(page, copy_project, tmp_path):
    _apply(_change(page), copy_project(tmp_path / "project").directory)


@pytest.mark.parametrize(("family", "name"), [("sldc", "sldc_cosine_xyz"), ("ica", "ica_xyz"), ("pca", "pca_flatness")])
def test_what_a_page_adds_can_be_asked_for(extended, family, name):
    attributes = [] if name != "pca_flatness" else ["--forcerun", "attributes"]  # the store has to hold the new one
    target = f"results/tiny/components/subd2/{name}.h5"
    done = extended.snakemake("--rerun-triggers=mtime", *attributes, "--", target)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    with h5py.File(extended.directory / target) as file:
        W, C = file[f"{family}_W"][:], file[f"{family}_C"][:]
        rows = file["dataMat"][:] - file[f"{family}_offset"][:]
    assert np.square(rows - W @ C.reshape(len(C), -1)).sum() < 0.2 * np.square(rows).sum()


def test_the_added_rasteriser_renders_what_the_others_render(extended):
    done = subprocess.run(
        [sys.executable, "-c", RENDERS_ALIKE],
        capture_output=True,
        text=True,
        env=extended.environment | {"PYTHONPATH": str(extended.directory / "workflow" / "lib")},
    )
    assert done.returncode == 0, done.stderr[-3000:]
