"""Compare learned rigs with per-frame fits and PCA in images of held-out cameras, on trained and unseen frames."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.components.component_file import Components
from splatrig.components.rig import Rig
from splatrig.components.weights import weights_of_displacements
from splatrig.config.choices import Role
from splatrig.dataset.dataset import photographed_pairs
from splatrig.dataset.photographs import View
from splatrig.dataset.regions import REGION_COLUMNS, UNKNOWN, RegionFolder
from splatrig.fitting.compare_view import RenderOptions
from splatrig.fitting.measurement import compared_views
from splatrig.fitting.metrics import measure
from splatrig.fitting.poses import Poses
from splatrig.fitting.region_errors import region_errors
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.gaussians.tensors import on_device
from splatrig.io.errors import InputError
from splatrig.jobs.progress import track
from splatrig.learned.mesh_components import read_meshes
from splatrig.learned.solve import weights_from_photographs
from splatrig.learned.stage import Subject
from splatrig.learned.start import weight_scale
from splatrig.rasterize import Splats, activate

COLUMNS = ("method", "k", "split", "expression", "frame", "camera", "region", "psnr", "ssim", *REGION_COLUMNS)
"""Columns of a comparison: one row per image and `region`, which is mask or image; the sums by region of the head are
in the rows of the mask."""
MESH_RIDGE = 1e-3
"""Ridge on weights that follow a tracked mesh, relative to the mean squared length of a component."""


@dataclass(frozen=True)
class Comparison:
    """Inputs that all methods of a comparison have in common."""

    subject: Subject
    render: RenderOptions
    solve_steps: int
    """Number of optimization steps in which the weights of an unseen frame are solved from the given photographs."""
    device: torch.device
    regions: RegionFolder | None = None
    """Regions of the photographs; None where nothing is measured by region."""


@dataclass(frozen=True)
class Posing:
    """Weights and head motions of some frames under one rig."""

    weights: NDArray[np.floating]  # [F, K]
    motions: Mapping[str, NDArray[np.floating]]  # of [3, 4]
    """Rigid corrections of tracked poses by `expression/frame`; frames that are missing are not corrected."""

    @classmethod
    def learned(cls, components: Components) -> "Posing":
        """Return the weights and head motions that a component file holds for its training frames."""
        return cls(components.W, components.head_motion_of)


def compare(
    comparison: Comparison,
    components: Mapping[str, Components],
    fits: Mapping[str, Gaussians],
    k: int,
    splits: Sequence[Role] = ("train", "held_out"),
) -> pd.DataFrame:
    """Return the table of all methods in held-out cameras: per-frame fits (k = 0) and component files.

    Training frames use the weights of the file; weights of held-out frames are solved from their photographs in the
    training cameras. So are the head poses, for rigs that correct tracked poses; per-frame fits and other files use the
    tracked poses, which they were made with.

    Args:
        comparison: Inputs that all methods have in common.
        components: Component files by method.
        fits: Fitted Gaussians by `expression/frame`.
        k: Number of components to which files are cut.
        splits: Splits of frames to compare.

    Raises:
        InputError: No camera was held out, or no frame belongs to `splits`.
    """
    subject = comparison.subject
    if not subject.cameras.held_out.any():
        raise InputError("capture.held_out.cameras: got none, expected one or more, in which rigs are compared.")
    if not any(subject.names(split) for split in splits):
        raise InputError(
            "capture.held_out.expressions: got none, expected one or more, to compare rigs on frames that they did not "
            "learn from; name some and run again, which also learns the rigs again."
        )
    tables = []
    for split in splits:
        names = subject.names(split)
        if not names:
            continue
        tables.append(measured_fits(comparison, names, split, [fits[name] for name in names]))
        for label, file in components.items():
            kept = file.first(k)
            posing = Posing.learned(kept) if split == "train" else unseen(comparison, kept, names)
            tables.append(measured_rig(comparison, names, split, label, kept, posing))
    return pd.concat(tables, ignore_index=True)


def read_fits(subject: Subject, stores: Sequence[str | Path]) -> dict[str, Gaussians]:
    """Read the fitted frames of all expressions by `expression/frame`."""
    fits: dict[str, Gaussians] = {}
    for path in stores:
        store = read_fitted_frames(path)
        fits |= {f"{store.expression}/{frame}": fit for frame, fit in zip(store.frames, store.gaussians, strict=True)}
    missing = [name for name in (*subject.names("train"), *subject.names("held_out")) if name not in fits]
    if missing:
        raise InputError(
            f"{missing[0]}: expected a fit of this frame of frames.csv, got none; fit its expression again."
        )
    return fits


def unseen(comparison: Comparison, components: Components, names: Sequence[str], cameras: int | None = None) -> Posing:
    """Return the weights of frames, solved from photographs in training cameras, starting from tracked meshes.

    If the rig corrects tracked head poses, these are solved as well. `cameras` limits the number of training cameras
    (spread over all of them); None: all.
    """
    subject = comparison.subject
    rig = Rig.of(components, subject.neutral).to(comparison.device)
    usual = weight_scale(components.W, bounded=components.limits is not None)
    usual[components.turns_eye] = 1.0
    starts = np.zeros((len(names), len(components)))
    if components.displacements is not None:
        moved = displacements(subject, names)
        starts = weights_of_displacements(components, moved, ridge=MESH_RIDGE, scale=usual)
    train = np.flatnonzero(~subject.cameras.held_out)
    solved, motions = [], {}
    with subject.photographs(names, comparison.device) as photographs:
        for row, start in track(list(enumerate(starts)), f"weights of {components.family}", unit="frame"):
            pairs = photographed_pairs([photographs.frames[row]], train)
            if cameras is not None:
                pairs = [pairs[index] for index in np.linspace(0, len(pairs) - 1, cameras).round().astype(int)]
            pairs = [(row, camera) for _, camera in np.random.default_rng(0).permutation(pairs).tolist()]
            poses = None if components.head_motions is None else Poses.still(1, rig.neutral.means)
            solved.append(
                weights_from_photographs(
                    rig, photographs, pairs, start, comparison.solve_steps, comparison.render, usual, poses=poses
                )
            )
            if poses is not None:
                motions[names[row]] = poses.rigid()[0]
    return Posing(np.array(solved).reshape(len(names), len(components)), motions)


def displacements(subject: Subject, names: Sequence[str]) -> NDArray[np.float64]:  # [F, N, 3]
    """Return the displacement of each frame's tracked mesh from the neutral's, at the finest level, in millimeters."""
    finest = subject.template.finest_level
    meshes = read_meshes(subject.dataset.folder, names, subject.template)
    return np.stack([subject.template.up @ mesh - finest.vertices for mesh in meshes])


@torch.no_grad()
def measured(
    comparison: Comparison, names: Sequence[str], split: str, label: tuple[str, int], frames: Iterable[Splats]
) -> pd.DataFrame:
    """Return the metrics of `frames` in all held-out cameras; `label` is (method, k); columns `COLUMNS`."""
    subject = comparison.subject
    rows = []
    with subject.photographs(names, comparison.device, cropped=False) as photographs:
        pairs = photographed_pairs(photographs.frames, np.flatnonzero(subject.cameras.held_out))
        for index, (name, splats) in enumerate(zip(names, frames, strict=True)):
            place = (*label, split, *name.split("/"))
            ahead = range(index, min(index + 2, len(names)))  # the next frame is decoded while this one is measured
            photographs.hold([pair for pair in pairs if pair[0] in ahead])
            own_pairs = [pair for pair in pairs if pair[0] == index]
            views = [photographs.view(pair) for pair in own_pairs]
            for view, pair in zip(views, compared_views(splats, views, comparison.render), strict=True):
                for region, found in measure(*pair, view.inside).items():
                    own = _region_errors(comparison, name, view, pair) if region == "mask" else UNKNOWN
                    rows.append((*place, view.camera, region, found.psnr, found.ssim, *own))
            photographs.drop(own_pairs)
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _region_errors(
    comparison: Comparison,
    name: str,
    view: View,
    pair: tuple[Tensor, Tensor],  # [H, W, 3] each
) -> tuple[float, ...]:
    """Return the values of `REGION_COLUMNS` for a rendering and its photograph of the frame `expression/frame`."""
    if comparison.regions is None:
        return UNKNOWN
    flags = comparison.regions.read(name, view.camera, view.width, view.height)
    rendered, photographed = (image.clamp(0.0, 1.0).cpu().numpy() for image in pair)
    return region_errors(rendered, photographed, flags)


def measured_rig(
    comparison: Comparison,
    names: Sequence[str],
    split: str,
    method: str,
    components: Components,
    posing: Posing,
) -> pd.DataFrame:
    """Return the metrics of a rig in the pose of the named frames; its k excludes components that rotate eyes."""
    rig = Rig.of(components, comparison.subject.neutral).to(comparison.device)
    rows = torch.as_tensor(np.asarray(posing.weights, dtype=np.float32), device=comparison.device)
    label = method, len(components.without_eyes())
    corrected = replace(comparison, subject=comparison.subject.corrected(posing.motions))
    return measured(corrected, names, split, label, (activate(rig.pose(row)) for row in rows))


def measured_fits(comparison: Comparison, names: Sequence[str], split: str, fits: Sequence[Gaussians]) -> pd.DataFrame:
    """Return the metrics of the per-frame fits (k = 0)."""
    frames = (activate(on_device(fit, comparison.device)) for fit in fits)
    return measured(comparison, names, split, ("fits", 0), frames)


def summary(table: pd.DataFrame) -> pd.DataFrame:
    """Return mean PSNR and SSIM by method, k, split and region, with the number of images."""
    groups = table.groupby(["method", "k", "split", "region"], sort=False)
    return groups.agg(psnr=("psnr", "mean"), ssim=("ssim", "mean"), pictures=("psnr", "size")).reset_index()
