"""Write files atomically, so that a reader sees a whole file or none, and name files by content."""

import errno
import hashlib
import io
import json
import os
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, TextIO

from splatrig.io.errors import InputError, refusal

_STRAY = frozenset({"thumbs.db", "ehthumbs.db", "desktop.ini", "@eadir", "__macosx"})
"""Names that file managers and network drives create in folders, in lower case; hidden files are recognized apart."""


class File(Protocol):
    """A file that is read as a whole and named in messages: a `Path`, or a member of an archive."""

    def read_bytes(self) -> bytes:
        """Return the content."""
        ...

    def __str__(self) -> str:
        """Return the name of the file in messages."""
        ...


def opened(file: str | File) -> io.BytesIO:
    """Return the content of a file as a stream of bytes."""
    return io.BytesIO((Path(file) if isinstance(file, str) else file).read_bytes())


def opened_text(file: str | File) -> TextIO:
    """Return the content of a text file as a stream of lines; a byte order mark and CRLF are handled."""
    return io.TextIOWrapper(opened(file), encoding="utf-8-sig", errors="replace")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a path next to `path` (same suffix) to write to; move it into place if the block succeeds.

    The temporary file is removed when the block raises, so a failed job leaves no half-written output.

    Args:
        path: The file to write.
    """
    target = Path(path)
    with _named_in_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
        os.close(handle)
        temporary = Path(name)
        try:
            yield temporary
            temporary.chmod(0o644)
            temporary.replace(target)
        finally:
            temporary.unlink(missing_ok=True)


def write_text(path: str | Path, text: str) -> None:
    """Write a whole text file, UTF-8, in place of `path`."""
    with atomic_path(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


@contextmanager
def atomic_directory(path: str | Path) -> Iterator[Path]:
    """Yield a fresh folder next to `path` to fill; replace `path` by it if the block succeeds.

    Args:
        path: The folder to write.
    """
    target = Path(path)
    with _named_in_errors(target):
        target.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
        try:
            yield temporary
            temporary.chmod(0o755)
            if target.exists():
                shutil.rmtree(target)
            temporary.replace(target)
        finally:
            shutil.rmtree(temporary, ignore_errors=True)


@contextmanager
def _named_in_errors(target: Path) -> Iterator[None]:
    """Add the path that was being written to an error of the operating system, which may name no file."""
    try:
        yield
    except OSError as error:
        if not getattr(error, "__notes__", None):
            error.add_note(f"while writing {target}")
        raise


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Make `target` a hard link to the file `source`, or a copy where links are not possible.

    Raises FileExistsError if `target` exists.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def as_paths(files: str | Path | Iterable[str | Path]) -> list[Path]:
    """Return the files of one named input of a rule, which Snakemake passes as a string or as a list of any length."""
    return [Path(files)] if isinstance(files, str | Path) else [Path(file) for file in files]


def first_path(files: str | Path | Iterable[str | Path]) -> Path | None:
    """Return the file of an optional named input of a rule, or None."""
    return next(iter(as_paths(files)), None)


def absent(path: str | Path) -> InputError:
    """Return the error for a missing file of a run; a damaged file has another one."""
    return InputError(f"{path}: expected a file, got none; run the pipeline, which makes it, or name another.")


def unreadable(path: str | Path, error: Exception, damaged: str) -> InputError:
    """Return the error for a file of a run that could not be read: missing, refused by the system, or `damaged`.

    `damaged` contains advice to delete the file, so it is given only if the system reports no other cause.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ENOTDIR) or (number is None and not os.path.exists(path)):  # noqa: PTH110  never raises
        return absent(path)
    return InputError(refusal(path, number) if number is not None else f"{path}: {damaged}")


def is_stray(name: str) -> bool:
    """Return whether a name in a user's folder is hidden, or one that file managers leave there."""
    return name.startswith(".") or name.lower() in _STRAY


def files_in(folder: Path) -> list[Path]:
    """Return all files below a folder, sorted, without stray ones and Snakemake's hidden time stamp."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and not is_stray(file.name))


def sha256_of_value(value: Any) -> str:
    """Return the SHA-256 of a value as JSON with sorted keys; types that JSON lacks are converted to text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def sha256_of_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
