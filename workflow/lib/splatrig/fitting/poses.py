"""Learned head poses: per frame, the rigid motion that corrects the tracked pose.

A motion is applied in head space, so cameras see `viewmat @ motion`, and the Gaussians stay where the rig has them. The
rasterizer needs no gradients with respect to cameras: moving the head is moving all of its Gaussians, whose gradients
give the change of the loss. This is exact except for view-dependent colors, which rotate with the head while these
gradients treat them as constant.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.components.skin_torch import rotation_matrices
from splatrig.fitting.schedule import Shot

MOVED = ("means", "quats")
"""Fields of Gaussians that a rigid motion changes."""
PRIOR = 2e-5
"""Weight of the squared motion (mm²) in the loss of a frame, a prior for motions that photographs do not determine."""


@dataclass(frozen=True)
class Poses:
    """Rigid motions of F frames, all in millimeters, so that one learning rate suits rotations and translations."""

    values: Tensor  # [F, 6]
    """Rotation about `center`, the vector 2 tan(angle / 2) axis times `radius`, followed by the translation."""
    center: Tensor  # [3]
    """Center of the head, in head space."""
    radius: float
    """RMS distance of the Gaussians from the center, millimeters."""

    @classmethod
    def still(cls, frames: int, means: Tensor) -> "Poses":  # means [N, 3]
        """Return the poses of frames with zero motion, that is, with the tracked head poses."""
        center = means.mean(dim=0)
        radius = float(torch.linalg.vector_norm(means - center, dim=1).square().mean()) ** 0.5
        return cls(means.new_zeros((frames, 6)), center, max(radius, 1.0))  # not 0 of a single Gaussian

    def motions(self, frames: Sequence[int]) -> Tensor:  # [B, 4, 4]
        """Return the rigid motions of some frames, from head space to head space."""
        values = self._of(frames)
        halves = values[:, :3] / (2.0 * self.radius)
        motions = torch.eye(4, dtype=values.dtype, device=values.device).repeat(len(values), 1, 1)
        motions[:, :3, :3] = _rotations(halves)
        motions[:, :3, 3] = self.center + values[:, 3:] - motions[:, :3, :3] @ self.center
        return motions

    def rigid(self) -> NDArray[np.float64]:  # [F, 3, 4]
        """Return the motions of all frames in the format of files and data sets."""
        return self.motions(range(len(self.values)))[:, :3].cpu().numpy().astype(np.float64)

    def center_(self) -> None:
        """Subtract the mean motion of all frames, to first order, in place."""
        self.values.sub_(self.values.mean(dim=0))

    def seen(self, shots: Sequence[Shot]) -> list[Shot]:
        """Return shots with the motions of their heads applied to the cameras."""
        motions = self.motions([shot.frame for shot in shots])
        return [replace(shot, view=shot.view.moved(motion)) for shot, motion in zip(shots, motions, strict=True)]

    def pull(
        self,
        frames: Sequence[int],  # B
        rows: Mapping[str, Tensor],  # [B, N, *] by field
        upstream: Mapping[str, Tensor],  # [B, N, *] by field
    ) -> Tensor:  # [B, 6]
        """Return the gradients of frames' motions from those of their raw Gaussians, including that of the prior."""
        values = self._of(frames)
        halves = values[:, :3] / (2.0 * self.radius)
        # sums of x × g and of the vector part of g q* over the Gaussians, each from the sums of its products
        moments = _products(rows["means"] - self.center, upstream["means"])  # [B, 3, 3]
        turned = _products(upstream["quats"], rows["quats"])  # [B, 4, 4]
        torques = _axial(moments) + 0.5 * (turned[:, 1:, 0] - turned[:, 0, 1:] - _axial(turned[:, 1:, 1:]))
        # a small rotation η before that of (1, u) changes u by (η + u × η + u (u · η)) / 2
        turning = (torques + torch.linalg.cross(halves, torques)) / (1.0 + halves.square().sum(dim=1, keepdim=True))
        shifting = (_rotations(halves) @ upstream["means"].sum(dim=1)[..., None])[..., 0]
        return torch.cat([turning / self.radius, shifting], dim=1) + 2.0 * PRIOR * values

    def _of(self, frames: Sequence[int]) -> Tensor:  # [B, 6]
        return torch.stack([self.values[frame] for frame in frames])  # avoids an index on the device


def _products(left: Tensor, right: Tensor) -> Tensor:  # [B, N, A] twice to [B, A, A]
    """Return Σ x yᵀ over the Gaussians."""
    if left.is_cuda:  # a matrix product, which is not split along N there, takes 17 times as long
        return (left[..., :, None] * right[..., None, :]).sum(dim=1)
    return left.mT @ right


def _axial(matrices: Tensor) -> Tensor:  # [B, 3, 3] to [B, 3]
    """Return Σ x × y of matrices Σ x yᵀ."""
    skew = matrices - matrices.mT
    return torch.stack([skew[:, 1, 2], skew[:, 2, 0], skew[:, 0, 1]], dim=1)


def _rotations(halves: Tensor) -> Tensor:  # [B, 3] to [B, 3, 3]
    """Return the rotation matrices of the vectors tan(angle / 2) axis."""
    quats = torch.cat([torch.ones_like(halves[:, :1]), halves], dim=1)
    return rotation_matrices(torch.nn.functional.normalize(quats, dim=1))
