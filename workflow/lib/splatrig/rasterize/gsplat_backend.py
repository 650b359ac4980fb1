"""The CUDA back end gsplat (Apache-2.0), https://github.com/nerfstudio-project/gsplat.

It is imported only for rendering: on a machine with nvcc but no GPU, importing gsplat starts a build that fails.
"""

import math
from dataclasses import dataclass

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
    """Do what `gsplat.rasterization(packed=False)` does, through the functions that it calls."""
    return composite(project(splats, views), views)


@dataclass(frozen=True)
class Projected:
    """Splats in the images of C cameras, before they are sorted into tiles."""

    means2d: Tensor  # [..., C, N, 2]
    """Centers in pixels."""
    conics: Tensor  # [..., C, N, 3]
    """Upper triangle of the inverse covariance, 1/pixels²."""
    colors: Tensor  # [..., C, N, 3]
    opacities: Tensor  # [..., N]
    radii: Tensor  # [..., C, N, 2] int32
    """Half extents in pixels; 0 for Gaussians that are not seen."""
    depths: Tensor  # [..., C, N]


def project(splats: Splats, views: Views) -> Projected:
    """Project Gaussians into the images of `views` and evaluate their colors; needs no wait for the GPU.

    `gsplat.rasterization` inverts the view matrices to get the camera centers, which synchronizes host and device in
    every call; a rigid matrix needs no numerical inverse.
    """
    import gsplat

    radii, means2d, depths, conics = _projected(splats, views)
    means, colors, images = splats.means, splats.colors, radii.shape[:-2]  # [..., C]
    if splats.sh_degree is None:
        colors = colors[..., None, :, :].expand(*images, len(splats), 3)
    else:
        coefficients = colors[..., None, :, :, :].expand(*images, len(splats), *colors.shape[-2:])
        eyes = -(views.viewmats[..., :3, :3] * views.viewmats[..., :3, 3:]).sum(dim=-2)  # -Rᵀ t
        directions = means[..., None, :, :] - eyes[..., None, :]
        colors = gsplat.spherical_harmonics(splats.sh_degree, directions, coefficients, masks=(radii > 0).all(dim=-1))
        colors = (colors + 0.5).clamp_min(0.0)
    return Projected(means2d, conics, colors, splats.opacities, radii, depths)


def entries(splats: Splats, views: Views) -> Tensor:  # [] int32
    """Return how many entries the lists of Gaussians per tile have in the image of one camera."""
    from splatrig.rasterize.tiles_triton import tile_counts

    radii, means2d, _, _ = _projected(splats, views)
    return tile_counts(means2d[0], radii[0], *tiles_of(views), TILE).sum()


def _projected(splats: Splats, views: Views) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return radii, centers, depths and conics in the images."""
    _check_compiled()
    import gsplat

    radii, means2d, depths, conics, _ = gsplat.fully_fused_projection(
        splats.means,
        None,
        splats.quats,
        splats.scales,
        views.viewmats,
        views.Ks,
        views.width,
        views.height,
        eps2d=EPS_2D,
        near_plane=NEAR,
        opacities=splats.opacities,  # the extent of a faint Gaussian is smaller
    )
    return radii, means2d, depths, conics


def composite(projected: Projected, views: Views) -> tuple[Tensor, Tensor]:
    """Sort projected Gaussians into tiles, which waits for the GPU to count them, and blend them front to back."""
    import gsplat

    *images, _ = projected.depths.shape
    columns, rows = tiles_of(views)
    _, keys, order = gsplat.isect_tiles(projected.means2d, projected.radii, projected.depths, TILE, columns, rows)
    offsets = gsplat.isect_offset_encode(keys, math.prod(images), columns, rows).reshape(*images, rows, columns)
    return _blended(projected, views, offsets, order)


def composite_at_once(projected: Projected, views: Views, capacity: int) -> tuple[Tensor, Tensor, Tensor]:
    """Do what `composite` does for one camera without a wait; return also the number of places in tiles, [] int32.

    Where that number exceeds `capacity`, the image is wrong.
    """
    from splatrig.rasterize.tiles_triton import sorted_tiles

    columns, rows = tiles_of(views)
    centers, radii, depths = (part[0].detach() for part in (projected.means2d, projected.radii, projected.depths))
    offsets, order, count = sorted_tiles(centers, radii, depths, columns, rows, TILE, capacity)
    return *_blended(projected, views, offsets[None], order), count


def _blended(projected: Projected, views: Views, offsets: Tensor, order: Tensor) -> tuple[Tensor, Tensor]:
    import gsplat

    return gsplat.rasterize_to_pixels(
        projected.means2d,
        projected.conics,
        projected.colors,
        projected.opacities[..., None, :].expand(projected.depths.shape),
        views.width,
        views.height,
        TILE,
        offsets,
        order,
        backgrounds=views.backgrounds,
    )


def tiles_of(views: Views) -> tuple[int, int]:
    """Return the number of columns and rows of tiles of the images."""
    return -(-views.width // TILE), -(-views.height // TILE)


def _check_compiled() -> None:
    from gsplat.cuda import _backend

    if _backend._C is None:
        raise InputError(
            "rasterizer: gsplat is installed but not compiled; it needs a CUDA toolkit with nvcc of the version "
            f"{torch.version.cuda} that torch was built with: install one, or set CUDA_HOME to it."
        )
