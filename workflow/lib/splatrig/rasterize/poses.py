"""Many poses of the same Gaussians in one call, each from a camera of its own, without gradients."""

from dataclasses import dataclass

import torch
from torch import Tensor

from splatrig.errors import InputError
from splatrig.rasterize import rasterize


@dataclass(frozen=True)
class Poses:
    """B poses of N activated Gaussians in head space."""

    means: Tensor  # [B, N, 3] millimetres
    quats: Tensor  # [B, N, 4] wxyz, of any length but zero
    scales: Tensor  # [B, N, 3] millimetres
    opacities: Tensor  # [B, N] in [0, 1]
    sh: Tensor  # [B, N, K, 3]

    def __len__(self) -> int:
        return len(self.means)


@torch.no_grad()
def render_poses(
    poses: Poses,
    viewmats: Tensor,  # [B, 4, 4]
    Ks: Tensor,  # [B, 3, 3]
    size: tuple[int, int],  # width, height
    *,
    sh_degree: int,
    backgrounds: Tensor,  # [B, 3]
) -> Tensor:  # [B, H, W, 3]
    """Render pose b from camera b: on CUDA all in one launch of gsplat, on the CPU one after the other.

    Raises InputError when there are not as many cameras and backgrounds as poses.
    """
    if not len(poses) == len(viewmats) == len(Ks) == len(backgrounds):
        raise InputError(
            f"rendering poses: expected a camera and a background for each of {len(poses)} poses, "
            f"got {len(viewmats)}, {len(Ks)} and {len(backgrounds)}."
        )
    if poses.means.device.type == "cuda":
        from splatrig.rasterize.gsplat_backend import render_batch

        return render_batch(poses, viewmats, Ks, size, sh_degree, backgrounds)
    images = [
        rasterize(
            poses.means[b],
            poses.quats[b],
            poses.scales[b],
            poses.opacities[b],
            poses.sh[b],
            viewmats[b : b + 1],
            Ks[b : b + 1],
            *size,
            sh_degree=sh_degree,
            backgrounds=backgrounds[b : b + 1],
        )[0][0]
        for b in range(len(poses))
    ]
    return torch.stack(images)
