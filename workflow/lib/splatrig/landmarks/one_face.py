"""Choice of the face that several cameras see in photographs with more than one, such as posters or other people."""

from collections.abc import Sequence
from itertools import combinations

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.cameras import Cameras
from splatrig.landmarks.triangulate import intersect, project, projections

_AGREEING = 0.15
"""Largest median distance between a face and its projection from other cameras, in widths of the face, to be the
same."""
_EVERY = 6
"""Step of the points that are compared."""


def same_face(
    cameras: Cameras,
    candidates: Sequence[Sequence[NDArray[np.float64]]],  # C of any number of [L, 2] pixels, clearest first
) -> list[NDArray[np.float64] | None]:  # C of [L, 2]
    """Return for each camera the index of the face in its photograph that the cameras agree on.

    Any two faces of two cameras propose a face in space. The proposal with the largest total size of agreeing faces
    wins: people in the background, or at the edge of a few photographs, are smaller. A camera in which no face agrees
    keeps its clearest one, since its calibration may be wrong; None if it sees no face.
    """
    P, places = projections(cameras), [(c, f) for c, faces in enumerate(candidates) for f in range(len(faces))]
    chosen = [faces[0] if faces else None for faces in candidates]
    if max((len(faces) for faces in candidates), default=0) < 2:
        return chosen
    seen = np.stack([candidates[c][f][::_EVERY] for c, f in places])
    of_camera = np.array([c for c, _ in places])
    widths = np.ptp(seen, axis=1).max(axis=1)
    largest, best = 0.0, np.full(len(places), np.inf)
    for one, other in combinations(range(len(places)), 2):
        pair = of_camera[[one, other]]
        if pair[0] == pair[1]:
            continue
        projected = project(P[of_camera], intersect(P[pair], seen[[one, other]]))
        misses = np.nan_to_num(np.median(np.linalg.norm(projected - seen, axis=2), axis=1) / widths, nan=np.inf)
        agreeing = misses < _AGREEING
        if not agreeing[[one, other]].all():
            continue
        together = sum(widths[agreeing & (of_camera == camera)].max() for camera in np.unique(of_camera[agreeing]))
        if together > largest:
            largest, best = float(together), misses
    for camera, faces in enumerate(candidates):
        own = np.flatnonzero(of_camera == camera)
        if len(faces) > 1 and best[own].min() < _AGREEING:
            chosen[camera] = faces[int(best[own].argmin())]
    return chosen
