"""Compiled loops of the CPU rasteriser: sorting splats into tiles, compositing them, and the reverse.

The image is cut into tiles of 16×16 pixels. Each tile blends its splats front to back (Porter and Duff 1984; Kerbl et
al. 2023, equations 2-3):

    alpha_i = min(MAX_ALPHA, o_i exp(-sigma_i)),  sigma = (a dx² + c dy²) / 2 + b dx dy
    color   = Σ_i w_i c_i,  w_i = alpha_i T_i,  T_{i+1} = T_i (1 - alpha_i)

A splat is skipped at pixels where alpha < MIN_ALPHA; a pixel is closed, for good, by the first splat that would bring
its transmittance T to MIN_TRANSMITTANCE or below. These are gsplat's rules.

Written for speed: a tile row is 16 numbers wide so that the innermost loops become a few vector instructions; state
lies in one array so that the compiler knows what does not overlap; everything is generic over float32 and float64.
Results do not depend on the number of threads: a tile is done by one thread, and a splat's gradient contributions are
kept one record per tile and summed in tile order. Constants and helpers stay in this file, because numba's on-disk
cache notices changes of this file alone.
"""

import math
from typing import Any

import numpy as np
from llvmlite import ir  # type: ignore[import-untyped]
from numba import njit, types
from numba.extending import intrinsic, overload

TILE = 16
MIN_ALPHA = 1 / 255
MAX_ALPHA = 0.999
MIN_TRANSMITTANCE = 1e-4
NEAR = 0.01

# columns of a splat record
X, Y, A, B, C, OPACITY, RED, GREEN, BLUE, HALF_WIDTH, HALF_HEIGHT = range(11)
SPLAT_COLUMNS = 11
# columns of a gradient record: moments Σ p, Σ p dx, Σ p dy, Σ p dx², Σ p dx dy, Σ p dy² of p = -dL/dsigma, then colour
P, P_X, P_Y, P_XX, P_XY, P_YY, D_RED, D_GREEN, D_BLUE = range(9)
RECORD_COLUMNS = 9

ALIVE_EVERY = 16  # splats between two looks for rows whose pixels are all closed

# No "ninf": exp(-huge) may pass through 0 and opacity 1 through log; the rest lets the compiler use vectors.
_FAST = {"nnan", "nsz", "arcp", "contract", "afn", "reassoc"}
_kernel: Any = njit(cache=True, nogil=True, fastmath=_FAST, error_model="numpy")

Array = Any
"""A numpy array whose precision numba infers."""


@intrinsic
def _float_from_bits(typing_context, bits):  # type: ignore[no-untyped-def]  # noqa: ARG001
    """Reinterpret an int32 as a float32."""

    def generate(context, builder, signature, arguments):  # type: ignore[no-untyped-def]  # noqa: ARG001
        return builder.bitcast(arguments[0], ir.FloatType())

    return types.float32(types.int32), generate


def exp_negative(x: float) -> float:
    """Return exp(x) for x <= 0; in float32 by a polynomial that the compiler can vectorise (relative error 1e-7)."""
    return math.exp(x)


@overload(exp_negative, inline="always")
def _exp_negative(x):  # type: ignore[no-untyped-def]
    if x != types.float32:
        return lambda x: math.exp(x)

    def polynomial(x):  # type: ignore[no-untyped-def]
        """Cephes expf: x = n ln 2 + r, exp(x) = 2^n exp(r), ln 2 in two parts."""
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
def find_tiles(splats: Array, depths: Array, width: int, height: int, boxes: Array, first_slots: Array) -> int:
    """Find the tiles that each splat touches; return the number of visible splats.

    `boxes` [N, 4] receives first column, first row, end column, end row; `first_slots` [N + 1] the running number of
    (splat, tile) pairs. Splats that touch nothing get an empty box.
    """
    columns, rows = -(-width // TILE), -(-height // TILE)
    first_slots[0] = 0
    visible = 0
    for g in range(len(splats)):
        x, y, rx, ry = splats[g, X], splats[g, Y], splats[g, HALF_WIDTH], splats[g, HALF_HEIGHT]
        boxes[g] = 0
        if depths[g] >= NEAR and splats[g, OPACITY] >= MIN_ALPHA and -rx < x < width + rx and -ry < y < height + ry:
            boxes[g, 0] = max(0, int((x - rx) // TILE))
            boxes[g, 1] = max(0, int((y - ry) // TILE))
            boxes[g, 2] = min(columns, int((x + rx) // TILE) + 1)
            boxes[g, 3] = min(rows, int((y + ry) // TILE) + 1)
            visible += 1
        first_slots[g + 1] = first_slots[g] + (boxes[g, 2] - boxes[g, 0]) * (boxes[g, 3] - boxes[g, 1])
    return visible


@_kernel
def fill_tiles(order: Array, boxes: Array, columns: int, offsets: Array, pairs: Array) -> None:
    """List the splats of each tile front to back: tile t has `pairs[offsets[t]:offsets[t + 1]]`.

    `order` holds visible splats by depth. `offsets` [tiles + 1] and `pairs` are written.
    """
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
def _open_tile(state: Array, alive: Array, rows: int, columns: int) -> None:
    """Set T to 1 inside the image and to closed (negative) beyond its right border; zero the other channels."""
    for y in range(rows):
        alive[y] = True
        state[y] = 0
        for x in range(TILE):
            state[y, 0, x] = 1 if x < columns else -1


@_kernel
def _any_alive(state: Array, alive: Array, rows: int) -> bool:
    """Note which rows still have an open pixel; return whether any has."""
    any_alive = False
    for y in range(rows):
        if alive[y]:
            largest = state[y, 0, 0]
            for x in range(1, TILE):
                largest = max(largest, state[y, 0, x])
            alive[y] = largest > 0
            any_alive = any_alive or alive[y]
    return any_alive


@_kernel
def _rows_of(splats: Array, g: int, y0: int, rows: int) -> tuple[int, int]:
    """Return the first and the end row of the tile whose pixel centres splat g may reach."""
    slack = splats.dtype.type(0.01)  # pixels, against rounding
    half = splats.dtype.type(0.5)
    center = splats[g, Y] - splats.dtype.type(y0) - half
    reach = splats[g, HALF_HEIGHT] + slack
    return max(0, math.ceil(center - reach)), min(rows, math.floor(center + reach) + 1)


@_kernel
def composite_tiles(
    first: int,
    step: int,
    size: tuple[int, int],
    offsets: Array,
    pairs: Array,
    splats: Array,
    image: Array,
    transmittance: Array,
) -> None:
    """Blend tiles first, first + step, …: write `image` [H, W, 3] (on black) and `transmittance` [H, W]."""
    width, height = size
    columns = -(-width // TILE)
    state = np.empty((TILE, 4, TILE), splats.dtype)  # per row: T (negative once closed), red, green, blue
    alive = np.zeros(TILE, np.bool_)
    for tile in range(first, len(offsets) - 1, step):
        x0, y0 = tile % columns * TILE, tile // columns * TILE
        tile_rows, tile_columns = min(TILE, height - y0), min(TILE, width - x0)
        _open_tile(state, alive, tile_rows, tile_columns)
        for k in range(offsets[tile], offsets[tile + 1]):
            if (k - offsets[tile]) % ALIVE_EVERY == ALIVE_EVERY - 1 and not _any_alive(state, alive, tile_rows):
                break
            _blend(state, alive, splats, pairs[k], x0, y0, tile_rows)
        for y in range(tile_rows):
            for x in range(tile_columns):
                transmittance[y0 + y, x0 + x] = abs(state[y, 0, x])
                image[y0 + y, x0 + x, 0] = state[y, 1, x]
                image[y0 + y, x0 + x, 1] = state[y, 2, x]
                image[y0 + y, x0 + x, 2] = state[y, 3, x]


@_kernel
def _blend(state: Array, alive: Array, splats: Array, g: int, x0: int, y0: int, tile_rows: int) -> None:
    """Blend splat g behind what the tile at (x0, y0) holds."""
    real = splats.dtype.type
    half, one = real(0.5), real(1)
    min_alpha, max_alpha, min_transmittance = real(MIN_ALPHA), real(MAX_ALPHA), real(MIN_TRANSMITTANCE)
    mean_x, mean_y = splats[g, X] - real(x0) - half, splats[g, Y] - real(y0) - half
    half_a, b, half_c, opacity = half * splats[g, A], splats[g, B], half * splats[g, C], splats[g, OPACITY]
    red, green, blue = splats[g, RED], splats[g, GREEN], splats[g, BLUE]
    y_first, y_end = _rows_of(splats, g, y0, tile_rows)
    for y in range(y_first, y_end):
        if not alive[y]:
            continue
        dy = real(y) - mean_y
        row_sigma, row_slope = half_c * dy * dy, b * dy
        for x in range(TILE):
            dx = real(x) - mean_x
            sigma = (half_a * dx + row_slope) * dx + row_sigma
            alpha = min(max_alpha, opacity * exp_negative(-sigma))
            T = state[y, 0, x]
            next_T = T * (one - alpha)
            touched = (alpha >= min_alpha) & (sigma >= 0)
            blended = touched & (next_T > min_transmittance)
            weight = alpha * T if blended else real(0)
            state[y, 1, x] += weight * red
            state[y, 2, x] += weight * green
            state[y, 3, x] += weight * blue
            state[y, 0, x] = next_T if blended else (-abs(T) if touched else T)


@_kernel
def composite_tiles_backward(
    first: int,
    step: int,
    size: tuple[int, int],
    tiles: tuple[Array, Array, Array, Array],
    splats: Array,
    image: Array,
    transmittance: Array,
    image_grad: Array,
    alpha_grad: Array,
    records: Array,
) -> None:
    """Write into `records` [pairs, 9] what each (splat, tile) pair adds to the gradients; reverse of composite_tiles.

    `tiles` is (offsets, pairs, boxes, first_slots). Front to back again, with S the part of
    dL/dcolor · color + dL/dalpha · alpha that comes from the current splat and those behind it:
    dL/dalpha_i = T_i q_i - S_{i+1} / (1 - alpha_i), q_i = dL/dcolor · c_i + dL/dalpha, S_{i+1} = S_i - w_i q_i.
    """
    offsets, pairs, boxes, first_slots = tiles
    width, height = size
    columns = -(-width // TILE)
    state = np.empty((TILE, 6, TILE), splats.dtype)  # per row: T, S, dL/d(red, green, blue, alpha)
    lanes = np.empty((6, TILE), splats.dtype)  # sums over the rows, per column of the tile
    alive = np.zeros(TILE, np.bool_)
    for tile in range(first, len(offsets) - 1, step):
        tile_column, tile_row = tile % columns, tile // columns
        x0, y0 = tile_column * TILE, tile_row * TILE
        tile_rows, tile_columns = min(TILE, height - y0), min(TILE, width - x0)
        _open_tile(state, alive, tile_rows, tile_columns)
        for y in range(tile_rows):
            for x in range(tile_columns):
                d_alpha = alpha_grad[y0 + y, x0 + x]
                remaining = d_alpha * (1 - transmittance[y0 + y, x0 + x])
                for channel in range(3):
                    d_color = image_grad[y0 + y, x0 + x, channel]
                    state[y, 2 + channel, x] = d_color
                    remaining += d_color * image[y0 + y, x0 + x, channel]
                state[y, 1, x] = remaining
                state[y, 5, x] = d_alpha
        for k in range(offsets[tile], offsets[tile + 1]):
            if (k - offsets[tile]) % ALIVE_EVERY == ALIVE_EVERY - 1 and not _any_alive(state, alive, tile_rows):
                break
            g = pairs[k]
            slot = (tile_row - boxes[g, 1]) * (boxes[g, 2] - boxes[g, 0]) + tile_column - boxes[g, 0]
            _unblend(state, alive, lanes, splats, g, x0, y0, tile_rows, records[first_slots[g] + slot])


@_kernel
def _unblend(
    state: Array, alive: Array, lanes: Array, splats: Array, g: int, x0: int, y0: int, tile_rows: int, record: Array
) -> None:
    """Advance the tile past splat g and write its gradient record."""
    real = splats.dtype.type
    half, one = real(0.5), real(1)
    min_alpha, max_alpha, min_transmittance = real(MIN_ALPHA), real(MAX_ALPHA), real(MIN_TRANSMITTANCE)
    mean_x, mean_y = splats[g, X] - real(x0) - half, splats[g, Y] - real(y0) - half
    half_a, b, half_c, opacity = half * splats[g, A], splats[g, B], half * splats[g, C], splats[g, OPACITY]
    red, green, blue = splats[g, RED], splats[g, GREEN], splats[g, BLUE]
    lanes[:] = 0
    y_first, y_end = _rows_of(splats, g, y0, tile_rows)
    for y in range(y_first, y_end):
        if not alive[y]:
            continue
        dy = real(y) - mean_y
        row_sigma, row_slope = half_c * dy * dy, b * dy
        for x in range(TILE):
            dx = real(x) - mean_x
            sigma = (half_a * dx + row_slope) * dx + row_sigma
            unclamped = opacity * exp_negative(-sigma)
            alpha = min(max_alpha, unclamped)
            T = state[y, 0, x]
            next_T = T * (one - alpha)
            touched = (alpha >= min_alpha) & (sigma >= 0)
            blended = touched & (next_T > min_transmittance)
            weight = alpha * T if blended else real(0)
            d_red, d_green, d_blue = state[y, 2, x], state[y, 3, x], state[y, 4, x]
            q = state[y, 5, x] + d_red * red + d_green * green + d_blue * blue
            behind = state[y, 1, x] - weight * q
            d_alpha = T * q - behind / (one - alpha)
            p = unclamped * d_alpha if blended & (unclamped <= max_alpha) else real(0)
            lanes[0, x] += p
            lanes[1, x] += p * dy
            lanes[2, x] += p * dy * dy
            lanes[3, x] += weight * d_red
            lanes[4, x] += weight * d_green
            lanes[5, x] += weight * d_blue
            state[y, 1, x] = behind
            state[y, 0, x] = next_T if blended else (-abs(T) if touched else T)
    _sum_lanes(lanes, mean_x, record)


@_kernel
def _sum_lanes(lanes: Array, mean_x: float, record: Array) -> None:
    """Sum per-column sums into one gradient record."""
    real = lanes.dtype.type
    p = p_x = p_y = p_xx = p_xy = p_yy = d_red = d_green = d_blue = real(0)
    for x in range(TILE):
        dx = real(x) - mean_x
        p += lanes[0, x]
        p_x += lanes[0, x] * dx
        p_xx += lanes[0, x] * dx * dx
        p_y += lanes[1, x]
        p_xy += lanes[1, x] * dx
        p_yy += lanes[2, x]
        d_red += lanes[3, x]
        d_green += lanes[4, x]
        d_blue += lanes[5, x]
    record[P], record[P_X], record[P_Y] = p, p_x, p_y
    record[P_XX], record[P_XY], record[P_YY] = p_xx, p_xy, p_yy
    record[D_RED], record[D_GREEN], record[D_BLUE] = d_red, d_green, d_blue


@_kernel
def sum_records(first: int, end: int, first_slots: Array, records: Array, splats: Array, grads: Array) -> None:
    """Write the gradients [N, 9] of X … BLUE for splats first … end - 1 from their records."""
    half = splats.dtype.type(0.5)
    for g in range(first, end):
        grads[g] = 0
        if first_slots[g] == first_slots[g + 1]:
            continue
        total = records[first_slots[g]]
        for slot in range(first_slots[g] + 1, first_slots[g + 1]):
            for column in range(RECORD_COLUMNS):
                total[column] += records[slot, column]
        a, b, c = splats[g, A], splats[g, B], splats[g, C]
        grads[g, X] = a * total[P_X] + b * total[P_Y]
        grads[g, Y] = b * total[P_X] + c * total[P_Y]
        grads[g, A] = -half * total[P_XX]
        grads[g, B] = -total[P_XY]
        grads[g, C] = -half * total[P_YY]
        grads[g, OPACITY] = total[P] / splats[g, OPACITY]
        grads[g, RED] = total[D_RED]
        grads[g, GREEN] = total[D_GREEN]
        grads[g, BLUE] = total[D_BLUE]
