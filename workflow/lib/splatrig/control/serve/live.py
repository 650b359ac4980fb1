"""Live input: packets of Live Link Face that arrive, and the latest of them as server-sent events for the page."""

import json
import logging
from collections.abc import Iterator
from socketserver import BaseRequestHandler, UDPServer
from threading import Condition, Event, Thread
from time import monotonic
from typing import Any

from splatrig.control.live_link_packet import weights_of_packet
from splatrig.io.errors import InputError

PORT = 11111
"""Where the app sends to unless told otherwise."""

RATE = 60
"""Events per second at most, the app's own rate."""

ALIVE_S = 1.0
"""So often the page is written to where nothing arrives, which shows whether it is still there."""

logger = logging.getLogger(__name__)


class LiveLink(UDPServer):
    """Listens on every interface of this machine, once made, until closed; keeps the latest weights.

    Packets that are broken or of another program are dropped and counted.
    """

    def __init__(self, port: int) -> None:
        """Take the UDP port, or any free one for 0; raise InputError when it cannot be had."""
        self.dropped = 0
        self._arrived = 0
        self._weights: dict[str, float] = {}
        self._news, self._closed = Condition(), Event()
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        try:
            super().__init__(("", port), BaseRequestHandler)
        except (OSError, OverflowError) as error:
            raise InputError(
                f"UDP port {port}: expected a free one, got {error}; end the program that has it, or name another port "
                "here and in Live Link Face."
            ) from error
        self._thread.start()

    @property
    def port(self) -> int:
        """The UDP port that packets must be sent to."""
        return int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Take one packet, which is `request[0]`."""
        try:
            weights = weights_of_packet(request[0])
        except InputError as error:
            self.dropped += 1
            if self.dropped == 1:
                logger.warning("from %s: %s It is dropped, and so are others without a word.", client_address[0], error)
            return
        if weights:
            with self._news:
                self._weights = weights
                self._arrived += 1
                self._news.notify_all()

    def events(self) -> Iterator[bytes]:
        """Return the stream of what arrives from now on: per event the latest weights by name, as JSON."""
        return self._events(self._arrived)

    def _events(self, seen: int) -> Iterator[bytes]:
        while True:
            with self._news:
                if self._arrived == seen and not self._closed.is_set():
                    self._news.wait(ALIVE_S)
                arrived, weights = self._arrived, self._weights
            if self._closed.is_set():
                return
            due = monotonic() + 1 / RATE
            yield f"data: {json.dumps(weights)}\n\n".encode() if arrived > seen else b":\n\n"
            seen = arrived
            self._closed.wait(max(due - monotonic(), 0.0))

    def server_close(self) -> None:
        """End the streams, then the listening."""
        with self._news:
            self._closed.set()
            self._news.notify_all()
        if self._thread.is_alive():  # it is not where the port could not be had
            self.shutdown()
            self._thread.join()
        super().server_close()
        if self.dropped:
            logger.info("Packets dropped because they are not of Live Link Face: %d.", self.dropped)
