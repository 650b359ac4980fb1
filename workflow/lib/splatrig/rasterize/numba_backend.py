"""The CPU back end: compiled projection, spherical harmonics and compositing, with hand-derived gradients.

Uses as many threads as torch (`torch.set_num_threads`); results are bit-identical for any number of threads.
"""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.dataset.cameras import check_pinhole
from splatrig.io.errors import InputError
from splatrig.rasterize import numba_compositing as compositing
from splatrig.rasterize import numba_projection as projection
from splatrig.rasterize.numba_compositing import Frame, Tiles
from splatrig.rasterize.numba_projection import Camera, GaussianArrays
from splatrig.rasterize.scene import EPS_2D, FRUSTUM_MARGIN, NEAR, Splats, Views, blank, stacked

T = TypeVar("T")

_TILE_PARTS = 4  # parts per thread: tiles differ in work, and small parts balance it


def render(splats: Splats, views: Views) -> tuple[Tensor, Tensor]:
    """Render on the CPU; see `splatrig.rasterize.rasterize`."""
    degree = projection.NO_SH if splats.sh_degree is None else splats.sh_degree
    gaussians = [tensor for _, tensor in splats.items()]
    backgrounds = splats.means.new_zeros(1, 3).expand(len(views), 3) if views.backgrounds is None else views.backgrounds
    rendered = [
        _RenderView.apply(*gaussians, background, degree, _camera(views, view), views.width, views.height)
        for view, background in enumerate(backgrounds.to(splats.means.dtype))
    ]
    return stacked(rendered) if rendered else blank(splats, views)


def _camera(views: Views, view: int) -> Camera:
    """Return one view in the layout of the kernels; raise InputError when it is not a pinhole camera."""
    viewmat = views.viewmats[view].numpy().astype(np.float64)
    K = views.Ks[view].numpy()
    check_pinhole(viewmat, K, f"rasterize: camera {view}")
    fx, fy, cx, cy = K[0, 0].item(), K[1, 1].item(), K[0, 2].item(), K[1, 2].item()
    W, t = np.ascontiguousarray(viewmat[:3, :3]), np.ascontiguousarray(viewmat[:3, 3])
    beside, above = FRUSTUM_MARGIN * views.width, FRUSTUM_MARGIN * views.height
    return Camera(
        W=W,
        t=t,
        center=-W.T @ t,
        fx=fx,
        fy=fy,
        cx=cx,
        cy=cy,
        u_limits=(-(cx + beside) / fx, (views.width - cx + beside) / fx),
        v_limits=(-(cy + above) / fy, (views.height - cy + above) / fy),
        near=NEAR,
        eps_2d=EPS_2D,
    )


class _RenderView(torch.autograd.Function):
    """Map the tensors of Gaussians over a background [3] to image [H, W, 3], alpha [H, W, 1]."""

    @staticmethod
    def forward(ctx: Any, *arguments: Any) -> tuple[Tensor, Tensor]:
        *tensors, background, degree, camera, width, height = arguments
        gaussians = GaussianArrays(*(tensor.detach().contiguous().numpy() for tensor in tensors))
        if degree == projection.NO_SH:
            gaussians = gaussians._replace(colors=gaussians.colors[:, None, :])
        real = gaussians.means.dtype
        splats = np.empty(len(gaussians.means), compositing.splat_dtype(real))
        depths = np.empty(len(splats), real)
        bad = max(
            _share(lambda *part: projection.project(*part, gaussians, camera, degree, splats, depths), per_thread=1)
        )
        if bad >= 0:
            raise InputError(
                f"rasterize: Gaussian {bad} has a value that is not finite, a quaternion of length zero, or is too "
                "large; lower the learning rates or check the input."
            )
        tiles = _sort_into_tiles(splats, depths, width, height)
        frame = Frame(np.empty((height, width, 3), real), np.empty((height, width), real))
        behind = background.detach().contiguous().numpy()
        _share(lambda *part: compositing.composite_tiles(*part, tiles, splats, behind, frame), _TILE_PARTS)
        ctx.rendered = gaussians, camera, degree, splats, tiles, behind, frame
        return torch.from_numpy(frame.image), torch.from_numpy(1 - frame.transmittance)[..., None]

    @staticmethod
    def backward(ctx: Any, *output_grads: Tensor) -> tuple[Tensor | None, ...]:
        gaussians, camera, degree, splats, tiles, behind, frame = ctx.rendered
        image_grad, alpha_grad = (grad.contiguous().numpy() for grad in output_grads)
        frame_grad = Frame(image_grad, alpha_grad[..., 0])
        real = gaussians.means.dtype
        records = np.zeros((len(tiles.pairs), compositing.RECORD_COLUMNS), real)
        _share(
            lambda *part: compositing.composite_tiles_backward(
                *part, tiles, splats, behind, frame, frame_grad, records
            ),
            _TILE_PARTS,
        )
        splat_grads = np.zeros(splats.shape, splats.dtype)  # ten times faster than zeros_like for records
        grads = GaussianArrays(*(np.empty_like(array) for array in gaussians))

        def gather(part: int, parts: int) -> None:
            compositing.sum_records(part, parts, tiles.first_slots, records, splats, splat_grads)
            projection.project_backward(part, parts, gaussians, camera, degree, splats, splat_grads, grads)

        _share(gather, per_thread=1)
        if degree == projection.NO_SH:
            grads = grads._replace(colors=grads.colors[:, 0, :])
        behind_grad = None
        if ctx.needs_input_grad[len(grads)]:
            behind_grad = torch.from_numpy(
                np.einsum("hw,hwc->c", frame.transmittance, image_grad, dtype=np.float64).astype(real)
            )
        return *(torch.from_numpy(array) for array in grads), behind_grad, None, None, None, None


def _sort_into_tiles(splats: NDArray[np.void], depths: NDArray[np.floating], width: int, height: int) -> Tiles:
    """Return the splats of each tile, front to back; splats of equal depth are in the order of the Gaussians."""
    columns, rows = -(-width // compositing.TILE), -(-height // compositing.TILE)
    boxes = np.empty((len(splats), 4), np.int32)
    first_slots = np.empty(len(splats) + 1, np.int64)
    compositing.find_tiles(splats, width, height, boxes, first_slots)
    tiles = Tiles(np.empty(columns * rows + 1, np.int64), np.empty(first_slots[-1], np.int32), boxes, first_slots)
    compositing.fill_tiles(_by_depth(np.flatnonzero(np.diff(first_slots)), depths), columns, tiles)
    return tiles


def _by_depth(visible: NDArray[np.intp], depths: NDArray[np.floating]) -> NDArray[np.intp]:
    """Return `visible` sorted by depth, stably."""
    if depths.dtype != np.float32:
        return visible[np.argsort(depths[visible], kind="stable")]
    # positive floats sort like their bits; with the index in the low bits, a 10 times faster unstable sort suffices
    keys = (depths[visible].view(np.uint32).astype(np.uint64) << np.uint64(32)) | visible.astype(np.uint64)
    keys.sort()
    return (keys & np.uint64(0xFFFFFFFF)).astype(np.intp)


def _share(work: Callable[[int, int], T], per_thread: int) -> list[T]:
    """Return work(part, parts) for every part, computed on as many threads as torch uses."""
    threads = torch.get_num_threads()
    if threads == 1:
        return [work(0, 1)]
    parts = threads * per_thread
    return list(_pool(threads).map(work, range(parts), [parts] * parts))


@cache
def _pool(threads: int) -> ThreadPoolExecutor:
    return ThreadPoolExecutor(threads, thread_name_prefix="splatrig-rasterize")
