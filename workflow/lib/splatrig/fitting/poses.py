"""Head poses that a rig learns: per frame the rigid motion by which its tracked pose was wrong.

A motion is applied in head space, so cameras see `viewmat @ motion`, and the Gaussians stay where the rig has them. No
rasterizer has to be differentiated by its cameras: moving the head is moving all of its Gaussians, whose gradients say
how the loss changes with it. That is exact but for colors, whose lobes turn with the head while these gradients take
them to stand still.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.components.skin_torch import quat_product, rotation_matrices
from splatrig.fitting.schedule import Shot

MOVED = ("means", "quats")
"""Fields of Gaussians that a rigid motion changes."""
PRIOR = 2e-5
"""Weight of the squared motion, in mm², in the loss of a frame: it decides where photographs do not."""


@dataclass(frozen=True)
class Poses:
    """The motions of F frames, all counted in millimeters, so that one learning rate serves them."""

    values: Tensor  # [F, 6]
    """Rotation about `center`, the vector 2 tan(angle / 2) axis times `radius`, and translation."""
    center: Tensor  # [3]
    """Of the head, in head space."""
    radius: float
    """Root mean square distance of the Gaussians from the center, millimeters."""

    @classmethod
    def still(cls, frames: int, means: Tensor) -> "Poses":  # means [N, 3]
        """Return the poses of frames whose heads are where tracking has them."""
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
        """Return the motions of all frames as files and data sets have them."""
        return self.motions(range(len(self.values)))[:, :3].cpu().numpy().astype(np.float64)

    def center_(self) -> None:
        """Take off the mean motion of all frames, to first order, in place."""
        self.values.sub_(self.values.mean(dim=0))

    def seen(self, shots: Sequence[Shot]) -> list[Shot]:
        """Return shots as their cameras see the heads that have moved."""
        motions = self.motions([shot.frame for shot in shots])
        return [replace(shot, view=shot.view.moved(motion)) for shot, motion in zip(shots, motions, strict=True)]

    def pull(
        self,
        frames: Sequence[int],  # B
        rows: Mapping[str, Tensor],  # field to [B, N, *]
        upstream: Mapping[str, Tensor],  # field to [B, N, *]
    ) -> Tensor:  # [B, 6]
        """Return the gradients of the motions of frames, from those of their raw Gaussians; with that of the prior."""
        values = self._of(frames)
        halves = values[:, :3] / (2.0 * self.radius)
        torques = torch.linalg.cross(rows["means"] - self.center, upstream["means"]).sum(dim=1)
        conjugates = torch.cat([rows["quats"][..., :1], -rows["quats"][..., 1:]], dim=-1)
        torques = torques + 0.5 * quat_product(upstream["quats"], conjugates)[..., 1:].sum(dim=1)
        # a small rotation η before that of (1, u) changes u by (η + u × η + u (u · η)) / 2
        turning = (torques + torch.linalg.cross(halves, torques)) / (1.0 + halves.square().sum(dim=1, keepdim=True))
        shifting = (_rotations(halves) @ upstream["means"].sum(dim=1)[..., None])[..., 0]
        return torch.cat([turning / self.radius, shifting], dim=1) + 2.0 * PRIOR * values

    def _of(self, frames: Sequence[int]) -> Tensor:  # [B, 6]
        return torch.stack([self.values[frame] for frame in frames])  # asks the device for no index


def _rotations(halves: Tensor) -> Tensor:  # [B, 3] to [B, 3, 3]
    """Return the rotation matrices of tan(angle / 2) axis."""
    quats = torch.cat([torch.ones_like(halves[:, :1]), halves], dim=1)
    return rotation_matrices(torch.nn.functional.normalize(quats, dim=1))
