"""Provenance of every result of a subject: `results/{subject}/provenance.json`.

It is written after a successful run. It contains no time stamp and is rewritten only if its content changes, and no
rule reads or makes it, so it never causes a rerun. Digests of files with unchanged size and time are reused.
"""

import json
import os
import re
import subprocess
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from splatrig.io.files import files_in, is_stray, sha256_of_file, sha256_of_value, write_text
from splatrig.jobs.software import software


@dataclass(frozen=True)
class Job:
    """The parts of a workflow's job that its results depend on."""

    rule: str
    wildcards: Mapping[str, str]
    params: Mapping[str, Any]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    log: str | None
    in_bucket: bool = False
    """Whether the outputs are in a bucket, and so made and not here."""


def describe(jobs: Iterable[Job], known: Mapping[str, Any], digests: "Digests") -> dict[str, Any]:
    """Return the jobs by first output with the digests of their inputs and outputs.

    `known` is an earlier description: its other jobs are kept as long as their outputs have not changed.
    """
    rows: dict[str, dict[str, Any]] = {
        job.outputs[0]: {
            "rule": job.rule,
            "wildcards": dict(job.wildcards),
            "params_sha256": sha256_of_value(job.params),
            "ran_on": _first_line(job.log),
            "inputs": list(job.inputs),
            "outputs": list(job.outputs),
        }
        for job in jobs
        if job.in_bucket or all(Path(path).exists() for path in job.outputs)
    }
    old_files = known.get("files", {})
    for name, row in known.get("jobs", {}).items():
        as_it_was = (Path(path).exists() and digests.of(path) == old_files.get(path) for path in row["outputs"])
        if name not in rows and all(as_it_was):
            rows[name] = row
    paths = {path for row in rows.values() for path in row["inputs"] + row["outputs"]}
    files = {path: digests.of(path) for path in sorted(paths) if Path(path).exists()}
    return {"jobs": dict(sorted(rows.items())), "files": files}


def run_description(sources: Path, subject: str, config: Mapping[str, Any]) -> dict[str, Any]:
    """Return a description of a whole run: the configuration, versions of the software, commit of the sources."""
    command = ["git", "-C", str(sources), "describe", "--always", "--dirty"]
    try:
        found = subprocess.run(command, capture_output=True, text=True, check=True, timeout=30).stdout.strip()
    except (OSError, subprocess.SubprocessError):
        found = ""
    return {
        "subject": subject,
        "config": dict(config),
        "config_sha256": sha256_of_value(config),
        "software": software(),
        "commit": found or None,
    }


def write_provenance(path: str | Path, jobs: Iterable[Job], about: Mapping[str, Any], memory: str | Path) -> bool:
    """Update the provenance of a run at `path`; return whether it changed.

    `about` describes the whole run: configuration, versions, commit. `memory` is a file that caches digests.
    """
    target = Path(path)
    digests = Digests.load(memory)
    description = {**about, **describe(jobs, _read(target), digests)}
    digests.save(memory)
    text = json.dumps(description, indent=1, sort_keys=True) + "\n"
    if target.is_file() and target.read_text(encoding="utf-8") == text:
        return False
    write_text(target, text)
    return True


class Digests:
    """SHA-256 and size of files and folders; files with unchanged size and time are not read again."""

    def __init__(self, known: Mapping[str, Any] | None = None) -> None:
        self._known = dict(known or {})
        self._used: dict[str, Any] = {}
        self._states: dict[str, str] = {}

    @classmethod
    def load(cls, path: str | Path) -> "Digests":
        """Return the digests that `save` stored; none if there are none, or they are damaged."""
        return cls(_read(Path(path)))

    def save(self, path: str | Path) -> None:
        """Store the digests that were computed."""
        write_text(path, json.dumps(self._used))

    def of(self, path: str) -> dict[str, Any]:
        """Return `sha256` and `bytes` of a file, or of a folder's list of files with their number."""
        root = Path(path)
        if not root.is_dir():
            return {"sha256": self._one(root), "bytes": root.stat().st_size}
        files = files_in(root)
        listing = {file.relative_to(root).as_posix(): self._one(file) for file in files}
        size = sum(file.stat().st_size for file in files)
        return {"sha256": sha256_of_value(listing), "bytes": size, "files": len(files)}

    def state(self, path: str) -> str:
        """Return a digest of the names, sizes and times of a user's file, or of all files below a folder.

        Only files that were written since the last run are read: if their content is unchanged, the old time counts.
        Stray files are ignored.
        """
        if path not in self._states:
            rows = [(str(file).removeprefix(path), *self._seen(file)) for file in _given_files(Path(path))]
            self._states[path] = sha256_of_value(sorted(rows))
        return self._states[path]

    def _seen(self, file: Path) -> tuple[int, int]:
        """Return the size of a file, and the time since when it has its content; zeros for a broken link."""
        try:
            status = file.stat()
        except FileNotFoundError:
            return 0, 0
        size, time = status.st_size, status.st_mtime_ns
        kept = self._entry(file)
        if kept is not None and (kept[:2] == [size, time] or (kept[0] == size and kept[2] == sha256_of_file(file))):
            return size, kept[3]
        return size, time

    def _entry(self, file: Path) -> list[Any] | None:
        """Return the record of a file: size, time, SHA-256, and the time since when it has that content."""
        kept = self._known.get(str(file))
        return kept if isinstance(kept, list) and len(kept) == 4 else None

    def _one(self, path: Path) -> str:
        status = path.stat()
        state = [status.st_size, status.st_mtime_ns]
        kept = self._entry(path)
        if kept is None or kept[:2] != state:
            content = sha256_of_file(path)
            kept = [*state, content, kept[3] if kept is not None and kept[2] == content else status.st_mtime_ns]
        self._used[str(path)] = kept
        return str(kept[2])


def _given_files(root: Path) -> Iterator[Path]:
    """Yield a file, or all files below a folder except stray ones; links to folders are followed."""
    if root.is_file():
        yield root
    for folder, folders, names in os.walk(root, followlinks=True):
        folders[:] = [name for name in folders if not is_stray(name)]
        yield from (Path(folder, name) for name in names if not is_stray(name))


def _first_line(log: str | None) -> str | None:
    """Return the first line of a job's log, with the machine and the versions (`splatrig.jobs.logs`)."""
    if log is None or not Path(log).is_file():
        return None
    with open(log, encoding="utf-8", errors="replace") as stream:
        line = stream.readline().strip()
    return line if re.match(r"[\d:]+ \d{4}-\d\d-\d\d on ", line) else None


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}
