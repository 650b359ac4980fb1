"""Parse the UDP packets that Live Link Face sends from an iPhone, one per frame.

A packet is a version, the names of device and subject, the time of the frame, and the values: ARKit's 52 weights in
ARKit's own order (the app's files use another one), and nine rotations of head and eyes. Layout as in PyLiveLinkFace
(MIT), github.com/JimWest/PyLiveLinkFace.
"""

import math
import struct

from splatrig.blendshapes.arkit import NAMES
from splatrig.control.live_link import ROTATIONS
from splatrig.io.errors import InputError

VERSION = 6

COUNT = len(NAMES) + len(ROTATIONS)
"""Number of values of a packet in which a face was seen."""

_TIME = struct.Struct(">ifii")
"""Frame, fraction of a frame, frames per second and their denominator."""

_VALUES = struct.Struct(f">{COUNT}f")


def weights_of_packet(packet: bytes) -> dict[str, float]:
    """Return the weights of a packet by ARKit's names; empty if no face was seen.

    Rotations are ignored, as in tracks. Raises InputError for anything but a complete packet with finite values.
    """
    at = 1
    for _ in ("device", "subject"):  # each is its length followed by as many bytes
        at += 4 + int.from_bytes(packet[at : at + 4], "big")
    values = packet[at + _TIME.size :]
    if packet[:1] != bytes([VERSION]):
        got = f"version {packet[0]}" if packet else "nothing"
    elif at + _TIME.size > len(packet):
        got = "one that ends before its values"
    elif values in (b"", b"\0"):
        return {}
    elif values[0] != COUNT:
        got = f"{values[0]} values"
    elif len(values) != 1 + _VALUES.size:
        got = f"{len(values) - 1} bytes of values"
    else:
        numbers = _VALUES.unpack_from(values, 1)
        if all(map(math.isfinite, numbers)):
            return dict(zip(NAMES, numbers, strict=False))  # rotations follow
        got = "values that are not finite"
    raise InputError(
        f"UDP packet of {len(packet)} bytes: expected one of Live Link Face, version {VERSION} with {COUNT} values, "
        f"got {got}; use the app's mode ARKit, and send nothing else to this port."
    )
