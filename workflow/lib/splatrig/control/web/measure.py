"""Measure the loss of the page's reduced precision: millimeters between centers, decibels between images."""

from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray

from splatrig.animation.render import render
from splatrig.control.head import Head, Pose
from splatrig.control.web.pack import PackedHead
from splatrig.dataset.cameras import Cameras

INSIDE = 0.5
"""Opacity from which a pixel counts as part of the head."""


@dataclass(frozen=True)
class Cost:
    """Differences between a head and its packed form."""

    poses_moved: int
    """Number of poses in which centers are compared: at rest, every expression, every component at its ends."""
    largest_mm: float
    mean_mm: float
    pictures: int
    """Number of compared images: at rest and every expression, from each of the cameras."""
    cameras: tuple[str, ...]
    worst_db: float
    """PSNR inside the silhouette of the worst image."""
    mean_db: float
    """PSNR of the mean squared error over all images."""

    def sentence(self) -> str:
        """Return the result as a sentence for readers."""
        return (
            f"Stored at reduced precision: over {self.poses_moved} poses, centers are at most "
            f"{self.largest_mm:.3f} mm (mean {self.mean_mm:.4f} mm) from the unquantized head; inside the silhouette "
            f"its {self.pictures} images have a PSNR of {self.worst_db:.1f} dB or better, {self.mean_db:.1f} dB "
            "together."
        )


def expression_poses(head: Head) -> list[dict[str, NDArray[np.float64]]]:
    """Return the rest pose and every expression with each family."""
    presets = [{name: weights} for name, family in head.families.items() for weights in family.panel.presets.values()]
    return [{}, *presets]


def end_poses(head: Head) -> list[dict[str, NDArray[np.float64]]]:
    """Return poses of every component alone at both ends of its slider, except ends at 0."""
    return [
        {name: np.where(np.arange(family.panel.count) == k, end, 0.0)}
        for name, family in head.families.items()
        for ends in (family.panel.low, family.panel.high)
        for k, end in enumerate(ends)
        if end != 0.0
    ]


def cameras_to_measure(cameras: Cameras, count: int) -> Cameras:
    """Return the first `count` of the held-out cameras, or of all if none is held out."""
    unseen = cameras.measuring
    return unseen.select(range(min(len(unseen), count)))


def cost_of(
    head: Head,
    packed: PackedHead,
    cameras: Cameras,  # in head space
    device: str | torch.device = "cpu",
) -> Cost:
    """Measure the loss due to packing, with the rasterizer that the head was learned with, on black."""
    shown = expression_poses(head)
    distances = [moved_mm(head, packed, pose) for pose in [*shown, *end_poses(head)]]
    errors = []
    for pose in shown:
        exact, alpha = render(head.gaussians(pose), cameras, device=device)
        packed_pictures, _ = render(packed.gaussians(pose), cameras, device=device)
        inside = alpha[..., 0] >= INSIDE
        squares = ((exact - packed_pictures) ** 2).mean(axis=-1)
        errors += [float(square[where].mean()) for square, where in zip(squares, inside, strict=True) if where.any()]
    return Cost(
        poses_moved=len(distances),
        largest_mm=float(max(distance.max() for distance in distances)),
        mean_mm=float(np.mean([distance.mean() for distance in distances])),
        pictures=len(errors),
        cameras=cameras.names,
        worst_db=psnr(max(errors)),
        mean_db=psnr(float(np.mean(errors))),
    )


def moved_mm(head: Head, packed: PackedHead, pose: Pose) -> NDArray[np.float32]:  # [N]
    """Return the distance of each center from its exact position, in millimeters."""
    return np.linalg.norm(head.gaussians(pose).means - packed.gaussians(pose).means, axis=1)


def psnr(mean_squared_error: float) -> float:
    """Return the PSNR (dB) of images in [0, 1]; 120 dB if they are equal in float32."""
    return float(-10.0 * np.log10(max(mean_squared_error, 1e-12)))
