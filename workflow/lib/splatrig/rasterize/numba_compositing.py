"""Compiled loops of the CPU rasterizer: sorting splats into tiles, compositing them, and its gradients.

The image is divided into tiles of 32×32 pixels. Each tile blends its splats front to back (Porter and Duff 1984; Kerbl
et al. 2023, equations 2-3):

    alpha_i = min(MAX_ALPHA, o_i exp(-sigma_i)), sigma = (a dx² + c dy²) / 2 + b dx dy
    color = Σ_i w_i c_i, w_i = alpha_i T_i, T_{i+1} = T_i (1 - alpha_i)

A splat is skipped at pixels where alpha < MIN_ALPHA; a pixel is closed by the first splat that would reduce its
transmittance T to MIN_TRANSMITTANCE or below. These are gsplat's rules.

Results do not depend on the number of threads: one thread processes a tile, and a splat's gradient contributions are
stored in one record per tile and summed in tile order.

The code is optimized for speed and generic over float32 and float64. A tile is divided into blocks of 4×4 pixels; a
splat visits only blocks within its extent that are not closed. The 16 values of a block fill one vector instruction,
and the innermost loops over them compile to about 70 instructions without a branch. For that, the state of a tile is
one flat array with unsigned offsets, so that the compiler can rule out overlap and wrap-around: with multidimensional
numba arrays it inserts a hundred overlap tests before every loop.

numba's on-disk cache tracks only the file of a kernel. So constants and helpers of these kernels are defined here, and
layouts shared with other files are dtypes and named tuples, which are part of a kernel's signature.
"""

import math
from typing import Any, NamedTuple

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import types
from numba.extending import intrinsic, overload
from numpy.typing import DTypeLike

from splatrig.jobs.kernels import cached_njit

TILE = 32
MIN_ALPHA = 1 / 255
MAX_ALPHA = 0.999
MIN_TRANSMITTANCE = 1e-4

Array = Any
"""A NumPy array whose precision numba infers."""


class Tiles(NamedTuple):
    """Lists of the splats that each tile blends, in order."""

    offsets: Array  # [tiles + 1] int64
    """Tile t, in row-major order, has `pairs[offsets[t]:offsets[t + 1]]`."""
    pairs: Array  # [P] int32
    """Splat indices, front to back within a tile."""
    boxes: Array  # [N, 4] int32
    """First column, first row, end column, end row of the tiles that a splat touches."""
    first_slots: Array  # [N + 1] int64
    """Splat g owns the gradient records first_slots[g] … first_slots[g + 1], one per tile of its box."""


class Frame(NamedTuple):
    """A rendered view, or the gradients of a loss with respect to one."""

    image: Array  # [H, W, 3]
    transmittance: Array  # [H, W]
    """Transmittance of the background in a view; in gradients, the gradient of alpha = 1 - transmittance."""


def splat_dtype(real: DTypeLike) -> np.dtype[np.void]:
    """Return the dtype of a splat in pixels of a view: center, conic (inverse covariance), opacity, color, extent.

    `half_width` and `half_height` are standard deviations along the axes of the image until `find_tiles` replaces them
    by the splat's extent. The same record holds gradients.
    """
    names = ("x", "y", "a", "b", "c", "opacity", "red", "green", "blue", "half_width", "half_height")
    return np.dtype([(name, real) for name in names])


# Columns of a gradient record: Σ p, Σ p dx, Σ p dy, Σ p dx², Σ p dx dy, Σ p dy² over pixels of p = -dL/dsigma; color.
_P, _P_X, _P_Y, _P_XX, _P_XY, _P_YY, _RED, _GREEN, _BLUE = range(9)
RECORD_COLUMNS = 9

_ALIVE_EVERY = 16  # splats between two checks for rows whose pixels are all closed

# A tile is BLOCKS × BLOCKS blocks of SIDE × SIDE pixels; the channels of a block are contiguous.
SIDE = 4
LANES = SIDE * SIDE
BLOCKS = TILE // SIDE
_SIDE, _LANES = np.uint64(SIDE), np.uint64(LANES)
_AT_1, _AT_2, _AT_3, _AT_4, _AT_5, _AT_6, _AT_7, _AT_8 = (np.uint64(channel * LANES) for channel in range(1, 9))
_FORWARD_BLOCK, _BACKWARD_BLOCK = np.uint64(4 * LANES), np.uint64(6 * LANES)

_FAST = {"nnan", "nsz", "arcp", "contract", "afn", "reassoc"}  # without "ninf"
_kernel: Any = cached_njit(nogil=True, fastmath=_FAST, error_model="numpy")


@intrinsic
def _float_from_bits(typing_context, bits):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Reinterpret an int32 as a float32."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


def exp_negative(x: float) -> float:
    """Return exp(x) for x <= 0; in float32 by a polynomial that the compiler can vectorize (relative error 1e-7)."""
    return math.exp(x)


@overload(exp_negative, inline="always")
def _exp_negative(x):  # type: ignore[no-untyped-def]
    if x != types.float32:
        return lambda x: math.exp(x)

    def polynomial(x):  # type: ignore[no-untyped-def]
        """Return exp(x) as in Cephes expf: x = n ln 2 + r, exp(x) = 2^n exp(r), with ln 2 in two parts."""
        x = max(x, np.float32(-87.0))
        n = np.int32(x * np.float32(1.44269504) - np.float32(0.5))
        r = (x - np.float32(n) * np.float32(0.693359375)) + np.float32(n) * np.float32(2.12194440e-4)
        p = np.float32(1.9875691500e-4) * r + np.float32(1.3981999507e-3)
        p = p * r + np.float32(8.3334519073e-3)
        p = p * r + np.float32(4.1665795894e-2)
        p = p * r + np.float32(1.6666665459e-1)
        p = p * r + np.float32(5.0000001201e-1)
        p = p * r * r + r + np.float32(1.0)
        return p * _float_from_bits((n + np.int32(127)) << np.int32(23))  # type: ignore[call-arg]

    return polynomial


@_kernel
def find_tiles(splats: Array, width: int, height: int, boxes: Array, first_slots: Array) -> None:
    """Find the tiles that each splat touches: fill `boxes` and `first_slots` (see `Tiles`), and the splats' extents.

    A splat ends where its alpha falls below MIN_ALPHA, that is at sigma = ln(opacity / MIN_ALPHA); this ellipse extends
    sqrt(2 sigma variance) from the center along each axis. Splats that touch no tile get an empty box.
    """
    columns, rows = -(-width // TILE), -(-height // TILE)
    first_slots[0] = 0
    for g in range(len(splats)):
        splat, box = splats[g], boxes[g]
        box[:] = 0
        if splat.opacity >= MIN_ALPHA:
            deviations = math.sqrt(2 * math.log(splat.opacity / MIN_ALPHA))
            splat.half_width *= deviations
            splat.half_height *= deviations
            x, y, half_width, half_height = splat.x, splat.y, splat.half_width, splat.half_height
            if -half_width < x < width + half_width and -half_height < y < height + half_height:
                box[0] = math.floor(max(0.0, x - half_width) / TILE)
                box[1] = math.floor(max(0.0, y - half_height) / TILE)
                box[2] = min(columns, math.floor(min(x + half_width, width) / TILE) + 1)
                box[3] = min(rows, math.floor(min(y + half_height, height) / TILE) + 1)
        first_slots[g + 1] = first_slots[g] + (box[2] - box[0]) * (box[3] - box[1])


@_kernel
def fill_tiles(order: Array, columns: int, tiles: Tiles) -> None:
    """List the splats of each tile front to back: write `tiles.offsets` and `tiles.pairs` from `tiles.boxes`.

    `order` [visible] holds the splats that touch a tile, sorted by depth.
    """
    offsets, pairs, boxes = tiles.offsets, tiles.pairs, tiles.boxes
    offsets[:] = 0
    for g in order:
        for row in range(boxes[g, 1], boxes[g, 3]):
            for column in range(boxes[g, 0], boxes[g, 2]):
                offsets[row * columns + column + 1] += 1
    for tile in range(1, len(offsets)):
        offsets[tile] += offsets[tile - 1]
    ends = offsets.copy()
    for g in order:
        for row in range(boxes[g, 1], boxes[g, 3]):
            for column in range(boxes[g, 0], boxes[g, 2]):
                tile = row * columns + column
                pairs[ends[tile]] = g
                ends[tile] += 1


@_kernel
def _open_tile(state: Array, alive: Array, channels: int, rows: int, columns: int) -> None:
    """Set T to 1 inside the image and to closed (negative) outside; zero the other channels."""
    state[:] = 0
    alive[:] = True
    for y in range(TILE):
        for x in range(TILE):
            state[_place(y, x, channels)] = 1 if y < rows and x < columns else -1


@_kernel
def _place(y: int, x: int, channels: int) -> int:
    """Return the offset of T of pixel (y, x) in a tile's state; its other channels follow in steps of LANES."""
    block = y // SIDE * BLOCKS + x // SIDE
    return block * channels * LANES + y % SIDE * SIDE + x % SIDE


@_kernel
def _any_alive(state: Array, alive: Array, channels: int) -> bool:
    """Update which blocks still have an open pixel; return whether any has."""
    any_alive = False
    for block in range(BLOCKS * BLOCKS):
        if alive[block]:
            start = block * channels * LANES
            largest = state[start]
            for lane in range(1, LANES):
                largest = max(largest, state[start + lane])
            alive[block] = largest > 0
            any_alive = any_alive or alive[block]
    return any_alive


@_kernel
def _block_range(center: float, reach: float) -> tuple[int, int]:
    """Return the first and the end block, along one axis of a tile, with pixel centers within `reach` of `center`."""
    slack = 0.01  # margin in pixels against rounding errors
    first = math.ceil(max(0.0, center - reach - slack))
    last = math.floor(min(TILE - 1.0, center + reach + slack))
    return first // SIDE, last // SIDE + 1


@_kernel
def composite_tiles(part: int, parts: int, tiles: Tiles, splats: Array, background: Array, frame: Frame) -> None:
    """Blend the tiles part, part + parts, … over `background` [3] into `frame`."""
    height, width = frame.transmittance.shape
    columns = -(-width // TILE)
    channels = 4  # T (negative once closed), red, green, blue
    state = np.empty(TILE * TILE * channels, frame.image.dtype)
    alive = np.empty(BLOCKS * BLOCKS, np.bool_)
    for tile in range(part, len(tiles.offsets) - 1, parts):
        x0, y0 = tile % columns * TILE, tile // columns * TILE
        tile_rows, tile_columns = min(TILE, height - y0), min(TILE, width - x0)
        _open_tile(state, alive, channels, tile_rows, tile_columns)
        start, end = tiles.offsets[tile], tiles.offsets[tile + 1]
        for k in range(start, end):
            if (k - start) % _ALIVE_EVERY == 0 and not _any_alive(state, alive, channels):
                break
            _blend(state, alive, splats[tiles.pairs[k]], x0, y0)
        for y in range(tile_rows):
            for x in range(tile_columns):
                at = _place(y, x, channels)
                T = abs(state[at])
                frame.transmittance[y0 + y, x0 + x] = T
                for channel in range(3):
                    frame.image[y0 + y, x0 + x, channel] = state[at + (1 + channel) * LANES] + T * background[channel]


@_kernel
def _blend(state: Array, alive: Array, splat: Any, x0: int, y0: int) -> None:
    """Blend `splat` behind the current content of the tile at (x0, y0)."""
    real = state.dtype.type
    half, one, zero = real(0.5), real(1), real(0)
    min_alpha, max_alpha, min_transmittance = real(MIN_ALPHA), real(MAX_ALPHA), real(MIN_TRANSMITTANCE)
    mean_x, mean_y = splat.x - real(x0) - half, splat.y - real(y0) - half
    half_a, b, half_c, opacity = half * splat.a, splat.b, half * splat.c, splat.opacity
    red, green, blue = splat.red, splat.green, splat.blue
    first_row, end_row = _block_range(mean_y, splat.half_height)
    first_column, end_column = _block_range(mean_x, splat.half_width)
    for row in range(first_row, end_row):
        for column in range(first_column, end_column):
            block = row * BLOCKS + column
            if not alive[block]:
                continue
            left, top = real(column * SIDE) - mean_x, real(row * SIDE) - mean_y
            at = np.uint64(block) * _FORWARD_BLOCK
            for lane in range(_LANES):
                dx, dy = real(lane % _SIDE) + left, real(lane // _SIDE) + top
                sigma = (half_a * dx + b * dy) * dx + half_c * dy * dy
                alpha = min(max_alpha, opacity * exp_negative(-sigma))
                T = state[at + lane]
                next_T = T * (one - alpha)
                touched = (alpha >= min_alpha) & (sigma >= zero)
                blended = touched & (next_T > min_transmittance)
                weight = alpha * T if blended else zero
                state[at + lane + _AT_1] += weight * red
                state[at + lane + _AT_2] += weight * green
                state[at + lane + _AT_3] += weight * blue
                state[at + lane] = next_T if blended else (-abs(T) if touched else T)


@_kernel
def composite_tiles_backward(
    part: int,
    parts: int,
    tiles: Tiles,
    splats: Array,
    background: Array,
    frame: Frame,
    frame_grad: Frame,
    records: Array,
) -> None:
    """Write into `records` [P, 9] the gradient contribution of each (splat, tile) pair; reverse of `composite_tiles`.

    Front to back again, with S the part of dL/dcolor · color + dL/dalpha · alpha that comes from the current splat and
    those behind it: dL/dalpha_i = T_i q_i - S_{i+1} / (1 - alpha_i), q_i = dL/dcolor · c_i + dL/dalpha, S_{i+1} = S_i -
    w_i q_i. The background, seen through T, adds to dL/dalpha: dL/dalpha - dL/dcolor · background.
    """
    height, width = frame.transmittance.shape
    columns = -(-width // TILE)
    channels = 6  # T, S, dL/d red, green, blue, alpha
    state = np.empty(TILE * TILE * channels, frame.image.dtype)
    lanes = np.empty(RECORD_COLUMNS * LANES, frame.image.dtype)  # sums over the blocks, per pixel of a block
    alive = np.empty(BLOCKS * BLOCKS, np.bool_)
    for tile in range(part, len(tiles.offsets) - 1, parts):
        tile_column, tile_row = tile % columns, tile // columns
        x0, y0 = tile_column * TILE, tile_row * TILE
        tile_rows, tile_columns = min(TILE, height - y0), min(TILE, width - x0)
        _open_tile(state, alive, channels, tile_rows, tile_columns)
        for y in range(tile_rows):
            for x in range(tile_columns):
                at, d_alpha = _place(y, x, channels), frame_grad.transmittance[y0 + y, x0 + x]
                remaining = d_alpha
                for channel in range(3):
                    d_color = frame_grad.image[y0 + y, x0 + x, channel]
                    d_alpha -= d_color * background[channel]
                    remaining += d_color * (frame.image[y0 + y, x0 + x, channel] - background[channel])
                    state[at + (2 + channel) * LANES] = d_color
                remaining -= frame_grad.transmittance[y0 + y, x0 + x] * frame.transmittance[y0 + y, x0 + x]
                state[at + LANES] = remaining
                state[at + 5 * LANES] = d_alpha
        start, end = tiles.offsets[tile], tiles.offsets[tile + 1]
        for k in range(start, end):
            if (k - start) % _ALIVE_EVERY == 0 and not _any_alive(state, alive, channels):
                break
            g = tiles.pairs[k]
            box = tiles.boxes[g]
            slot = tiles.first_slots[g] + (tile_row - box[1]) * (box[2] - box[0]) + tile_column - box[0]
            _unblend(state, alive, lanes, splats[g], x0, y0)
            _sum_lanes(lanes, records[slot])


@_kernel
def _unblend(state: Array, alive: Array, lanes: Array, splat: Any, x0: int, y0: int) -> None:
    """Advance the tile past `splat` and write its gradient sums, per lane, to `lanes`."""
    real = state.dtype.type
    half, one, zero = real(0.5), real(1), real(0)
    min_alpha, max_alpha, min_transmittance = real(MIN_ALPHA), real(MAX_ALPHA), real(MIN_TRANSMITTANCE)
    mean_x, mean_y = splat.x - real(x0) - half, splat.y - real(y0) - half
    half_a, b, half_c, opacity = half * splat.a, splat.b, half * splat.c, splat.opacity
    red, green, blue = splat.red, splat.green, splat.blue
    lanes[:] = 0
    first_row, end_row = _block_range(mean_y, splat.half_height)
    first_column, end_column = _block_range(mean_x, splat.half_width)
    for row in range(first_row, end_row):
        for column in range(first_column, end_column):
            block = row * BLOCKS + column
            if not alive[block]:
                continue
            left, top = real(column * SIDE) - mean_x, real(row * SIDE) - mean_y
            at = np.uint64(block) * _BACKWARD_BLOCK
            for lane in range(_LANES):
                dx, dy = real(lane % _SIDE) + left, real(lane // _SIDE) + top
                sigma = (half_a * dx + b * dy) * dx + half_c * dy * dy
                unclamped = opacity * exp_negative(-sigma)
                alpha = min(max_alpha, unclamped)
                T = state[at + lane]
                next_T = T * (one - alpha)
                touched = (alpha >= min_alpha) & (sigma >= zero)
                blended = touched & (next_T > min_transmittance)
                weight = alpha * T if blended else zero
                d_red, d_green, d_blue = state[at + lane + _AT_2], state[at + lane + _AT_3], state[at + lane + _AT_4]
                q = state[at + lane + _AT_5] + d_red * red + d_green * green + d_blue * blue
                behind = state[at + lane + _AT_1] - weight * q
                d_alpha = T * q - behind / (one - alpha)
                p = unclamped * d_alpha if blended & (unclamped <= max_alpha) else zero
                lanes[lane] += p
                lanes[lane + _AT_1] += p * dx
                lanes[lane + _AT_2] += p * dy
                lanes[lane + _AT_3] += p * dx * dx
                lanes[lane + _AT_4] += p * dx * dy
                lanes[lane + _AT_5] += p * dy * dy
                lanes[lane + _AT_6] += weight * d_red
                lanes[lane + _AT_7] += weight * d_green
                lanes[lane + _AT_8] += weight * d_blue
                state[at + lane + _AT_1] = behind
                state[at + lane] = next_T if blended else (-abs(T) if touched else T)


@_kernel
def _sum_lanes(lanes: Array, record: Array) -> None:
    """Sum `lanes` into one gradient record."""
    for column in range(RECORD_COLUMNS):
        total = lanes.dtype.type(0)
        for lane in range(LANES):
            total += lanes[column * LANES + lane]
        record[column] = total


@_kernel
def sum_records(part: int, parts: int, first_slots: Array, records: Array, splats: Array, grads: Array) -> None:
    """Write the gradients of one part of the splats (`splat_dtype`) from their records."""
    count = len(splats)
    for g in range(count * part // parts, count * (part + 1) // parts):
        splat, grad, first = splats[g], grads[g], first_slots[g]
        if first == first_slots[g + 1]:
            continue
        total = records[first]
        for slot in range(first + 1, first_slots[g + 1]):
            for column in range(RECORD_COLUMNS):
                total[column] += records[slot, column]
        grad.x = splat.a * total[_P_X] + splat.b * total[_P_Y]
        grad.y = splat.b * total[_P_X] + splat.c * total[_P_Y]
        grad.a, grad.b, grad.c = -0.5 * total[_P_XX], -total[_P_XY], -0.5 * total[_P_YY]
        grad.opacity = total[_P] / splat.opacity
        grad.red, grad.green, grad.blue = total[_RED], total[_GREEN], total[_BLUE]
