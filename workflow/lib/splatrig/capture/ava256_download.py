"""Fetch a subject of Ava-256: the lists, then archives of the chosen cameras, which are read as they are."""

import logging
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from splatrig.capture.codec_avatars import AVA256
from splatrig.capture.download import HEAD_REQUESTS, Client, MissingError
from splatrig.capture.retrieve import fetch_each, target_and_terms
from splatrig.config.models import Download
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_directory, atomic_path, link_or_copy
from splatrig.jobs.progress import track_bytes

LICENSE = "CC BY-NC 4.0: credit the authors, no commercial use, of the data and of what is trained on it"
LISTS = ("camera_calibration.json", AVA256.frame_list)
"""Files that list the cameras and segments of a subject; they are fetched before anything large."""
COMMON = (
    "head_pose/head_pose.zip",
    "kinematic_tracking/registration_vertices.zip",
    "uv_image/color_mean.png",
)
"""Files that a subject has once, not per camera."""
TOPOLOGY_URL = (
    "https://raw.githubusercontent.com/facebookresearch/ava-256/a9d2fbe85c2139d1c072212287b484309f3460e7/assets/"
    "face_topology.obj"
)
"""The faces of the tracked meshes, which the release has in its repository."""
TOPOLOGY_MD5 = "e560c0d7e6669f37e50a2a5f3f7008af"

logger = logging.getLogger(__name__)


def fetch_lists(url: str, targets: Sequence[Path], settings: Download) -> None:
    """Fetch the lists of the subject at `url` again, to files of the same names."""
    client = Client(settings)
    for target in targets:
        target.unlink(missing_ok=True)
        client.fetch(f"{url}/{target.name}", target, None)


def camera_archives(kinds: Sequence[str], cameras: Sequence[str]) -> list[str]:
    """Return the paths of the archives of some cameras; `kinds` are `image` and `segmentation_parts`."""
    return [f"{kind}/cam{name}.zip" for kind in kinds for name in cameras]


def choose_cameras(calibrated: Sequence[str], wanted: str | Sequence[str]) -> list[str]:
    """Return the cameras to fetch, sorted: all, or those named; raise InputError for one without calibration."""
    if isinstance(wanted, str):
        return sorted(calibrated)
    missing = sorted(set(wanted) - set(calibrated))
    if missing:
        raise InputError(
            f"capture.cameras: camera {missing[0]} has no calibration; there are {', '.join(sorted(calibrated))}."
        )
    return sorted(wanted)


def fetch_archives(url: str, paths: Sequence[str], folder: Path, settings: Download, *, at_once: int) -> None:
    """Fetch `paths` of the subject at `url`, and the topology, below `folder`, `at_once` at a time.

    Existing files are kept and interrupted transfers resumed. The release has no checksums: an archive counts as whole
    by its length, and each member is checked when it is read. A camera without an archive is named in the log.

    Args:
        url: Address of the subject.
        paths: Archives, relative to `url`.
        folder: Folder that receives the files.
        settings: Timeouts, retries and the address of listings.
        at_once: Number of files that are fetched at a time.

    Raises:
        InputError: A file cannot be fetched; names all that failed.
    """
    client = Client(settings)
    missing = [path for path in paths if not (folder / path).is_file()]
    logger.info("%d files, %d of them to fetch; %s", len(paths), len(missing), LICENSE)
    with track_bytes("fetching") as on_bytes:

        def fetch(path: str) -> int:
            try:
                return client.fetch(f"{url}/{path}", folder / path, None, on_bytes)
            except MissingError:
                if path in COMMON:
                    raise
                logger.warning("%s: not in the release; this camera is left out", path)
                return 0

        fetch_each(missing, fetch, at_once)
        client.fetch(TOPOLOGY_URL, folder / AVA256.topology, TOPOLOGY_MD5, on_bytes)


def link_archives(folder: Path, paths: Sequence[str], target: Path) -> None:
    """Make the folder `target` of links to those of the archives `paths` below `folder` that are there."""
    with atomic_directory(target) as temporary:
        for path in paths:
            if (folder / path).is_file():
                link_or_copy(folder / path, temporary / Path(path).name)


def link_file(folder: Path, path: str, target: Path) -> None:
    """Make `target` a link to the file `path` below `folder`."""
    with atomic_path(target) as temporary:
        temporary.unlink()
        link_or_copy(folder / path, temporary)


def describe_plan(url: str, paths: Sequence[str], folder: Path, settings: Download) -> str:
    """Return a few lines of text about what a download would fetch: files, bytes, target folder and license terms.

    Args:
        url: Address of the subject.
        paths: Archives, relative to `url`.
        folder: Folder that receives the files.
        settings: Timeouts and retries.
    """
    client = Client(settings)

    def length(path: str) -> int | None:
        try:
            return client.size(f"{url}/{path}")
        except MissingError:
            return 0

    with ThreadPoolExecutor(max_workers=HEAD_REQUESTS) as pool:
        lengths = dict(zip(paths, pool.map(length, paths), strict=True))
    lines = [f"{'files':<24}{'count':>7}{'there':>7}{'GB to fetch':>14}"]
    kinds = sorted({path.partition("/")[0] for path in paths})
    for kind in [*kinds, ""]:
        group = [path for path in paths if path.startswith(kind)]
        there = [path for path in group if (folder / path).is_file()]
        total = sum(lengths[path] or 0 for path in group if path not in there)
        lines.append(f"{kind or 'all':<24}{len(group):>7}{len(there):>7}{total / 1e9:>14.3f}")
    unknown = sum(size is None for size in lengths.values())
    lines += [f"{unknown} files of unknown size come on top."] if unknown else []
    return "\n".join([*lines, *target_and_terms(folder.parent, "; archives are read as they are", LICENSE)])
