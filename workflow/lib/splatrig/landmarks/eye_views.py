"""Views of both eyes in every frame: crops, the opening of the lids in them, and the network's iris."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Frame
from splatrig.dataset.decoding import read_photograph
from splatrig.jobs.progress import track
from splatrig.landmarks.iris import CROP_WIDTHS, LID_POINTS, IrisFinder
from splatrig.landmarks.network import Crop
from splatrig.landmarks.triangulate import project, projections

CROP_SIZE = 96
"""Width and height in pixels of a crop that eyeballs are fitted to."""
_CROP_MM = 40.0
"""Side of a crop for pupils `PUPILS_MM` apart; for other distances in proportion."""
PUPILS_MM = 63.0
"""Distance between the pupils of an average adult."""

MOST_CAMERAS = 8
"""Maximum number of photographs of a frame that are used."""
_ASIDE, _FACING = 0.4, 0.6
"""Cosines of the angle to straight ahead: cameras above the first are used, cameras above the second preferred."""

_LUMA = np.array([0.299, 0.587, 0.114], dtype=np.float32)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class EyeViews:
    """Crops around both eyes in F frames, M per frame and eye; an empty crop has no `there`.

    Eyes are in the order of `gaze.EYES`. Pixels are those of the crop, as are the projections.
    """

    P: NDArray[np.float64]  # [F, 2, M, 3, 4] from the head space of the frame to homogeneous pixels
    gray: NDArray[np.uint8]  # [F, 2, M, S, S]
    opening: NDArray[np.bool_]  # [F, 2, M, S, S]
    """True for pixels between the lids."""
    lids: NDArray[np.float64]  # [F, 2, M, 16, 2]
    iris: NDArray[np.float64]  # [F, 2, M, 2]
    """Center of the iris according to the network."""
    there: NDArray[np.bool_]  # [F, 2, M]

    @property
    def camera_centers(self) -> NDArray[np.float64]:  # [F, 2, M, 3]
        """Camera centers in the head space of the frame; 0 for empty crops."""
        M = np.where(self.there[..., None, None], self.P[..., :3], np.eye(3))
        return -np.linalg.solve(M, self.P[..., 3:])[..., 0].astype(np.float64)

    @property
    def openness(self) -> NDArray[np.float64]:  # [F, 2]
        """Opening of the lids: its area over its squared width, the median over cameras; 0 if unseen."""
        x, y = np.moveaxis(self.lids, -1, 0)
        area = 0.5 * np.abs((x * np.roll(y, -1, axis=-1) - y * np.roll(x, -1, axis=-1)).sum(axis=-1))
        width = np.linalg.norm(self.lids[..., 0, :] - self.lids[..., LID_POINTS // 2, :], axis=-1)
        ratio = np.where(self.there, area / np.maximum(width, 1e-9) ** 2, np.nan)
        some = self.there.any(axis=-1)
        result = np.zeros(some.shape)
        result[some] = np.nanmedian(ratio[some], axis=-1)
        return result


def choose_cameras(cameras: Cameras, eyes: NDArray[np.float64]) -> list[int]:  # [2, 3]
    """Return at most `MOST_CAMERAS` training cameras of a frame that look into both eyes.

    If many cameras face the eyes, the first is the most frontal one and each next one is farthest from those chosen
    (Gonzalez 1985), since distant cameras measure depth. If few do, the most frontal ones are returned.
    """
    away = cameras.centers - eyes.mean(axis=0)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    seen = np.all([cameras.see(eye[None]) for eye in eyes], axis=0) & ~cameras.held_out
    usable = np.flatnonzero(seen & (away[:, 2] > _FACING))
    if len(usable) < MOST_CAMERAS:
        squarely = np.argsort(-away[:, 2], kind="stable")
        return sorted(squarely[(seen & (away[:, 2] > _ASIDE))[squarely]][:MOST_CAMERAS].tolist())
    chosen = [int(usable[np.argmax(away[usable, 2])])]
    while len(chosen) < MOST_CAMERAS:
        nearest = (away[usable] @ away[chosen].T).max(axis=1)
        chosen.append(int(usable[np.argmin(nearest)]))
    return sorted(chosen)


def look_at_eyes(
    frames: Sequence[Frame],
    lids: NDArray[np.float64],  # [2, L, 3] landmarks around the neutral's lids, NaN where not found
    finder: IrisFinder,
) -> EyeViews:
    """Return the views of both eyes, each of which has landmarks, from the chosen training cameras of every frame."""
    eyes = np.nanmean(lids, axis=1)  # [2, 3]
    width_mm = float((np.nanmax(lids, axis=1) - np.nanmin(lids, axis=1))[:, 0].max())
    crop_mm = _CROP_MM * float(np.linalg.norm(eyes[0] - eyes[1])) / PUPILS_MM
    shape = (len(frames), 2, MOST_CAMERAS)
    views = EyeViews(
        P=np.zeros((*shape, 3, 4)),
        gray=np.zeros((*shape, CROP_SIZE, CROP_SIZE), dtype=np.uint8),
        opening=np.zeros((*shape, CROP_SIZE, CROP_SIZE), dtype=bool),
        lids=np.zeros((*shape, LID_POINTS, 2)),
        iris=np.zeros((*shape, 2)),
        there=np.zeros(shape, dtype=bool),
    )
    photographed = [frame.photographed for frame in frames]
    for f, frame in enumerate(track(photographed, "eyes", unit="frame")):
        matrices = projections(frame.cameras)
        for m, camera in enumerate(choose_cameras(frame.cameras, eyes)):
            pixels = read_photograph(frame.photograph(camera), frame.cameras.width, frame.cameras.height)
            image = Image.fromarray(np.ascontiguousarray(pixels[..., :3]))
            P = matrices[camera]
            places = project(P[None], eyes)[0]
            angle = float(np.arctan2(*(places[0] - places[1])[::-1]))  # from the right eye to the left one
            for e, (eye, place) in enumerate(zip(eyes, places, strict=True)):
                scale = frame.cameras.Ks[camera, 0, 0] / float(P[2] @ [*eye, 1.0])  # pixels per millimeter
                wide = Crop(place, float(CROP_WIDTHS * width_mm * scale), angle)
                close = Crop(place, float(crop_mm * scale), angle)
                to_close = np.linalg.inv(np.vstack([close.to_photograph(CROP_SIZE), [0.0, 0.0, 1.0]]))
                found = np.vstack(finder.find(wide.pixels(image, finder.size), right=e == 1))  # lids, iris
                found = _moved(_moved(found, wide.to_photograph(finder.size)), to_close)
                views.P[f, e, m] = to_close @ P
                views.gray[f, e, m] = np.clip(close.pixels(image, CROP_SIZE) @ _LUMA, 0, 255)
                views.opening[f, e, m] = _inside(found[:-1])
                views.lids[f, e, m], views.iris[f, e, m] = found[:-1], found[-1]
                views.there[f, e, m] = True
    return views


def _moved(points: NDArray[np.float64], affine: NDArray[np.float64]) -> NDArray[np.float64]:  # [K, 2]
    """Return points transformed by an affine map, the first two rows of a matrix."""
    return points @ affine[:2, :2].T + affine[:2, 2]


def _inside(polygon: NDArray[np.float64]) -> NDArray[np.bool_]:  # [K, 2] -> [S, S]
    """Return which pixels of a crop are inside a polygon."""
    picture = Image.new("1", (CROP_SIZE, CROP_SIZE))
    ImageDraw.Draw(picture).polygon([(x - 0.5, y - 0.5) for x, y in polygon.tolist()], fill=1)
    return np.asarray(picture, dtype=bool)
