"""Unpack untrusted tar archives: only the files that are wanted, only below the target folder, up to a size limit.

Every member is judged before the first byte is written, so a refused archive leaves nothing behind.
"""

import logging
import tarfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path, PurePosixPath

from splatrig.io.errors import InputError
from splatrig.io.files import atomic_directory

MEMBER_LIMIT = 2_000_000
"""Maximum number of members, ten times as many as the largest segment of the release has."""

Selection = Callable[[PurePosixPath], PurePosixPath | None]
"""Maps a member's path to the path below the target to unpack it to, or to None to leave it."""

logger = logging.getLogger(__name__)


def unpack(archive: str | Path, target: str | Path, select: Selection, max_bytes: int) -> int:
    """Unpack the regular files that `select` picks into the folder `target`, in one step; return their number.

    `max_bytes` bounds the unpacked size of the whole archive. Raises InputError, naming archive and member, for
    anything but files and folders inside the archive's own tree (`..`, absolute paths, links, devices), for a size
    beyond the bound, for an archive that is damaged or compressed, and for one in which nothing is picked.
    """
    source, folder = Path(archive), Path(target)
    with _opened(source) as tar:
        chosen = _chosen(tar, source.name, select, max_bytes)
        with atomic_directory(folder) as temporary:
            for member, path in chosen:
                # no modification time: the release's would be older than the inputs of the rule
                fresh = member.replace(name=str(path), mtime=None, deep=False)  # type: ignore[arg-type]
                tar.extract(fresh, temporary, filter="data")
    return len(chosen)


@contextmanager
def _opened(source: Path) -> Iterator[tarfile.TarFile]:
    """Open an uncompressed tar; say which archive it is when it is damaged."""
    try:
        with tarfile.open(source, "r:") as tar:
            yield tar
    except tarfile.FilterError as error:
        raise InputError(f"{source.name}: refused, {error}; get it from a source that you trust.") from error
    except (NotADirectoryError, FileExistsError, IsADirectoryError) as error:
        raise InputError(
            f"{source.name}: {error.filename} is both a file and a folder in it; get it from a source that you trust."
        ) from error
    except (tarfile.TarError, EOFError) as error:
        raise InputError(
            f"{source.name}: not a whole, uncompressed tar archive ({error}); remove it to have it fetched again."
        ) from error


def _chosen(
    tar: tarfile.TarFile, name: str, select: Selection, max_bytes: int
) -> list[tuple[tarfile.TarInfo, PurePosixPath]]:
    """Check all members and return those to unpack with their paths."""
    total, members, left = 0, 0, 0
    chosen: dict[PurePosixPath, tarfile.TarInfo] = {}
    for member in tar:
        members += 1
        total += member.size
        _refuse(member, name)
        if total > max_bytes:
            raise InputError(
                f"{name}: holds more than {max_bytes / 1e9:g} GB; refused. "
                "If the archive is what it should be, raise capture.download.max_archive_gb."
            )
        if members > MEMBER_LIMIT:
            raise InputError(
                f"{name}: expected at most {MEMBER_LIMIT:,} members, got more; get it from a source that you trust."
            )
        if not member.isreg():
            continue
        path = select(PurePosixPath(member.name))
        if path is None:
            left += 1
        else:
            chosen[path] = member
    if not chosen:
        raise InputError(
            f"{name}: expected files that match the archive's name, got none among {members}; fetch it again."
        )
    logger.info("%s: %d files to unpack, %d left out", name, len(chosen), left)
    return [(member, path) for path, member in chosen.items()]


def _refuse(member: tarfile.TarInfo, name: str) -> None:
    """Raise InputError if a member is anything but a plain file or folder inside the archive's tree."""
    path = PurePosixPath(member.name)
    where = f"{name}, member {member.name!r}"
    if path.is_absolute() or ".." in path.parts or "\\" in member.name or "\0" in member.name:
        raise InputError(f"{where}: expected a path inside the archive's own folder; the whole archive is refused.")
    if member.issym() or member.islnk():
        raise InputError(
            f"{where}: a link to {member.linkname!r}, expected files and folders only; the whole archive is refused."
        )
    if not (member.isreg() or member.isdir()):
        raise InputError(f"{where}: a device or pipe, expected files and folders only; the whole archive is refused.")
    if member.issparse():
        raise InputError(f"{where}: a sparse file, expected plain ones; the whole archive is refused.")


def below(*folders: str) -> Selection:
    """Select what lies below `folders` of an entity, with or without the entity's own folder before them."""

    def select(path: PurePosixPath) -> PurePosixPath | None:
        parts = path.parts
        for start in (0, 1):
            end = start + len(folders)
            if parts[start:end] == folders and len(parts) > end:
                return PurePosixPath(*parts[end:])
        return None

    return select


def top_level(path: PurePosixPath) -> PurePosixPath | None:
    """Select the files of an entity's own folder (`metadata.tar`)."""
    return PurePosixPath(path.name) if len(path.parts) <= 2 else None


def of_cameras(select: Selection, cameras: set[str]) -> Selection:
    """Select those of `select` whose first folder is one of `cameras`."""

    def narrowed(path: PurePosixPath) -> PurePosixPath | None:
        found = select(path)
        return found if found is not None and found.parts[0] in cameras else None

    return narrowed
