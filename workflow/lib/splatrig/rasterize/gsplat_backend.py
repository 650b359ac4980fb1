"""The CUDA back end: gsplat (Apache-2.0), https://github.com/nerfstudio-project/gsplat.

Imported only when it renders: on a machine with nvcc but no GPU importing gsplat starts a build that fails.
"""

import math
from dataclasses import dataclass

import torch
from torch import Tensor

from splatrig.io.errors import InputError
from splatrig.rasterize.scene import EPS_2D, NEAR, Poses, Splats, Views, blank, check_float32

TILE = 16
"""Side in pixels of the squares of the image that share a list of Gaussians."""


def render(splats: Splats, views: Views) -> tuple[Tensor, Tensor]:
    """Render on CUDA with gsplat; see `splatrig.rasterize.rasterize`."""
    check_float32("gsplat", splats)
    if not len(splats) or not len(views):
        return blank(splats, views)
    shared = (splats.means, splats.quats, splats.scales, splats.opacities, splats.colors)
    return _rasterized(shared, views, splats.sh_degree)


def render_batch(
    poses: Poses,
    viewmats: Tensor,  # [B, 4, 4]
    Ks: Tensor,  # [B, 3, 3]
    size: tuple[int, int],  # width, height
    sh_degree: int,
    backgrounds: Tensor,  # [B, 3]
) -> tuple[Tensor, Tensor]:  # [B, H, W, 3], [B, H, W, 1]
    """Render pose b from camera b, all in one call; see `splatrig.rasterize.poses`."""
    gaussians = (poses.means, poses.quats, poses.scales, poses.opacities, poses.sh)
    views = _Cameras(viewmats[:, None], Ks[:, None], *size, backgrounds[:, None])
    images, alphas = _rasterized(gaussians, views, sh_degree)
    return images.squeeze(1), alphas.squeeze(1)


@dataclass(frozen=True)
class _Cameras:
    """C cameras of each of B poses; `Views` with one more axis in front."""

    viewmats: Tensor  # [B, C, 4, 4]
    Ks: Tensor  # [B, C, 3, 3]
    width: int
    height: int
    backgrounds: Tensor  # [B, C, 3]


def _rasterized(
    gaussians: tuple[Tensor, Tensor, Tensor, Tensor, Tensor],  # [..., N, *] in the order of `Splats`
    views: Views | _Cameras,  # [..., C, *]
    sh_degree: int | None,
) -> tuple[Tensor, Tensor]:  # [..., C, H, W, 3], [..., C, H, W, 1]
    """Do what `gsplat.rasterization(packed=False)` does, by the functions that it calls.

    It inverts the view matrices to learn where the cameras are, for which the host waits for the device in every
    call; a rigid matrix needs no inverse.
    """
    _check_compiled()
    import gsplat

    means, quats, scales, opacities, colors = gaussians
    width, height = views.width, views.height
    radii, means2d, depths, conics, _ = gsplat.fully_fused_projection(
        means,
        None,
        quats,
        scales,
        views.viewmats,
        views.Ks,
        width,
        height,
        eps2d=EPS_2D,
        near_plane=NEAR,
        opacities=opacities,  # a faint Gaussian reaches less far
    )
    images = radii.shape[:-2]  # [..., C]
    count = means.shape[-2]
    if sh_degree is None:
        colors = colors[..., None, :, :].expand(*images, count, 3)
    else:
        coefficients = colors[..., None, :, :, :].expand(*images, count, *colors.shape[-2:])
        eyes = -(views.viewmats[..., :3, :3] * views.viewmats[..., :3, 3:]).sum(dim=-2)  # -Rᵀ t
        directions = means[..., None, :, :] - eyes[..., None, :]
        colors = gsplat.spherical_harmonics(sh_degree, directions, coefficients, masks=(radii > 0).all(dim=-1))
        colors = (colors + 0.5).clamp_min(0.0)
    columns, rows = -(-width // TILE), -(-height // TILE)
    _, keys, order = gsplat.isect_tiles(means2d, radii, depths, TILE, columns, rows)
    offsets = gsplat.isect_offset_encode(keys, math.prod(images), columns, rows).reshape(*images, rows, columns)
    return gsplat.rasterize_to_pixels(
        means2d,
        conics,
        colors,
        opacities[..., None, :].expand(*images, count),
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
