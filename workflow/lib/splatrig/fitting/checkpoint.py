"""Save the progress of a job, so that a killed job resumes and gives the same result."""

import logging
import time
import zipfile
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatrig.io.files import atomic_path, files_in, sha256_of_file, sha256_of_value

_LOG = logging.getLogger(__name__)

Arrays = dict[str, NDArray[Any]]


@dataclass(frozen=True)
class Checkpoints:
    """Named sets of arrays in a folder that belongs to one job with one set of inputs."""

    folder: Path
    key: str
    """Digest of everything that the job's result depends on (`key_of`); checkpoints with another key are ignored."""

    def read(self, name: str) -> Arrays | None:
        """Return the arrays saved under `name`; None if there are none, or they are damaged or another job's."""
        path = self.path(name)
        try:
            with np.load(path, allow_pickle=False) as file:
                arrays = dict(file)
        except FileNotFoundError:
            return None
        except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
            if isinstance(error, OSError) and error.errno is not None:
                raise  # the machine's: what is kept is sound
            _LOG.warning("%s: the checkpoint cannot be read (%s); starting over", path, error)
            return None
        if str(arrays.pop("key", "")) != self.key:
            _LOG.info("%s: the checkpoint belongs to other inputs; starting over", path)
            return None
        return arrays

    def write(self, name: str, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Save arrays under `name`, replacing earlier ones."""
        with atomic_path(self.path(name)) as temporary:
            np.savez(temporary, allow_pickle=False, **{"key": np.array(self.key), **arrays})

    def slot(self, name: str, every_steps: int = 1, every_seconds: float = 0.0) -> "Slot":
        """Return the place where a fit saves its state under `name`."""
        return Slot(self, name, every_steps, every_seconds)

    def drop(self, name: str) -> None:
        """Delete what was saved under `name`."""
        self.path(name).unlink(missing_ok=True)

    def path(self, name: str) -> Path:
        """Return the path of the file for `name`."""
        return self.folder / f"{name}.npz"


@dataclass
class Slot:
    """Storage for the state of one fit between steps."""

    checkpoints: Checkpoints
    name: str
    every_steps: int
    """The state is saved only after multiples of this number of steps."""
    every_seconds: float
    """Minimum time between two saves."""
    _last: float = field(default_factory=time.perf_counter)

    @property
    def path(self) -> Path:
        """Path of the file of the state."""
        return self.checkpoints.path(self.name)

    def read(self) -> Arrays | None:
        """Return the state of an interrupted fit of the same job, if there is one."""
        return self.checkpoints.read(self.name)

    def keep(self, done: int, state: Callable[[], Mapping[str, NDArray[Any]]]) -> None:
        """Save the result of `state` after `done` steps, replacing the last one, if a save is due."""
        if done % self.every_steps == 0 and time.perf_counter() - self._last >= self.every_seconds:
            self.checkpoints.write(self.name, state())
            self._last = time.perf_counter()


def key_of(
    settings: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]] | None = None, paths: Iterable[str | Path] = ()
) -> str:
    """Return a SHA-256 of settings, arrays and files: the identity of a fit.

    A file counts by its content, a folder by the names, sizes and times of all files below it.
    """
    described = {
        name: [str(array.dtype), array.shape, sha256(array.tobytes()).hexdigest()]
        for name, array in (arrays or {}).items()
    }
    return sha256_of_value([settings, described, [[path.name, _state_of(path)] for path in map(Path, paths)]])


def _state_of(path: Path) -> str | list[list[Any]]:
    if path.is_dir():
        states = ((file, file.stat()) for file in files_in(path))
        return [[str(file.relative_to(path)), state.st_size, state.st_mtime_ns] for file, state in states]
    return sha256_of_file(path)
