"""Packets of Live Link Face, written as the app sends them."""

import socket
import struct
from collections.abc import Mapping, Sequence

from splatrig.blendshapes.arkit import NAMES

DEVICE = "0123ABCD-4567-89EF-0123-456789ABCDEF"


def packet(
    values: Sequence[float] | None, *, device: str = DEVICE, subject: str = "iPhone", frame: int = 7, count: int = 61
) -> bytes:
    """Return a packet of values in the app's order; None: no face was seen."""
    texts = b"".join(struct.pack(">i", len(text.encode())) + text.encode() for text in (device, subject))
    time = struct.pack(">ifii", frame, 0.25, 60, 1)
    held = b"" if values is None else struct.pack(f">B{len(values)}f", count, *values)
    return b"\x06" + texts + time + held


def packet_of(weights: Mapping[str, float]) -> bytes:
    """Return a packet of weights by name, all others and the rotations at 0."""
    return packet([weights.get(name, 0.0) for name in NAMES] + [0.0] * 9)


def send(content: bytes, port: int) -> None:
    """Send one packet to a port of this machine."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sender:
        sender.sendto(content, ("127.0.0.1", port))
