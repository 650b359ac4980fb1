"""Reconstructions as pictures: how far a rig's renders are from the photographs of cameras it never saw."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from textwrap import fill

import pandas as pd
import torch
from torch import Tensor

from splatrig.animation.pictures import Picture
from splatrig.animation.render import render
from splatrig.animation.rig import Rig
from splatrig.capture.cameras import Cameras
from splatrig.components.file import Components
from splatrig.evaluation.reconstruction import by_energy, rebuild, standardise, usable_ks
from splatrig.evaluation.rows import AttributeRows
from splatrig.evaluation.worst import worst_row
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.joint.base import base_of
from splatrig.progress import track
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
    """Agreement of one render with one photograph inside of the silhouette."""

    camera: str
    psnr: float
    """dB; infinite for equal pictures."""
    ssim: float


@torch.no_grad()
def score(gaussians: Gaussians, views: Views, device: str = "cpu") -> list[ViewScore]:
    """Render `gaussians` from the cameras of `views` onto black; compare those that see the head."""
    images = torch.from_numpy(render(gaussians, views.cameras, device=device)[0])
    return [
        ViewScore(name, psnr(image, photograph, inside), float(ssim_map(image, photograph)[inside].mean()))
        for name, image, photograph, inside in zip(
            views.cameras.names, images, views.photographs, views.inside, strict=True
        )
        if bool(inside.any())
    ]


def score_method(
    components: Components,
    neutral: Gaussians,
    data: AttributeRows,
    source: FrameSource,
    ks: Iterable[int],
    device: str = "cpu",
) -> pd.DataFrame:
    """Return the scores of the rebuilt peak frame of every expression, per number of components and camera.

    Columns: k, expression, frame, role, camera, psnr (dB), ssim. The peak frame of an expression is the one farthest
    from the neutral.
    """
    rig = Rig(components, base_of(components, neutral))
    chosen = data.peaks()
    views = [load_views(source, data.frames[row]) for row in track(chosen, "photographs", unit="frame")]
    standard = standardise(data.X[chosen], components)
    order = by_energy(components)
    scores = []
    for k in track(usable_ks(ks, rig.count), "numbers of components", unit="k"):
        estimates = rebuild(components, standard, order[:k])
        for row, estimate, seen in zip(chosen, estimates, views, strict=True):
            expression, frame = data.frames[row].split("/")
            role = "train" if data.train[row] else "held_out"
            scores += [
                (k, expression, frame, role, found.camera, found.psnr, found.ssim)
                for found in score(rig.from_row(estimate), seen, device)
            ]
    return pd.DataFrame(scores, columns=["k", "expression", "frame", "role", "camera", "psnr", "ssim"])


def picture_worst(
    chosen: pd.DataFrame,
    stores: Mapping[str, str | Path],
    source: FrameSource,
    height: int,
    device: str = "cpu",
) -> tuple[list[list[Picture]], list[str]]:
    """Return rows of pictures and titles for the views `chosen` of `fit.csv` (expression, frame, camera, psnr, ssim).

    `stores` maps an expression to its fitted frames.
    """
    rows, titles = [], []
    for view in chosen.itertuples(index=False):
        index = source.cameras.names.index(str(view.camera))
        one = replace(source, cameras=source.cameras.select([index]))
        views = load_views(one, f"{view.expression}/{view.frame}")
        gaussians = read_fitted_frames(stores[str(view.expression)], [str(view.frame)]).gaussians[0]
        image = render(gaussians, views.cameras, device=device)[0][0]
        rows.append(worst_row(image, views.photographs[0].numpy(), views.inside[0].numpy(), height))
        name = fill(str(view.expression).replace("_", " "), 24)
        titles.append(f"{name}\nframe {view.frame}\ncamera {view.camera}\n{view.psnr:.2f} dB, SSIM {view.ssim:.3f}")
    return rows, titles
