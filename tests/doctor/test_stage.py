"""The jobs of the doctor: the report of a data set on disk, and who may pass."""

import json
import logging
import re

import pytest

from splatrig.dataset.cameras import write_cameras
from splatrig.dataset.reduced import Reduced, write_reduced
from splatrig.doctor.page import read_sentences
from splatrig.doctor.stage import admit, report
from splatrig.io.errors import InputError
from splatrig.mesh.obj import write_obj
from support.doctored import CAMERAS, HEIGHT, WIDTH, Doctored, sound


def written(capture: Doctored, root):
    """Write a capture as a data set; return the file of its cameras."""
    subject = capture.subject
    write_cameras(root / "dataset" / "cameras.json", subject.cameras)
    for name, frame in zip(subject.names, capture.frames, strict=True):
        folder = root / "dataset" / name
        folder.mkdir(parents=True)
        images = zip(frame.grays, frame.mattes, frame.digests, strict=True)
        write_reduced(
            folder, (WIDTH, HEIGHT), {c: Reduced(*each) for c, each in enumerate(images)}, CAMERAS, frame.meshes
        )
        write_obj(folder / f"{folder.name}.obj", frame.meshes[0].vertices, subject.faces)
    return root / "dataset" / "cameras.json"


def reported(capture, root, check=None, background="masks"):
    """Return the page and the verdicts of a capture."""
    (root / "check.json").write_text(json.dumps(check or {"wrong": [], "odd": []}))
    report(
        written(capture, root),
        capture.subject.names,
        capture.subject.names[0],
        root / "check.json",
        background,
        page=root / "page.html",
        verdicts=root / "verdicts.json",
        title="a <head>",
        threads=2,
    )
    return (root / "page.html").read_text(), json.loads((root / "verdicts.json").read_text())


def test_a_sound_capture_has_a_fine_line_and_a_picture_for_each_camera(tmp_path, caplog):
    page, verdicts = reported(sound(), tmp_path)
    assert [line["rank"] for line in verdicts["verdicts"]] == ["fine"] * (CAMERAS + 1)
    assert page.count("<td>fine</td>") == CAMERAS + 1
    assert page.count("data:image/jpeg;base64,") == CAMERAS
    assert "a &lt;head&gt;" in page and "cannot be right: 0" in page
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]
    admit(tmp_path / "verdicts.json", "stop")


def test_what_is_wrong_leads_the_page_and_stops_the_run_in_one_sentence(tmp_path, caplog):
    spoiled = sound().with_photograph(5, 4, 9)
    page, verdicts = reported(spoiled, tmp_path, {"wrong": [], "odd": ["KRT: camera c1: looks odd"]})
    rows = re.findall(r"<tr><td>([a-z ]+)</td><td>([^<]+)</td>", page)
    assert rows[:2] == [("cannot be right", "camera c4, frame E1/001"), ("look at it", "KRT")]
    assert "camera c4, frame E1/001: cannot be right</figcaption>" in page
    assert "the photograph is of another moment" in caplog.text
    with pytest.raises(
        InputError, match=r"^camera c4, frame E1/001: the photograph is of another moment: .* remove it\.$"
    ):
        admit(tmp_path / "verdicts.json", "stop")
    assert verdicts["odd"] == ["KRT: camera c1: looks odd."]


def test_a_run_that_is_told_to_warns_and_goes_on(tmp_path, caplog):
    path = tmp_path / "check.json"
    path.write_text(json.dumps({"wrong": ["KRT: it is upside down.", "KRT: it is late."], "odd": []}))
    admit(path, "warn")
    assert [record.levelname for record in caplog.records] == ["WARNING"] * 2
    with pytest.raises(InputError, match=r"KRT: it is upside down\. \(1 more like that: snakemake capture_report\)"):
        admit(path, "stop")


def test_what_landmarks_say_stands_in_the_report(tmp_path):
    page, verdicts = reported(sound(), tmp_path, {"wrong": ["tracked_mesh: it is upside down."], "odd": []})
    assert verdicts["wrong"] == ["tracked_mesh: it is upside down."]
    assert "<td>cannot be right</td><td>tracked_mesh</td><td>it is upside down</td>" in page


@pytest.mark.parametrize("content", [None, "", "[]", '{"odd": []}'])
def test_an_examination_that_cannot_be_read_is_named(tmp_path, content):
    path = tmp_path / "check.json"
    if content is not None:
        path.write_text(content)
    with pytest.raises(InputError, match=r"check\.json: (expected a file|not an examination)"):
        read_sentences(path)
