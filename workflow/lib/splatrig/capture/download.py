"""Fetch files over HTTP completely and verified, or not at all.

A file grows as `NAME.part` next to its target, with `NAME.part.json` naming the version it is a part of. A broken
transfer resumes from its last byte (RFC 9110 §14: `Range` with `If-Range`, so a file that has changed meanwhile starts
again), its MD5 is computed as the bytes arrive, and the part is renamed to the target once its checksum is right.
"""

import hashlib
import json
import logging
import os
import re
import shutil
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

import urllib3

from splatrig.config.models import Download
from splatrig.io.errors import InputError
from splatrig.io.files import write_text

_CHUNK = 1 << 20
_PROGRESS = 16 << 20
"""Bytes received in one attempt that reset the count of failed attempts."""
_WHOLE_FETCHES = 2
"""Number of complete downloads of a file before a wrong checksum is reported."""
_LONGEST_PAUSE_S = 60.0
ATTEMPTS = 8
"""Consecutive attempts that bring next to nothing before an archive is given up; the pauses between them grow."""
HEAD_REQUESTS = 16
"""Number of concurrent requests for file sizes; they transfer no data."""
CONNECT_S, READ_S = 30.0, 60.0
"""Timeouts of an attempt in seconds: for a connection, and for the next byte."""
_SPARE_BYTES = 256 << 20
"""Disk space that a transfer leaves free."""
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_CONTENT_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")

logger = logging.getLogger(__name__)


class MissingError(InputError):
    """The server has no such file, or does not give it."""


class _BrokenError(Exception):
    """A transfer that is worth another attempt, after `wait_s` seconds if the server asks for them."""

    def __init__(self, reason: str, wait_s: float = 0.0) -> None:
        super().__init__(reason)
        self.wait_s = wait_s


@dataclass(frozen=True)
class _Answer:
    """A server's answer: the bytes of one version of a file from `start` on."""

    start: int
    total: int | None
    """Length of the whole file in bytes; None if the server does not tell it."""
    version: str | None
    """A strong ETag, or Last-Modified; None if nothing names the version, so that no answer can continue this one."""
    read: Callable[[], bytes]
    """Returns the next bytes, none at the end."""


@dataclass
class _Part:
    """The part of a file that is on disk."""

    path: Path
    url: str
    md5: str | None
    version: str | None = None
    total: int | None = None
    size: int = 0
    digest: Any = field(default_factory=lambda: hashlib.md5(usedforsecurity=False))

    @property
    def record(self) -> Path:
        return self.path.with_name(f"{self.path.name}.json")

    @property
    def complete(self) -> bool:
        return self.total is not None and self.size == self.total

    def load(self) -> None:
        """Keep the part that an earlier run left if it belongs to this version of the file; else remove it."""
        try:
            known = json.loads(self.record.read_text(encoding="utf-8"))
            if (known["url"], known["md5"]) != (self.url, self.md5) or not known["version"]:
                raise ValueError("a part of another file")
            with self.path.open("rb") as stream:
                while chunk := stream.read(_CHUNK):
                    self.digest.update(chunk)
                    self.size += len(chunk)
            self.version, self.total = known["version"], known["total"]
        except (OSError, ValueError, KeyError, TypeError):
            self.restart()

    def restart(self) -> None:
        """Forget all bytes."""
        self.version, self.total, self.size = None, None, 0
        self.digest = hashlib.md5(usedforsecurity=False)
        self.path.unlink(missing_ok=True)
        self.record.unlink(missing_ok=True)

    def begin(self, answer: _Answer) -> None:
        """Record the version that the next bytes belong to."""
        self.total = answer.total
        self.version = answer.version or self.version
        values = {"url": self.url, "md5": self.md5, "version": self.version, "total": self.total}
        write_text(self.record, json.dumps(values))

    def append(self, chunks: Iterator[bytes], limit: int) -> Iterator[int]:
        """Write chunks to disk, yielding their lengths; raise InputError beyond `limit` bytes."""
        with self.path.open("ab") as stream:
            for chunk in chunks:
                self.size += len(chunk)
                _check_limit(self.url, self.size, limit)
                stream.write(chunk)
                self.digest.update(chunk)
                yield len(chunk)

    def finish(self, target: Path) -> None:
        """Move the file into place after its bytes are on disk."""
        with self.path.open("rb") as stream:
            os.fsync(stream.fileno())
        self.path.replace(target)
        self.record.unlink(missing_ok=True)


class Client:
    """Client that fetches files with the given `settings`; thread safe. `file://` URLs are copied."""

    def __init__(
        self, settings: Download, sleep: Callable[[float], None] = time.sleep, *, attempts: int = ATTEMPTS
    ) -> None:
        self._settings = settings
        self._attempts = attempts
        self._sleep = sleep
        self._limit = round(settings.max_archive_gb * 1e9)
        self._pools: dict[str | None, urllib3.PoolManager] = {}

    def size(self, url: str) -> int | None:
        """Return a file's length in bytes by a HEAD request, None if the server does not tell it."""
        if urlsplit(url).scheme == "file":
            return _local(url).stat().st_size
        retries = urllib3.Retry(self._attempts, backoff_factor=0.5, status_forcelist=_TRANSIENT, raise_on_status=False)
        try:
            response = self._pool(url).request("HEAD", url, headers=_headers(), retries=retries)
            if response.status in (405, 501):
                return None
            _check_status(url, response)
        except (urllib3.exceptions.HTTPError, _BrokenError) as error:
            raise InputError(f"{url}: the server did not tell its size ({_reason(error)}); try again later.") from error
        return _length(response)

    def fetch(
        self, url: str, target: str | Path, md5: str | None, on_bytes: Callable[[int], Any] = lambda _: None
    ) -> int:
        """Download the file at `url` to `target` and return the number of bytes fetched.

        A target with the right checksum is left alone.

        Args:
            url: Address of the file.
            target: Path of the file on disk.
            md5: Expected checksum; None: not checked.
            on_bytes: Called with the size of every chunk, for progress.

        Raises:
            InputError: The server lacks the file, it is too large for the limit or the disk, its checksum stays wrong,
                or the connection keeps failing; names the file.
        """
        path = Path(target)
        if path.exists():
            if md5 is None or md5_of_file(path) == md5:
                return 0
            logger.warning("%s: the file on disk has another MD5; fetching it again", path.name)
            path.unlink()
        path.parent.mkdir(parents=True, exist_ok=True)
        part = _Part(path.with_name(f"{path.name}.part"), url, md5)
        part.load()
        if part.size:
            logger.info("%s: resuming after %d bytes of an earlier run", path.name, part.size)
        fetched = 0
        got = ""
        for _ in range(_WHOLE_FETCHES):
            fetched += self._complete(part, on_bytes)
            got = part.digest.hexdigest()
            if md5 is None or got == md5:
                part.finish(path)
                return fetched
            logger.warning("%s: MD5 is %s, expected %s; fetching it again", path.name, got, md5)
            on_bytes(-part.size)
            part.restart()
        raise InputError(
            f"{url}: fetched {_WHOLE_FETCHES} times, and its MD5 is {got}, expected {md5} by CHECKSUM; "
            "nothing of it is kept. Try another time, or ask who publishes it."
        )

    def _complete(self, part: _Part, on_bytes: Callable[[int], Any]) -> int:
        """Make attempts until the part is the whole file; return how many bytes came."""
        failures = fetched = 0
        while not part.complete:
            came = 0
            try:
                for count in self._attempt(part, on_bytes):
                    came += count
                    on_bytes(count)
                return fetched + came
            except (urllib3.exceptions.HTTPError, _BrokenError) as error:
                fetched += came
                failures = 1 if came >= _PROGRESS else failures + 1
                if failures >= self._attempts:
                    raise InputError(
                        f"{part.url}: {failures} attempts in a row failed, the last one with: {_reason(error)}. "
                        f"{part.size} of {part.total or 'unknown'} bytes are kept; run again to resume from there."
                    ) from error
                pause = min(_LONGEST_PAUSE_S, max(2.0 ** (failures - 1), getattr(error, "wait_s", 0.0)))
                logger.info("%s: %s; attempt %d in %g s", part.url, _reason(error), failures + 1, pause)
                self._sleep(pause)
        return fetched

    def _attempt(self, part: _Part, on_bytes: Callable[[int], Any]) -> Iterator[int]:
        """Request the missing bytes and append them, yielding counts of bytes; raise _BrokenError if they end early."""
        with self._open(part) as answer:
            changed = answer.total != part.total or answer.version not in (None, part.version)
            if part.size and (answer.start != part.size or changed):
                logger.info("%s: cannot be resumed, starting over", part.url)
                on_bytes(-part.size)
                part.restart()
            if answer.start != part.size:
                raise _BrokenError(f"the server sent bytes from {answer.start} on, asked for {part.size}")
            part.begin(answer)
            if answer.total is not None:
                _check_limit(part.url, answer.total, self._limit)
                _check_disk(part.path.parent, part.url, answer.total - part.size)
            yield from part.append(iter(answer.read, b""), self._limit)
        if part.total is not None and part.size != part.total:
            if part.size > part.total:
                part.restart()
            raise _BrokenError(f"the transfer ended at {part.size} of {part.total} bytes")
        part.total = part.size

    @contextmanager
    def _open(self, part: _Part) -> Iterator[_Answer]:
        """Request the file from the end of the part on."""
        if urlsplit(part.url).scheme == "file":
            path = _local(part.url)
            with path.open("rb") as stream:
                stat = os.fstat(stream.fileno())
                stream.seek(part.size)
                version = f"{stat.st_size}-{stat.st_mtime_ns}"
                yield _Answer(part.size, stat.st_size, version, lambda: stream.read(_CHUNK))
            return
        headers = _headers()
        if part.size and part.version:
            headers |= {"Range": f"bytes={part.size}-", "If-Range": part.version}
        once = urllib3.Retry(5, connect=0, read=0, status=0, other=0, redirect=5)
        response = self._pool(part.url).request(
            "GET", part.url, headers=headers, preload_content=False, decode_content=False, retries=once
        )
        try:
            if response.status == 416:
                part.restart()
                raise _BrokenError("the server has fewer bytes than an earlier version")
            _check_status(part.url, response)
            yield _answer(response)
        except BaseException:
            response.close()
            raise
        response.release_conn()

    def _pool(self, url: str) -> urllib3.PoolManager:
        """Return the connections for a URL: direct, or through the proxy that the environment names for it."""
        parts = urlsplit(url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise InputError(f"{url}: expected an http://, https:// or file:// address; check capture.url.")
        proxy = None
        if not urllib.request.proxy_bypass(parts.hostname):
            proxy = urllib.request.getproxies().get(parts.scheme)
        if proxy not in self._pools:
            timeout = urllib3.Timeout(connect=CONNECT_S, read=READ_S)
            sizes: dict[str, Any] = {"maxsize": max(self._settings.parallel, HEAD_REQUESTS), "timeout": timeout}
            if proxy is None:
                self._pools[proxy] = urllib3.PoolManager(**sizes)
            else:
                login = urlsplit(proxy)
                name = f"{unquote(login.username)}:{unquote(login.password or '')}" if login.username else None
                headers = urllib3.make_headers(proxy_basic_auth=name) if name else None
                self._pools[proxy] = urllib3.ProxyManager(proxy, proxy_headers=headers, **sizes)
        return self._pools[proxy]


def md5_of_file(path: str | Path) -> str:
    """Return the MD5 of a file's content as 32 hexadecimal digits."""
    with open(path, "rb") as stream:
        return hashlib.file_digest(stream, lambda: hashlib.md5(usedforsecurity=False)).hexdigest()


def _headers() -> dict[str, str]:
    return {"User-Agent": "splatrig", "Accept-Encoding": "identity"}


def _local(url: str) -> Path:
    """Return the path of a `file://` URL; raise InputError if there is no such file."""
    path = Path(unquote(urlsplit(url).path))
    if not path.is_file():
        raise MissingError(f"{url}: there is no such file; check capture.url and capture.entity.")
    return path


def _answer(response: urllib3.BaseHTTPResponse) -> _Answer:
    """Read the headers of a 200 or 206 answer."""
    start, total = 0, _length(response)
    if response.status == 206:
        match = _CONTENT_RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if match is None:
            raise _BrokenError(f"a part without a valid Content-Range ({response.headers.get('Content-Range')!r})")
        start, total = int(match[1]), None if match[2] == "*" else int(match[2])
    tag = response.headers.get("ETag", "")
    version = tag if tag.startswith('"') else response.headers.get("Last-Modified")
    return _Answer(start, total, version, lambda: response.read1(_CHUNK, decode_content=False))


def _length(response: urllib3.BaseHTTPResponse) -> int | None:
    text = response.headers.get("Content-Length", "")
    return int(text) if text.isdecimal() else None


def _check_status(url: str, response: urllib3.BaseHTTPResponse) -> None:
    """Raise InputError for a status other than that of a whole file or a part of it."""
    status = response.status
    if status in (200, 206):
        return
    if status in _TRANSIENT:
        wait = response.headers.get("Retry-After", "")
        raise _BrokenError(f"the server answered {status}", float(wait) if wait.isdecimal() else 0.0)
    if status in (401, 403, 404, 410):
        raise MissingError(
            f"{url}: the server answered {status}, it does not have the file or does not give it; "
            "check capture.url and capture.entity."
        )
    raise InputError(f"{url}: the server answered {status}, expected 200; check capture.url.")


def _check_limit(url: str, size: int, limit: int) -> None:
    if size > limit:
        raise InputError(
            f"{url}: has {size} bytes or more, more than capture.download.max_archive_gb "
            f"= {limit / 1e9:g} allows; raise it if the file is what it should be."
        )


def _check_disk(folder: Path, url: str, needed: int) -> None:
    free = shutil.disk_usage(folder).free
    if needed + _SPARE_BYTES > free:
        raise InputError(
            f"{url}: needs {needed / 1e9:.2f} GB in {folder}, where {free / 1e9:.2f} GB are free; make room "
            "or set capture.root to a larger disk."
        )


def _reason(error: Exception) -> str:
    """Return the innermost cause of urllib3's wrapped errors in a few words."""
    inner = getattr(error, "reason", None) or error
    return f"{type(inner).__name__}: {inner}" if not isinstance(inner, _BrokenError) else str(inner)
