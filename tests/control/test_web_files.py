"""The page in a browser: files that people open in it, and what it saves."""

import json
from pathlib import Path

import numpy as np
import pytest

from splatrig.control.coefficients import coefficients_text, parse_coefficients
from splatrig.control.track import read_track, write_track
from splatrig.io.errors import InputError
from support import heads
from support.web_page import HEAD, LOCAL, TRACK, Opened


def choose(opened: Opened, path: Path) -> tuple[str, bool]:
    """Open a file in the page; return what it says."""
    opened.page.evaluate("document.getElementById('message').textContent = ''")
    opened.page.locator("#open").set_input_files(path)
    opened.page.locator("#message:not(:empty)").wait_for()
    return opened.message()


@pytest.mark.parametrize("suffix", ["csv", "json"])
def test_a_track_file_of_the_workflow_is_played(opened, tmp_path, suffix):
    write_track(tmp_path / f"mine.{suffix}", TRACK)
    said, wrong = choose(opened, tmp_path / f"mine.{suffix}")
    assert not wrong, said
    assert said.startswith(f"mine.{suffix}: {len(TRACK)} rows")
    assert opened.call("(head) => head.player.playing")
    opened.call("(head) => { head.player.stop(); head.player.seek(0.3); }")
    np.testing.assert_allclose(opened.weights()[:4], TRACK.at(TRACK.times[0] + 0.3), atol=1e-9)


def test_a_pose_goes_out_and_in_again(opened, tmp_path):
    pose = {name: panel.high * 0.5 for name, panel in HEAD.panels.items()}
    (tmp_path / "in.json").write_text(coefficients_text("planted", HEAD.panels, pose))
    said, wrong = choose(opened, tmp_path / "in.json")
    assert not wrong, said
    np.testing.assert_allclose(opened.weights(), np.concatenate(list(pose.values())), rtol=1e-12)
    with opened.page.expect_download() as download:
        opened.page.locator("#save").click()
    download.value.save_as(tmp_path / "out.json")
    back = parse_coefficients((tmp_path / "out.json").read_text(encoding="utf-8"), HEAD.panels, "out.json")
    for name, weights in pose.items():
        np.testing.assert_allclose(back[name], weights, rtol=1e-12)


def broken(**changes: object) -> str:
    document = {
        "format": "splatrig track",
        "format_version": 1,
        "family": TRACK.family,
        "subject": "planted",
        "source": "",
        "names": list(TRACK.names),
        "times_s": [0.0, 1.0],
        "weights": [[0.0] * 4, [1.0] * 4],
    }
    return json.dumps(document | changes)


COLUMNS = ",".join(f'"{name}"' for name in TRACK.names)
MALFORMED = {
    "a.txt": ("", "expected a file named .json or .csv"),
    "b.json": ("{", "expected JSON"),
    "c.json": ("[]", "key 'format': expected 'splatrig track'"),
    "d.json": (broken(format_version=9), "key 'format_version': expected 1, got 9"),
    "e.json": (broken(family="other"), 'no family "other"'),
    "f.json": (broken(names=["x"] * 4), "is missing"),
    "g.json": (broken(weights=[[0.0] * 4]), "expected 2 rows, one per time, got 1"),
    "h.json": (broken(weights=[[0.0] * 4, [1.0] * 3]), "weights[1]': expected 4 numbers, got 3"),
    "i.json": (broken(weights=[[0.0] * 4, [0, 0, "x", 0]]), "expected a finite number"),
    "j.json": (broken(times_s=[1.0, 1.0]), "expected increasing times"),
    "k.csv": ("", "expected a line of column names"),
    "l.csv": (f"# family: pca_all\ntime_s,{COLUMNS}\n", "expected at least one row"),
    "m.csv": (f"# family: pca_all\ntime_s,{COLUMNS}\n0,1,2,3\n", "line 3: expected 5 numbers, got 4"),
    "n.csv": (f"# family: pca_all\ntime_s,{COLUMNS}\n0,1,2,nan,4\n", "line 3, column"),
    "o.csv": (f"seconds,{COLUMNS}\n0,1,2,3,4\n", "line 1: expected the columns time_s"),
    "p.csv": (f"# format: splatrig track 7\ntime_s,{COLUMNS}\n0,1,2,3,4\n", "expected the format splatrig track 1"),
}


@pytest.mark.parametrize("name", MALFORMED)
def test_a_malformed_file_is_refused_with_a_sentence(opened, tmp_path, name):
    text, words = MALFORMED[name]
    (tmp_path / name).write_text(text)
    tracks = opened.page.locator("#track option").count()
    said, wrong = choose(opened, tmp_path / name)
    assert wrong
    assert said.startswith(name)
    assert words in said
    assert not opened.weights().any()
    assert opened.page.locator("#track option").count() == tracks
    if name not in ("e.json", "f.json"):  # which head it is for is not the file's fault
        with pytest.raises(InputError):
            read_track(tmp_path / name)


def test_a_malformed_pose_is_refused_with_a_sentence(opened, tmp_path):
    document = json.loads(coefficients_text("planted", HEAD.panels, heads.zeros(HEAD)))
    document["families"][LOCAL]["nobody"] = 1.0
    (tmp_path / "pose.json").write_text(json.dumps(document))
    said, wrong = choose(opened, tmp_path / "pose.json")
    assert (said, wrong) == (f"pose.json: component 'nobody' does not exist in {LOCAL}.", True)
