"""The HDF5 files of splatrig: their attributes of format and version, and clear errors for unusable files."""

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
    """Return the error of the operating system that caused an error of HDF5, or None."""
    number = re.search(r"errno = ([1-9]\d*)", str(error))
    return None if number is None else OSError(int(number[1]), os.strerror(int(number[1])))


@contextmanager
def _heard() -> Iterator[None]:
    """Raise OS errors that h5py swallows at the end of the block.

    h5py flushes in a destructor, where Python only prints exceptions, so a full disk would leave a truncated file and
    no error. Use it in one thread at a time, since Python has one hook for such errors.
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

    Some network file systems have no locks. None is needed: finished files are renamed into place and not written
    again.
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
    """One kind of HDF5 file."""

    name: str
    """Value of the root attribute `format` after `splatrig`: `template`, `fitted frames`, …"""
    version: int
    units: str

    @contextmanager
    def writing(self, path: str | Path) -> Iterator[h5py.File]:
        """Yield a new file with format, versions and units as root attributes.

        It replaces `path` if the block succeeds and everything was written.
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
        """Yield the file at `path`; raise InputError naming it unless it is complete and of this format."""
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
        """Convert h5py's exceptions for missing, damaged or incomplete files to an InputError that names `path`."""
        try:
            yield
        except InputError as error:
            raise InputError(f"{path}: {error}") from error
        except (OSError, KeyError, ValueError, RuntimeError) as error:
            damaged = f"cannot be read as {self.name} ({error}); delete it and run again."
            raise unreadable(path, _of_the_system(error) or error, damaged) from error
