import json
import os
from dataclasses import replace

import pytest

from splatrig.io.files import sha256_of_file
from splatrig.jobs import provenance
from splatrig.jobs.provenance import Digests, Job, run_description, write_provenance

ABOUT = {"subject": "x"}


@pytest.fixture(autouse=True)
def desk(tmp_path, monkeypatch):
    """A working directory with a raw file, a table made of it, and a folder made of the table."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw").write_text("raw")
    (tmp_path / "table.csv").write_text("a,b\n")
    (tmp_path / "folder").mkdir()
    (tmp_path / "folder" / "one").write_text("1")
    (tmp_path / "table.log").write_text("01:00:00 2026-11-23 on vm (x86_64, 2 cores): python 3.11.7\nmore\n")
    return tmp_path


TABLE = Job("tabulate", {}, {"seed": 0}, ("raw",), ("table.csv",), "table.log")
FOLDER = Job("unfold", {"frame": "1"}, {}, ("table.csv",), ("folder",), None)


def written(*jobs, about=ABOUT):
    changed = write_provenance("provenance.json", jobs, about, "memory.json")
    with open("provenance.json") as stream:
        return changed, json.load(stream)


def test_every_file_is_named_with_its_digest_and_the_job_that_made_it(desk):
    _, found = written(TABLE, FOLDER)
    assert found["subject"] == "x"
    assert found["jobs"]["table.csv"]["rule"] == "tabulate"
    assert found["jobs"]["table.csv"]["ran_on"].endswith("on vm (x86_64, 2 cores): python 3.11.7")
    assert found["jobs"]["folder"]["inputs"] == ["table.csv"]
    assert found["files"]["raw"] == {"sha256": sha256_of_file(desk / "raw"), "bytes": 3}
    assert found["files"]["folder"]["files"] == 1


def test_a_job_whose_outputs_are_in_a_bucket_is_described_without_their_digests():
    gone = replace(TABLE, inputs=("elsewhere",), outputs=("elsewhere.csv",), in_bucket=True)
    _, found = written(gone)
    assert list(found["jobs"]) == ["elsewhere.csv"]
    assert found["files"] == {}


def test_an_unchanged_run_leaves_the_file_alone(desk):
    written(TABLE, FOLDER)
    before = (desk / "provenance.json").stat().st_mtime_ns
    changed, _ = written(FOLDER, TABLE)
    assert not changed
    assert (desk / "provenance.json").stat().st_mtime_ns == before


def test_stamps_and_the_time_of_a_file_do_not_count(desk):
    _, before = written(TABLE, FOLDER)
    (desk / "folder" / ".snakemake_timestamp").touch()
    os.utime(desk / "table.csv", (1, 1))
    changed, after = written(TABLE, FOLDER)
    assert (changed, after) == (False, before)


def test_a_changed_file_and_changed_params_are_seen(desk):
    _, before = written(TABLE, FOLDER)
    (desk / "folder" / "one").write_text("2")
    _, after = written(replace(TABLE, params={"seed": 1}), FOLDER)
    assert after["files"]["folder"]["sha256"] != before["files"]["folder"]["sha256"]
    assert after["files"]["table.csv"] == before["files"]["table.csv"]
    assert after["jobs"]["table.csv"]["params_sha256"] != before["jobs"]["table.csv"]["params_sha256"]


def test_jobs_outside_this_run_stay_while_their_outputs_are_what_they_were(desk):
    written(TABLE, FOLDER)
    _, found = written(TABLE)
    assert found["jobs"].keys() == {"table.csv", "folder"}
    (desk / "folder" / "one").write_text("by hand")
    _, found = written(TABLE)
    assert found["jobs"].keys() == {"table.csv"}
    assert found["files"].keys() == {"raw", "table.csv"}


def test_an_unchanged_file_is_not_read_again(monkeypatch):
    written(TABLE, FOLDER)
    monkeypatch.setattr(provenance, "sha256_of_file", lambda path: pytest.fail(f"{path} was read again"))
    assert not written(TABLE, FOLDER)[0]


@pytest.mark.parametrize("damage", ["", "[1]", '{"raw": 3}', '{"raw": [1, 2, "x"]}'])
def test_a_damaged_memory_is_no_memory(desk, damage):
    (desk / "memory.json").write_text(damage)
    assert Digests.load("memory.json").of("raw")["sha256"] == sha256_of_file(desk / "raw")


def test_a_run_is_described_by_configuration_versions_and_commit(tmp_path):
    about = run_description(tmp_path, "demo", {"seed": 0})
    assert about["commit"] is None  # not a repository
    assert about["config"] == {"seed": 0}
    assert about["config_sha256"] != run_description(tmp_path, "demo", {"seed": 1})["config_sha256"]
    assert about["software"]["numpy"]


def state(desk):
    """The state of the folder as a later run finds it."""
    return Digests.load(desk / "memory.json").state("folder")


def test_the_state_of_a_folder_is_that_of_its_files_alone(desk):
    before = state(desk)
    for name in (".DS_Store", "._one", "Thumbs.db"):
        (desk / "folder" / name).write_bytes(b"stray")
    os.utime(desk / "folder", (1, 1))
    assert state(desk) == before
    (desk / "elsewhere").mkdir()
    (desk / "elsewhere" / "two").write_text("2")
    (desk / "folder" / "link").symlink_to(desk / "elsewhere")
    linked = state(desk)
    assert linked != before
    (desk / "elsewhere" / "two").write_text("two")
    assert state(desk) not in (before, linked)


def test_a_touched_file_is_as_it_was_if_a_run_knew_its_content(desk):
    file = desk / "folder" / "one"
    os.utime(file, (5, 5))
    first = state(desk)
    os.utime(file, (6, 6))
    assert state(desk) != first, "nobody knows what was in it"
    second = state(desk)
    written(TABLE, FOLDER)
    for time in (7, 8):
        os.utime(file, (time, time))
        assert state(desk) == second
        written(TABLE, FOLDER)
    file.write_text("2")
    os.utime(file, (8, 8 + 1))
    assert state(desk) != second


def test_the_state_costs_no_reading(desk, monkeypatch):
    written(TABLE, FOLDER)
    monkeypatch.setattr(provenance, "sha256_of_file", None)
    assert state(desk)
    assert Digests().state("folder") == state(desk)
    assert Digests().state("nothing") != state(desk)
