"""Rows of components as pictures: how far their renders are from the photographs of cameras that never trained."""

from collections.abc import Callable, Mapping
from dataclasses import astuple, dataclass, replace
from pathlib import Path
from textwrap import fill
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.animation.pictures import Picture
from splatrig.animation.render import pick_device, render
from splatrig.animation.rig import Rig
from splatrig.animation.rig_file import carry_xyz
from splatrig.animation.surface import Surface, surface_of
from splatrig.capture.cameras import Cameras, read_cameras
from splatrig.components.file import Components
from splatrig.evaluation.images import IMAGE_COLUMNS
from splatrig.evaluation.worst import worst_row
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.joint.base import base_of
from splatrig.mesh.template import Template
from splatrig.training.dataset import FrameSource
from splatrig.training.metrics import measure


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
    lpips: float
    """NaN where LPIPS' weights are not on this machine."""


@torch.no_grad()
def score(gaussians: Gaussians, views: Views, device: str = "cpu") -> list[ViewScore]:
    """Render `gaussians` from the cameras of `views` onto black; compare those that see the head."""
    images = torch.from_numpy(render(gaussians, views.cameras, device=device)[0])
    scores = []
    for name, image, photograph, inside in zip(
        views.cameras.names, images, views.photographs, views.inside, strict=True
    ):
        if bool(inside.any()):
            found = measure(image, photograph, inside)["mask"]
            scores.append(ViewScore(name, found.psnr, found.ssim, found.lpips))
    return scores


class Photographs:
    """The photographs of frames, read when they are first asked for."""

    def __init__(self, source: FrameSource) -> None:
        self._source = source
        self._views: dict[str, Views] = {}

    def of(self, name: str) -> Views:
        """Return the views of the frame `expression/frame`."""
        if name not in self._views:
            self._views[name] = load_views(self._source, name)
        return self._views[name]


@dataclass(frozen=True)
class Place:
    """What a picture is of."""

    test: str
    """reconstruction, generalisation or specificity."""
    k: int
    frame: str
    """`expression/frame` of the photographs."""
    role: str
    """train, held_out or left_out."""
    weights: str = "rows"
    """Where the weights are from, see `IMAGE_COLUMNS`."""
    sample: int = 0
    """Number of a random face."""


class Stage:
    """Where rows of components become Gaussians of the finest level and are compared with photographs.

    Collects one row a picture, `IMAGE_COLUMNS` without method and level.
    """

    def __init__(
        self,
        neutral: Gaussians,
        template: Template,
        photographs: Photographs,
        device: str = "cpu",
        surface: Surface | None = None,
    ) -> None:
        """With `surface`, the skin of the finest level, Gaussians whose centres alone are moved follow it."""
        self._neutral, self._template, self._photographs, self._device = neutral, template, photographs, device
        self._surface = surface
        self._rows: list[tuple[object, ...]] = []

    def posing(self, components: Components) -> Callable[[NDArray[np.float32]], Gaussians]:
        """Return what makes Gaussians of a row of `components`; rows of a coarse level are carried to the finest.

        Displacements go up through the midpoint operators; what the components do not move stays the neutral's.
        """
        if len(components.face_mask) == len(self._neutral):
            return Rig(components, base_of(components, self._neutral), self._surface).from_row
        lifted = carry_xyz(components, self._template, self._neutral)
        rig = Rig(lifted, self._neutral, self._surface)
        coarse = next(
            name for name, level in self._template.levels.items() if len(level.vertices) == len(components.face_mask)
        )
        operator = self._template.between(coarse, self._template.finest)
        first, end = next((first, end) for name, first, end in components.dim_info if name == "xyz")
        offset = 0.0 if components.offset is None else components.offset
        rest = (components.mean + components.std * offset)[first:end].reshape(-1, 3)

        def pose(row: NDArray[np.float32]) -> Gaussians:
            moved = operator @ (row[first:end].reshape(-1, 3) - rest)
            return rig.from_row((self._neutral.means + moved).astype(np.float32).reshape(-1))

        return pose

    def compare(self, place: Place, gaussians: Gaussians) -> None:
        """Render `gaussians` from all cameras of the photographs of `place.frame`; keep the scores."""
        expression, frame = place.frame.split("/")
        self._rows += [
            (place.k, place.test, place.weights, place.sample, expression, frame, place.role, *astuple(found))
            for found in score(gaussians, self._photographs.of(place.frame), self._device)
        ]

    def frame(self, method: str, level: str) -> pd.DataFrame:
        """Return all rows as a table with `IMAGE_COLUMNS`."""
        table = pd.DataFrame(self._rows, columns=list(IMAGE_COLUMNS[2:]))
        table.insert(0, "method", method)
        table.insert(1, "level", level)
        return table


def open_stage(inputs: Any, dataset: str | Path, template: Template, device: str, *, follow: bool) -> Stage:
    """Return the stage of a rule's inputs (neutral, cameras): held-out cameras, or all where none is held out.

    `device` is the configuration's; with `follow`, Gaussians whose centres alone are moved follow the skin.
    """
    cameras = read_cameras(inputs.cameras)
    cameras = cameras.select(cameras.held_out) if cameras.held_out.any() else cameras
    neutral = read_fitted_frames(inputs.neutral).gaussians[0]
    finest = template.levels[template.finest]
    surface = surface_of(finest.vertices, finest.faces) if follow else None
    photographs = Photographs(FrameSource(Path(dataset), cameras, template))
    return Stage(neutral, template, photographs, pick_device(device), surface)


def picture_worst(
    chosen: pd.DataFrame,
    stores: Mapping[str, str | Path],
    source: FrameSource,
    height: int,
    device: str = "cpu",
) -> tuple[list[list[Picture]], list[str]]:
    """Return rows of pictures and titles for the views `chosen` by `worst_views`.

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
        camera = f"camera {view.camera} ({str(view.split).replace('_', ' ')})"
        score = f"{view.psnr:.2f} dB, SSIM {view.ssim:.3f}"
        titles.append(f"worst {view.why}s\n{name}\nframe {view.frame}\n{camera}\n{score}")
    return rows, titles
