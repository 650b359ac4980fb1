"""The film of a track: weights over time become the pictures, the captions and the files that `video` asks for."""

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
from splatrig.config.models import VideoConfig
from splatrig.dataset.cameras import Cameras
from splatrig.jobs.progress import track

logger = logging.getLogger(__name__)


def film_of(
    rig: Rig,
    weights: NDArray,  # [T, K]
    photographed: Cameras,  # in head space
    video: VideoConfig,
    device: str | torch.device,
) -> Iterator[Picture]:
    """Return the frames of a film along the path of `video`, which begins at the most frontal camera."""
    cameras = picture_cameras(photographed, video.height)
    cameras = cameras.select(frontal_order(cameras, rig.neutral.means))
    logger.info("%d frames of %d x %d, %g a second", len(weights), cameras.width, cameras.height, video.fps)
    center = rig.neutral.means.mean(axis=0)
    path = path_about(cameras, len(weights), center, video)
    red, green, blue = video.background
    renderer = Renderer(device, (red, green, blue), lens_blur(photographed, center, path))
    return track(film(rig, weights, path, renderer), "video", total=len(weights), unit="frame")


def with_captions(pictures: Iterable[Picture], captions: Sequence[str]) -> Iterator[Picture]:
    """Yield the pictures, each with its caption below it."""
    for picture, text in zip(pictures, captions, strict=True):
        yield captioned(picture, text)


def write_film(
    pictures: Iterable[Picture], video: VideoConfig, *, mp4: str | Path, gif: str | Path, threads: int
) -> None:
    """Write the pictures as they come to `mp4`, and every n-th of them, reduced, to `gif`."""
    every = max(1, round(video.fps / video.gif_fps))
    small: list[Picture] = []

    def kept() -> Iterator[Picture]:
        for number, picture in enumerate(pictures):
            if number % every == 0:
                small.append(reduced(picture, video.gif_height))
            yield picture

    write_mp4(mp4, kept(), frames_per_second=video.fps, threads=threads)
    write_gif(gif, small, frames_per_second=video.fps / every)
