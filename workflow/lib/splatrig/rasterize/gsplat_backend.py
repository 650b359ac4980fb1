"""The CUDA back end: gsplat (Apache-2.0), https://github.com/nerfstudio-project/gsplat.

Imported only when it renders: on a machine with nvcc but no GPU importing gsplat starts a build that fails.
"""

import torch
from torch import Tensor

from splatrig.errors import InputError
from splatrig.rasterize.scene import EPS_2D, NEAR, Splats, Views, blank, check_float32


def render(splats: Splats, views: Views) -> tuple[Tensor, Tensor]:
    """Render on CUDA with gsplat; see `splatrig.rasterize.rasterize`."""
    check_float32("gsplat", splats)
    if not len(splats) or not len(views):
        return blank(splats, views)
    from gsplat import rasterization
    from gsplat.cuda import _backend

    if _backend._C is None:
        raise InputError(
            "rasterizer: gsplat is installed but not compiled; it needs a CUDA toolkit with nvcc of the version "
            f"{torch.version.cuda} that torch was built with: install one, or set CUDA_HOME to it."
        )
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
