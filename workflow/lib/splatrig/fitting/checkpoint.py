"""Keep the progress of a job, so that a killed one goes on where it was, to the same result."""

import hashlib
import json
import logging
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatrig.io.files import atomic_path

_LOG = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Slot:
    """Where one fit keeps its state between steps."""

    every: int
    """Steps between two states."""
    read: Callable[[], Arrays | None]
    """Return the state of an interrupted fit of the same job, if there is one."""
    write: Callable[[Arrays], None]
    """Replace the state."""


@dataclass(frozen=True)
class Checkpoints:
    """Named sets of arrays in a folder that belongs to one job with one set of inputs."""

    folder: Path
    key: str
    """What the job's result depends on (`key_of`); what another key has left is not read."""

    def read(self, name: str) -> Arrays | None:
        """Return the arrays kept under `name`; None when there are none, they are damaged or another job's."""
        path = self._path(name)
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            _LOG.warning("%s: the checkpoint cannot be read (%s); starting over", path, error)
            return None
        if str(arrays.pop("key", "")) != self.key:
            _LOG.info("%s: the checkpoint is of other inputs; starting over", path)
            return None
        return arrays

    def write(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Keep arrays under `name`, in place of what was there."""
        with atomic_path(self._path(name)) as temporary:
            np.savez(temporary, allow_pickle=False, **{"key": np.array(self.key), **arrays})

    def slot(self, name: str, every: int) -> Slot | None:
        """Return where a fit keeps its state under `name`; None when `every` is 0."""
        if every == 0:
            return None
        return Slot(every, lambda: self.read(name), lambda arrays: self.write(name, arrays))

    def drop(self, name: str) -> None:
        """Forget what was kept under `name`."""
        self._path(name).unlink(missing_ok=True)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def key_of(settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]], folders: list[Path]) -> str:
    """Return a SHA-256 of JSON-able settings, arrays, and the names, sizes and times of all files below `folders`."""
    digest = hashlib.sha256(json.dumps(settings, sort_keys=True).encode())
    for name in sorted(arrays):
        array = np.ascontiguousarray(arrays[name])
        digest.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    for folder in folders:
        for path in sorted(path for path in folder.rglob("*") if path.is_file()):
            status = path.stat()
            digest.update(f"{path.relative_to(folder)} {status.st_size} {status.st_mtime_ns}\n".encode())
    return digest.hexdigest()
