"""A copy of the project in a scratch folder, run once from end to end on a tiny capture."""

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from filelock import FileLock

from support import web_renderer
from support.face_networks import networks_missing
from support.warm_snakemake import call_snakemake

ROOT = Path(__file__).resolve().parents[2]
CONFIG = Path(__file__).with_name("tiny.yaml")
_ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "SPLATRIG_CACHE"} | {
    "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}"
}


@dataclass(frozen=True)
class Project:
    """A working copy of splatrig in which tests may edit anything."""

    directory: Path
    cache: Path | None = None
    """The cache that this copy shares with others, if any."""

    @property
    def environment(self) -> dict[str, str]:
        """The environment of snakemake in this copy."""
        return _ENVIRONMENT | ({"SPLATRIG_CACHE": str(self.cache)} if self.cache else {})

    def snakemake(self, *arguments: str, config: Path | None = None) -> subprocess.CompletedProcess[str]:
        """Call snakemake in this copy with the tiny configuration."""
        words = ["--configfile", str(config or self.config), "--cores", "2", *arguments]
        return call_snakemake(words, self.directory, self.environment)

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """Start snakemake in this copy, without `--cores`, and return at once; its words come together on stdout.

        It ends with this process, however that ends.
        """
        snakemake = [sys.executable, "-m", "snakemake", "--configfile", str(self.config)]
        command = ["setpriv", "--pdeathsig", "TERM", "--", *snakemake, *arguments]
        pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT}
        return subprocess.Popen(command, cwd=self.directory, text=True, env=self.environment | environment, **pipes)

    @property
    def config(self) -> Path:
        """The configuration file of this copy."""
        return self.directory / "tiny.yaml"

    @property
    def results(self) -> Path:
        """Where this copy's results are."""
        return self.directory / "results" / "tiny"

    def pending(self, *arguments: str, config: Path | None = None) -> dict[str, int]:
        """Return how many jobs of each rule a run would start now."""
        done = self.snakemake("--dry-run", *arguments, config=config)
        assert done.returncode == 0, done.stdout + done.stderr
        return self.jobs_in(done.stdout + done.stderr)

    @staticmethod
    def jobs_in(text: str) -> dict[str, int]:
        """Return how many jobs of each rule the words of a dry run list."""
        table = re.search(r"Job stats:\njob +count\n[- ]+\n(.*?)\n\n", text, re.S)
        if table is None:
            assert "Nothing to be done" in text, text
            return {}
        rows = (line.split() for line in table[1].splitlines())
        return {rule: int(count) for rule, count in rows if rule not in ("all", "total")}

    def config_with(self, dotted: str, value: object, path: Path) -> Path:
        """Write a configuration that differs in one key; return its path."""
        raw = yaml.safe_load(self.config.read_text())
        *parents, last = dotted.split(".")
        section = raw
        for key in parents:
            section = section.setdefault(key, {})
        section[last] = value
        path.write_text(yaml.safe_dump(raw))
        return path

    @contextmanager
    def changed_config(self, dotted: str, value: object) -> Iterator[None]:
        """Set one key of the configuration for the time of a block."""
        before = self.config.read_text()
        self.config_with(dotted, value, self.config)
        try:
            yield
        finally:
            self.config.write_text(before)

    @contextmanager
    def edited(self, path: str) -> Iterator[None]:
        """Append a comment to a source file for the time of a block."""
        file = self.directory / path
        before, stamp = file.read_bytes(), file.stat()
        file.write_bytes(before + b"\n# edited by a test\n")
        try:
            yield
        finally:
            file.write_bytes(before)
            os.utime(file, ns=(stamp.st_atime_ns, stamp.st_mtime_ns))


def _copy_project(directory: Path, cache: Path | None = None) -> Project:
    """Copy the sources (and what was retrieved from the network) into `directory`."""
    missing = web_renderer.missing("web_renderer.zip")  # else it is there to be copied
    networks_missing()
    directory.mkdir(parents=True, exist_ok=True)
    for name in ("Snakefile", "config.yaml"):
        shutil.copy2(ROOT / name, directory / name)
    for name in ("workflow", "envs", "profiles", "resources/expressions", "resources/landmarks", "resources/driving"):
        shutil.copytree(ROOT / name, directory / name)
    retrieved = ROOT / "resources" / "retrieved"
    if retrieved.is_dir():
        shutil.copytree(retrieved, directory / "resources" / "retrieved")
    shutil.copy2(CONFIG, directory / "tiny.yaml")
    if missing:
        with (directory / "tiny.yaml").open("a") as file:
            file.write("control: {web_head: false}\n")
    return Project(directory, cache)


@pytest.fixture(scope="session")
def copy_project() -> Callable[..., Project]:
    """Return the function that makes a working copy in a folder."""
    return _copy_project


@pytest.fixture(scope="session")
def finished(tmp_path_factory: pytest.TempPathFactory, worker_id: str) -> Project:
    """The project after one complete run, which left its costly results in a cache; every process has its own copy."""
    if worker_id == "master":
        return _run_whole(tmp_path_factory.mktemp("whole"))
    shared = tmp_path_factory.getbasetemp().parent / "whole"
    with FileLock(f"{shared}.lock"):
        if not (shared / "ended").exists():
            _run_whole(shared)
            (shared / "ended").touch()
    own = tmp_path_factory.mktemp("whole")
    shutil.copytree(shared, own, symlinks=True, dirs_exist_ok=True)
    return Project(own / "project", own / "cache")


def _run_whole(directory: Path) -> Project:
    """Run a copy of the project from end to end."""
    project = _copy_project(directory / "project", directory / "cache")
    done = project.snakemake()
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-10000:]
    return project
