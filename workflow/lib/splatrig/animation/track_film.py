"""The film of a track: weights over time become images, their captions and the files."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import torch
from numpy.typing import NDArray

from splatrig.animation.camera_path import path_about
from splatrig.animation.captions import captioned
from splatrig.animation.family import frontal_order
from splatrig.animation.film import film
from splatrig.animation.pictures import Picture, reduced, write_gif, write_mp4
from splatrig.animation.render import Renderer, lens_blur, picture_cameras
from splatrig.components.rig import Rig
from splatrig.config.choices import CameraPath
from splatrig.dataset.cameras import Cameras
from splatrig.jobs.progress import track

logger = logging.getLogger(__name__)

GIF_HEIGHT = 256
"""Height of the GIF in pixels, or the film's height if that is less: a GIF is a preview, and large for what it
shows."""

GIF_EVERY = 2
"""Every how many frames of the film one is in the GIF: half the frames are half the bytes."""


def film_of(
    rig: Rig,
    weights: NDArray,  # [T, K]
    photographed: Cameras,  # cameras in head space
    *,
    height: int,
    path: CameraPath,
    names: Sequence[str],
    device: str | torch.device,
) -> Iterator[Picture]:
    """Return the frames of a film, `height` pixels high, along a path over the cameras `names`; see `path_about`.

    Without names it starts at the most frontal camera.
    """
    cameras = picture_cameras(photographed, height)
    cameras = cameras.select(frontal_order(cameras, rig.neutral.means))
    logger.info("%d frames of %d x %d", len(weights), cameras.width, cameras.height)
    center = rig.neutral.means.mean(axis=0)
    along = path_about(cameras, len(weights), center, path, names)
    renderer = Renderer(device, lens_blur(photographed, center, along))
    return track(film(rig, weights, along, renderer), "video", total=len(weights), unit="frame")


def with_captions(pictures: Iterable[Picture], captions: Sequence[str]) -> Iterator[Picture]:
    """Yield the images, each with its caption below it."""
    for picture, text in zip(pictures, captions, strict=True):
        yield captioned(picture, text)


def write_film(
    pictures: Iterable[Picture], frames_per_second: float, *, mp4: str | Path, gif: str | Path, threads: int
) -> None:
    """Write the images to `mp4` as they arrive, and one in `GIF_EVERY` of them, reduced, to `gif`."""
    small: list[Picture] = []

    def kept() -> Iterator[Picture]:
        for number, picture in enumerate(pictures):
            if number % GIF_EVERY == 0:
                small.append(reduced(picture, GIF_HEIGHT))
            yield picture

    write_mp4(mp4, kept(), frames_per_second=frames_per_second, threads=threads)
    write_gif(gif, small, frames_per_second=frames_per_second / GIF_EVERY)
