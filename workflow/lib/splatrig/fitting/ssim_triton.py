"""Mean SSIM, mixed with mean absolute differences, and its gradient, each in one pass over the images: Triton kernels.

The variant of `splatrig.fitting.ssim`. Absolute differences are computed in the same kernel, because for such small
images every torch operation costs more to launch than to compute.

An image [H, W, 3] is read as rows of L = 3W values, in which neighbors of the same channel are three apart. A program
owns a strip of `_STRIP` columns and `_BAND` rows, one column per thread, and walks down its strip. Each row is filtered
horizontally (the eleven loads of neighbors hit the cache) and added at once to the eleven output rows that it
contributes to, whose sums stay in registers. So no filtered image is ever written: the forward pass reads two images
and writes three slopes, the backward pass reads these five and writes the gradient.

Sums are taken in a fixed order, without atomics, so equal inputs give equal bits. No kernel waits for the device.
"""

from typing import Any

import torch
import triton
import triton.language as tl
from torch import Tensor
from torch.autograd.function import once_differentiable

from splatrig.fitting.ssim_window import C1, C2, WINDOW, window
from splatrig.io.errors import InputError

_STRIP = 128
"""Columns (pixels × channels) per program: one for each thread of the four warps that Triton assigns to it."""
_BAND = 32
"""Rows per program; it filters ten more, which its neighbors filter too."""
_SIZES = ["height", "length"]
"""Arguments whose values do not specialize a kernel, so that crops of all sizes use one compilation."""

_TAPS = tl.constexpr(WINDOW)
_REACH = tl.constexpr(WINDOW // 2)
_WEIGHTS = tl.constexpr(tuple(window().tolist()))
_LUMINANCE = tl.constexpr(C1)
_CONTRAST = tl.constexpr(C2)


@triton.jit
def _row(image: tl.tensor, row: tl.tensor, column: tl.tensor, length: tl.tensor) -> tl.tensor:  # [STRIP] pointers
    """Return pointers to the columns of a row of `image` [H, L]; 64 bits, as large images exceed 2³¹ values."""
    return image + row.to(tl.int64) * length + column


@triton.jit
def _no_sums(zero: tl.tensor) -> tl.tuple:
    """Return the eleven zero sums of the output rows that the next row contributes to."""
    return (zero, zero, zero, zero, zero, zero, zero, zero, zero, zero, zero)


@triton.jit
def _advance(sums: tl.tuple, value: tl.tensor) -> tl.tuple:
    """Drop the first, finished sum, shift the others, and add a filtered row to all rows that it contributes to."""
    return (
        sums[1] + _WEIGHTS[0] * value,
        sums[2] + _WEIGHTS[1] * value,
        sums[3] + _WEIGHTS[2] * value,
        sums[4] + _WEIGHTS[3] * value,
        sums[5] + _WEIGHTS[4] * value,
        sums[6] + _WEIGHTS[5] * value,
        sums[7] + _WEIGHTS[6] * value,
        sums[8] + _WEIGHTS[7] * value,
        sums[9] + _WEIGHTS[8] * value,
        sums[10] + _WEIGHTS[9] * value,
        _WEIGHTS[10] * value,
    )


@triton.jit(do_not_specialize=_SIZES)
def _similarity_kernel(
    x: tl.tensor,  # [H, L]
    y: tl.tensor,  # [H, L]
    slopes_mean: tl.tensor,  # [H, L] written: slopes of the SSIM of each pixel in its windowed mean of x,
    slopes_square: tl.tensor,  # [H, L] of x²,
    slopes_product: tl.tensor,  # [H, L] and of xy
    totals: tl.tensor,  # [bands · strips] written: each program's sum of share_ssim · SSIM + share_l1 · |x - y|
    height: tl.tensor,
    length: tl.tensor,
    share_ssim: tl.tensor,
    share_l1: tl.tensor,
    STRIP: tl.constexpr,
    BAND: tl.constexpr,
    SLOPES: tl.constexpr,
) -> None:
    """Write SSIM's sums and slopes; x² + y² is filtered as one, since SSIM needs only the sum of the variances.

    Without `SLOPES` it writes the SSIM of each pixel instead, to `slopes_mean`, and neither slopes nor sums.
    """
    column = tl.program_id(0) * STRIP + tl.arange(0, STRIP)
    top = tl.program_id(1) * BAND
    zero = tl.zeros([STRIP], x.dtype.element_ty)
    total = zero
    means_x, means_y, squares, products = _no_sums(zero), _no_sums(zero), _no_sums(zero), _no_sums(zero)
    for step in range(BAND + 2 * _REACH):
        row = top - _REACH + step
        row_inside = (row >= 0) & (row < height)
        x_row, y_row = _row(x, row, column, length), _row(y, row, column, length)
        mean_x, mean_y, square, product = zero, zero, zero, zero
        for tap in tl.static_range(_TAPS):
            neighbor = column + 3 * (tap - _REACH)
            inside = row_inside & (neighbor >= 0) & (neighbor < length)
            a = tl.load(x_row + 3 * (tap - _REACH), mask=inside, other=0.0)
            b = tl.load(y_row + 3 * (tap - _REACH), mask=inside, other=0.0)
            mean_x += _WEIGHTS[tap] * a
            mean_y += _WEIGHTS[tap] * b
            square += _WEIGHTS[tap] * (a * a + b * b)
            product += _WEIGHTS[tap] * (a * b)
        means_x, means_y = _advance(means_x, mean_x), _advance(means_y, mean_y)
        squares, products = _advance(squares, square), _advance(products, product)

        finished = row - _REACH
        mean_x, mean_y = means_x[0], means_y[0]
        luminance = 2.0 * mean_x * mean_y + _LUMINANCE
        contrast = 2.0 * (products[0] - mean_x * mean_y) + _CONTRAST
        luminance_scale = mean_x * mean_x + mean_y * mean_y + _LUMINANCE
        contrast_scale = squares[0] - (mean_x * mean_x + mean_y * mean_y) + _CONTRAST
        inverse_luminance, inverse_contrast = 1.0 / luminance_scale, 1.0 / contrast_scale
        inverse = inverse_luminance * inverse_contrast
        similarity = luminance * contrast * inverse
        owned = (finished >= top) & (finished < height) & (column < length)
        if SLOPES:
            slope_mean = mean_y * (contrast - luminance) * inverse
            slope_mean += similarity * mean_x * (inverse_contrast - inverse_luminance)
            tl.store(_row(slopes_mean, finished, column, length), 2.0 * slope_mean, mask=owned)
            tl.store(_row(slopes_square, finished, column, length), -similarity * inverse_contrast, mask=owned)
            tl.store(_row(slopes_product, finished, column, length), 2.0 * luminance * inverse, mask=owned)
            a = tl.load(_row(x, finished, column, length), mask=owned, other=0.0)
            b = tl.load(_row(y, finished, column, length), mask=owned, other=0.0)
            total += tl.where(owned, share_ssim * similarity + share_l1 * tl.abs(a - b), 0.0)
        else:
            tl.store(_row(slopes_mean, finished, column, length), similarity, mask=owned)
    if SLOPES:
        program = tl.program_id(1) * tl.num_programs(0) + tl.program_id(0)
        tl.store(totals + program, tl.sum(total, axis=0))


@triton.jit(do_not_specialize=_SIZES)
def _gradient_kernel(
    x: tl.tensor,  # [H, L]
    y: tl.tensor,  # [H, L]
    slopes_mean: tl.tensor,  # [H, L]
    slopes_square: tl.tensor,  # [H, L]
    slopes_product: tl.tensor,  # [H, L]
    upstream: tl.tensor,  # [1]
    gradient: tl.tensor,  # [H, L] written
    height: tl.tensor,
    length: tl.tensor,
    share_ssim: tl.tensor,
    share_l1: tl.tensor,
    STRIP: tl.constexpr,
    BAND: tl.constexpr,
) -> None:
    """Write the gradient in x of upstream times the sum of all `totals` of `_similarity_kernel`.

    That of SSIM is G*slopes_mean + 2x · G*slopes_square + y · G*slopes_product, with G the window.
    """
    column = tl.program_id(0) * STRIP + tl.arange(0, STRIP)
    top = tl.program_id(1) * BAND
    factor = tl.load(upstream)
    zero = tl.zeros([STRIP], tl.float32)
    means, squares, products = _no_sums(zero), _no_sums(zero), _no_sums(zero)
    for step in range(BAND + 2 * _REACH):
        row = top - _REACH + step
        row_inside = (row >= 0) & (row < height)
        mean_row = _row(slopes_mean, row, column, length)
        square_row = _row(slopes_square, row, column, length)
        product_row = _row(slopes_product, row, column, length)
        mean, square, product = zero, zero, zero
        for tap in tl.static_range(_TAPS):
            neighbor = column + 3 * (tap - _REACH)
            inside = row_inside & (neighbor >= 0) & (neighbor < length)
            mean += _WEIGHTS[tap] * tl.load(mean_row + 3 * (tap - _REACH), mask=inside, other=0.0)
            square += _WEIGHTS[tap] * tl.load(square_row + 3 * (tap - _REACH), mask=inside, other=0.0)
            product += _WEIGHTS[tap] * tl.load(product_row + 3 * (tap - _REACH), mask=inside, other=0.0)
        means, squares, products = _advance(means, mean), _advance(squares, square), _advance(products, product)

        finished = row - _REACH
        owned = (finished >= top) & (finished < height) & (column < length)
        a = tl.load(_row(x, finished, column, length), mask=owned, other=0.0)
        b = tl.load(_row(y, finished, column, length), mask=owned, other=0.0)
        value = share_ssim * (means[0] + 2.0 * a * squares[0] + b * products[0])
        value += share_l1 * (tl.where(a > b, 1.0, 0.0) - tl.where(a < b, 1.0, 0.0))
        tl.store(_row(gradient, finished, column, length), factor * value, mask=owned)


class _Mixture(torch.autograd.Function):
    """Mean of share_ssim · SSIM + share_l1 · |x - y|; the slopes of the forward pass are kept for the backward pass."""

    @staticmethod
    def forward(ctx: Any, first: Tensor, second: Tensor, share_ssim: float, share_l1: float) -> Tensor:
        grid = _grid(first)
        slopes = [torch.empty_like(first) for _ in range(3)]
        totals = first.new_empty(grid[0] * grid[1])
        ctx.shares = share_ssim / first.numel(), share_l1 / first.numel()
        with torch.cuda.device_of(first):
            _similarity_kernel[grid](
                first, second, *slopes, totals, *_size(first), *ctx.shares, _STRIP, _BAND, SLOPES=True
            )
        ctx.save_for_backward(first, second, *slopes)
        return totals.sum()

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, upstream: Tensor) -> tuple[Tensor, None, None, None]:
        first, second, *slopes = ctx.saved_tensors
        gradient = torch.empty_like(first)
        with torch.cuda.device_of(first):
            _gradient_kernel[_grid(first)](
                first, second, *slopes, upstream, gradient, *_size(first), *ctx.shares, _STRIP, _BAND
            )
        return gradient, None, None, None


def _size(image: Tensor) -> tuple[int, int]:
    """Return the number of rows of [H, W, 3], and of values per row."""
    return image.shape[0], image.shape[1] * image.shape[2]


def _grid(image: Tensor) -> tuple[int, int]:
    """Return the number of strips and of bands."""
    height, length = _size(image)
    return triton.cdiv(length, _STRIP), triton.cdiv(height, _BAND)


def mean_ssim(
    first: Tensor,  # [H, W, 3] float32 on a CUDA device, differentiated
    second: Tensor,  # [H, W, 3] as `first`, constant
) -> Tensor:  # []
    """Return the mean SSIM over pixels and channels, once differentiable in `first`.

    Raises InputError where the images differ in shape or type, since the kernels would read out of bounds.
    """
    return _Mixture.apply(*_checked(first, second), 1.0, 0.0)


def photometric_loss(
    first: Tensor,  # [H, W, 3] float32 on a CUDA device, differentiated
    second: Tensor,  # [H, W, 3] as `first`, constant
    lambda_dssim: float,
) -> Tensor:  # []
    """Return (1 - λ) L1 + λ (1 - SSIM), once differentiable in `first`; raises as `mean_ssim` does."""
    return _Mixture.apply(*_checked(first, second), -lambda_dssim, 1.0 - lambda_dssim) + lambda_dssim


def _checked(first: Tensor, second: Tensor) -> tuple[Tensor, Tensor]:
    """Return both images in the layout of the kernels."""
    for name, image in (("first", first), ("second", second)):
        if image.dtype != torch.float32 or image.shape != first.shape or image.ndim != 3 or image.shape[-1] != 3:
            raise InputError(
                f"SSIM, {name} image: expected float32 of shape [H, W, 3], equal for both, got {image.dtype} of shape "
                f"{list(image.shape)} and {list(first.shape)}; convert or crop the images alike"
            )
    return first.contiguous(), second.contiguous()


def ssim_map(
    first: Tensor,  # [H, W, 3] float32 or float64 on a CUDA device
    second: Tensor,  # [H, W, 3] as `first`
) -> Tensor:  # [H, W, 3]
    """Return the SSIM of each pixel and channel in the precision of the images, without a gradient."""
    first, second = first.contiguous(), second.contiguous()
    similarity = torch.empty_like(first)
    unused = (similarity, similarity, similarity)
    with torch.cuda.device_of(first):
        _similarity_kernel[_grid(first)](
            first, second, similarity, *unused, *_size(first), 1.0, 0.0, _STRIP, _BAND, SLOPES=False
        )
    return similarity
