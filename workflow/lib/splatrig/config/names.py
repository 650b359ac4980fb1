"""Names of segments, cameras, frames and poses, and what the configuration says with them."""

import re
from collections.abc import Sequence

from splatrig.io.errors import InputError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Of a segment, a camera or a frame: what may stand in a path, on any system, without quoting."""

NEUTRAL = "neutral"
"""The pose of the neutral face."""

IN_TRACK = re.compile(r"(?P<track>.+)-(?P<seconds>\d+(?:\.\d+)?)s")
"""A pose that is a moment of a track."""


def track_of_pose(pose: str, presets: Sequence[str] = ()) -> str | None:
    """Return the track that `pose` is a moment of (`tour-2.5s`: tour), or None for the neutral and presets."""
    match = None if pose == NEUTRAL or pose in presets else IN_TRACK.fullmatch(pose)
    return match["track"] if match else None


def held_out_cameras(rule: str | Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the held-out cameras: every n-th of the sorted names beginning with the first, or those named."""
    ordered = sorted(names)
    if isinstance(rule, str):
        match = re.fullmatch(r"every (\d+)(?:st|nd|rd|th)", rule)
        if match is None:
            raise InputError(f"capture.held_out.cameras: expected `every 8th` or a list of names, got {rule!r}.")
        return ordered[:: int(match[1])]
    unknown = [name for name in rule if name not in ordered]
    if unknown:
        raise InputError(
            f"capture.held_out.cameras: camera {unknown[0]} does not exist; the capture has {', '.join(ordered)}."
        )
    return sorted(rule)
