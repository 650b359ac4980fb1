"""Texture of the painted head, by compiled loops."""

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
