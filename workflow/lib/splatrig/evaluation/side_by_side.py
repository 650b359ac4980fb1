"""A learned rig next to photographs, from the front and from the side, and its free Gaussians alone."""

from collections.abc import Sequence
from dataclasses import replace
from textwrap import fill

import numpy as np
import torch
from numpy.typing import NDArray

from splatrig.animation.pictures import Picture, contact_sheet, enlarge
from splatrig.animation.render import render, to_bytes
from splatrig.components.component_file import Components
from splatrig.components.rig import Rig
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Dataset
from splatrig.evaluation.scene import Views, load_views
from splatrig.gaussians.gaussians import Gaussians
from splatrig.io.errors import InputError
from splatrig.learned.mesh_components import read_meshes
from splatrig.mesh.template import Template


def most_different(shapes: NDArray[np.float64], count: int) -> list[int]:  # shapes [F, V, 3]
    """Return the first of some shapes, followed by those that are farthest from all shapes already chosen.

    The distance is the maximum over vertices, so that lips and lids count as much as a cheek.
    """
    chosen = [0]
    distance = np.full(len(shapes), np.inf)
    while len(chosen) < min(count, len(shapes)):
        moved = np.linalg.norm(shapes - shapes[chosen[-1]], axis=2).max(axis=1)
        distance = np.minimum(distance, moved)
        chosen.append(int(distance.argmax()))
    return chosen


def front_and_side(cameras: Cameras) -> list[int]:
    """Return the camera, in head space, that views the face most frontally, and the one that does so least."""
    toward = -np.linalg.inv(cameras.viewmats)[:, 2, 2]  # the face looks along +z
    return list(dict.fromkeys([int(toward.argmax()), int(toward.argmin())]))


def side_by_side(
    dataset: Dataset,
    template: Template,
    neutral: Gaussians,
    components: Components,
    frames: int,
    height: int,
    device: str | torch.device = "cpu",
) -> Picture:
    """Return photographs of up to `frames` training frames next to the rig in the same frames and cameras.

    The cameras are the held-out ones, or all if none is held out. The last column shows only the free Gaussians of the
    rig, if it has any.
    """
    rig = Rig.of(components, neutral)
    measuring = replace(dataset, cameras=dataset.cameras.measuring).corrected(components.head_motion_of)
    seen = {name: len(measuring.frame(name).photographed.cameras) for name in components.frames}
    names = [name for name, count in seen.items() if count == len(measuring.cameras)]
    if not names:
        raise InputError(
            f"{dataset.folder}: expected a training frame that all {len(measuring.cameras)} measuring cameras have "
            f"photographed, got {max(seen.values())} at most; hold out other cameras (capture.held_out.cameras)."
        )
    chosen = most_different(read_meshes(dataset.folder, names, template), frames)
    free = np.arange(len(rig)) >= components.structured
    rows = []
    for index in chosen:
        weights = components.W[components.frames.index(names[index])]
        pictures = row_of(rig.pose(weights), free, load_views(measuring, names[index]), device)
        rows.append([enlarge(picture, height) for picture in pictures])
    shown = len(rows[0]) // 2
    columns = ["photographed", "learned rig"] * shown + ["free Gaussians alone"] * int(free.any())
    return contact_sheet(
        rows, row_titles=titles([names[index] for index in chosen]), column_titles=columns, title_width=230
    )


def row_of(
    gaussians: Gaussians,
    free: NDArray[np.bool_],  # [N + M]
    views: Views,
    device: str | torch.device = "cpu",
) -> list[Picture]:
    """Return photograph and rendering from the front and from the side, then the `free` Gaussians if there are any."""
    row = []
    cameras = front_and_side(views.cameras)
    for camera in cameras:
        row += [to_bytes(views.photographs[camera].numpy()), _rendered(gaussians, views.cameras, camera, device)]
    return [*row, _rendered(gaussians.select(free), views.cameras, cameras[0], device)] if free.any() else row


def _rendered(gaussians: Gaussians, cameras: Cameras, camera: int, device: str | torch.device) -> Picture:
    return to_bytes(render(gaussians, cameras.select([camera]), device=device)[0][0])


def titles(names: Sequence[str]) -> list[str]:
    """Return the titles of the rows of the frames `expression/frame`."""
    return [
        f"{fill(expression.replace('_', ' '), 24)}\nframe {frame}"
        for expression, frame in (name.split("/") for name in names)
    ]
