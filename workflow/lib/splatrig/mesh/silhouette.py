"""Silhouette of a triangle mesh in a camera, as antialiased coverage.

Each pixel is sampled on a regular grid of 8 × 8 points. Every row of samples of a triangle is one span, spans are set
as bits, and coverage is the fraction of set bits: no depth and no sorting is needed. An edge's intersection with a row
is computed from its two vertices in a fixed order, so triangles that share an edge leave no gap. The kernels are cached
on disk, and the cache tracks only this file, so their constants are defined here.
"""

import numpy as np
from numpy.typing import NDArray

from splatrig.jobs.kernels import cached_njit

_SAMPLES = 8
"""Rows and columns of samples per pixel: the bits of one byte, and eight bytes."""

NEAR_MM = 1.0
"""Minimum distance from a camera: silhouettes cut triangles there, z-buffers leave them out."""


def silhouette(
    vertices: NDArray[np.float64],  # [V, 3] millimeters
    faces: NDArray[np.int64],  # [T, 3]
    viewmat: NDArray[np.float64],  # [4, 4] from the space of `vertices` to the camera
    K: NDArray[np.float64],  # [3, 3]
    width: int,
    height: int,
) -> NDArray[np.uint8]:  # [H, W]
    """Return the fraction of each pixel that the mesh covers, 0 to 255, with faces visible from both sides.

    Pixel (row i, column j) is the square from (j, i) to (j+1, i+1); a sample lies at the center of its cell of 8 × 8.
    The result depends only on the arguments; the kernel is compiled once and releases the GIL.
    """
    camera = np.asarray(vertices, dtype=np.float64) @ viewmat[:3, :3].T + viewmat[:3, 3]
    bits = np.zeros((height * _SAMPLES, width), dtype=np.uint8)
    projection = np.array([K[0, 0], K[1, 1], K[0, 2], K[1, 2]], dtype=np.float64)
    _fill_mesh(camera, np.asarray(faces, dtype=np.int64), projection, bits)
    return _coverage(bits, height, width)


@cached_njit(nogil=True)
def _fill_mesh(camera, faces, projection, bits):  # type: ignore[no-untyped-def]
    """Set the bits [H·8, W] of all samples under the triangles; `camera` [V, 3] is in camera space."""
    fx, fy, cx, cy = projection
    xs, ys = np.empty(4), np.empty(4)
    for face in range(faces.shape[0]):
        corners = 0
        for k in range(3):
            a, b = faces[face, k], faces[face, (k + 1) % 3]
            az, bz = camera[a, 2], camera[b, 2]
            if az >= NEAR_MM:
                xs[corners] = (fx * camera[a, 0] / az + cx) * _SAMPLES
                ys[corners] = (fy * camera[a, 1] / az + cy) * _SAMPLES
                corners += 1
            if (az >= NEAR_MM) != (bz >= NEAR_MM):
                if az > bz:
                    a, b = b, a
                t = (NEAR_MM - camera[a, 2]) / (camera[b, 2] - camera[a, 2])
                xs[corners] = (fx * (camera[a, 0] + t * (camera[b, 0] - camera[a, 0])) / NEAR_MM + cx) * _SAMPLES
                ys[corners] = (fy * (camera[a, 1] + t * (camera[b, 1] - camera[a, 1])) / NEAR_MM + cy) * _SAMPLES
                corners += 1
        for k in range(1, corners - 1):
            _fill_triangle(xs[0], ys[0], xs[k], ys[k], xs[k + 1], ys[k + 1], bits)


@cached_njit(nogil=True)
def _fill_triangle(ax, ay, bx, by, cx, cy, bits):  # type: ignore[no-untyped-def]
    """Set the bits of the samples under one triangle, corners in sample units."""
    if by < ay or (by == ay and bx < ax):
        ax, ay, bx, by = bx, by, ax, ay
    if cy < ay or (cy == ay and cx < ax):
        ax, ay, cx, cy = cx, cy, ax, ay
    if cy < by or (cy == by and cx < bx):
        bx, by, cx, cy = cx, cy, bx, by
    rows, columns = bits.shape[0], bits.shape[1] * _SAMPLES
    if not (cy > 0.0 and ay < rows and max(ax, bx, cx) > 0.0 and min(ax, bx, cx) < columns and cy > ay):
        return
    long_slope = (cx - ax) / (cy - ay)
    upper_slope = (bx - ax) / (by - ay) if by > ay else 0.0
    lower_slope = (cx - bx) / (cy - by) if cy > by else 0.0
    for row in range(int(max(np.ceil(ay - 0.5), 0.0)), int(min(np.ceil(cy - 0.5), float(rows)))):
        y = row + 0.5
        one = ax + (y - ay) * long_slope
        other = ax + (y - ay) * upper_slope if y < by else bx + (y - by) * lower_slope
        start = int(min(max(np.ceil(min(one, other) - 0.5), 0.0), float(columns)))
        stop = int(min(max(np.ceil(max(one, other) - 0.5), 0.0), float(columns)))
        if stop > start:
            _fill_span(bits, row, start, stop)


@cached_njit(nogil=True, inline="always")
def _fill_span(bits, row, start, stop):  # type: ignore[no-untyped-def]
    """Set the bits start … stop-1 of a row of samples."""
    first, last = start >> 3, (stop - 1) >> 3
    head = np.uint8((0xFF << (start & 7)) & 0xFF)
    tail = np.uint8(0xFF >> (7 - ((stop - 1) & 7)))
    if first == last:
        bits[row, first] |= head & tail
        return
    bits[row, first] |= head
    for column in range(first + 1, last):
        bits[row, column] = 0xFF
    bits[row, last] |= tail


@cached_njit(nogil=True)
def _coverage(bits, height, width):  # type: ignore[no-untyped-def]
    """Return the fraction of set bits of each pixel, 0 to 255, rounded."""
    result = np.empty((height, width), dtype=np.uint8)
    counts = np.empty(width, dtype=np.int32)
    for i in range(height):
        counts[:] = 32  # half of the 64 samples: rounds to the nearest
        for row in range(i * _SAMPLES, (i + 1) * _SAMPLES):
            for j in range(width):
                pairs = np.int32(bits[row, j])
                pairs = pairs - ((pairs >> 1) & 0x55)
                pairs = (pairs & 0x33) + ((pairs >> 2) & 0x33)
                counts[j] += ((pairs + (pairs >> 4)) & 0x0F) * 255
        for j in range(width):
            result[i, j] = counts[j] >> 6
    return result
