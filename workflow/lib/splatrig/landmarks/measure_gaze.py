"""Measurement of the gaze from the views of the eyes, with the confidence of each measurement."""

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.dataset import Frame
from splatrig.landmarks.eye_views import PUPILS_MM, EyeViews, look_at_eyes
from splatrig.landmarks.eyeballs import FAINT, RADIUS_MM, border_contrast, fit_eyeballs
from splatrig.landmarks.gaze import EYES, Gaze
from splatrig.landmarks.iris import IrisFinder
from splatrig.landmarks.points import rows_of
from splatrig.landmarks.table import Landmarks
from splatrig.landmarks.triangulate import triangulate

_CLOSED, _OPEN = 0.35, 0.6
"""Openings of the lids relative to a usual frame: below the first no gaze is measured, above the second it counts
fully."""
_USUAL_CONTRAST = 0.5
"""Contrast of the border of the iris, relative to a usual frame, above which it counts fully."""
_LEAST = 0.05
"""Confidence below which it is set to 0."""
_TOLERANCE_PX = 4.0
"""Largest distance in pixels of a crop of a camera's iris from its projection for the camera to agree."""
_FARTHEST_MM = 10.0
"""Largest distance of an eyeball from its initial position; farther ones are rejected."""
_FEWEST_LIDS = 4
"""Least number of landmarks around the lids of an eye that locate it."""
_LIDS_MM = 1.0
"""Distance of the middle of the lids behind the front of the eyeball."""

logger = logging.getLogger(__name__)


def lids_of(landmarks: Landmarks) -> NDArray[np.float64]:  # [2, L, 3]
    """Return the landmarks around the lids of both eyes, NaN where not found."""
    return np.stack([landmarks.positions[rows_of(f"{eye} eye")] for eye in EYES])


def find_gaze(
    frames: Sequence[Frame],
    lids: NDArray[np.float64],  # [2, L, 3] landmarks around the neutral's lids, NaN where not found
    network: str | Path | None,
    *,
    neutral: NDArray[np.bool_],  # [F] frames of the neutral expression
    learned: NDArray[np.bool_],  # [F] frames that may say where the eyeballs are
) -> Gaze:
    """Return the gaze in all frames, from the photographs of training cameras and the network for eyes in a file.

    Without a network, or if the neutral's lids were not found, the gaze is straight ahead with confidence 0, and a
    warning is logged.

    Args:
        frames: Frames of the data set.
        lids: Landmarks around the neutral's lids [2, L, 3], NaN where not found.
        network: File of the network; None: no gaze is measured.
        neutral: True for frames of the neutral [F].
        learned: True for frames from which centers and size are learned [F].

    Returns:
        Eyeballs and gaze.
    """
    names = [frame.name for frame in frames]
    if network is None:
        return look_ahead(names, lids, "with landmarks of your own (capture.landmarks) no network looks at eyes")
    if np.isfinite(lids).all(axis=2).sum(axis=1).min() < _FEWEST_LIDS:
        return look_ahead(names, lids, "the neutral has no landmarks of both eyes")
    views = look_at_eyes(frames, lids, IrisFinder(network))
    return measure_gaze(views, names, lids, neutral=neutral, learned=learned)


def measure_gaze(
    views: EyeViews,
    frames: Sequence[str],
    lids: NDArray[np.float64],  # [2, L, 3] landmarks around the neutral's lids, NaN where not found
    *,
    neutral: NDArray[np.bool_],  # [F] frames of the neutral expression
    learned: NDArray[np.bool_],  # [F] frames that may say where the eyeballs are
) -> Gaze:
    """Return the gaze in all frames; it is straight ahead, with a warning, if no frame shows the eyes."""
    openness = views.openness
    seen = openness > 0
    usual = float(np.median(openness[seen])) if seen.any() else 1.0
    opened = seen & (openness > _CLOSED * usual)
    fronts = iris_fronts(views, opened & learned[:, None])
    if not np.isfinite(fronts).all():
        return look_ahead(frames, lids, "too few cameras see both irises")
    scale = float(np.linalg.norm(fronts[0] - fronts[1])) / PUPILS_MM
    balls = fit_eyeballs(views, fronts, scale, opened=opened, neutral=neutral, learned=learned)
    expected = fronts - [0.0, 0.0, balls.radius_mm]
    contrast = np.where(opened, border_contrast(views, balls), 0.0)
    if np.linalg.norm(balls.centers - expected, axis=1).max() > _FARTHEST_MM or not (contrast > FAINT).any():
        return look_ahead(frames, lids, "no iris has a border")
    clear = _USUAL_CONTRAST * float(np.median(contrast[contrast > FAINT]))
    confidence = np.clip((openness / usual - _CLOSED) / (_OPEN - _CLOSED), 0.0, 1.0) * opened
    confidence *= np.clip(contrast / clear, 0.0, 1.0) * (contrast > FAINT)
    confidence[confidence < _LEAST] = 0.0
    turns = np.where(confidence[..., None] > 0, balls.turns_deg, balls.turns_deg[np.argmax(neutral)])
    logger.info(
        "eyeballs of %.1f mm, irises of %.1f mm, %.1f mm apart; eyes seen in %d of %d frames",
        *(balls.radius_mm, balls.iris_mm, np.linalg.norm(balls.centers[0] - balls.centers[1])),
        *((confidence > 0).any(axis=1).sum(), len(frames)),
    )
    radii = np.full(len(EYES), balls.radius_mm)
    return Gaze(tuple(frames), balls.centers, radii, turns[..., 0], turns[..., 1], confidence)


def iris_fronts(views: EyeViews, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:  # [F, 2] -> [2, 3]
    """Return the usual positions of the network's irises: medians over frames of triangulated ones; or NaN."""
    places = np.full((*chosen.shape, 3), np.nan)
    for f, e in zip(*np.nonzero(chosen & (views.there.sum(axis=2) >= 2)), strict=True):
        there = views.there[f, e]
        found = triangulate(views.P[f, e, there], views.iris[f, e, there][:, None], _TOLERANCE_PX)
        places[f, e] = found.positions[0]
    fronts = np.full((2, 3), np.nan)
    for e, own in enumerate(places.transpose(1, 0, 2)):
        if np.isfinite(own).any():
            fronts[e] = np.nanmedian(own, axis=0)
    return fronts


def look_ahead(frames: Sequence[str], lids: NDArray[np.float64], why: str) -> Gaze:
    """Return eyes that look straight ahead with confidence 0, average eyeballs behind their lids; log the reason `why`.

    An eye whose lids [2, L, 3] have no landmarks has no position.
    """
    logger.warning("gaze: %s: eyes look straight ahead in all frames, with confidence 0", why)
    middles = np.full((len(EYES), 3), np.nan)
    for e, own in enumerate(lids):
        if np.isfinite(own).any():
            middles[e] = np.nanmean(own, axis=0)
    apart = float(np.linalg.norm(middles[0] - middles[1]))
    radius_mm = RADIUS_MM * apart / PUPILS_MM if np.isfinite(apart) else RADIUS_MM
    radii = np.where(np.isfinite(middles[:, 0]), radius_mm, np.nan)
    centers = middles - [0.0, 0.0, radius_mm - _LIDS_MM]
    nothing = np.zeros((len(frames), len(EYES)))
    return Gaze(tuple(frames), centers, radii, nothing, nothing, nothing)
