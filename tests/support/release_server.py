"""A miniature Multiface release on loopback, whose server misbehaves on request."""

import hashlib
import io
import socket
import tarfile
import threading
import time
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from urllib.parse import unquote

import numpy as np

from splatrig.config.models import Download

ENTITY = "1234567"
FOLDER = f"m--20180227--0000--{ENTITY}--GHS"
CAMERAS = ("400002", "400013", "400356")
WHOLE = "E001_Neutral_Eyes_Open"
PER_CAMERA = "SEN_a_voice_spoke_near-at-hand"
SEGMENTS = (WHOLE, "E074_Blink", PER_CAMERA, "GAZ_G4_Head_movement_Partial-led_24", "GAZ_g002_400356_neutral_wide")

SETTINGS = Download(
    parallel=4,
    max_archive_gb=1.0,
    keep_archives=False,
    extra_assets=[],
    links=None,
    checksums="required",
)
"""How a client asks for archives."""


class Pauses(list[float]):
    """Sleeps that only count, in seconds."""

    def __call__(self, seconds: float) -> None:
        """Note a pause."""
        self.append(seconds)


@dataclass
class Release:
    """Files of a server and how it gives them; faults are used up one a request, in order."""

    files: dict[str, bytes]
    faults: dict[str, list[str]] = field(default_factory=lambda: defaultdict(list))
    requests: Counter[tuple[str, str]] = field(default_factory=Counter)
    """By (method, name)."""
    sent: Counter[str] = field(default_factory=Counter)
    """Body bytes by name."""
    ranges: list[tuple[str, str]] = field(default_factory=list)
    """(Range, If-Range) of requests that asked for a part."""
    stall_s: float = 1.0
    versions: bool = True
    """Whether answers carry an ETag."""
    url: str = ""
    busy: int = 0
    busiest: int = 0
    """How many bodies were under way at once, at most."""
    lock: threading.Lock = field(default_factory=threading.Lock)


def content(name: str, size: int) -> bytes:
    """Bytes that no compression and no other file shares."""
    seed = int.from_bytes(hashlib.sha256(name.encode()).digest()[:8], "little")
    return np.random.default_rng(seed).bytes(size)


def tar_of(members: Mapping[str, bytes]) -> bytes:
    """A tar with the folders of its members before them, as the release has them."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        folders = sorted({str(parent) for name in members for parent in Path(name).parents if str(parent) != "."})
        for folder in folders:
            info = tarfile.TarInfo(folder)
            info.type, info.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(info)
        for name, data in members.items():
            info = tarfile.TarInfo(name)
            info.size, info.mtime = len(data), 1_519_700_000
            tar.addfile(info, io.BytesIO(data))
    return stream.getvalue()


def listings(files: Mapping[str, bytes], url: str) -> dict[str, bytes]:
    """The CHECKSUM and index.html of archives."""
    sums = "".join(f"{hashlib.md5(data).hexdigest()}  {name}\n" for name, data in files.items())
    names = [*files, "CHECKSUM", "index.html"]
    page = "<html><body>\n" + "".join(f'<a href="{url}/{name}">{name}</a><br>\n' for name in names) + "</body></html>\n"
    return {"CHECKSUM": sums.encode(), "index.html": page.encode()}


def miniature(image_bytes: int = 60_000, frames: Iterable[str] = ("000102", "000105")) -> dict[str, bytes]:
    """The archives of an entity: real names, random contents."""
    frames = list(frames)
    archives = {}
    frame_list = "".join(f"{segment} {frame}\n" for segment in SEGMENTS for frame in frames)
    metadata = {"KRT": content("KRT", 700), "frame_list.txt": frame_list.encode(), "tex_mean.png": content("tex", 900)}
    archives["metadata.tar"] = tar_of({f"{FOLDER}/{name}": data for name, data in metadata.items()})
    archives["audio.tar"] = tar_of({f"{FOLDER}/audio/{PER_CAMERA}.wav": content("wav", 800)})
    for segment in SEGMENTS:
        base = f"{FOLDER}/tracked_mesh/{segment}"
        kinds = (".obj", ".bin", "_transform.txt")
        meshes = {
            f"{base}/{frame}{kind}": content(f"{base}/{frame}{kind}", 3_000) for frame in frames for kind in kinds
        }
        archives[f"tracked_mesh--{segment}.tar"] = tar_of(meshes)
        for asset in ("images", "unwrapped_uv_1024"):
            views = {}
            for camera in CAMERAS:
                paths = [f"{FOLDER}/{asset}/{segment}/{camera}/{frame}.png" for frame in frames]
                views[camera] = {path: content(path, image_bytes) for path in paths}
            if segment == PER_CAMERA:
                archives |= {f"{asset}--{segment}_cam{camera}.tar": tar_of(view) for camera, view in views.items()}
            else:
                archives[f"{asset}--{segment}.tar"] = tar_of({p: d for view in views.values() for p, d in view.items()})
        if segment == PER_CAMERA:
            base = f"{FOLDER}/unwrapped_uv_1024/{segment}/average"
            average = {f"{base}/{frame}.png": content(f"{base}/{frame}", 500) for frame in frames}
            archives[f"unwrapped_uv_1024--{segment}_camaverage.tar"] = tar_of(average)
    return archives


@contextmanager
def serve(archives: Mapping[str, bytes], entity: str = ENTITY) -> Iterator[Release]:
    """Serve archives and their listings at `release.url` for the time of a block."""
    release = Release({})
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {"release": release}))
    server.daemon_threads = True
    release.url = f"http://127.0.0.1:{server.server_address[1]}/{entity}"
    release.files |= {**archives, **listings(archives, release.url)}
    thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
    thread.start()
    try:
        yield release
    finally:
        server.shutdown()
        server.server_close()


class _Handler(BaseHTTPRequestHandler):
    """Serves one release, faults included.

    Faults: a number, the status to refuse with; `drop` half-way in the body; `ignore range`;
    `wrong byte`; `stall` half-way; `truncate` (a shorter file, consistently told); `other version` (another ETag and
    other bytes); `other part` (a 206 of another version, ignoring If-Range); `shifted` (a 206 that starts elsewhere);
    `no length` (the body ends with the connection).
    """

    release: Release
    protocol_version = "HTTP/1.1"

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 — the name in the standard library
        """Say nothing."""

    def do_HEAD(self) -> None:
        self._answer(body=False)

    def do_GET(self) -> None:
        self._answer(body=True)

    def _answer(self, body: bool) -> None:
        release, name = self.release, unquote(self.path).rsplit("/", 1)[-1]
        with release.lock:
            release.requests[self.command, name] += 1
            fault = release.faults[name].pop(0) if body and release.faults[name] else ""
            asked = self.headers.get("Range", "")
            if asked:
                release.ranges.append((asked, self.headers.get("If-Range", "")))
        if fault.isdecimal():
            self._refuse(int(fault))
            return
        if name not in release.files:
            self._refuse(404)
            return
        data = self._data(name, fault)
        tag = f'"{hashlib.md5(data).hexdigest()}"'
        condition = self.headers.get("If-Range")
        start, status = 0, 200
        if asked and fault != "ignore range" and (condition in (None, tag) or fault == "other part"):
            start, status = int(asked.removeprefix("bytes=").rstrip("-")), 206
        if status == 206 and start >= len(data):
            self._refuse(416)
            return
        if fault == "shifted" and status == 206:
            start -= 1
        self.send_response(status)
        if release.versions:
            self.send_header("ETag", tag)
        if status == 206:
            self.send_header("Content-Range", f"bytes {start}-{len(data) - 1}/{len(data)}")
        if fault == "no length":
            self.send_header("Connection", "close")
        else:
            self.send_header("Content-Length", str(len(data) - start))
        self.end_headers()
        if body:
            self._send(name, data[start:], fault)

    def _data(self, name: str, fault: str) -> bytes:
        data = self.release.files[name]
        if fault in ("wrong byte", "other version", "other part"):
            place = len(data) * (1 if fault == "wrong byte" else 3) // 4
            data = data[:place] + bytes([data[place] ^ 1]) + data[place + 1 :]
        if fault == "truncate":
            data = data[: len(data) * 2 // 3]
        return data

    def _send(self, name: str, data: bytes, fault: str) -> None:
        release = self.release
        half = len(data) // 2
        with release.lock:
            release.busy += 1
            release.busiest = max(release.busiest, release.busy)
        try:
            for block in range(0, len(data), 16_384):
                piece = data[block : block + 16_384]
                if fault in ("drop", "stall") and block + len(piece) > half:
                    if fault == "stall":
                        time.sleep(release.stall_s)
                    self.close_connection = True
                    self.connection.shutdown(socket.SHUT_RDWR)
                    return
                self.wfile.write(piece)
                with release.lock:
                    release.sent[name] += len(piece)
        except (BrokenPipeError, ConnectionResetError):
            self.close_connection = True
        finally:
            with release.lock:
                release.busy -= 1
            if fault == "no length":
                self.close_connection = True

    def _refuse(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", "0")
        self.end_headers()
