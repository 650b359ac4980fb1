"""The CPU back end: projection and spherical harmonics in torch, compositing in numba.

Uses as many threads as torch does (`torch.set_num_threads`); results are the same bits for any number.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.gaussians.sh import sh_to_rgb, view_directions
from splatrig.rasterize import numba_kernels as kernels
from splatrig.rasterize.projection import project
from splatrig.rasterize.scene import Splats, Views

_CHUNKS_PER_THREAD = 4  # tiles differ in work: finer shares even it out


def render(splats: Splats, views: Views) -> tuple[Tensor, Tensor]:
    """Render on the CPU; see `splatrig.rasterize.rasterize`."""
    rendered = [_render_view(splats, views, view) for view in range(len(views))]
    if not rendered:
        shape = (0, views.height, views.width)
        return splats.means.new_zeros(*shape, 3), splats.means.new_zeros(*shape, 1)
    images, alphas = (torch.stack(parts) for parts in zip(*rendered, strict=True))
    if views.backgrounds is not None:
        images = images + (1 - alphas) * views.backgrounds[:, None, None, :]
    return images, alphas


def _render_view(splats: Splats, views: Views, view: int) -> tuple[Tensor, Tensor]:
    """Render one view on black; return image [H, W, 3] and alpha [H, W, 1]."""
    viewmat = views.viewmats[view]
    colors = splats.colors
    if splats.sh_degree is not None:
        colors = sh_to_rgb(colors, view_directions(splats.means, viewmat), splats.sh_degree)
    projected = project(splats.means, splats.quats, splats.scales, viewmat, views.Ks[view], views.width, views.height)
    # the splat ends where its alpha falls below MIN_ALPHA: sigma = ln(opacity / MIN_ALPHA)
    reach = (2 * (splats.opacities.detach() / kernels.MIN_ALPHA).clamp_min(1).log()).sqrt()
    extents = reach[:, None] * projected.covariances[:, ::2].detach().sqrt()
    records = torch.cat([projected.means2d, projected.conics, splats.opacities[:, None], colors, extents], dim=1)
    return _Composite.apply(records, projected.depths, views.width, views.height)


class _Composite(torch.autograd.Function):
    """Splat records [N, 11] (columns of `numba_kernels`) and depths [N] to image [H, W, 3] and alpha [H, W, 1]."""

    @staticmethod
    def forward(ctx: Any, records: Tensor, depths: Tensor, width: int, height: int) -> tuple[Tensor, Tensor]:
        splats = np.ascontiguousarray(records.detach().numpy())
        tiles = _sort_into_tiles(splats, depths.detach().numpy(), width, height)
        image = np.empty((height, width, 3), splats.dtype)
        transmittance = np.empty((height, width), splats.dtype)

        def composite(first: int, step: int) -> None:
            kernels.composite_tiles(first, step, (width, height), *tiles[:2], splats, image, transmittance)

        _share(composite)
        ctx.saved = (splats, tiles, image, transmittance)
        return torch.from_numpy(image), torch.from_numpy(1 - transmittance)[..., None]

    @staticmethod
    def backward(ctx: Any, image_grad: Tensor, alpha_grad: Tensor) -> tuple[Tensor | None, ...]:
        splats, tiles, image, transmittance = ctx.saved
        pairs, first_slots = tiles[1], tiles[3]
        height, width = transmittance.shape
        incoming = (image_grad.contiguous().numpy(), alpha_grad[..., 0].contiguous().numpy())
        slots = np.zeros((len(pairs), kernels.RECORD_COLUMNS), splats.dtype)

        def reverse(first: int, step: int) -> None:
            kernels.composite_tiles_backward(
                first, step, (width, height), tiles, splats, image, transmittance, *incoming, slots
            )

        _share(reverse)
        grads = np.zeros_like(splats)
        kernels.sum_records(0, len(splats), first_slots, slots, splats, grads)
        return torch.from_numpy(grads), None, None, None


def _sort_into_tiles(
    splats: NDArray[np.floating], depths: NDArray[np.floating], width: int, height: int
) -> tuple[NDArray[np.int64], NDArray[np.int32], NDArray[np.int32], NDArray[np.int64]]:
    """Return (offsets, pairs, boxes, first_slots) of `numba_kernels`: the splats of each tile, front to back."""
    boxes = np.empty((len(splats), 4), np.int32)
    first_slots = np.empty(len(splats) + 1, np.int64)
    kernels.find_tiles(splats, depths, width, height, boxes, first_slots)
    visible = np.flatnonzero(np.diff(first_slots))
    order = visible[np.argsort(depths[visible], kind="stable")]
    columns, rows = -(-width // kernels.TILE), -(-height // kernels.TILE)
    offsets = np.empty(columns * rows + 1, np.int64)
    pairs = np.empty(first_slots[-1], np.int32)
    kernels.fill_tiles(order, boxes, columns, offsets, pairs)
    return offsets, pairs, boxes, first_slots


def _share(work: Callable[[int, int], None]) -> None:
    """Call work(first, step) so that all of 0, 1, 2, … is covered, on as many threads as torch uses."""
    threads = torch.get_num_threads()
    if threads == 1:
        work(0, 1)
        return
    step = threads * _CHUNKS_PER_THREAD
    for done in [_pool(threads).submit(work, first, step) for first in range(step)]:
        done.result()


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="splatrig-rasterize")
