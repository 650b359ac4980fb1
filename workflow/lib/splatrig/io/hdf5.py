"""The HDF5 files of splatrig: what each says of itself, and one sentence for those that cannot be used."""

import errno
import os
import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import h5py

from splatrig import __version__
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path, unreadable


def _of_the_system(error: BaseException | None) -> OSError | None:
    """Return the error of the operating system that an error of HDF5, of whatever class, was made of, or None."""
    number = re.search(r"errno = ([1-9]\d*)", str(error))
    return None if number is None else OSError(int(number[1]), os.strerror(int(number[1])))


@contextmanager
def _heard() -> Iterator[None]:
    """Raise, at the end of the block, the errors of the operating system that h5py has met and kept to itself.

    A data set is written when its last object goes, where Python only prints what is raised: a full disk would leave
    a file that has its size and lacks its content. For one thread at a time: Python has one place for such errors.
    """
    unheard: list[OSError] = []
    say = sys.unraisablehook

    def hear(ignored: "sys.UnraisableHookArgs") -> None:
        error = _of_the_system(ignored.exc_value)
        if error is None:
            say(ignored)
        else:
            unheard.append(error)

    sys.unraisablehook = hear
    try:
        yield
    finally:
        sys.unraisablehook = say
    if unheard:
        raise unheard[0]


def _opened(path: str | Path) -> h5py.File:
    """Return the HDF5 file at `path`, open for reading; raise InputError when another program has locked it.

    Some network file systems have no locks. None is needed: a file that has its name is whole and never written again.
    """
    try:
        return h5py.File(path, "r")
    except OSError as error:
        if not re.search(r"unable to lock file|file locking flag", str(error)):
            raise
        if error.errno in (errno.EAGAIN, errno.EACCES):
            raise InputError(
                "expected a file that can be read, got one that another program has locked; it is not damaged: end "
                "what writes it or, where a file server keeps the lock of a program that is gone, set "
                "HDF5_USE_FILE_LOCKING=FALSE, and run the same command again."
            ) from error
    return h5py.File(path, "r", locking=False)


@dataclass(frozen=True)
class Format:
    """One kind of file."""

    name: str
    """What the root attribute `format` says after `splatrig`: `template`, `fitted frames`, …"""
    version: int
    units: str

    @contextmanager
    def writing(self, path: str | Path) -> Iterator[h5py.File]:
        """Yield a new file with format, versions and units as root attributes.

        It takes the place of `path` if the block succeeds, and all of it was written.
        """
        with atomic_path(path) as temporary, _heard(), h5py.File(temporary, "w", locking=False) as file:
            file.attrs["format"] = f"splatrig {self.name}"
            file.attrs["format_version"] = self.version
            file.attrs["splatrig_version"] = __version__
            file.attrs["units"] = self.units
            yield file
            file.flush()

    @contextmanager
    def reading(self, path: str | Path) -> Iterator[h5py.File]:
        """Yield the file at `path`; raise InputError naming it unless it is whole and of this kind."""
        with self.named_in_errors(path), self.open(path) as file:
            yield file

    def open(self, path: str | Path) -> h5py.File:
        """Return the file at `path`, open for reading; raise ValueError when it is not of this format."""
        file = _opened(path)
        found, version = file.attrs.get("format"), file.attrs.get("format_version")
        if (found, version) != (f"splatrig {self.name}", self.version):
            file.close()
            raise ValueError(f"it is {found} of version {version}" if found else "it is another HDF5 file")
        return file

    @contextmanager
    def named_in_errors(self, path: str | Path) -> Iterator[None]:
        """Turn what h5py raises for missing, damaged or incomplete files into an InputError that names `path`."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            damaged = f"cannot be read as {self.name} ({error}); delete it and run again."
            raise unreadable(path, _of_the_system(error) or error, damaged) from error
