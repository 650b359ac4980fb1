"""One rasterization function with several back ends."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from splatrig.config.rasterizers import BACKENDS
from splatrig.io.errors import InputError
from splatrig.rasterize.activation import activate
from splatrig.rasterize.backends import choose_backend, load_backend
from splatrig.rasterize.scene import Splats, Views, one_by_one

__all__ = ["Splats", "Views", "activate", "rasterize", "rasterize_each"]


def rasterize(splats: Splats, views: Views, backend: str = "auto") -> tuple[Tensor, Tensor]:
    """Render activated Gaussians from C cameras; return images [..., C, H, W, 3] and alphas [..., C, H, W, 1].

    Differentiable with respect to the Gaussians and the backgrounds. Conventions are those of gsplat 1.5.3: see
    `splatrig.rasterize.scene` and `splatrig.rasterize.numba_compositing`. With leading axes, [B, N, *] Gaussians and
    [B, C, *] cameras, pose b is rendered from its C cameras: gsplat renders all poses in one call, other back ends one
    after the other.

    Args:
        splats: N Gaussians [..., N, *], head space, millimeters; colors are RGB or spherical harmonics.
        views: C cameras [..., C, *] of one image size, on the device of the Gaussians; the background is black without
            `backgrounds`.
        backend: auto (gsplat on CUDA, numba on CPU) or a name of `splatrig.config.rasterizers.BACKENDS`.

    Raises:
        InputError: Devices or leading axes do not match, or a back end is missing. `Splats` and `Views` raise it for a
            shape, dtype or degree that is not supported.

    Example:
        >>> images, alphas = rasterize(activate(gaussians), Views.of(cameras, device))
    """
    if splats.means.device != views.viewmats.device:
        raise InputError(
            f"rasterize: the Gaussians are on {splats.means.device}, the cameras on {views.viewmats.device}; "
            "move them to the same device."
        )
    if splats.batch != views.batch:
        raise InputError(
            f"rasterize: the Gaussians have leading axes {list(splats.batch)}, the cameras {list(views.batch)}; "
            "give both the same leading axes, with cameras for every pose."
        )
    name = choose_backend(backend, splats.means.device.type)
    render = load_backend(name)
    return render(splats, views) if BACKENDS[name].batched or not splats.batch else one_by_one(render, splats, views)


def rasterize_each(
    splats: Splats,  # [B, N, *]
    views: Views,  # [B, 1, *]
    sizes: Sequence[tuple[int, int]],  # B of width, height
    backend: str = "auto",
) -> list[tuple[Tensor, Tensor]]:  # B of [height, width, 3], [height, width, 1]
    """Render one image per pose, each at its own size; return B images and their alphas.

    A smaller image is the upper left corner of the one that `rasterize` renders at the size of `views`. Batched back
    ends (gsplat) render all poses in one call at that size and cut the corners out, since a training step on a GPU is
    bound by kernel launches; Gaussians outside an image's own border are then projected as inside `views`
    (`scene.FRUSTUM_MARGIN`). Other back ends render only the corners.

    Args:
        splats: Gaussians of B poses.
        views: One camera per pose, at the largest size.
        sizes: Width and height of the image of each pose.
        backend: Name of the back end.

    Returns:
        Image [height, width, 3] and alpha [height, width, 1] of each pose.

    Raises:
        InputError: A pose has no camera of its own, or a size larger than that of `views`.
    """
    poses = len(sizes)
    if splats.batch != (poses,) or views.viewmats.shape[:-2] != (poses, 1):
        raise InputError(
            f"rasterize: expected {poses} poses with one camera each, one per size, got Gaussians with leading "
            f"axes {list(splats.batch)} and cameras [{', '.join(map(str, views.viewmats.shape[:-2]))}]."
        )
    if any(width > views.width or height > views.height for width, height in sizes):
        raise InputError(
            f"rasterize: expected sizes up to {views.width}x{views.height}, that of the views, got larger ones."
        )
    if poses > 1 and BACKENDS[choose_backend(backend, splats.means.device.type)].batched:
        images, alphas = (part.squeeze(1) for part in rasterize(splats, views, backend))
        return list(zip(_Corners.apply(images, sizes), _Corners.apply(alphas, sizes), strict=True))
    rendered = []
    for b, (pose, (width, height)) in enumerate(zip(splats.separate(), sizes, strict=True)):
        background = None if views.backgrounds is None else views.backgrounds[b]
        image, alpha = rasterize(pose, Views(views.viewmats[b], views.Ks[b], width, height, background), backend)
        rendered.append((image.squeeze(0), alpha.squeeze(0)))
    return rendered


class _Corners(torch.autograd.Function):
    """Upper left corner of each image [B, H, W, *] in its own size; a slice's own derivative has more kernels."""

    @staticmethod
    def forward(ctx: Any, images: Tensor, sizes: Sequence[tuple[int, int]]) -> tuple[Tensor, ...]:
        ctx.sizes, ctx.shape = sizes, images.shape
        ctx.set_materialize_grads(False)
        return tuple(image[:height, :width].contiguous() for image, (width, height) in zip(images, sizes, strict=True))

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, None]:
        present = [corner for corner in upstream if corner is not None]
        if not present:
            return None, None
        gradient = present[0].new_zeros(ctx.shape)
        for image, corner, (width, height) in zip(gradient, upstream, ctx.sizes, strict=True):
            if corner is not None:
                image[:height, :width] = corner
        return gradient, None
