"""Share the results of costly rules between working directories, by content.

Snakemake's own `--cache` names a result by the steps that lead to it, not by the files they read: it cannot hash the
folders of a raw capture, does not see other versions of torch, shares the time stamp of a folder between workflows, and
is refused for rules with `benchmark:`. Here the name is a digest of everything that a job reads: its script, all
wildcards and params (with the digest of the library's code), the bytes of every input, the versions of the packages
that compute, and the kind of device.

The cache is the folder that the environment variable SPLATRIG_CACHE names; without it nothing is shared.
"""

import json
import logging
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from splatrig.io.errors import InputError
from splatrig.io.files import (
    as_paths,
    atomic_directory,
    atomic_path,
    files_in,
    link_or_copy,
    sha256_of_file,
    sha256_of_value,
)
from splatrig.jobs.device_kind import kind_of, torch_sees_gpu
from splatrig.jobs.software import software

VARIABLE = "SPLATRIG_CACHE"
STATE = "capture"
"""Param with the state of a capture's files (names, sizes and times), which is ignored here since their content is
hashed."""
_FORMAT = 1
_MANIFEST = "manifest.json"
logger = logging.getLogger(__name__)

Contents = dict[str, str]
"""SHA-256 by path below a file or folder; a file's own path is the empty string."""


@dataclass(frozen=True)
class Entry:
    """Result of one job, in the cache or not yet."""

    folder: Path | None
    """Folder of the result in the cache; None if nothing is shared."""
    description: Mapping[str, Any]
    """Everything that the result depends on."""
    outputs: Mapping[str, Path]

    def fetch(self) -> bool:
        """Copy the result of another working directory into place; return False if there is none, or it is damaged."""
        if self.folder is None or not (self.folder / _MANIFEST).is_file():
            return False
        try:
            manifest = json.loads((self.folder / _MANIFEST).read_text(encoding="utf-8"))
            for name, target in self.outputs.items():
                _put(self.folder / name, target, manifest["outputs"][name])
        except (ValueError, KeyError, TypeError, FileNotFoundError) as error:
            logger.warning("%s: the cached result is damaged (%s); it is removed, and the job runs", self.folder, error)
            shutil.rmtree(self.folder, ignore_errors=True)
            return False
        logger.info("taken from the cache: %s, made %s on %s", self.folder, manifest["made"], manifest["machine"])
        return True

    def keep(self) -> None:
        """Copy the finished outputs to the cache; a full or read-only cache causes a warning, and the job succeeds."""
        if self.folder is None:
            return
        try:
            self.folder.parent.mkdir(parents=True, exist_ok=True)
            temporary = Path(tempfile.mkdtemp(prefix=".partial-", dir=self.folder.parent))
            try:
                outputs = {name: _take(path, temporary / name) for name, path in self.outputs.items()}
                manifest = {
                    "made": time.strftime("%Y-%m-%d %H:%M:%S"),
                    "machine": platform.node(),
                    "outputs": outputs,
                    "depends_on": self.description,
                }
                (temporary / _MANIFEST).write_text(json.dumps(manifest, indent=1, sort_keys=True), encoding="utf-8")
                temporary.chmod(0o755)
                temporary.rename(self.folder)
            finally:
                shutil.rmtree(temporary, ignore_errors=True)
        except OSError as error:
            if not (self.folder / _MANIFEST).is_file():  # otherwise another job has stored the same result meanwhile
                logger.warning("%s: the result is not stored in the cache (%s)", self.folder, error)
            return
        logger.info("stored in the cache: %s", self.folder)


class Named(Protocol):
    """Files, params or wildcards of a rule by name."""

    def __len__(self) -> int:
        """Return the number of entries, with and without a name."""

    def items(self) -> Iterable[tuple[str, Any]]:
        """Return the entries that have a name."""


class RunningJob(Protocol):
    """Those parts of Snakemake's script object that a result depends on."""

    rule: str
    wildcards: Named
    params: Named
    input: Named
    output: Named


def reuse(job: RunningJob, script: str | Path, apart_from: Collection[str] = ()) -> Entry:
    """End this job successfully if its result is in the cache; else return the entry in which to `keep` the result.

    Args:
        job: Snakemake's object `snakemake` of the script.
        script: The file of the script.
        apart_from: Names of params that do not change the result.

    Returns:
        Entry of the cache for the outputs of the job.

    Raises:
        InputError: SPLATRIG_CACHE is not a folder.
    """
    entry = entry_of(job, script, apart_from)
    if entry.fetch():
        sys.exit(0)
    return entry


def entry_of(job: RunningJob, script: str | Path, apart_from: Collection[str] = ()) -> Entry:
    """Return the cache entry of a Snakemake job; raise InputError if SPLATRIG_CACHE is not a folder."""
    outputs = {name: path for name, [path] in _named(job.output).items()}
    root = os.environ.get(VARIABLE)
    if not root:
        return Entry(None, {}, outputs)
    if Path(root).exists() and not Path(root).is_dir():
        raise InputError(f"{VARIABLE}: {root} is not a folder; name one, or unset the variable to share nothing.")
    params = {name: value for name, value in job.params.items() if name not in {STATE, *apart_from}}
    description = {
        "format": _FORMAT,
        "rule": job.rule,
        "script": sha256_of_file(script),
        "wildcards": dict(job.wildcards.items()),
        "params": params,
        "inputs": {name: [contents(path) for path in paths] for name, paths in _named(job.input).items()},
        "outputs": {name: path.suffix for name, path in outputs.items()},
        "software": software(),
        "device": kind_of(params["device"], torch_sees_gpu) if "device" in params else None,
    }
    key = sha256_of_value(description)
    return Entry(Path(root) / key[:2] / key, description, outputs)


def contents(path: str | Path) -> Contents:
    """Return the SHA-256 of a file, or of every file below a folder, by relative path."""
    root = Path(path)
    if not root.is_dir():
        return {"": sha256_of_file(root)}
    files = files_in(root)
    return {file.relative_to(root).as_posix(): sha256_of_file(file) for file in files}


def _named(files: Named) -> dict[str, list[Path]]:
    """Return inputs or outputs by name; all must have a name, which tells their purpose."""
    named = {name: as_paths(value) for name, value in files.items()}
    if sum(map(len, named.values())) != len(files):
        raise ValueError("a rule whose results are shared must name all of its inputs and outputs")
    return named


def _take(path: Path, target: Path) -> Contents:
    """Move an output into the cache and return its contents; files in folders are linked, since they never change."""
    found = contents(path)
    for inner in found:
        source, goal = path / inner, target / inner
        goal.parent.mkdir(parents=True, exist_ok=True)
        if inner:
            link_or_copy(source, goal)
        else:
            shutil.copyfile(source, goal)  # a link would share the time stamp that Snakemake compares
    if path.is_dir():
        target.mkdir(exist_ok=True)
    return found


def _put(source: Path, target: Path, expected: Contents) -> None:
    """Copy an output from the cache atomically; raise ValueError if its content has changed."""
    if contents(source) != expected:
        raise ValueError(f"{source.name} has changed")
    if not source.is_dir():
        with atomic_path(target) as temporary:
            shutil.copyfile(source, temporary)
        return
    with atomic_directory(target) as folder:
        for inner in expected:
            goal = folder / inner
            goal.parent.mkdir(parents=True, exist_ok=True)
            link_or_copy(source / inner, goal)
