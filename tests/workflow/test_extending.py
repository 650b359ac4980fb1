"""The changes that docs/extending shows are applied to a copy of the sources, and what they add is run."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import h5py
import numpy as np
import pytest
import yaml
from PIL import Image

from splatrig.capture.krt import read_krt
from splatrig.io.files import files_in

pytestmark = pytest.mark.workflow

FOLDER = Path(__file__).resolve().parents[2] / "docs" / "extending"
PAGES = sorted(page for page in FOLDER.glob("*.md") if page.stem != "index")

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


def _rgb(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path).convert("RGB"))


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


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.stem)
def test_the_change_of_a_page_touches_two_files_outside_its_own_at_most(page):
    assert len(re.findall(r"^--- a/", _change(page), re.M)) <= 2


@pytest.mark.parametrize(("family", "name"), [("sldc", "sldc_cosine_xyz"), ("ica", "ica_xyz"), ("pca", "pca_flatness")])
def test_what_a_page_adds_can_be_asked_for(extended, family, name):
    attributes = (
        [] if name != "pca_flatness" else ["--forcerun", "write_attributes"]
    )  # the store has to hold the new one
    target = f"results/tiny/components/subd2/{name}.h5"
    done = extended.snakemake("--rerun-triggers=mtime", *attributes, "--", target)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    with h5py.File(extended.directory / target) as file:
        W, C = file[f"{family}_W"][:], file[f"{family}_C"][:]
        rows = file["dataMat"][:] - file[f"{family}_offset"][:]
    assert np.square(rows - W @ C.reshape(len(C), -1)).sum() < 0.2 * np.square(rows).sum()


def test_the_added_rasterizer_renders_what_the_others_render(extended):
    done = subprocess.run(
        [sys.executable, "-c", RENDERS_ALIKE],
        capture_output=True,
        text=True,
        env=extended.environment | {"PYTHONPATH": str(extended.directory / "workflow" / "lib")},
    )
    assert done.returncode == 0, done.stderr[-3000:]


def test_the_added_capture_format_gives_the_data_set_of_the_same_capture(extended):
    captures = extended.directory / "resources" / "captures"
    original = captures / "folders" / "original"
    raw, cameras = captures / "tiny", {}
    for camera in read_krt(raw / "KRT").values():
        cameras[camera.name] = {"K": camera.K.tolist(), "world_to_camera": camera.extrinsics.tolist()}
    shutil.copytree(raw / "tracked_mesh", original / "meshes")
    for segment in (raw / "images").iterdir():
        for camera in (folder for folder in segment.iterdir() if folder.is_dir()):
            shutil.copytree(camera, original / camera.name / segment.name)
    (original / "cameras.json").write_text(json.dumps(cameras), encoding="utf-8")

    config = extended.directory / "folders.yaml"
    values = yaml.safe_load(extended.config.read_text(encoding="utf-8"))
    values |= {"preset": "local", "subject": "folders", "neutral": "E001_Neutral_Eyes_Open"}
    values["capture"] |= {"source": "folders", "root": "resources/captures/folders", "color": "multiface_gamma"}
    config.write_text(yaml.safe_dump(values), encoding="utf-8")
    done = extended.snakemake("results/folders/frames.csv", "results/folders/dataset/cameras.json", config=config)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]

    made, expected = (extended.directory / "results" / name for name in ("folders", "tiny"))
    for path in ("frames.csv", "dataset/cameras.json"):
        assert (made / path).read_text(encoding="utf-8") == (expected / path).read_text(encoding="utf-8")
    for segment in values["capture"]["expressions"]:
        files = [path.relative_to(expected) for path in files_in(expected / "dataset" / segment)]
        assert [path.relative_to(made) for path in files_in(made / "dataset" / segment)] == files
        photographs = [path for path in files if path.suffix == ".png"]  # whose alpha is the demo's mattes
        alike = [path for path in files if path.suffix not in (".ply", ".png", ".npz")]  # of mean texture and mattes
        assert len(photographs) > len(files) / 3 and len(alike) >= len(files) / 6
        assert all((made / path).read_bytes() == (expected / path).read_bytes() for path in alike)
        assert all(np.array_equal(_rgb(made / path), _rgb(expected / path)) for path in photographs)
