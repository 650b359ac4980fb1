"""Names that the configuration uses: of segments, cameras and frames, of subdivision levels, of poses."""

import re
from collections.abc import Sequence
from typing import get_args

from splatrig.config.choices import LevelName
from splatrig.io.errors import InputError

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""Valid name of a segment, a camera or a frame: usable in a path, on any system, without quoting."""

LEVEL_NAMES: tuple[str, ...] = get_args(LevelName)
"""Subdivision levels by name; level l has the vertices of level l-1 first, then one per edge."""

NEUTRAL = "neutral"
"""Name of the pose of the neutral face."""
TAKEN = (NEUTRAL, "tour", "cameras.json", "calibration.json")
"""Names that no segment may have: results have files of these names next to those of segments."""
IN_TRACK = re.compile(r"(?P<track>.+)-(?P<seconds>\d+(?:\.\d+)?)s")
"""Name of a pose that is a moment of a track."""


def check_name(name: str, where: str) -> None:
    """Raise InputError beginning with `where` unless `name` is one that a segment, a camera or a frame may have."""
    if NAME.fullmatch(name) is None:
        raise InputError(
            f"{where}: expected a name of letters, digits, `_`, `-` and `.`, beginning with a letter or a digit, got "
            f"{name!r}; rename it."
        )


def level_names(subdivisions: int) -> list[str]:
    """Return the names of the subdivision levels, coarsest first."""
    return list(LEVEL_NAMES[: subdivisions + 1])


def track_of_pose(pose: str, presets: Sequence[str] = ()) -> str | None:
    """Return the track that `pose` is a moment of (`tour-2.5s`: tour), or None for the neutral and presets."""
    match = None if pose == NEUTRAL or pose in presets else IN_TRACK.fullmatch(pose)
    return match["track"] if match else None


def held_out_cameras(rule: str | Sequence[str], names: Sequence[str]) -> list[str]:
    """Return the held-out cameras: every n-th of the sorted names, starting with the first, or the given ones."""
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
