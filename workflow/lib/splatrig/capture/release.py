"""Contents of a Multiface release: the grammar of its archive names, its listings, and the choice of what to fetch.

An entity's archives are `{images|unwrapped_uv_1024|tracked_mesh}--{SEGMENT}[_cam{NNNNNN}|_camaverage].tar`,
`metadata.tar` and `audio.tar`; a segment's images are one archive or one a camera, its tracked mesh is never split.
Names are read from both ends: segments hold `-`, `_` and even camera numbers (`GAZ_g002_400356_neutral`).
"""

import csv
import difflib
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from html.parser import HTMLParser
from pathlib import Path
from urllib.parse import unquote, urljoin, urlsplit

import yaml

from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path

SEGMENT_ASSETS = ("images", "tracked_mesh", "unwrapped_uv_1024")
"""Assets of each segment."""
ENTITY_ASSETS = ("metadata", "audio")
"""Assets that an entity has once."""
AVERAGE = "average"
"""Name of the camera of a texture that is the mean over all cameras."""
LICENSE = (
    "CC BY-NC 4.0: credit the authors (arXiv 2207.11243), no commercial use, of the data and of what is trained on it"
)

_SEGMENT_ARCHIVE = re.compile(
    r"(?P<asset>images|unwrapped_uv_1024)--(?P<segment>[A-Za-z0-9][A-Za-z0-9_.-]*?)(?:_cam(?P<camera>\d{6}|average))?\.tar"
    r"|(?P<mesh>tracked_mesh)--(?P<whole>[A-Za-z0-9][A-Za-z0-9_.-]*)\.tar"
)
_MD5 = re.compile(r"[0-9a-fA-F]{32}")
_COLUMNS = ("name", "asset", "segment", "camera", "md5", "url")


@dataclass(frozen=True)
class Archive:
    """One archive of an entity."""

    name: str
    asset: str
    """One of SEGMENT_ASSETS or ENTITY_ASSETS."""
    segment: str | None = None
    camera: str | None = None
    """Name of the camera; None for all cameras, or an asset without cameras."""
    md5: str | None = None
    """Checksum as 32 lower-case hexadecimal digits; None when the release does not list it."""
    url: str = ""

    @property
    def stem(self) -> str:
        """The name without `.tar`."""
        return self.name.removesuffix(".tar")


@dataclass(frozen=True)
class Entity:
    """Segments and archives of one entity of the public release, by name."""

    cameras: list[str]
    segments: list[str]
    images_per_camera: list[str]
    """Segments whose images are one archive per camera."""
    textures_per_camera: list[str]
    """Segments whose unwrapped textures are one archive per camera, and one of the average."""

    def archive_names(self) -> list[str]:
        """Return the names of all archives, in order."""
        split = {
            "images": (set(self.images_per_camera), self.cameras),
            "unwrapped_uv_1024": (set(self.textures_per_camera), [*self.cameras, AVERAGE]),
            "tracked_mesh": (set[str](), []),
        }
        names = [f"{asset}.tar" for asset in ENTITY_ASSETS]
        for asset, (segments, cameras) in split.items():
            for segment in self.segments:
                if segment in segments:
                    names += [f"{asset}--{segment}_cam{camera}.tar" for camera in cameras]
                else:
                    names.append(f"{asset}--{segment}.tar")
        return sorted(names)


def read_entity(path: str | Path) -> Entity:
    """Read the committed description of an entity (`resources/multiface/{entity}.yaml`)."""
    return Entity(**yaml.safe_load(Path(path).read_text(encoding="utf-8")))


def parse_archive_name(name: str) -> Archive | None:
    """Parse an archive's name; return None for other names (`index.html`, `CHECKSUM`, unknown files)."""
    if name.removesuffix(".tar") in ENTITY_ASSETS and name.endswith(".tar"):
        return Archive(name, name.removesuffix(".tar"))
    match = _SEGMENT_ARCHIVE.fullmatch(name)
    if match is None or "--" in (match["segment"] or match["whole"]):
        return None
    if match["mesh"]:
        return Archive(name, "tracked_mesh", match["whole"])
    return Archive(name, match["asset"], match["segment"], match["camera"])


class _Links(HTMLParser):
    """Collector of the targets of a page's links."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.targets: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Keep `href` of every `a`."""
        if tag == "a":
            self.targets += [value for key, value in attrs if key == "href" and value]


def parse_index(page: str, base_url: str) -> dict[str, str]:
    """Return the links of an entity's `index.html` as {file name: absolute URL}."""
    parser = _Links()
    parser.feed(page)
    parser.close()
    return _by_name(parser.targets, base_url)


def parse_links(text: str, base_url: str) -> dict[str, str]:
    """Return a list of links, or of bare names, one per line, as {file name: absolute URL}."""
    return _by_name((line.strip() for line in text.splitlines() if line.strip()), base_url)


def _by_name(targets: Iterable[str], base_url: str) -> dict[str, str]:
    base = base_url.rstrip("/") + "/"
    links = {}
    for target in targets:
        url = target if "://" in target else urljoin(base, target)
        links[unquote(urlsplit(url).path.rsplit("/", 1)[-1])] = url
    return links


def parse_checksums(text: str, where: str) -> dict[str, str]:
    """Return the lines `md5 … name` of a CHECKSUM file as {name: md5}; raise InputError for a line of another form."""
    sums: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        parts = line.split()
        if not parts:
            continue
        if len(parts) < 2 or not _MD5.fullmatch(parts[0]):
            raise InputError(
                f"{where}, line {number}: expected 32 hexadecimal digits and a file name, got {line[:80]!r}; "
                "the listing is damaged, remove it and fetch it again."
            )
        name, md5 = parts[-1].lstrip("*").rsplit("/", 1)[-1], parts[0].lower()
        if sums.setdefault(name, md5) != md5:
            raise InputError(f"{where}, line {number}: a second, different sum for {name}; ask who publishes it.")
    return sums


def make_release(links: Mapping[str, str], sums: Mapping[str, str]) -> list[Archive]:
    """Return the archives that `links` lists, with their sums, sorted by name; other files are left out."""
    archives = []
    for name in sorted(links):
        parsed = parse_archive_name(name)
        if parsed is not None:
            archives.append(replace(parsed, md5=sums.get(name), url=links[name]))
    return archives


def write_release(path: str | Path, archives: Sequence[Archive]) -> None:
    """Write archives as a table (`release.csv`)."""
    with atomic_path(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream, lineterminator="\n")
        writer.writerow(_COLUMNS)
        writer.writerows([getattr(archive, column) or "" for column in _COLUMNS] for archive in archives)


def read_release(path: str | Path) -> list[Archive]:
    """Read the table that `write_release` wrote."""
    with open(path, encoding="utf-8", newline="") as stream:
        rows = [{column: text or None for column, text in row.items()} for row in csv.DictReader(stream)]
        return [Archive(**{**row, "url": row["url"] or ""}) for row in rows]  # type: ignore[arg-type]


def plan(
    archives: Sequence[Archive], segments: Sequence[str], assets: Sequence[str], cameras: str | Sequence[str]
) -> list[Archive]:
    """Choose the archives of some segments, assets and cameras, in a stable order.

    Args:
        archives: All archives of the release.
        segments: Names of segments.
        assets: Kinds of archives, of segments and of the entity.
        cameras: `all`, or names of cameras.

    Raises:
        InputError: The release lacks something that is asked for; names it.
    """
    table: dict[tuple[str, str | None], list[Archive]] = defaultdict(list)
    for archive in archives:
        table[archive.asset, archive.segment].append(archive)
    chosen = []
    for asset in (name for name in ENTITY_ASSETS if name in assets):
        if not table[asset, None]:
            raise InputError(f"{asset}.tar: the release does not list it; check capture.url and capture.entity.")
        chosen += table[asset, None]
    for segment in segments:
        for asset in (name for name in SEGMENT_ASSETS if name in assets):
            chosen += _of_segment(table, asset, segment, cameras)
    return chosen


def _of_segment(
    table: Mapping[tuple[str, str | None], list[Archive]], asset: str, segment: str, cameras: str | Sequence[str]
) -> list[Archive]:
    """Return the archives of one asset of one segment for the chosen cameras."""
    found = table.get((asset, segment), [])
    if not found:
        known = [name for kind, name in table if kind == asset and name is not None]
        raise InputError(f"{asset} of {segment}: the release has none; {_suggest(segment, known)}.")
    whole = [archive for archive in found if archive.camera is None]
    if whole and len(found) > 1:
        raise InputError(
            f"{asset} of {segment}: listed both whole ({whole[0].name}) and per camera ({len(found) - len(whole)} "
            "archives), expected one way; the listing is not a Multiface release."
        )
    if whole or isinstance(cameras, str):
        return found
    by_camera = {archive.camera: archive for archive in found}
    missing = [name for name in cameras if name not in by_camera]
    if missing:
        raise InputError(
            f"capture.cameras: {asset} of {segment} has no camera {missing[0]}; {_suggest(missing[0], by_camera)}."
        )
    return [by_camera[name] for name in [*sorted(cameras), AVERAGE] if name in by_camera]


def _suggest(name: str, known: Iterable[str | None]) -> str:
    """Return the known names that are similar to `name`, or how many names there are."""
    names = sorted(item for item in known if item is not None)
    close = difflib.get_close_matches(name, names, n=3)
    if close:
        return f"did you mean {' or '.join(close)}"
    return f"there are {len(names)}: {', '.join(names[:5])}{', …' if len(names) > 5 else ''}"


def choose_segments(requested: str | Sequence[str], preset: Sequence[str], available: Sequence[str]) -> list[str]:
    """Return the segments to use, of those that a capture has, in the requested order.

    `requested` is `all`, the name of a preset (its segments are `preset`; those that the capture lacks are left out,
    since no entity has every segment of the script), or a list of names, which must all exist.
    """
    if requested == "all":
        return sorted(available)
    known = set(available)
    if isinstance(requested, str):
        return [name for name in preset if name in known]
    for name in requested:
        if name not in known:
            raise InputError(f"capture.expressions: the capture has no {name}; {_suggest(name, available)}.")
    return list(requested)


def available_segments(entity: str | Path, release: str | Path, links: str | None) -> list[str] | None:
    """Return the segments with images and tracked meshes; None if nothing lists them before the first download.

    They come from the list `links` if it is given, else from the table `release` of an earlier download, else from the
    committed description `entity`.
    """
    if links is not None and Path(links).is_file():
        archives = make_release(parse_links(Path(links).read_text(encoding="utf-8"), ""), {})
    elif Path(release).is_file():
        archives = read_release(release)
    elif Path(entity).is_file():
        return read_entity(entity).segments
    else:
        return None
    have = {asset: {item.segment for item in archives if item.asset == asset} for asset in ("images", "tracked_mesh")}
    return sorted(name for name in have["images"] & have["tracked_mesh"] if name is not None)
