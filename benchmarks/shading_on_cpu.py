"""Compiled loops of `full_size_capture.py`: paint the texture, find what a camera sees, shade it.

Arguments are those of `shading_on_gpu.shaded`, where their shapes are.
"""

import math
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numpy.typing import NDArray

TEXELS = 1024
"""Side of each of the six faces of the texture cube: 0.16 mm on the head."""


@numba.njit(cache=True, nogil=True, inline="always")
def _hash(x, y, z, seed):  # type: ignore[no-untyped-def]
    """Return a number in [0, 1) that belongs to a cell of the lattice."""
    value = np.uint32(x * 0x8DA6B343 ^ y * 0xD8163841 ^ z * 0xCB1AB31F ^ seed * 0x165667B1)
    value = np.uint32((value ^ (value >> 15)) * 0x2C1B3C6D)
    value = np.uint32((value ^ (value >> 12)) * 0x297A2D39)
    return ((value ^ (value >> 15)) >> 8) / 16777216.0


@numba.njit(cache=True, nogil=True)
def _value_noise(x, y, z, seed):  # type: ignore[no-untyped-def]
    """Return smooth noise in [-1, 1] at a point, one lattice cell a unit."""
    cx, cy, cz = math.floor(x), math.floor(y), math.floor(z)
    fx, fy, fz = x - cx, y - cy, z - cz
    fx, fy, fz = fx * fx * (3 - 2 * fx), fy * fy * (3 - 2 * fy), fz * fz * (3 - 2 * fz)
    total = 0.0
    for corner in range(8):
        i, j, k = corner & 1, (corner >> 1) & 1, corner >> 2
        share = (fx if i else 1 - fx) * (fy if j else 1 - fy) * (fz if k else 1 - fz)
        total += share * _hash(cx + i + 4096, cy + j + 4096, cz + k + 4096, seed)
    return 2 * total - 1


@numba.njit(cache=True, nogil=True)
def _paint(face, texture):  # type: ignore[no-untyped-def]
    """Paint one face of the texture cube [TEXELS, TEXELS, 3]: skin, lips, brows, freckles, noise of five sizes."""
    side = texture.shape[0]
    sign = 1.0 if face % 2 == 0 else -1.0
    for row in range(side):
        v = 2 * (row + 0.5) / side - 1
        for column in range(side):
            u = 2 * (column + 0.5) / side - 1
            if face < 2:
                x, y, z = sign, u, v
            elif face < 4:
                x, y, z = u, sign, v
            else:
                x, y, z = u, v, sign
            length = math.sqrt(x * x + y * y + z * z)
            x, y, z = x / length, y / length, z / length
            tone, amplitude, size = 0.0, 0.10, 30.0
            for octave in range(5):
                scale = 95.0 / size
                tone += amplitude * _value_noise(x * scale, y * scale, z * scale, octave)
                amplitude *= 0.75
                size *= 0.36
            red = _value_noise(x * 9, y * 9, z * 9, 11)
            lips = math.exp(-(((y + 0.45) / 0.06) ** 2) - (x / 0.22) ** 4) if z > 0 else 0.0
            brows = math.exp(-(((y - 0.33) / 0.035) ** 2) - ((abs(x) - 0.3) / 0.14) ** 4) if z > 0 else 0.0
            hair = 1 / (1 + math.exp(-12 * (y - 0.62 - 0.35 * z))) if y > 0 else 0.0
            dark = 1 - 0.6 * max(brows, hair)
            texture[row, column, 0] = max(0.02, (0.62 + 0.03 * red + tone + 0.1 * lips) * dark)
            texture[row, column, 1] = max(0.02, (0.43 - 0.05 * red + tone - 0.15 * lips) * dark)
            texture[row, column, 2] = max(0.02, (0.34 - 0.04 * red + tone - 0.1 * lips) * dark)


def painted_texture(threads: int, texels: int = TEXELS) -> NDArray[np.float32]:
    """Return the reflectance on the faces +x -x +y -y +z -z of a cube around the head: [6, texels, texels, 3]."""
    texture = np.empty((6, texels, texels, 3), np.float32)
    with ThreadPoolExecutor(min(6, threads)) as pool:
        list(pool.map(_paint, range(6), texture))
    return texture


@numba.njit(cache=True, nogil=True, error_model="numpy")
def visible_faces(screen, inverse_depths, faces, nearest, owners):  # type: ignore[no-untyped-def]
    """Write the inverse depth [h, w] and the index [h, w] of the face in front at every sample; `screen` in samples."""
    height, width = nearest.shape
    for face in range(faces.shape[0]):
        a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
        (ax, ay), (bx, by), (cx, cy) = screen[a], screen[b], screen[c]
        area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
        if area == 0.0:
            continue
        for row in range(max(0, math.ceil(min(ay, by, cy) - 0.5)), min(height - 1, int(max(ay, by, cy) - 0.5)) + 1):
            y = row + 0.5
            first = max(0, math.ceil(min(ax, bx, cx) - 0.5))
            for column in range(first, min(width - 1, int(max(ax, bx, cx) - 0.5)) + 1):
                x = column + 0.5
                wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
                wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
                wc = 1.0 - wa - wb
                if wa < 0.0 or wb < 0.0 or wc < 0.0:
                    continue
                inverse = wa * inverse_depths[a] + wb * inverse_depths[b] + wc * inverse_depths[c]
                if inverse > nearest[row, column]:
                    nearest[row, column] = inverse
                    owners[row, column] = face


@numba.njit(cache=True, nogil=True)
def _looked_up(texture, x, y, z, color):  # type: ignore[no-untyped-def]
    """Write the texture in a direction to `color` [3], bilinear within a face of the cube."""
    ax, ay, az = abs(x), abs(y), abs(z)
    if ax >= ay and ax >= az:
        face, u, v = (0 if x > 0 else 1), y / ax, z / ax
    elif ay >= az:
        face, u, v = (2 if y > 0 else 3), x / ay, z / ay
    else:
        face, u, v = (4 if z > 0 else 5), x / az, y / az
    side = texture.shape[1]
    column = min(max((u + 1) * 0.5 * side - 0.5, 0.0), side - 1.001)
    row = min(max((v + 1) * 0.5 * side - 0.5, 0.0), side - 1.001)
    i, j = int(row), int(column)
    f, g = row - i, column - j
    for channel in range(3):
        top = (1 - g) * texture[face, i, j, channel] + g * texture[face, i, j + 1, channel]
        low = (1 - g) * texture[face, i + 1, j, channel] + g * texture[face, i + 1, j + 1, channel]
        color[channel] = (1 - f) * top + f * low


@numba.njit(cache=True, nogil=True, inline="always")
def _mixed(rows, a, b, c, wa, wb, wc):  # type: ignore[no-untyped-def]
    """Return three rows of an array [V, 3] mixed by their shares."""
    return (
        wa * rows[a, 0] + wb * rows[b, 0] + wc * rows[c, 0],
        wa * rows[a, 1] + wb * rows[b, 1] + wc * rows[c, 1],
        wa * rows[a, 2] + wb * rows[b, 2] + wc * rows[c, 2],
    )


@numba.njit(cache=True, nogil=True, inline="always", error_model="numpy")
def _unit(x, y, z):  # type: ignore[no-untyped-def]
    """Return a vector at length 1."""
    length = math.sqrt(x * x + y * y + z * z)
    return x / length, y / length, z / length


@numba.njit(cache=True, nogil=True, error_model="numpy")
def shade(owners, faces, screen, inverse_depths, points, normals, rest, eye, lamps, texture, image):  # type: ignore[no-untyped-def]
    """Add each covered sample's color to `image` [H, W, 3] (linear light, a quarter each) over a dim stage."""
    color = np.empty(3)
    for row in range(owners.shape[0]):
        y = row + 0.5
        for column in range(owners.shape[1]):
            face = owners[row, column]
            pixel = image[row >> 1, column >> 1]
            if face < 0:
                for channel in range(3):
                    pixel[channel] += 0.25 * (0.03 + 0.02 * channel + 0.05 * row / owners.shape[0])
                continue
            x = column + 0.5
            a, b, c = faces[face, 0], faces[face, 1], faces[face, 2]
            ax, ay, bx, by, cx, cy = screen[a, 0], screen[a, 1], screen[b, 0], screen[b, 1], screen[c, 0], screen[c, 1]
            area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
            wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area * inverse_depths[a]
            wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area * inverse_depths[b]
            wc = inverse_depths[c] * (1.0 - wa / inverse_depths[a] - wb / inverse_depths[b])
            whole = wa + wb + wc
            wa, wb, wc = wa / whole, wb / whole, wc / whole
            # scalars: arrays here would be allocated at every sample
            nx, ny, nz = _mixed(normals, a, b, c, wa, wb, wc)
            nx, ny, nz = _unit(nx, ny, nz)
            rx, ry, rz = _mixed(rest, a, b, c, wa, wb, wc)
            _looked_up(texture, rx, ry, rz, color)
            px, py, pz = _mixed(points, a, b, c, wa, wb, wc)
            ex, ey, ez = _unit(eye[0] - px, eye[1] - py, eye[2] - pz)
            light, gloss = 0.28, 0.0
            for lamp in range(lamps.shape[0]):
                lx, ly, lz = lamps[lamp, 0], lamps[lamp, 1], lamps[lamp, 2]
                facing = nx * lx + ny * ly + nz * lz
                if facing <= 0.0:
                    continue
                light += lamps[lamp, 3] * facing
                hx, hy, hz = _unit(ex + lx, ey + ly, ez + lz)
                gloss += lamps[lamp, 3] * 0.22 * max(hx * nx + hy * ny + hz * nz, 0.0) ** 24
            for channel in range(3):
                pixel[channel] += 0.25 * min(1.0, color[channel] * light + gloss)
