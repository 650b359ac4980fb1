"""Photographs alone, through the rules."""

import re
import shutil

import pytest
import yaml

from support.raw_capture import NEUTRAL, SMILE, RawCapture

pytestmark = pytest.mark.workflow

GIVEN = ("KRT", "images", "masks")
"""What of the demo's raw capture people have who have no tracked meshes."""


@pytest.fixture
def project(copy_project, tmp_path):
    return copy_project(tmp_path / "project")


def planned(project, target, **capture):
    """Return the jobs and files that a dry run of photographs below `given` names."""
    config = project.directory / "photographs.yaml"
    capture = {"root": "given", "expressions": [NEUTRAL, SMILE], "held_out": {"cameras": []}, **capture}
    config.write_text(
        yaml.safe_dump({"preset": "photographs", "subject": "alone", "neutral": NEUTRAL, "capture": capture})
    )
    done = project.snakemake("--dry-run", "--verbose", "--", target, config=config)
    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-5000:]
    return done.stdout + done.stderr


@pytest.mark.parametrize("background", ["masks", "segmentation"])
def test_nothing_of_the_truth_is_read(project, tmp_path, background):
    """Tracked meshes, labels and true weights, which the demo's capture has, are not there and not asked for."""
    raw = RawCapture(tmp_path / "raw").write()
    for segment in (NEUTRAL, SMILE):
        raw.write_masks(segment)
    for name in GIVEN:
        given = shutil.copytree if (raw.root / name).is_dir() else shutil.copy
        (project.directory / "given").mkdir(exist_ok=True)
        given(raw.root / name, project.directory / "given" / name)
    text = planned(project, "results/alone/components/base/mesh_pca.h5", background=background)
    for rule in ("find_faces", "model_neutral", "track_expression", "restructure_expression", "decompose_meshes"):
        assert re.search(rf"^{rule} +\d+$", text, re.MULTILINE), rule
    assert not re.search(r"given/(tracked_mesh|truth|labels|frame_list|tex_mean)", text)
