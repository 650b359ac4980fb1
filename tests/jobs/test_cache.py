"""What two jobs share, and what keeps them apart."""

import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from splatrig.io.errors import InputError
from splatrig.jobs import cache


class Named(list):
    """Files by name, as Snakemake hands them to a script."""

    def __init__(self, **files):
        self.files = files
        super().__init__(
            path for value in files.values() for path in ([value] if isinstance(value, str | Path) else value)
        )

    def items(self):
        return self.files.items()


@dataclass
class Desk:
    """A working directory with one job: two inputs, a folder among them, and two outputs."""

    folder: Path
    wildcards: dict = field(default_factory=lambda: {"expression": "E001"})
    params: dict = field(default_factory=lambda: {"seed": 0, "steps": {"frame": 5}, "lib": "abc", "progress": "here"})

    def __post_init__(self):
        (self.folder / "in").mkdir(parents=True)
        (self.folder / "script.py").write_text("the script")
        (self.folder / "mesh.obj").write_text("v 0 0 0")
        (self.folder / "in" / "a.png").write_text("picture")
        self.inputs = Named(mesh=self.folder / "mesh.obj", photographs=self.folder / "in", plates=[])
        self.outputs = Named(gaussians=str(self.folder / "out.h5"), events=str(self.folder / "events"))

    def entry(self):
        job = SimpleNamespace(
            rule="fit", wildcards=self.wildcards, params=self.params, input=self.inputs, output=self.outputs
        )
        return cache.entry_of(job, self.folder / "script.py", apart_from=["progress"])

    def make(self, text):
        (self.folder / "out.h5").write_text(text)
        (self.folder / "events" / "deep").mkdir(parents=True, exist_ok=True)
        (self.folder / "events" / "deep" / "one").write_text(text)
        (self.folder / "events" / ".snakemake_timestamp").touch()


@pytest.fixture(autouse=True)
def store(tmp_path, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(autouse=True)
def first(tmp_path, store):
    assert not store.exists()
    desk = Desk(tmp_path / "first")
    desk.make("result")
    desk.entry().keep()
    return desk


def test_the_same_job_in_another_directory_takes_what_the_first_made(tmp_path):
    second = Desk(tmp_path / "second")
    second.params["progress"] = "elsewhere"
    assert second.entry().fetch()
    assert (second.folder / "out.h5").read_text() == "result"
    assert (second.folder / "events" / "deep" / "one").read_text() == "result"
    assert not (second.folder / "events" / ".snakemake_timestamp").exists()


def test_reuse_ends_the_job_successfully(tmp_path):
    second = Desk(tmp_path / "second")
    job = SimpleNamespace(
        rule="fit", wildcards=second.wildcards, params=second.params, input=second.inputs, output=second.outputs
    )
    with pytest.raises(SystemExit) as end:
        cache.reuse(job, second.folder / "script.py", apart_from=["progress"])
    assert end.value.code == 0


def change_folder_name(desk):
    (desk.folder / "in" / "a.png").rename(desk.folder / "in" / "b.png")


def swap_roles(desk):
    desk.inputs = Named(photographs=desk.folder / "mesh.obj", mesh=desk.folder / "in", plates=[])


@pytest.mark.parametrize(
    "change",
    [
        lambda desk: desk.wildcards.update(expression="E002"),
        lambda desk: desk.params.update(seed=1),
        lambda desk: desk.params["steps"].update(frame=6),
        lambda desk: desk.params.update(lib="abd"),
        lambda desk: desk.params.update(new=None),
        lambda desk: (desk.folder / "script.py").write_text("another"),
        lambda desk: (desk.folder / "mesh.obj").write_text("v 0 0 1"),
        lambda desk: (desk.folder / "in" / "a.png").write_text("other picture"),
        lambda desk: (desk.folder / "in" / "more.png").write_text("one more"),
        change_folder_name,
        swap_roles,
    ],
    ids=[
        "wildcard",
        "seed",
        "nested value",
        "library",
        "new value",
        "script",
        "input",
        "file of a folder",
        "more files",
        "name in a folder",
        "swapped inputs",
    ],
)
def test_whatever_a_job_reads_keeps_it_apart(tmp_path, change):
    second = Desk(tmp_path / "second")
    change(second)
    assert not second.entry().fetch()


def test_times_of_a_capture_keep_nothing_apart(tmp_path):
    one, other = Desk(tmp_path / "one"), Desk(tmp_path / "other")
    other.params[cache.STATE] = "sizes and times of files"
    assert one.entry().folder == other.entry().folder


def test_another_version_of_a_package_keeps_apart(tmp_path, monkeypatch):
    versions = dict(cache.software())
    monkeypatch.setattr(cache, "software", lambda: {**versions, "numpy": "0.0.1"})
    assert not Desk(tmp_path / "second").entry().fetch()


def test_auto_means_the_device_that_is_there(first):
    first.params["device"] = "auto"
    assert first.entry().description["device"] in ("cpu", "cuda")


def test_single_files_are_copied_and_files_of_folders_linked(store):
    """A hard link shares its time stamp, by which Snakemake decides; inside folders it does not look."""
    (kept,) = store.glob("*/*")
    assert (kept / "gaussians").stat().st_nlink == 1
    assert (kept / "events" / "deep" / "one").stat().st_nlink == 2


def test_a_damaged_entry_is_noticed_and_made_anew(tmp_path, store, caplog):
    (kept,) = store.glob("*/*")
    (kept / "gaussians").write_text("bits rot")
    second = Desk(tmp_path / "second")
    assert not second.entry().fetch()
    assert "damaged" in caplog.text
    second.make("result")
    second.entry().keep()
    assert Desk(tmp_path / "third").entry().fetch()


def test_a_half_written_entry_is_none(tmp_path, store):
    (kept,) = store.glob("*/*")
    (kept / "manifest.json").unlink()
    assert not Desk(tmp_path / "second").entry().fetch()


def test_two_jobs_that_finish_together_leave_one_entry(tmp_path, store):
    second = Desk(tmp_path / "second")
    second.make("result")
    second.entry().keep()
    assert len(list(store.glob("*/*"))) == 1
    assert not list(store.glob("*/.partial-*"))


def test_the_manifest_says_what_the_result_depends_on(store):
    (kept,) = store.glob("*/*")
    manifest = json.loads((kept / "manifest.json").read_text())
    assert manifest["depends_on"]["params"]["seed"] == 0
    assert manifest["depends_on"]["inputs"]["photographs"][0].keys() == {"a.png"}


def test_without_the_variable_nothing_is_shared(tmp_path, monkeypatch):
    monkeypatch.delenv(cache.VARIABLE)
    second = Desk(tmp_path / "second")
    assert not second.entry().fetch()
    shutil.rmtree(second.folder / "in")
    second.entry().keep()
    assert not (second.folder / "out.h5").exists()


def test_a_file_in_place_of_the_folder_is_named(first, monkeypatch):
    monkeypatch.setenv(cache.VARIABLE, str(first.folder / "mesh.obj"))
    with pytest.raises(InputError, match=r"SPLATRIG_CACHE: .*mesh\.obj is not a folder"):
        first.entry()


def test_a_cache_that_cannot_be_written_costs_a_warning(first, monkeypatch, caplog):
    monkeypatch.setenv(cache.VARIABLE, "/proc/none")
    first.entry().keep()
    assert "not stored in the cache" in caplog.text
