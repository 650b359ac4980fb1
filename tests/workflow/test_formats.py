"""Captures in the layouts of other releases, through the rules: planned, fetched, restructured."""

import hashlib
import re

import pytest
import yaml

from splatrig.io.files import files_in
from support.raw_capture import NEUTRAL, SMILE, RawCapture, replaced
from support.releases import SENSOR, Source, write_ava256, write_goliath, write_nerf

pytestmark = pytest.mark.workflow

SUBJECT = "20230405--1635--AAN112"
WRITERS = {"ava256": write_ava256, "goliath": write_goliath, "nerf": write_nerf}


@pytest.fixture(scope="module")
def project(copy_project, tmp_path_factory):
    """A project whose readers know the tiny capture's sensor, and the capture in every layout."""
    project = copy_project(tmp_path_factory.mktemp("formats") / "project")
    raw = RawCapture(project.directory / "raw").write()
    for segment in (NEUTRAL, SMILE):
        raw.write_masks(segment)
    source = Source.of(raw.root)
    for name, write in WRITERS.items():
        write(source, project.directory / "captures" / name)
    write_ava256(source, project.directory / "release" / SUBJECT / "decoder")
    _set(project, "codec_avatars.py", r"^SENSOR = .*", f"SENSOR = {SENSOR}")
    topology = project.directory / "release" / SUBJECT / "decoder" / "face_topology.obj"
    _set(project, "ava256_download.py", r"^TOPOLOGY_URL = \(.*?^\)", f'TOPOLOGY_URL = "file://{topology}"')
    md5 = hashlib.md5(topology.read_bytes()).hexdigest()
    _set(project, "ava256_download.py", r"^TOPOLOGY_MD5 = .*?$", f'TOPOLOGY_MD5 = "{md5}"')
    return project


def _set(project, module, pattern, text):
    """Replace a constant of the copied library."""
    path = project.directory / "workflow" / "lib" / "splatrig" / "capture" / module
    changed, count = re.subn(pattern, text, path.read_text(), flags=re.M | re.S if "(" in pattern else re.M)
    assert count == 1
    path.write_text(changed)


def configured(project, preset, subject, **capture):
    path = project.directory / f"{subject}.yaml"
    capture = {"expressions": [NEUTRAL, SMILE], "held_out": {"cameras": []}, "frames_per_expression": 2, **capture}
    values = {"preset": preset, "subject": subject, "neutral": NEUTRAL, "device": "cpu", "capture": capture}
    path.write_text(yaml.safe_dump(values | {"components": {"k": 2}}))
    return path


def run(project, config, *targets):
    done = project.snakemake("--rerun-triggers=mtime", "--", *targets, config=config)
    return done.returncode, done.stdout + done.stderr


def dataset(project, subject):
    """The photographs of a subject's data set by frame's place in time and camera."""
    folder = project.directory / "results" / subject / "dataset"
    frames = {
        segment: sorted(path.name for path in (folder / segment).iterdir() if path.is_dir())
        for segment in (NEUTRAL, SMILE)
    }
    return {
        (segment, frames[segment].index(path.parent.name), path.stem): path
        for segment in frames
        for path in files_in(folder / segment)
        if path.suffix == ".png"
    }


@pytest.mark.parametrize(("preset", "root"), [("ava256", "ava256"), ("goliath", "goliath"), ("nerf", "nerf/UNION_2")])
def test_a_capture_in_a_folder_gives_the_data_set_of_the_raw_layout(project, preset, root):
    masks = {"background": "masks", "color": None, "frame_selection": "uniform"}
    code, text = run(project, configured(project, "local", "raw", root="raw", **masks), "results/raw/frames.csv")
    assert code == 0, text
    config = configured(project, preset, preset, root=f"captures/{root}", **masks)
    code, text = run(project, config, f"results/{preset}/frames.csv")
    assert code == 0, text
    mine, theirs = dataset(project, "raw"), dataset(project, preset)
    assert set(theirs) == set(mine)
    assert len(mine) == 2 * 2 * 3
    if preset == "nerf":
        assert all(theirs[place].read_bytes() == mine[place].read_bytes() for place in mine)
    code, text = run(project, config, f"results/{preset}/frames.csv")
    assert "Nothing to be done" in text
    if preset == "nerf":  # has a folder per sequence
        photograph = next((project.directory / "captures" / "nerf" / SMILE / "images").glob("[!.]*.png"))
        with replaced(photograph):
            pending = project.pending("--", f"results/{preset}/frames.csv", config=config)
        assert pending == {"restructure_expression": 1, "list_frames": 1}


def test_a_subject_of_ava256_is_planned_and_fetched(project):
    capture = {"entity": SUBJECT, "url": f"file://{project.directory}/release", "cameras": ["400002", "400017"]}
    config = configured(project, "ava256", "fetched", root="captures/fetched", **capture)
    code, text = run(project, config, "ava256_plan")
    assert code == 0, text
    assert f"subject {SUBJECT}, 2 cameras, 2 segments:\n{NEUTRAL} (3), {SMILE} (4)" in text
    root = project.directory / "captures" / "fetched"
    assert not (root / "image").exists(), "a plan fetches no archive"
    code, text = run(project, config, "results/fetched/frames.csv")
    assert code == 0, text
    assert [path.name for path in files_in(root / "image")] == ["cam400002.zip", "cam400017.zip"]
    assert len(dataset(project, "fetched")) == 2 * 2 * 2
