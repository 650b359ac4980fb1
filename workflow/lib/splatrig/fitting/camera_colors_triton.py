"""Colors of a camera in one pass over the rendering, and their gradient in another: Triton kernels.

With torch's own operations the maps of `splatrig.fitting.camera_colors` cost a fifth of a step of a learned rig.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

_BLOCK = 1024
"""Pixels per program."""


@triton.jit
def _pixels(values: tl.tensor, index: tl.tensor, mask: tl.tensor) -> tl.tuple:
    """Return the three channels of some pixels."""
    start = values + 3 * index
    return tl.load(start, mask, 0.0), tl.load(start + 1, mask, 0.0), tl.load(start + 2, mask, 0.0)


@triton.jit
def _row(matrix: tl.tensor, row: tl.constexpr) -> tl.tuple:
    """Return a row of the matrix minus the identity."""
    start = matrix + 4 * row
    first, second, third = tl.load(start), tl.load(start + 1), tl.load(start + 2)
    return (
        first - (1.0 if row == 0 else 0.0),
        second - (1.0 if row == 1 else 0.0),
        third - (1.0 if row == 2 else 0.0),
        tl.load(start + 3),
    )


@triton.jit(do_not_specialize=["size"])
def _map_kernel(
    image: tl.tensor,  # [P, 3]
    alpha: tl.tensor,  # [P]
    background: tl.tensor,  # [3]
    matrix: tl.tensor,  # [3, 4]
    mapped: tl.tensor,  # [P, 3] written
    size: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < size
    red, green, blue = _pixels(image, index, mask)
    cover = tl.load(alpha + index, mask, 0.0)
    f0 = red - (1.0 - cover) * tl.load(background)
    f1 = green - (1.0 - cover) * tl.load(background + 1)
    f2 = blue - (1.0 - cover) * tl.load(background + 2)
    a, b, c, d = _row(matrix, 0)
    tl.store(mapped + 3 * index, red + a * f0 + b * f1 + c * f2 + d * cover, mask)
    a, b, c, d = _row(matrix, 1)
    tl.store(mapped + 3 * index + 1, green + a * f0 + b * f1 + c * f2 + d * cover, mask)
    a, b, c, d = _row(matrix, 2)
    tl.store(mapped + 3 * index + 2, blue + a * f0 + b * f1 + c * f2 + d * cover, mask)


@triton.jit(do_not_specialize=["size"])
def _gradient_kernel(
    image: tl.tensor,  # [P, 3]
    alpha: tl.tensor,  # [P]
    background: tl.tensor,  # [3]
    matrix: tl.tensor,  # [3, 4]
    upstream: tl.tensor,  # [P, 3]
    of_image: tl.tensor,  # [P, 3] written
    of_alpha: tl.tensor,  # [P] written
    sums: tl.tensor,  # [programs, 12] written: each program's part of the gradient of the matrix
    size: tl.tensor,
    BLOCK: tl.constexpr,
) -> None:
    index = tl.program_id(0).to(tl.int64) * BLOCK + tl.arange(0, BLOCK)
    mask = index < size
    red, green, blue = _pixels(image, index, mask)
    g0, g1, g2 = _pixels(upstream, index, mask)
    cover = tl.load(alpha + index, mask, 0.0)
    b0, b1, b2 = tl.load(background), tl.load(background + 1), tl.load(background + 2)
    f0, f1, f2 = red - (1.0 - cover) * b0, green - (1.0 - cover) * b1, blue - (1.0 - cover) * b2
    a, b, c, d = _row(matrix, 0)
    e, f, g, h = _row(matrix, 1)
    i, j, k, m = _row(matrix, 2)
    tl.store(of_image + 3 * index, g0 + g0 * a + g1 * e + g2 * i, mask)
    tl.store(of_image + 3 * index + 1, g1 + g0 * b + g1 * f + g2 * j, mask)
    tl.store(of_image + 3 * index + 2, g2 + g0 * c + g1 * g + g2 * k, mask)
    behind = g0 * (a * b0 + b * b1 + c * b2 + d)
    behind += g1 * (e * b0 + f * b1 + g * b2 + h)
    behind += g2 * (i * b0 + j * b1 + k * b2 + m)
    tl.store(of_alpha + index, behind, mask)
    own = sums + 12 * tl.program_id(0)
    tl.store(own, tl.sum(g0 * f0, axis=0))
    tl.store(own + 1, tl.sum(g0 * f1, axis=0))
    tl.store(own + 2, tl.sum(g0 * f2, axis=0))
    tl.store(own + 3, tl.sum(g0 * cover, axis=0))
    tl.store(own + 4, tl.sum(g1 * f0, axis=0))
    tl.store(own + 5, tl.sum(g1 * f1, axis=0))
    tl.store(own + 6, tl.sum(g1 * f2, axis=0))
    tl.store(own + 7, tl.sum(g1 * cover, axis=0))
    tl.store(own + 8, tl.sum(g2 * f0, axis=0))
    tl.store(own + 9, tl.sum(g2 * f1, axis=0))
    tl.store(own + 10, tl.sum(g2 * f2, axis=0))
    tl.store(own + 11, tl.sum(g2 * cover, axis=0))


class _Mapped(torch.autograd.Function):
    """The map of `splatrig.fitting.camera_colors.recolored`."""

    @staticmethod
    def forward(ctx: Any, image: Tensor, alpha: Tensor, background: Tensor, matrix: Tensor) -> Tensor:
        image, alpha, background, matrix = (part.contiguous() for part in (image, alpha, background, matrix))
        mapped, size = torch.empty_like(image), alpha.numel()
        with torch.cuda.device_of(image):
            _map_kernel[(triton.cdiv(size, _BLOCK),)](image, alpha, background, matrix, mapped, size, _BLOCK)
        ctx.save_for_backward(image, alpha, background, matrix)
        return mapped

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, Tensor, None, Tensor]:
        image, alpha, background, matrix = ctx.saved_tensors
        of_image, of_alpha, size = torch.empty_like(image), torch.empty_like(alpha), alpha.numel()
        programs = triton.cdiv(size, _BLOCK)
        sums = image.new_empty((programs, 12))
        with torch.cuda.device_of(image):
            _gradient_kernel[(programs,)](
                image, alpha, background, matrix, upstream.contiguous(), of_image, of_alpha, sums, size, _BLOCK
            )
        return of_image, of_alpha, None, sums.sum(dim=0).view(3, 4)


def recolored(image: Tensor, alpha: Tensor, background: Tensor, matrix: Tensor) -> Tensor:  # [h, w, 3]
    """Return what `splatrig.fitting.camera_colors.recolored` returns, for float32 on a CUDA device."""
    return _Mapped.apply(image, alpha, background, matrix)
