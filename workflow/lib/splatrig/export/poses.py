"""Look up the weights of a pose by its name."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.config.names import IN_TRACK, NEUTRAL
from splatrig.control.panel import Panel
from splatrig.control.track import read_track
from splatrig.io.errors import InputError


def weights_of_pose(pose: str, panel: Panel, track: str | Path | None = None) -> NDArray[np.float64]:  # [K]
    """Return the weights of `neutral`, a preset (an expression) of `panel`, or a moment `TRACK-SECONDSs` of `track`.

    Raises InputError when there is no such preset, or the track ends before that moment.
    """
    if pose == NEUTRAL:
        return panel.neutral
    if pose in panel.presets:
        return panel.presets[pose]
    match = IN_TRACK.fullmatch(pose)
    if match is None or track is None:
        raise InputError(
            f"pose {pose}: expected neutral, a moment of a track such as tour-2.5s, "
            f"or one of {', '.join(panel.presets)}."
        )
    played = read_track(track).ordered(panel.names)
    seconds = float(match["seconds"])
    if not played.times[0] <= seconds <= played.times[-1]:
        raise InputError(
            f"pose {pose}: expected a moment of the track, from {played.times[0]:g} to {played.times[-1]:g} s, got "
            f"{seconds:g} s."
        )
    return played.at(seconds)
