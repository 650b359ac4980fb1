"""Live input: receives packets of Live Link Face and sends the latest one to the page as server-sent events."""

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
"""Default port of the app."""

RATE = 60
"""Maximum number of events per second, the app's own rate."""

ALIVE_S = 1.0
"""Seconds after which an event is sent even without input, to detect closed pages."""

logger = logging.getLogger(__name__)


class LiveLink(UDPServer):
    """Receiver on every interface of this machine, from construction until it is closed; keeps the latest weights.

    Packets that are malformed or from another program are dropped and counted.
    """

    def __init__(self, port: int) -> None:
        """Open the UDP port, or any free one for 0; raise InputError when it is not available."""
        self.dropped = 0
        self._arrived = 0
        self._weights: dict[str, float] = {}
        self._news, self._closed = Condition(), Event()
        self._thread = Thread(target=self.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True)
        try:
            super().__init__(("", port), BaseRequestHandler)
        except (OSError, OverflowError) as error:
            raise InputError(
                f"UDP port {port}: expected a free one, got {error}; end the program that uses it, or choose another "
                "port here and in Live Link Face."
            ) from error
        self._thread.start()

    @property
    def port(self) -> int:
        """UDP port that packets must be sent to."""
        return int(self.server_address[1])

    def finish_request(self, request: Any, client_address: Any) -> None:
        """Process one packet, `request[0]`."""
        try:
            weights = weights_of_packet(request[0])
        except InputError as error:
            self.dropped += 1
            if self.dropped == 1:
                logger.warning(
                    "from %s: %s It is dropped; further ones are dropped without a message.", client_address[0], error
                )
            return
        if weights:
            with self._news:
                self._weights = weights
                self._arrived += 1
                self._news.notify_all()

    def events(self) -> Iterator[bytes]:
        """Return the stream of packets that arrive from now on: per event the latest weights by name, as JSON."""
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
        """End the streams, then close the port."""
        with self._news:
            self._closed.set()
            self._news.notify_all()
        if self._thread.is_alive():  # it does not exist if the port was not available
            self.shutdown()
            self._thread.join()
        super().server_close()
        if self.dropped:
            logger.info("Packets dropped because they are not from Live Link Face: %d.", self.dropped)
