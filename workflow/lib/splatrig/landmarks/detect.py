"""Detection of the face of one frame in the photographs of its training cameras."""

import logging

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.dataset import Frame
from splatrig.dataset.decoding import read_photograph
from splatrig.landmarks.locate import faces_seen
from splatrig.landmarks.network import FaceFinder
from splatrig.landmarks.one_face import same_face
from splatrig.landmarks.points import POINTS

logger = logging.getLogger(__name__)


def detect(frame: Frame, finder: FaceFinder) -> NDArray[np.float64]:  # [C, L, 2]
    """Return the pixels at which each camera of a frame sees the points; NaN where it sees no face.

    Where photographs show more than one face, it is the one that the cameras agree on. Held-out cameras are skipped:
    nothing that is fitted may depend on their photographs.

    Args:
        frame: The frame and its cameras.
        finder: Networks that find the points of a face.

    Returns:
        Points [C, L, 2] in pixels.
    """
    cameras = frame.cameras
    seen = np.full((len(cameras), len(POINTS), 2), np.nan)
    there = [int(camera) for camera in np.flatnonzero(~cameras.held_out) if frame.has(int(camera))]
    found: list[list[NDArray[np.float64]]] = [[] for _ in cameras.names]
    for camera in there:
        pixels = read_photograph(frame.photograph(camera), cameras.width, cameras.height)
        found[camera] = finder.find_all(np.ascontiguousarray(pixels[..., :3]))
    for camera, points in enumerate(same_face(cameras, found)):
        if points is not None:
            seen[camera] = points[list(POINTS)]
    logger.info("%s: a face in %d of %d photographs", frame.name, faces_seen(seen), len(there))
    return seen
