"""The CUDA back end gsplat (Apache-2.0), https://github.com/nerfstudio-project/gsplat.

It is imported only for rendering: on a machine with nvcc but no GPU, importing gsplat starts a build that fails.
"""

import math

import torch
from torch import Tensor

from splatrig.io.errors import InputError
from splatrig.rasterize.scene import EPS_2D, NEAR, Splats, Views, blank, check_float32, one_by_one

TILE = 16
"""Side (pixels) of the square tiles of the image; the pixels of a tile share one list of Gaussians."""

_WARP = 32
"""Warp size. gsplat reduces gradients within a warp by Gaussian index only, so poses with fewer Gaussians than this
would mix."""


def render(splats: Splats, views: Views) -> tuple[Tensor, Tensor]:
    """Render on CUDA with gsplat, all poses in one call; see `splatrig.rasterize.rasterize`."""
    check_float32("gsplat", splats)
    if not len(splats) or not len(views):
        return blank(splats, views)
    if splats.batch.numel() > 1 and len(splats) < _WARP:
        return one_by_one(_rasterized, splats, views)
    return _rasterized(splats, views)


def _rasterized(splats: Splats, views: Views) -> tuple[Tensor, Tensor]:
    """Do what `gsplat.rasterization(packed=False)` does, through the functions that it calls.

    The original inverts the view matrices to get the camera centers, which synchronizes host and device in every call;
    a rigid matrix needs no numerical inverse.
    """
    _check_compiled()
    import gsplat

    means, opacities, colors = splats.means, splats.opacities, splats.colors
    width, height = views.width, views.height
    radii, means2d, depths, conics, _ = gsplat.fully_fused_projection(
        means,
        None,
        splats.quats,
        splats.scales,
        views.viewmats,
        views.Ks,
        width,
        height,
        eps2d=EPS_2D,
        near_plane=NEAR,
        opacities=opacities,  # the extent of a faint Gaussian is smaller
    )
    images = radii.shape[:-2]  # [..., C]
    if splats.sh_degree is None:
        colors = colors[..., None, :, :].expand(*images, len(splats), 3)
    else:
        coefficients = colors[..., None, :, :, :].expand(*images, len(splats), *colors.shape[-2:])
        eyes = -(views.viewmats[..., :3, :3] * views.viewmats[..., :3, 3:]).sum(dim=-2)  # -Rᵀ t
        directions = means[..., None, :, :] - eyes[..., None, :]
        colors = gsplat.spherical_harmonics(splats.sh_degree, directions, coefficients, masks=(radii > 0).all(dim=-1))
        colors = (colors + 0.5).clamp_min(0.0)
    columns, rows = -(-width // TILE), -(-height // TILE)
    _, keys, order = gsplat.isect_tiles(means2d, radii, depths, TILE, columns, rows)
    offsets = gsplat.isect_offset_encode(keys, math.prod(images), columns, rows).reshape(*images, rows, columns)
    return gsplat.rasterize_to_pixels(
        means2d,
        conics,
        colors,
        opacities[..., None, :].expand(*images, len(splats)),
        width,
        height,
        TILE,
        offsets,
        order,
        backgrounds=views.backgrounds,
    )


def _check_compiled() -> None:
    from gsplat.cuda import _backend

    if _backend._C is None:
        raise InputError(
            "rasterizer: gsplat is installed but not compiled; it needs a CUDA toolkit with nvcc of the version "
            f"{torch.version.cuda} that torch was built with: install one, or set CUDA_HOME to it."
        )
