"""Sheet of all blendshapes of a rig: each at weight 1, from the front and in three-quarter view."""

from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from splatrig.animation.family import frontal_order, weights_at
from splatrig.animation.pictures import Picture, beside, contact_sheet
from splatrig.animation.render import Renderer, lens_blur
from splatrig.blendshapes.arkit import GROUPS
from splatrig.components.rig import Rig
from splatrig.dataset.cameras import Cameras
from splatrig.jobs.progress import track
from splatrig.landmarks.triangulate import project, projections

COLUMNS = 6
THREE_QUARTERS_DEG = 40.0
"""Angle to the side of the face at which the second camera is wanted; the nearest camera is used."""
MARGIN = 1.15
"""Height of an image, in heights of the face."""


def blendshape_sheet(
    rig: Rig,
    photographed: Cameras,  # cameras in the head space of the neutral
    height: int,
    device: str | torch.device = "cpu",
) -> Picture:
    """Return the neutral and every blendshape at weight 1 in images `height` pixels high, in the order of `GROUPS`.

    Blendshapes that the capture does not show, whose motion is the template's, are labeled so below their image.
    """
    means = rig.neutral.means
    chosen = photographed.select([int(frontal_order(photographed, means)[0]), three_quarters(photographed, means)])
    shown = close_ups(chosen, means[: rig.components.structured][rig.components.face_mask], height)
    renderer = Renderer(device, widen_mm2=lens_blur(photographed, means.mean(axis=0), shown))
    names, told = rig.components.names, rig.components.told
    order = [names.index(name) for group in GROUPS.values() for name in group if name in names]
    cells = [(np.zeros(rig.count, np.float32), "neutral")]
    for k in order:
        caption = names[k] if told is None or told[k] else f"{names[k]} (not in the capture)"
        cells.append((weights_at(rig, k, 1.0), caption))
    images = [beside(list(renderer.images(rig.pose(w), shown))) for w, _ in track(cells, "blendshapes")]
    blank = np.full_like(images[0], 255)
    missing = -len(cells) % COLUMNS
    images, captions = [*images, *[blank] * missing], [*(text for _, text in cells), *[""] * missing]
    lines = range(0, len(images), COLUMNS)
    return contact_sheet(
        [images[line : line + COLUMNS] for line in lines], captions=[captions[line : line + COLUMNS] for line in lines]
    )


def three_quarters(cameras: Cameras, means: NDArray[np.floating]) -> int:
    """Return the camera that is nearest to a three-quarter view of the face, at its height, from either side."""
    away = cameras.centers - means.mean(axis=0)
    away /= np.linalg.norm(away, axis=1, keepdims=True)
    angle = np.radians(THREE_QUARTERS_DEG)
    wanted = np.array([[side * np.sin(angle), 0.0, np.cos(angle)] for side in (-1.0, 1.0)])
    return int((away @ wanted.T).max(axis=1).argmax())


def close_ups(
    cameras: Cameras,
    points: NDArray[np.floating],  # [P, 3] points to show in the images
    height: int,
) -> Cameras:
    """Return the cameras cropped to `points`, with images `height` pixels high and as wide as the widest crop."""
    seen = project(projections(cameras), points.astype(np.float64))
    low, high = np.nanmin(seen, axis=1), np.nanmax(seen, axis=1)  # [C, 2]
    scales = height / (MARGIN * (high - low)[:, 1])
    width = int(np.ceil(MARGIN * (scales * (high - low)[:, 0]).max()))
    Ks = cameras.Ks * np.array([[[scale], [scale], [1.0]] for scale in scales])
    Ks[:, :2, 2] += 0.5 * np.array([width, height]) - scales[:, None] * 0.5 * (low + high)
    return replace(cameras, Ks=Ks, width=width, height=height)
