"""Many poses of the same Gaussians in one call, each from a camera of its own."""

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from splatrig.io.errors import InputError
from splatrig.rasterize import rasterize
from splatrig.rasterize.backends import choose_backend
from splatrig.rasterize.scene import Poses

_WARP = 32
"""Threads that gsplat lets add up gradients together, told apart by the Gaussian's index, but not by its pose."""


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
    _check_counts(len(poses), len(viewmats), len(Ks), len(backgrounds))
    if poses.means.device.type == "cuda":
        from splatrig.rasterize.gsplat_backend import render_batch

        return render_batch(poses, viewmats, Ks, size, sh_degree, backgrounds)[0]
    sizes = [size] * len(poses)
    rendered = rasterize_poses(poses, viewmats, Ks, sizes, sh_degree=sh_degree, backgrounds=backgrounds)
    return torch.stack([image for image, _ in rendered])


def rasterize_poses(
    poses: Poses,
    viewmats: Tensor,  # [B, 4, 4]
    Ks: Tensor,  # [B, 3, 3]
    sizes: Sequence[tuple[int, int]],  # B of width, height
    *,
    sh_degree: int,
    backgrounds: Tensor,  # [B, 3]
    backend: str = "auto",
) -> list[tuple[Tensor, Tensor]]:  # B of [height, width, 3], [height, width, 1]
    """Return image and alpha of pose b from camera b, each of its own size; differentiable in the Gaussians.

    gsplat renders all in one call, at the largest width and height: the step of a fit on a GPU waits for the processor
    that starts kernels, and this way one photograph starts as many as several. Gaussians beyond a picture's border are
    then flattened as the largest picture's border has it (`scene.FRUSTUM_MARGIN`). Other back ends take one after the
    other. Raises InputError when there are not as many cameras, sizes and backgrounds as poses.
    """
    _check_counts(len(poses), len(viewmats), len(Ks), len(sizes), len(backgrounds))
    if (
        len(poses) > 1
        and poses.means.shape[1] >= _WARP
        and choose_backend(backend, poses.means.device.type) == "gsplat"
    ):
        from splatrig.rasterize.gsplat_backend import render_batch

        largest = max(width for width, _ in sizes), max(height for _, height in sizes)
        images, alphas = render_batch(poses, viewmats, Ks, largest, sh_degree, backgrounds)
        return list(zip(_Corners.apply(images, sizes), _Corners.apply(alphas, sizes), strict=True))
    rendered = []
    for b, (pose, (width, height)) in enumerate(zip(poses.separate(), sizes, strict=True)):
        image, alpha = rasterize(
            *pose,
            viewmats[b : b + 1],
            Ks[b : b + 1],
            width,
            height,
            sh_degree=sh_degree,
            backgrounds=backgrounds[b : b + 1],
            backend=backend,
        )
        rendered.append((image.squeeze(0), alpha.squeeze(0)))
    return rendered


def _check_counts(poses: int, *counts: int) -> None:
    if any(count != poses for count in counts):
        raise InputError(
            f"rendering poses: expected a camera, a size and a background for each of {poses} poses, "
            f"got {', '.join(map(str, counts))}."
        )


class _Corners(torch.autograd.Function):
    """The upper left corner of each picture [B, H, W, *] in its own size; a slice's own derivative has more kernels."""

    @staticmethod
    def forward(ctx: Any, pictures: Tensor, sizes: Sequence[tuple[int, int]]) -> tuple[Tensor, ...]:
        ctx.sizes, ctx.shape = sizes, pictures.shape
        ctx.set_materialize_grads(False)
        return tuple(
            picture[:height, :width].contiguous() for picture, (width, height) in zip(pictures, sizes, strict=True)
        )

    @staticmethod
    def backward(ctx: Any, *upstream: Tensor | None) -> tuple[Tensor | None, None]:
        present = [corner for corner in upstream if corner is not None]
        if not present:
            return None, None
        gradient = present[0].new_zeros(ctx.shape)
        for picture, corner, (width, height) in zip(gradient, upstream, ctx.sizes, strict=True):
            if corner is not None:
                picture[:height, :width] = corner
        return gradient, None
