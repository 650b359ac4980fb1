"""Drive a head from a file: recorded weights of ARKit's blendshapes become a track of a family.

The kind of file is recognized by its content. A settings file with the same name and the suffix `.yaml` adjusts the
weights; without one they are unchanged.
"""

import logging
import re
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import numpy as np
import yaml
from numpy.typing import NDArray
from pydantic import AfterValidator, Field, ValidationError

from splatrig.blendshapes.arkit import NAMES
from splatrig.components.units import turns_eyes
from splatrig.config.messages import sentence_of
from splatrig.config.section import Section
from splatrig.control.documents import parse_json_text, read_text
from splatrig.control.live_link import AngleUnit, is_live_link, live_link_track
from splatrig.control.mediapipe_scores import json_scores_track, scores_track
from splatrig.control.panel import Panel
from splatrig.control.recorded import parse_table
from splatrig.control.track import FORMAT, Track, parse_csv, parse_json
from splatrig.io.errors import InputError

logger = logging.getLogger(__name__)

LARGEST = 2.0
"""Weights above this are assumed to be percentages or another quantity; programs write 0 to 1, and some slightly
more."""

_OWN_CSV = re.compile(rf'^[" ]*#\s*format:\s*{FORMAT}', re.M)
"""Comment that identifies a track of splatrig."""


def _blendshapes(gain: dict[str, float]) -> dict[str, float]:
    """Return the gains; raise InputError for a name that is not ARKit's."""
    for name in gain:
        if name not in NAMES:
            raise InputError(f"gain: got {name!r}, expected names of ARKit's blendshapes, such as jawOpen.")
    return gain


_Gain = Annotated[float, Field(ge=0)]
_Second = Annotated[float, Field(ge=0)]


class Settings(Section):
    """Adjustments of the weights of a driving file before they are played."""

    fps: Annotated[float, Field(gt=0, le=1000)] | None = None
    """Frames per second of its timecodes or frame numbers; null: estimated from timecodes."""
    neutral: _Second | Annotated[list[_Second], Field(min_length=2, max_length=2)] | None = None
    """Time at which the face is at rest, in seconds from the first row, or an interval: these weights are
    subtracted."""
    scale: _Gain = 1.0
    """Factor for all weights, 0.01 for percentages."""
    gain: Annotated[dict[str, _Gain], AfterValidator(_blendshapes)] = Field(default_factory=dict)
    """Additional factors for the weights of single blendshapes, by name."""
    eye_rotations: AngleUnit | None = None
    """Unit of the eyes' yaw and pitch in a Live Link Face file whose eyeLook weights are all 0; null ignores them."""


def read_settings(path: str | Path) -> Settings:
    """Read the settings of a driving file.

    Raises:
        InputError: A key or a value is invalid.
    """
    try:
        given = yaml.safe_load(read_text(path, "settings of a driving file"))
    except yaml.YAMLError as error:
        raise InputError(
            f"{path}: cannot be read as settings of a driving file ({' '.join(str(error).split())}); correct the YAML."
        ) from error
    given = {} if given is None else given
    if not isinstance(given, dict):
        raise InputError(f"{path}: expected keys and values, such as `fps: 60`, got {given!r:.60}.")
    try:
        return Settings.model_validate(given)
    except ValidationError as error:
        raise InputError(sentence_of(error, given, Settings, str(path))) from None


def read_driving_file(path: str | Path, settings: Settings) -> Track:
    """Read a driving file and apply its settings.

    The file is a CSV of Live Link Face or of MediaPipe's scores, a JSON of these scores, or a track of splatrig,
    whatever its name; a track without settings is unchanged. Weights of all others are clipped to [0, 1].

    Raises:
        InputError: The file is malformed; the message names the line or frame.
    """
    where, text = str(path), read_text(path, "weights of blendshapes")
    own = _own_track(text, where)
    if own is not None:
        return own if settings == Settings() else _adjusted(own, settings, where)
    if _is_json(text):
        track = json_scores_track(parse_json_text(text, where), where, frames_per_second=settings.fps)
    elif is_live_link(table := parse_table(text, where)):
        track = live_link_track(table, where, frames_per_second=settings.fps, eye_rotations=settings.eye_rotations)
    else:
        track = scores_track(table, where, frames_per_second=settings.fps)
    return _adjusted(track, settings, where)


def _is_json(text: str) -> bool:
    return text.lstrip("\ufeff \t\r\n")[:1] in ("{", "[")


def _own_track(text: str, where: str) -> Track | None:
    """Return a track of splatrig, or None for another file."""
    if not _is_json(text):
        return parse_csv(text, where) if _OWN_CSV.search(text) else None
    document = parse_json_text(text, where)
    return parse_json(text, where) if isinstance(document, dict) and document.get("format") == FORMAT else None


def _adjusted(track: Track, settings: Settings, where: str) -> Track:
    """Return a track with its neutral subtracted and its gains applied, clipped to [0, 1]."""
    gains = np.array([settings.scale * settings.gain.get(name, 1.0) for name in track.names])
    weights = track.weights * settings.scale
    row, column = np.unravel_index(int(weights.argmax()), weights.shape)
    if weights[row, column] > LARGEST:
        raise InputError(
            f"{where}, at {track.times[row]:g} s: expected weights from 0 to 1, got {weights[row, column]:g} for "
            f"{track.names[column]}; write `scale: 0.01` into the settings file if they are percentages."
        )
    rest = 0.0 if settings.neutral is None else _rest(track, settings.neutral, where)
    return replace(track, weights=np.clip((track.weights - rest) * gains, 0.0, 1.0))


def _rest(track: Track, neutral: float | list[float], where: str) -> NDArray[np.float64]:  # [K]
    """Return the weights at rest: those at a time, or their mean over an interval."""
    start, end = neutral if isinstance(neutral, list) else (neutral, neutral)
    if end < start or end > track.duration_s:
        raise InputError(
            f"{where}, neutral in its settings: expected a time up to {track.duration_s:g} s or two in increasing "
            f"order, got {neutral}."
        )
    since = track.times - track.times[0]
    inside = since[(since > start) & (since < end)]
    return np.mean([track.at(track.times[0] + time) for time in (start, *inside, end)], axis=0)


def driven(track: Track, panel: Panel) -> Track:
    """Return a track of blendshapes as one of the family of `panel`, by names.

    Components of other names stay neutral.

    Raises:
        InputError: The family has no blendshape of the track except those that rotate the eyes.
    """
    played = [name for name in panel.names if name in track.names]
    if not any(not turns_eyes(name) for name in played):
        raise InputError(
            f"{panel.family} of {panel.subject}: expected components named {', '.join(track.names[:3])}, …, "
            f"got {', '.join(panel.names):.60}, …; drive learned_arkit, and ask for control/tracks/{panel.family}/from_"
            f"{panel.subject}/learned_arkit/driven/NAME.csv, which is its track on this family."
        )
    weights = np.tile(panel.neutral, (len(track), 1))
    for name in played:
        weights[:, panel.names.index(name)] = track.weights[:, track.names.index(name)]
    _tell(track, panel)
    return replace(track, names=panel.names, weights=weights, family=panel.family, subject=panel.subject)


def _tell(track: Track, panel: Panel) -> None:
    """Log which blendshapes are missing in the file, and which moving ones the rig lacks."""
    absent = [name for name in panel.names if name not in track.names]
    idle = [name for k, name in enumerate(track.names) if name not in panel.names and np.ptp(track.weights[:, k]) > 0]
    logger.info("not in the file, kept at rest: %s", ", ".join(absent) or "none")
    logger.info("moving in the file, but not in the rig: %s", ", ".join(idle) or "none")
