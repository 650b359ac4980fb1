from pathlib import Path
from types import SimpleNamespace

import pytest
from snakemake.io import is_flagged

from splatrig.config.load import load_config
from splatrig.jobs.provenance import Digests
from splatrig.rules.layout import Layout
from splatrig.rules.raw import RawCapture

PRESETS = Path(__file__).resolve().parents[2] / "workflow" / "presets"
EXPRESSIONS = ["Neutral", "Smile"]


def capture(root="mine", preset="local", **made) -> RawCapture:
    made_here = {} if preset == "demo" else {"root": str(root)}
    raw = {"preset": preset, "neutral": "Neutral", "subject": "anna", "capture": made_here}
    return RawCapture(Layout(load_config(raw, PRESETS), EXPRESSIONS), **made)


def test_the_raw_layout_stands_for_itself():
    mine = capture()
    assert mine.file("KRT") == mine.calibration == "mine/KRT"
    assert mine.file("images", "Smile") == "mine/images/Smile"
    assert mine.of_all("images") == ["mine/images/Neutral", "mine/images/Smile"]


def test_another_format_stands_for_the_raw_layout():
    other = capture(stands_for={"KRT": ["a.json", "b.json"], "images": {"Neutral": "/far/N", "Smile": "/far/S"}})
    assert other.file("KRT") == ["mine/a.json", "mine/b.json"]
    assert other.calibration == "mine/a.json"
    assert other.file("images", "Smile") == ["/far/S"]
    assert other.of_all("images") == ["/far/N", "/far/S"]
    assert other.file("images", "{expression}")(SimpleNamespace(expression="Neutral")) == ["/far/N"]


def test_folders_of_the_user_rerun_nothing_by_their_own_time():
    assert is_flagged(capture().file("images", "Smile"), "ancient")
    assert not is_flagged(capture().file("KRT"), "ancient")
    assert not is_flagged(capture(preset="demo").file("images", "Smile"), "ancient")


def test_optional_files_count_where_they_are(tmp_path):
    mine = capture(tmp_path, optional=["plates", "labels"], extras=["frame_list.txt"])
    assert mine.extra("frame_list.txt") == f"{tmp_path}/frame_list.txt"
    assert (mine.extra("plates"), mine.extra("tex_mean.png"), mine.labels()) == ([], [], {"labels": []})
    assert mine.for_plates(["images"]) == ["images"]
    for folder in ("plates", "labels/Smile"):
        (tmp_path / folder).mkdir(parents=True)
    assert mine.extra("plates") == f"{tmp_path}/plates"
    labels = mine.labels()
    assert labels["labels"] == [f"{tmp_path}/labels/Smile"]
    assert set(labels) == {"labels", "krt", "images"}
    assert mine.for_plates(["images"]) == []


@pytest.mark.parametrize("edited", ["images/Smile/cam/1.png", "KRT"])
def test_a_replaced_file_changes_the_state_of_jobs_that_read_it(tmp_path, edited):
    for name in ("images/Smile/cam/1.png", "KRT"):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("before")

    def states():
        mine = capture(tmp_path)
        inputs = ["results/anna/x.json", f"{tmp_path}/KRT", f"{tmp_path}/images/{{expression}}"]
        return mine.state(inputs, Digests())({"expression": "Smile"}), mine.state(inputs[:1], Digests())({})

    before = states()
    (tmp_path / edited).write_text("after, longer")
    after = states()
    assert before[0] != after[0]
    assert before[1] is after[1] is None
