"""Write files so that a reader sees the whole of one or none of it, and name them by content."""

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
"""What file managers and network drives leave in folders, in lower case; hidden files are others."""


class File(Protocol):
    """What is read as a whole and named in messages: a `Path`, or a member of an archive."""

    def read_bytes(self) -> bytes:
        """Return the content."""
        ...

    def __str__(self) -> str:
        """Return the name that messages give it."""
        ...


def opened(file: str | File) -> io.BytesIO:
    """Return the content of a file as a stream of bytes."""
    return io.BytesIO((Path(file) if isinstance(file, str) else file).read_bytes())


def opened_text(file: str | File) -> TextIO:
    """Return the content of a text file as a stream of lines; a byte order mark and CRLF do not matter."""
    return io.TextIOWrapper(opened(file), encoding="utf-8-sig", errors="replace")


@contextmanager
def atomic_path(path: str | Path) -> Iterator[Path]:
    """Yield a path beside `path` (same suffix) to write to; move it into place if the block succeeds.

    The temporary file is removed when the block raises, so a failed job leaves no half-written output.
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
    """Yield a fresh directory beside `path` to fill; replace `path` by it if the block succeeds."""
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
    """Add to an error of the operating system, which may name no file, what was being written."""
    try:
        yield
    except OSError as error:
        if not getattr(error, "__notes__", None):
            error.add_note(f"while writing {target}")
        raise


def link_or_copy(source: str | Path, target: str | Path) -> None:
    """Make `target` another name of the file `source`, or a copy where links are not possible.

    Raises FileExistsError where `target` is there.
    """
    try:
        os.link(source, target)
    except FileExistsError:
        raise
    except OSError:
        shutil.copyfile(source, target)


def as_paths(files: str | Path | Iterable[str | Path]) -> list[Path]:
    """Return the files of one named input of a rule, which Snakemake gives as a string, or as a list of any length."""
    return [Path(files)] if isinstance(files, str | Path) else [Path(file) for file in files]


def first_path(files: str | Path | Iterable[str | Path]) -> Path | None:
    """Return the file of a named input that a rule may not have, or None."""
    return next(iter(as_paths(files)), None)


def absent(path: str | Path) -> InputError:
    """Return the error for a file of a run that is not there; a file that is there and damaged is to be deleted."""
    return InputError(f"{path}: expected a file, got none; run the pipeline, which makes it, or name another.")


def unreadable(path: str | Path, error: Exception, damaged: str) -> InputError:
    """Return the error for a file of a run that could not be read: gone, kept back by the machine, or `damaged`.

    Only the content can be to blame where the machine has not said otherwise, so only then a remedy that destroys the
    file, which is part of `damaged`, is given.
    """
    number = error.errno if isinstance(error, OSError) else None
    if number in (errno.ENOENT, errno.ENOTDIR) or (number is None and not os.path.exists(path)):  # noqa: PTH110  never raises
        return absent(path)
    return InputError(refusal(path, number) if number is not None else f"{path}: {damaged}")


def is_stray(name: str) -> bool:
    """Return whether a name in a user's folder is hidden, or one that file managers leave there."""
    return name.startswith(".") or name.lower() in _STRAY


def files_in(folder: Path) -> list[Path]:
    """Return all files below a folder, sorted, without stray ones and the hidden stamp that Snakemake leaves in it."""
    return sorted(file for file in folder.rglob("*") if file.is_file() and not is_stray(file.name))


def sha256_of_value(value: Any) -> str:
    """Return the SHA-256 of a value as JSON with sorted keys; what JSON does not know counts as text."""
    return hashlib.sha256(json.dumps(value, sort_keys=True, default=str).encode()).hexdigest()


def sha256_of_file(path: str | Path) -> str:
    """Return the SHA-256 of a file's content as 64 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()
