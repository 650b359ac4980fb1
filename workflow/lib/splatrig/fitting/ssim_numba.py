"""Structural similarity on the CPU: compiled kernels, with the gradient. The variant of `splatrig.fitting.ssim`."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatrig.fitting.ssim_window import C1, C2, window
from splatrig.jobs.kernels import cached_njit


def mean_ssim_with_gradient(
    first: NDArray[np.floating],  # [H, W, 3]
    second: NDArray[np.floating],  # [H, W, 3]
) -> tuple[float, NDArray[np.floating]]:
    """Return the mean SSIM and its gradient with respect to `first` [H, W, 3]."""
    x, y = _rows(first), _rows(second)
    similarity, slopes = _similarity(x, y)
    value = float(similarity.sum(dtype=np.float64)) / similarity.size
    gradient = np.empty_like(x)
    weights = window().astype(x.dtype)
    _gradient_from_slopes(slopes, x, y, weights, gradient, x.dtype.type(1.0 / similarity.size))
    return value, gradient.reshape(first.shape)


def similarity_map(
    first: NDArray[np.floating],  # [H, W, 3]
    second: NDArray[np.floating],  # [H, W, 3]
) -> NDArray[np.floating]:  # [H, W, 3]
    """Return the SSIM of each pixel and channel, in the precision of the images."""
    similarity, _ = _similarity(_rows(first), _rows(second))
    return similarity.reshape(first.shape)


def _rows(image: NDArray[np.floating]) -> NDArray[np.floating]:  # [H, W·3]
    """Return an image [H, W, 3] with the channels of a row interleaved in one contiguous run."""
    return np.ascontiguousarray(image).reshape(image.shape[0], -1)


def _similarity(
    x: NDArray[np.floating],  # [H, W·3]
    y: NDArray[np.floating],  # [H, W·3]
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the SSIM map [H, W·3] and its slopes [3.., H, W·3] as `_similarity_and_slopes` leaves them."""
    filtered = np.empty((5, *x.shape), x.dtype)
    _filter_moments(x, y, window().astype(x.dtype), filtered)
    similarity = np.empty_like(x)
    _similarity_and_slopes(filtered, similarity, x.dtype.type(C1), x.dtype.type(C2))
    return similarity, filtered


@cached_njit(fastmath={"contract", "nsz", "arcp"}, inline="always")
def _filter_along_row(padded: Any, weights: Any, out: Any) -> None:
    """Filter interleaved pixels: neighbors of the same channel are three apart, 15 zeros pad each end."""
    for i in range(out.shape[0]):
        out[i] = (
            weights[5] * padded[i + 15]
            + weights[4] * (padded[i + 12] + padded[i + 18])
            + weights[3] * (padded[i + 9] + padded[i + 21])
            + weights[2] * (padded[i + 6] + padded[i + 24])
            + weights[1] * (padded[i + 3] + padded[i + 27])
            + weights[0] * (padded[i] + padded[i + 30])
        )


@cached_njit(fastmath={"contract", "nsz", "arcp"}, inline="always")
def _filter_columns(padded: Any, weights: Any, y: int, out: Any) -> None:
    """Write row `y`, filtered vertically, to `out` [W·3]; `padded` [H + 10, W·3] has 5 rows of zeros at each end."""
    for i in range(out.shape[0]):
        out[i] = (
            weights[5] * padded[y + 5, i]
            + weights[4] * (padded[y + 4, i] + padded[y + 6, i])
            + weights[3] * (padded[y + 3, i] + padded[y + 7, i])
            + weights[2] * (padded[y + 2, i] + padded[y + 8, i])
            + weights[1] * (padded[y + 1, i] + padded[y + 9, i])
            + weights[0] * (padded[y, i] + padded[y + 10, i])
        )


@cached_njit(fastmath={"contract", "nsz", "arcp"})
def _filter_moments(x: Any, y: Any, weights: Any, filtered: Any) -> None:
    """Write the windowed means of x, y, x², y², xy to `filtered` [5, H, W·3]."""
    height, length = x.shape
    padded = np.zeros((5, length + 30), x.dtype)
    rows = np.zeros((5, height + 10, length), x.dtype)
    for row in range(height):
        for i in range(length):
            a, b = x[row, i], y[row, i]
            padded[0, i + 15] = a
            padded[1, i + 15] = b
            padded[2, i + 15] = a * a
            padded[3, i + 15] = b * b
            padded[4, i + 15] = a * b
        for moment in range(5):
            _filter_along_row(padded[moment], weights, rows[moment, row + 5])
    for moment in range(5):
        for row in range(height):
            _filter_columns(rows[moment], weights, row, filtered[moment, row])


@cached_njit(fastmath={"contract", "nsz", "arcp"}, error_model="numpy")
def _similarity_and_slopes(filtered: Any, similarity: Any, c1: Any, c2: Any) -> None:
    """Write SSIM to `similarity`; overwrite the first three moments by its slopes in the means of x, x² and xy."""
    two = filtered.dtype.type(2)
    for row in range(similarity.shape[0]):
        for i in range(similarity.shape[1]):
            mean_x, mean_y = filtered[0, row, i], filtered[1, row, i]
            luminance = two * mean_x * mean_y + c1
            contrast = two * (filtered[4, row, i] - mean_x * mean_y) + c2
            luminance_scale = mean_x * mean_x + mean_y * mean_y + c1
            contrast_scale = filtered[2, row, i] - mean_x * mean_x + filtered[3, row, i] - mean_y * mean_y + c2
            scale = luminance_scale * contrast_scale
            value = luminance * contrast / scale
            similarity[row, i] = value
            filtered[0, row, i] = two * (
                mean_y * (contrast - luminance) / scale + value * mean_x * (1 / contrast_scale - 1 / luminance_scale)
            )
            filtered[1, row, i] = -value / contrast_scale
            filtered[2, row, i] = two * luminance / scale


@cached_njit(fastmath={"contract", "nsz", "arcp"})
def _gradient_from_slopes(slopes: Any, x: Any, y: Any, weights: Any, gradient: Any, scale: Any) -> None:
    """Write scale · (G*s0 + 2x · G*s1 + y · G*s2) to `gradient`, G the (symmetric) window."""
    height, length = x.shape
    padded = np.zeros(length + 30, x.dtype)
    rows = np.zeros((3, height + 10, length), x.dtype)
    for slope in range(3):
        for row in range(height):
            for i in range(length):
                padded[i + 15] = slopes[slope, row, i]
            _filter_along_row(padded, weights, rows[slope, row + 5])
    filtered = np.empty((3, length), x.dtype)
    two = x.dtype.type(2)
    for row in range(height):
        for slope in range(3):
            _filter_columns(rows[slope], weights, row, filtered[slope])
        for i in range(length):
            gradient[row, i] = scale * (filtered[0, i] + two * x[row, i] * filtered[1, i] + y[row, i] * filtered[2, i])
