"""Reconstructions as pictures: how far a rig's renders are from the photographs of cameras it never saw."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.animation.render import render
from splatrig.capture.cameras import Cameras
from splatrig.gaussians.gaussians import Gaussians
from splatrig.training.dataset import FrameSource
from splatrig.training.metrics import psnr
from splatrig.training.ssim import ssim_map


@dataclass(frozen=True)
class Views:
    """The photographs of one frame from some cameras, composited onto black, with where the head is."""

    name: str
    """`expression/frame`."""
    cameras: Cameras
    """In the head space of the frame."""
    photographs: Tensor  # [C, H, W, 3] in [0, 1]
    inside: Tensor  # [C, H, W] bool


def load_views(source: FrameSource, name: str) -> Views:
    """Read the photographs of the frame `expression/frame` from all cameras of `source`."""
    expression, frame = name.split("/")
    data = source.load(expression, frame)
    pixels = data.images.to(torch.float32) / 255.0
    alpha = pixels[..., 3:]
    return Views(name, data.cameras, pixels[..., :3] * alpha, alpha[..., 0] > 0.5)


@dataclass(frozen=True)
class ViewScore:
    """Agreement with the photographs inside of the silhouette, averaged over the cameras of one frame."""

    psnr: float
    """dB"""
    ssim: float


def score(gaussians: Gaussians, views: Views, device: str = "cpu") -> ViewScore:
    """Render `gaussians` from the cameras of `views` onto black and compare inside of the silhouette."""
    images = torch.from_numpy(render(gaussians, views.cameras, device=device)[0])
    psnrs, ssims = [], []
    for image, photograph, inside in zip(images, views.photographs, views.inside, strict=True):
        if bool(inside.any()):
            psnrs.append(psnr(image, photograph, inside))
            ssims.append(float(ssim_map(image, photograph)[inside].mean()))
    return ViewScore(float(np.mean(psnrs)), float(np.mean(ssims)))


def score_rows(
    gaussians_of: Callable[[NDArray], Gaussians],
    rows: NDArray,  # [F, D]
    views: Sequence[Views],
    device: str = "cpu",
) -> list[ViewScore]:
    """Score each row against the views of its frame."""
    return [score(gaussians_of(row), seen, device) for row, seen in zip(rows, views, strict=True)]
