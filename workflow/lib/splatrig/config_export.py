"""The sections `video` and `export` of the configuration; see `splatrig.config`."""

import re
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class VideoOrbit:
    """`video.orbit`: how the camera goes around the head."""

    degrees: float
    elevation: float
    turns: float


@dataclass(frozen=True)
class VideoConfig:
    """`video`: the film of a track."""

    family: str
    tracks: list[str]
    path: str
    cameras: list[str]
    orbit: VideoOrbit
    zoom: float
    height: int
    fps: float
    background: list[float]
    captions: bool
    gif_height: int
    gif_fps: float


@dataclass(frozen=True)
class ExportConfig:
    """`export`: files for other programs."""

    family: str
    poses: list[str]
    ply_axes: str
    spz_sh_bits: list[int]
    mesh_level: str | None
    half_precision: bool


NEUTRAL = "neutral"
IN_TRACK = re.compile(r"(?P<track>.+)-(?P<seconds>\d+(?:\.\d+)?)s")
"""A pose that is a moment of a track."""


def track_of_pose(pose: str, presets: Sequence[str] = ()) -> str | None:
    """Return the track that `pose` is a moment of (`tour-2.5s`: tour), or None for the neutral and presets."""
    match = None if pose == NEUTRAL or pose in presets else IN_TRACK.fullmatch(pose)
    return match["track"] if match else None
