"""Render rows of components and compare the images with the photographs of cameras that were not trained on."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.animation.render import render
from splatrig.components.component_file import Components
from splatrig.components.rig import Rig, moves_centers_alone
from splatrig.components.rig_file import carry_xyz, skin_of_template
from splatrig.components.skin import Skin
from splatrig.config.choices import Split
from splatrig.dataset.cameras import Cameras, read_cameras
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.photographs import Photographs
from splatrig.dataset.regions import UNKNOWN, RegionFolder
from splatrig.evaluation.images import IMAGE_COLUMNS
from splatrig.fitting.losses import composite
from splatrig.fitting.metrics import lpips
from splatrig.fitting.region_errors import region_errors
from splatrig.fitting.ssim_numba import similarity_map
from splatrig.fitting.ssim_window import WINDOW
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.mesh.template import Template


@dataclass(frozen=True)
class Views:
    """Photographs of one frame from some cameras, composited onto black, with their silhouettes."""

    name: str
    """Name `expression/frame` of the frame."""
    cameras: Cameras
    """Cameras in the head space of the frame."""
    photographs: Tensor  # [C, H, W, 3] in [0, 1]
    inside: Tensor  # [C, H, W] bool
    flags: tuple[NDArray[np.uint8], ...] | None = None
    """Regions of each photograph [H, W]; None where they are unknown."""

    @cached_property
    def boxes(self) -> list[tuple[slice, slice] | None]:
        """Rows and columns that enter the SSIM of the silhouette, per camera; None where nothing is visible."""
        return [_box(inside.numpy()) if bool(inside.any()) else None for inside in self.inside]


def load_views(dataset: Dataset, name: str, regions: RegionFolder | None = None) -> Views:
    """Read the photographs of the frame `expression/frame` by the cameras of `dataset`, and their regions.

    Raises InputError naming the photograph, the pose or the regions that are missing or malformed.
    """
    frame, black = dataset.frame(name).photographed, torch.zeros(3)
    with Photographs([frame], cropped=False) as photographs:
        views = photographs.views(0)
    size = frame.cameras.width, frame.cameras.height
    composited = torch.zeros((len(views), size[1], size[0], 3))
    inside = torch.zeros(composited.shape[:3], dtype=torch.bool)
    for row, view in enumerate(views):  # none if the measuring cameras lack the frame
        composited[row], inside[row] = composite(view.image, black), view.inside
    flags = None if regions is None else tuple(regions.read(name, camera, *size) for camera in frame.cameras.names)
    return Views(name, frame.cameras, composited, inside, flags)


@dataclass(frozen=True)
class ViewScore:
    """Agreement of one rendering with one photograph inside the silhouette."""

    camera: str
    psnr: float
    """PSNR in dB; infinite for equal images."""
    ssim: float
    lpips: float
    """LPIPS; NaN if its network weights are not installed."""
    regions: tuple[float, ...] = UNKNOWN
    """Values of `REGION_COLUMNS`."""

    @property
    def columns(self) -> tuple[object, ...]:
        """Last values of a row with `IMAGE_COLUMNS`."""
        return (self.camera, self.psnr, self.ssim, self.lpips, *self.regions)


@torch.no_grad()
def score(gaussians: Gaussians, views: Views, device: str | torch.device = "cpu") -> list[ViewScore]:
    """Render `gaussians` from the cameras of `views` onto black; score the views that show the head."""
    images = _rendered(gaussians, views, device)
    found = []
    for camera, box in enumerate(views.boxes):
        if box is not None:
            image, photograph, inside = images[camera], views.photographs[camera], views.inside[camera]
            decibels, similarity = agreement(image[box].numpy(), photograph[box].numpy(), inside[box].numpy())
            perceptual, own = lpips(image, photograph, inside), _errors(image, views, camera)
            found.append(ViewScore(views.cameras.names[camera], decibels, similarity, perceptual, own))
    return found


@torch.no_grad()
def score_regions(gaussians: Gaussians, views: Views, device: str | torch.device = "cpu") -> list[tuple[float, ...]]:
    """Render `gaussians` as `score` does; return only the values of `REGION_COLUMNS`, per camera."""
    images = _rendered(gaussians, views, device)
    return [_errors(image, views, camera) for camera, image in enumerate(images)]


def _rendered(gaussians: Gaussians, views: Views, device: str | torch.device) -> Tensor:  # [C, H, W, 3]
    """Return the images that the cameras of the views see; none where no camera has a photograph."""
    if not len(views.cameras):
        return views.photographs
    return torch.from_numpy(render(gaussians, views.cameras, device=device)[0])


def _errors(image: Tensor, views: Views, camera: int) -> tuple[float, ...]:
    """Return the values of `REGION_COLUMNS` of a rendering [H, W, 3] from one camera of the views."""
    if views.flags is None:
        return UNKNOWN
    return region_errors(image.numpy(), views.photographs[camera].numpy(), views.flags[camera])


def agreement(
    rendered: NDArray[np.float32],  # [H, W, 3] in [0, 1]
    photographed: NDArray[np.float32],  # [H, W, 3]
    inside: NDArray[np.bool_],  # [H, W] somewhere True
) -> tuple[float, float]:
    """Return PSNR (dB, infinite for equal images) and SSIM where `inside`, as in `splatrig.fitting.metrics`."""
    error = float(np.square(rendered - photographed)[inside].mean(dtype=np.float64))
    similarity = similarity_map(rendered.astype(np.float64), photographed.astype(np.float64))
    return -10.0 * math.log10(error) if error > 0 else math.inf, float(similarity[inside].mean())


def _box(inside: NDArray[np.bool_]) -> tuple[slice, slice]:
    """Return the bounding rows and columns of a silhouette, enlarged by the radius of the SSIM window."""
    spans = [np.flatnonzero(inside.any(axis=other))[[0, -1]] for other in (1, 0)]
    first, second = (slice(max(0, int(low) - WINDOW // 2), int(high) + 1 + WINDOW // 2) for low, high in spans)
    return first, second


class FrameViews:
    """Views of a data set's frames by its cameras, read on first use."""

    def __init__(self, dataset: Dataset, regions: RegionFolder | None = None) -> None:
        self._dataset, self._regions = dataset, regions
        self._views: dict[str, Views] = {}

    def of(self, name: str) -> Views:
        """Return the views of the frame `expression/frame`."""
        if name not in self._views:
            self._views[name] = load_views(self._dataset, name, self._regions)
        return self._views[name]


@dataclass(frozen=True)
class Place:
    """Subject of an image: test, frame, split and weights."""

    test: str
    """Name of the test, one of `splatrig.evaluation.images.NAMES`."""
    k: int
    frame: str
    """Frame `expression/frame` of the photographs."""
    role: Split
    """Split of the frame: train, held_out or left_out."""
    weights: str = "rows"
    """Origin of the weights, see `IMAGE_COLUMNS`."""
    sample: int = 0
    """Index of a random face."""


@dataclass(frozen=True)
class Scene:
    """Renders rows of components as Gaussians of the finest level and compares the images with photographs.

    Collects one row per image, `IMAGE_COLUMNS` without method and level.
    """

    neutral: Gaussians
    template: Template
    photographs: FrameViews
    device: str | torch.device = "cpu"
    skin: Skin | None = None
    """Skin of the finest level at rest, for Gaussians whose centers alone are moved."""
    _rows: list[tuple[object, ...]] = field(default_factory=list)

    def follows(self, components: Components) -> bool:
        """Return whether Gaussians of `components` rotate and scale with the skin here."""
        return self.skin is not None and moves_centers_alone(components)

    def posing(self, components: Components, *, follow: bool = True) -> Callable[[NDArray[np.float32]], Gaussians]:
        """Return the function that turns a row of `components` into Gaussians of the finest level.

        Displacements of coarse levels are interpolated by the midpoint operators; fields that the components do not
        move stay the neutral's. Without `follow`, rotations and sizes do not follow the skin.
        """
        skin, columns = self.skin if follow else None, components.columns
        if components.structured == len(self.neutral):
            return Rig.of(components, self.neutral, skin).from_row
        rig = Rig.of(carry_xyz(components, self.template, self.neutral), self.neutral, skin)
        up = self.template.between(self.template.level_of(columns.count), self.template.finest)

        def pose(row: NDArray[np.float32]) -> Gaussians:
            change = (row - components.rest)[columns["xyz"]].reshape(-1, 3)
            return rig.moved([(up @ change).astype(np.float32).reshape(-1)])

        return pose

    def compare(self, place: Place, gaussians: Gaussians) -> None:
        """Render `gaussians` from all cameras of the photographs of `place.frame`; keep the scores."""
        expression, frame = place.frame.split("/")
        self._rows.extend(
            (place.k, place.test, place.weights, place.sample, expression, frame, place.role, *found.columns)
            for found in score(gaussians, self.photographs.of(place.frame), self.device)
        )

    def frame(self, method: str, level: str) -> pd.DataFrame:
        """Return all rows as a table with `IMAGE_COLUMNS`."""
        table = pd.DataFrame(self._rows, columns=list(IMAGE_COLUMNS[2:]))
        table.insert(0, "method", method)
        table.insert(1, "level", level)
        return table


def open_scene(
    *,
    neutral: str | Path,
    cameras: str | Path,
    dataset: str | Path,
    regions: str | Path,
    template: Template,
    device: str | torch.device,
    motions: Mapping[str, NDArray[np.floating]] | None = None,  # of [3, 4]
) -> Scene:
    """Return the scene of a subject, seen from the held-out cameras, or from all if none is held out.

    Gaussians whose centers alone are moved follow the skin.

    Args:
        neutral: Fitted Gaussians of the neutral frame.
        cameras: `cameras.json` of the data set.
        dataset: Folder of the data set.
        regions: Folder of the regions of its photographs.
        template: Template of the subject.
        device: Device of the rendering.
        motions: Corrections of tracked head poses by `expression/frame`.
    """
    shown = read_cameras(cameras).measuring
    fitted = read_fitted_frames(neutral).gaussians[0]
    photographs = FrameViews(Dataset(Path(dataset), shown, motions=motions or {}), RegionFolder(Path(regions)))
    return Scene(fitted, template, photographs, device, skin_of_template(template))
