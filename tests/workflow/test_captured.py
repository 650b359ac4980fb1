"""What a change in the folders of a capture reruns: files count, the times of folders and stray files do not."""

import os

import pytest
import yaml

from support.raw_capture import NEUTRAL, SMILE, RawCapture, replaced

pytestmark = pytest.mark.workflow

STRAY = (".DS_Store", "._000103.png", "Thumbs.db", "desktop.ini")
CAPTURE = {"held_out": {"cameras": []}, "frames_per_expression": 2, "background": "masks"}


class Captured:
    """A capture in a folder of yours, and a run of it up to some targets."""

    def __init__(self, project, raw, preset, *targets):
        self.project, self.targets = project, ["--", *targets]
        self.config = project.directory / f"{preset}.yaml"
        values = {"preset": preset, "subject": preset, "neutral": NEUTRAL, "device": "cpu", "components": {"k": 2}}
        self.config.write_text(yaml.safe_dump(values | {"capture": {**CAPTURE, "root": str(raw.root)}}))
        done = project.snakemake(*self.targets, config=self.config)
        assert done.returncode == 0, done.stdout + done.stderr

    def pending(self):
        return self.project.pending(*self.targets, config=self.config)


@pytest.fixture(scope="module")
def project(copy_project, tmp_path_factory):
    return copy_project(tmp_path_factory.mktemp("captured") / "project")


@pytest.fixture(scope="module")
def raw(project):
    raw = RawCapture(project.directory / "raw").write()
    for segment in (NEUTRAL, SMILE):
        raw.write_masks(segment)
    return raw


@pytest.fixture(scope="module")
def local(project, raw):
    return Captured(project, raw, "local", "results/local/frames.csv", "results/local/dataset/cameras.json")


def test_stray_files_and_touched_ones_rerun_nothing(local, raw):
    for folder in [raw.root, *filter(os.path.isdir, sorted(raw.root.rglob("*")))]:
        for name in STRAY:
            (folder / name).write_bytes(b"stray")
    for path in (raw.image(SMILE, "400002", "000103"), raw.tracked(NEUTRAL, "000100.obj")):
        os.utime(path)
    assert local.pending() == {}


@pytest.mark.parametrize("kind", ["image", "mask", "mesh"])
def test_a_replaced_file_reruns_its_expression_and_nothing_else(local, raw, kind):
    mesh = raw.tracked(SMILE, "000103.obj")
    with replaced(mesh if kind == "mesh" else getattr(raw, kind)(SMILE, "400017", "000103")):
        assert local.pending() == {"restructure_expression": 1, "list_frames": 1}


def test_a_replaced_photograph_without_meshes_reruns_its_segment(project, raw):
    targets = [f"results/photographs/capture/{kind}/{SMILE}" for kind in ("images", "masks")]
    captured = Captured(project, raw, "photographs", *targets)
    with replaced(raw.image(SMILE, "400017", "000103")):
        assert captured.pending() == {"link_photographs": 1}


def test_a_frame_of_any_name_has_its_rules(local):
    track = f"results/local/control/tracks/pca_all/photographs/{SMILE}/take-2.000103.csv"
    pending = local.project.pending("--", track, config=local.config)
    assert pending["track_photographs"] == 1
