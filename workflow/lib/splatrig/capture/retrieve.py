"""Fetch, verify and unpack archives of a release, each on its own, and join them to segments.

Below the folder `archives/`, an archive `X.tar` becomes the folder `X/` and the record `X.json` of the members that
were unpacked and their MD5. Both stay, so a stopped run loses at most the file in progress, a second run skips all
finished ones, and one more camera needs one more archive. Segments consist of hard links to these files.
"""

import json
import logging
import shutil
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from splatrig.capture import archive as tar
from splatrig.capture.download import HEAD_REQUESTS, Client, MissingError
from splatrig.capture.release import (
    AVERAGE,
    LICENSE,
    Archive,
    make_release,
    parse_checksums,
    parse_index,
    parse_links,
)
from splatrig.config.load import load_config
from splatrig.config.models import Download
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_directory, link_or_copy, write_text
from splatrig.jobs.progress import track_bytes

_Item = TypeVar("_Item")

logger = logging.getLogger(__name__)


def read_settings(raw: Mapping[str, Any], scripts: str | Path) -> Download:
    """Return `capture.download` of a workflow's whole configuration, read by a script in the folder `scripts`.

    Scripts take these settings from here and not from the params of their rule: how bytes are fetched does not change
    the files, and a changed param would fetch all of them again.

    Args:
        raw: The configuration as Snakemake has it.
        scripts: Folder of the script.
    """
    return load_config(raw, Path(scripts).parent / "presets").capture.download


def fetch_release(url: str, folder: str | Path, settings: Download, names: Sequence[str]) -> list[Archive]:
    """Fetch the listings of the entity at `url` into `folder` and return its archives.

    The names come from `settings.links` if that is set, else from `index.html`, else (if the server has none) from
    `names`, else from CHECKSUM itself.

    Args:
        url: Address of the entity.
        folder: Folder that receives the listings.
        settings: Timeouts, retries and the address of listings.
        names: Names of archives to fall back on.

    Raises:
        InputError: No archive is listed, or one lacks a checksum that it must have.
    """
    client, where, base = Client(settings), Path(folder), url.rstrip("/")
    try:
        sums = parse_checksums(_listing(client, base, where, "CHECKSUM"), f"{base}/CHECKSUM")
    except MissingError:
        if settings.checksums == "required":
            raise
        sums = {}
    if settings.links is not None:
        if not Path(settings.links).is_file():
            raise InputError(f"capture.download.links: there is no file {settings.links}; name one, or null.")
        links = parse_links(Path(settings.links).read_text(encoding="utf-8"), base)
    else:
        try:
            links = parse_index(_listing(client, base, where, "index.html"), base)
        except MissingError as error:
            logger.info("%s The archives are read from other lists.", error)
            links = parse_links("\n".join(names or sums), base)
    archives = make_release(links, sums)
    if not archives:
        raise InputError(f"{base}: no archive of a Multiface release is listed there; check capture.url.")
    logger.info(
        "%s: %d archives, %d with a checksum", base, len(archives), sum(item.md5 is not None for item in archives)
    )
    return archives


def _listing(client: Client, base: str, folder: Path, name: str) -> str:
    """Fetch a listing again and return its text."""
    path = folder / name
    path.unlink(missing_ok=True)
    client.fetch(f"{base}/{name}", path, None)
    try:
        return path.read_text(encoding="utf-8")
    except UnicodeDecodeError as error:
        raise InputError(f"{base}/{name}: is not text ({error.reason}); check capture.url.") from error


def retrieve(
    archives: Sequence[Archive],
    folder: str | Path,
    cameras: str | Sequence[str],
    settings: Download,
    *,
    at_once: int,
    sleep: Callable[[float], None] = time.sleep,
) -> list[Path]:
    """Fetch, verify and unpack archives below `folder`, `at_once` at a time; return their folders.

    Existing folders are left alone. When one archive fails no further one is begun.

    Args:
        archives: Archives to fetch.
        folder: Folder that receives the unpacked archives.
        cameras: `all`, or the cameras to unpack from archives of all cameras.
        settings: Timeouts and retries.
        at_once: Number of archives that are fetched at a time.
        sleep: Function that waits between attempts, in seconds.

    Raises:
        InputError: Archives failed; names all of them, after those in progress have ended.
    """
    where = Path(folder)
    wanted = None if isinstance(cameras, str) else set(cameras)
    unsummed = [item.name for item in archives if item.md5 is None]
    if unsummed and settings.checksums == "required":
        raise InputError(
            f"{unsummed[0]}: CHECKSUM has no sum for it{f' and {len(unsummed) - 1} more' if unsummed[1:] else ''}; "
            "set capture.download.checksums: if_listed to take them as they come."
        )
    missing = [item for item in archives if not _is_done(item, where, wanted)]
    logger.info("%d archives, %d of them to fetch; %s", len(archives), len(missing), LICENSE)
    client = Client(settings, sleep)
    with track_bytes("fetching") as on_bytes:
        fetch_each(missing, lambda item: _bring(client, item, where, wanted, settings, on_bytes), at_once)
    return [where / item.stem for item in archives]


def fetch_each(items: Sequence[_Item], fetch: Callable[[_Item], int], at_once: int) -> None:
    """Call `fetch`, which returns the number of bytes fetched, for all items, `at_once` at a time.

    When one fails no further one is begun; after those in progress an InputError names all that failed.
    """
    failures: list[str] = []
    start = time.monotonic()

    def work(item: _Item) -> int:
        if failures:
            return 0
        try:
            return fetch(item)
        except InputError as error:
            failures.append(str(error))
            return 0

    with ThreadPoolExecutor(max_workers=at_once) as pool:
        fetched = sum(pool.map(work, items))
    if failures:
        raise InputError("\n".join(failures))
    seconds = time.monotonic() - start
    logger.info(
        "fetched %.3f GB in %.1f s (%.1f MB/s, unpacking included)", fetched / 1e9, seconds, fetched / 1e6 / seconds
    )


def _bring(
    client: Client,
    item: Archive,
    folder: Path,
    cameras: set[str] | None,
    settings: Download,
    on_bytes: Callable[[int], Any],
) -> int:
    """Fetch, verify and unpack one archive; return the bytes fetched."""
    path = folder / item.name
    for stale in folder.glob(f".{item.stem}-*"):  # left by a killed run; only one job works on an archive
        shutil.rmtree(stale, ignore_errors=True)
    fetched = client.fetch(item.url, path, item.md5, on_bytes)
    size = path.stat().st_size
    files = tar.unpack(path, folder / item.stem, _selection(item, cameras), round(settings.max_archive_gb * 1e9))
    narrowed = _narrowed(item, cameras)
    record = {
        "url": item.url,
        "md5": item.md5,
        "bytes": size,
        "files": files,
        "cameras": sorted(narrowed) if narrowed is not None else None,
        "licence": LICENSE,
    }
    write_text(folder / f"{item.stem}.json", json.dumps(record, indent=1) + "\n")
    if not settings.keep_archives:
        path.unlink()
    return fetched


def _narrowed(item: Archive, cameras: set[str] | None) -> set[str] | None:
    """Return the cameras to unpack from an archive; None for all that it has."""
    return cameras if item.camera is None and item.asset in ("images", "unwrapped_uv_1024") else None


def _is_done(item: Archive, folder: Path, cameras: set[str] | None) -> bool:
    """Return whether an archive was unpacked before, with its current checksum and all cameras wanted now."""
    try:
        record = json.loads((folder / f"{item.stem}.json").read_text(encoding="utf-8"))
        have = record["cameras"]
        same = record["md5"] == item.md5
    except (OSError, ValueError, KeyError, TypeError):
        return False
    enough = have is None or (cameras is not None and cameras <= set(have))
    return same and enough and (folder / item.stem).is_dir()


def _selection(item: Archive, cameras: set[str] | None) -> tar.Selection:
    """Return the function that selects the wanted members of an archive and their paths below its folder."""
    if item.asset == "metadata":
        return tar.top_level
    if item.asset == "audio" or item.segment is None:
        return tar.below(item.asset)
    select = tar.below(item.asset, item.segment)
    if item.camera is not None:
        return tar.of_cameras(select, {item.camera})
    narrowed = _narrowed(item, cameras)
    return select if narrowed is None else tar.of_cameras(select, narrowed | {AVERAGE})


def assemble(folders: Sequence[Path], target: str | Path, cameras: str | Sequence[str]) -> int:
    """Fill the folder `target` with hard links to the files in `folders` (else copies); return their number.

    Args:
        folders: Folders of unpacked archives.
        target: Folder that receives the links.
        cameras: `all`, or the names of the first folders that are wanted.
    """
    wanted = None if isinstance(cameras, str) else {*cameras, AVERAGE}
    count = 0
    with atomic_directory(target) as temporary:
        for folder in folders:
            for path in sorted(folder.rglob("*")):
                inner = path.relative_to(folder)
                if path.is_dir() or (wanted is not None and inner.parts[0] not in wanted):
                    continue
                goal = temporary / inner
                goal.parent.mkdir(parents=True, exist_ok=True)
                try:
                    link_or_copy(path, goal)
                except FileExistsError as error:
                    raise InputError(
                        f"{goal.name}: two archives hold it; remove the folder {path.parent} and run again."
                    ) from error
                count += 1
    return count


def sizes(archives: Sequence[Archive], settings: Download) -> list[int | None]:
    """Return the lengths of archives in bytes, by concurrent HEAD requests; None where the server does not tell."""
    client = Client(settings)
    with ThreadPoolExecutor(max_workers=HEAD_REQUESTS) as pool:
        return list(pool.map(lambda item: client.size(item.url), archives))


def describe_plan(
    archives: Sequence[Archive], lengths: Sequence[int | None], folder: str | Path, cameras: str | Sequence[str]
) -> str:
    """Return a few lines of text about what a download would fetch: archives, bytes, target folder and license terms.

    Args:
        archives: Archives to fetch.
        lengths: Their lengths in bytes; None where unknown.
        folder: Folder that receives the unpacked archives.
        cameras: `all`, or the cameras that are unpacked.
    """
    where = Path(folder)
    wanted = None if isinstance(cameras, str) else set(cameras)
    done = [_is_done(item, where, wanted) for item in archives]
    known = [
        (item, length) for item, length, ready in zip(archives, lengths, done, strict=True) if not ready and length
    ]
    unknown = sum(length is None and not ready for length, ready in zip(lengths, done, strict=True))
    total = sum(length for _, length in known)
    lines = [f"{'asset':<20}{'archives':>10}{'there':>10}{'GB to fetch':>14}"]
    for asset in sorted({item.asset for item in archives}):
        here = [ready for item, ready in zip(archives, done, strict=True) if item.asset == asset]
        size = sum(length for item, length in known if item.asset == asset)
        lines.append(f"{asset:<20}{len(here):>10}{sum(here):>10}{size / 1e9:>14.3f}")
    lines += [
        f"{'all':<20}{len(archives):>10}{sum(done):>10}{total / 1e9:>14.3f}",
        *([f"{unknown} archives of unknown size come on top."] if unknown else []),
        *target_and_terms(where.parent, "; unpacked files take about what is fetched", LICENSE),
    ]
    return "\n".join(lines)


def target_and_terms(root: Path, remark: str, licence: str) -> list[str]:
    """Return the last lines of a plan: the target folder, its free space, and the license terms."""
    where = root.absolute()
    existing = next(parent for parent in [where, *where.parents] if parent.exists())
    return [
        f"to          {where}",
        f"free there  {shutil.disk_usage(existing).free / 1e9:.3f} GB{remark}",
        f"license     {licence}",
    ]
