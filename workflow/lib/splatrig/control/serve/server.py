"""HTTP server of one run for browsers on this machine. Requests are looked up by name; no paths are served."""

import errno
import json
import logging
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from splatrig.control.serve.live import LiveLink
from splatrig.control.serve.run import Run
from splatrig.io.errors import InputError

HOST = "127.0.0.1"
HOSTS = (HOST, "localhost")
"""Host names by which a browser may address this machine; requests by other names (DNS rebinding) are refused."""

JSON, HTML, PNG, BYTES, TEXT, EVENTS = (
    "application/json",
    "text/html; charset=utf-8",
    "image/png",
    "application/octet-stream",
    "text/plain; charset=utf-8",
    "text/event-stream",
)

logger = logging.getLogger(__name__)


def answer(run: Run, path: str, live_link: int | None = None) -> tuple[str, bytes]:
    """Return content type and content of a request; raise InputError for unknown ones.

    `live_link` is the UDP port on which Live Link Face is received, if any.
    """
    match [unquote(part) for part in urlsplit(path).path.split("/")[1:]]:
        case [""]:
            return HTML, run.page()
        case ["run.json"]:
            return JSON, _as_json(run.about() | {"live_link": live_link})
        case ["cameras", expression, frame]:
            return JSON, _as_json(run.cameras(f"{expression}/{frame}"))
        case ["photograph", expression, frame, camera]:
            return PNG, run.photograph(f"{expression}/{frame}", camera)
        case ["weights", family, expression, frame]:
            return JSON, _as_json(run.weights(family, f"{expression}/{frame}"))
        case ["family", family]:
            return BYTES, run.family(family)
    raise InputError(f"{path[:80]}: expected a path of this page, got another; the page is at /.")


def _as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False).encode()


class _Handler(BaseHTTPRequestHandler):
    server: "Server"

    def do_GET(self) -> None:
        name = urlsplit(f"//{self.headers.get('Host', '')}").hostname
        if name not in HOSTS:
            self._send(HTTPStatus.FORBIDDEN, TEXT, f"Only requests to {' and '.join(HOSTS)} are answered.".encode())
            return
        live = self.server.live
        try:
            if live is not None and urlsplit(self.path).path == "/live":
                self._stream(live)
            else:
                port = None if live is None else live.port
                self._send(HTTPStatus.OK, *answer(self.server.run, self.path, port))
        except InputError as error:
            self._send(HTTPStatus.NOT_FOUND, TEXT, str(error).encode())
        except ConnectionError as error:
            logger.debug("%s: the browser closed the connection (%s)", self.path, error)

    def _send(self, status: HTTPStatus, kind: str, content: bytes) -> None:
        self._begin(status, {"Content-Type": kind, "Content-Length": str(len(content))})
        self.wfile.write(content)

    def _stream(self, live: LiveLink) -> None:
        events = live.events()
        self._begin(HTTPStatus.OK, {"Content-Type": EVENTS})
        for event in events:
            self.wfile.write(event)

    def _begin(self, status: HTTPStatus, headers: Mapping[str, str]) -> None:
        self.send_response(status)
        always = {"Cache-Control": "no-store", "X-Content-Type-Options": "nosniff"}
        always |= {"Cross-Origin-Resource-Policy": "same-origin"}
        for key, value in {**headers, **always}.items():
            self.send_header(key, value)
        self.end_headers()

    def log_message(self, format: str, *arguments: object) -> None:  # noqa: A002  http.server's name
        logger.debug(format, *arguments)


class Server(ThreadingHTTPServer):
    """HTTP server that listens on this machine only, from construction on; `serve_forever` answers requests."""

    daemon_threads = True

    def __init__(self, run: Run, port: int, live: LiveLink | None = None) -> None:
        """Open `port`, or any free one for 0; raise InputError when it is not available. The page follows `live`."""
        self.run, self.live = run, live
        try:
            super().__init__((HOST, port), _Handler)
        except (OSError, OverflowError) as error:
            taken = getattr(error, "errno", None) == errno.EADDRINUSE
            raise InputError(
                f"port {port}: expected a free one, got {'one that another program uses' if taken else error}; choose "
                "another, or 0 for any that is free."
            ) from error

    @property
    def address(self) -> str:
        """Address to open in a browser."""
        return f"http://{HOST}:{self.server_address[1]}/"
