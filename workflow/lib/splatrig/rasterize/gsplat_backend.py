"""The CUDA back end: gsplat (Apache-2.0), https://github.com/nerfstudio-project/gsplat.

Imported only when it renders: on a machine with nvcc but no GPU importing gsplat starts a build that fails.
"""

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from splatrig.errors import InputError
from splatrig.rasterize.scene import EPS_2D, NEAR, Splats, Views, blank, check_float32

if TYPE_CHECKING:
    from splatrig.rasterize.poses import Poses


def render(splats: Splats, views: Views) -> tuple[Tensor, Tensor]:
    """Render on CUDA with gsplat; see `splatrig.rasterize.rasterize`."""
    check_float32("gsplat", splats)
    if not len(splats) or not len(views):
        return blank(splats, views)
    _check_compiled()
    from gsplat import rasterization

    images, alphas, _ = rasterization(
        splats.means,
        splats.quats,
        splats.scales,
        splats.opacities,
        splats.colors,
        views.viewmats,
        views.Ks,
        views.width,
        views.height,
        near_plane=NEAR,
        eps2d=EPS_2D,
        sh_degree=splats.sh_degree,
        packed=False,
        backgrounds=views.backgrounds,
    )
    return images, alphas


def render_batch(
    poses: "Poses",
    viewmats: Tensor,  # [B, 4, 4]
    Ks: Tensor,  # [B, 3, 3]
    size: tuple[int, int],  # width, height
    sh_degree: int,
    backgrounds: Tensor,  # [B, 3]
) -> Tensor:  # [B, H, W, 3]
    """Render pose b from camera b, all in one call; see `splatrig.rasterize.poses.render_poses`."""
    _check_compiled()
    from gsplat import rasterization

    images, _, _ = rasterization(
        poses.means,
        poses.quats,
        poses.scales,
        poses.opacities,
        poses.sh,
        viewmats[:, None],
        Ks[:, None],
        *size,
        near_plane=NEAR,
        eps2d=EPS_2D,
        sh_degree=sh_degree,
        packed=False,
        backgrounds=backgrounds[:, None].contiguous(),
    )
    return images[:, 0]


def _check_compiled() -> None:
    from gsplat.cuda import _backend

    if _backend._C is None:
        raise InputError(
            "rasterizer: gsplat is installed but not compiled; it needs a CUDA toolkit with nvcc of the version "
            f"{torch.version.cuda} that torch was built with: install one, or set CUDA_HOME to it."
        )
