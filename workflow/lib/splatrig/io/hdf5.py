"""The HDF5 files of splatrig: what each says of itself, and one sentence for those that cannot be used."""

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
from splatrig.io.files import absent, atomic_path


@contextmanager
def _heard() -> Iterator[None]:
    """Raise, at the end of the block, the errors of the operating system that h5py has met and kept to itself.

    A data set is written when its last object goes, where Python only prints what is raised: a full disk would leave
    a file that has its size and lacks its content. For one thread at a time: Python has one place for such errors.
    """
    unheard: list[OSError] = []
    say = sys.unraisablehook

    def hear(ignored: "sys.UnraisableHookArgs") -> None:
        number = re.search(r"errno = (\d+)", str(ignored.exc_value))
        if number is None:
            say(ignored)
        else:
            unheard.append(OSError(int(number[1]), os.strerror(int(number[1]))))

    sys.unraisablehook = hear
    try:
        yield
    finally:
        sys.unraisablehook = say
    if unheard:
        raise unheard[0]


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
        with atomic_path(path) as temporary, _heard(), h5py.File(temporary, "w") as file:
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
        file = h5py.File(path, "r")
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
        except (OSError, KeyError, ValueError) as error:
            if not Path(path).exists():
                raise absent(path) from error
            raise InputError(f"{path}: cannot be read as {self.name} ({error}); delete it and run again.") from error
