"""A server of one run for browsers, of this machine unless others are let in.

Whatever is asked for is looked up by name; no path is served.
"""

import errno
import ipaddress
import json
import logging
import socket
from collections.abc import Mapping
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import unquote, urlsplit

from splatrig.control.serve.live import LiveLink
from splatrig.control.serve.run import Run
from splatrig.io.errors import InputError

HOST = "127.0.0.1"
"""Default address, which only this machine reaches."""

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
        if not self.server.is_called(urlsplit(f"//{self.headers.get('Host', '')}").hostname or ""):
            self._send(HTTPStatus.FORBIDDEN, TEXT, b"Nobody is answered who calls this machine by that name.")
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
    """Listens on one address of this machine, once made; `serve_forever` answers."""

    daemon_threads = True

    def __init__(self, run: Run, port: int, live: LiveLink | None = None, host: str = HOST) -> None:
        """Take `port`, or any free one for 0; raise InputError when it cannot be had. The page follows `live`.

        `host` is a name or an address of this machine; 0.0.0.0, or :: for IPv6, is every one.
        """
        self.run, self.live, self._host = run, live, host
        self.address_family = socket.AF_INET6 if ":" in host else socket.AF_INET
        try:
            super().__init__((host, port), _Handler)
        except socket.gaierror as error:
            raise InputError(
                f"host {host}: expected an address or a name of this machine, got neither ({error.strerror}); name "
                "0.0.0.0 for every address."
            ) from error
        except (OSError, OverflowError) as error:
            if getattr(error, "errno", None) == errno.EADDRNOTAVAIL:
                raise InputError(
                    f"host {host}: expected an address of this machine, got another's; name 0.0.0.0 for every address."
                ) from error
            taken = getattr(error, "errno", None) == errno.EADDRINUSE
            raise InputError(
                f"port {port}: expected a free one, got {'one that another program uses' if taken else error}; choose "
                "another, or 0 for any that is free."
            ) from error

    @property
    def is_private(self) -> bool:
        """Whether nobody but this machine hears the server."""
        return ipaddress.ip_address(str(self.server_address[0])).is_loopback

    @property
    def address(self) -> str:
        """URL for a browser: on this machine or, if the server listens to the network, on any machine."""
        here = ipaddress.ip_address(str(self.server_address[0]))
        host = _address_in_the_network(self.address_family) if here.is_unspecified else str(here)
        return f"http://{f'[{host}]' if ':' in host else host}:{self.server_address[1]}/"

    def is_called(self, name: str) -> bool:
        """Return whether a browser may call this machine so.

        A page of elsewhere may have a name that leads here, to read what only this machine or this network may. It
        cannot be an address, nor one of the names that the machine has itself.
        """
        if name in (HOST, "localhost"):
            return True
        if self.is_private:
            return False
        try:
            ipaddress.ip_address(name)
        except ValueError:
            return name in {called.lower() for called in (self._host, socket.gethostname(), socket.getfqdn())}
        return True


def _address_in_the_network(family: int) -> str:
    """Return the address by which other machines reach this one, or its name where it has none; nothing is sent."""
    somewhere = "2001:db8::1" if family == socket.AF_INET6 else "192.0.2.1"  # kept for documents: RFC 3849, RFC 5737
    with socket.socket(family, socket.SOCK_DGRAM) as probe:
        try:
            probe.connect((somewhere, 9))
        except OSError:  # no network
            return socket.gethostname()
        return str(probe.getsockname()[0])
