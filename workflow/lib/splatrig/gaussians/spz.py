"""SPZ: Gaussians in about a tenth of the bytes of a PLY, for viewers on the web and on phones.

Niantic's format (github.com/nianticlabs/spz, its README and constants; MIT licence), written as version 3 and read as
versions 2 and 3. One gzip stream: a header of 16 bytes, then every attribute for all N Gaussians in turn — positions
(24-bit fixed point), opacities, colours, log scales (8 bits each), rotations (32 bits: the three smallest of four
numbers), spherical harmonics (8 bits, of which `sh_bits` are used). Axes are right, up, back: those of head space.

What is lost: log scales are rounded to 1/16 (3 % of a size), opacities to 1/255, colours to 1/255 of about -2.8 to 3.8,
positions to 2^-fraction_bits of the file's unit.
"""

import gzip
import struct
import zlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.ply import LOGIT_LIMIT
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path

MAGIC = 0x5053474E  # "NGSP"
VERSION = 3
SH_DEGREE = 3
SH_BITS = (8, 8)
"""Bits of each coefficient of degree 1 and of degrees 2 and 3. Niantic's library writes (5, 4): 40 % smaller on the
demo, 37 to 42 dB after rendering instead of 54."""

_HEADER = struct.Struct("<IIIBBBB")
_MOST_FRACTION_BITS = 23
_LARGEST_FIXED = 2**23 - 1
_COLOR_SCALE = 0.15
_BANDS = {0: 0, 1: 3, 2: 8, 3: 15}
_SMALL = np.sqrt(0.5)  # no number but the largest of a unit quaternion is longer
_LEVELS = 511  # of the magnitude of one of the three smallest


def write_spz(path: str | Path, gaussians: Gaussians, *, sh_bits: tuple[int, int] = SH_BITS) -> None:
    """Write an SPZ file of version 3 with spherical harmonics of degree 3; equal Gaussians give equal bytes.

    Positions keep as many fractional bits as their extent leaves. Raises InputError when a number is not finite or a
    position beyond 2^23 of the file's unit.
    """
    gaussians.check_finite(path)
    count = len(gaussians)
    extent = float(np.abs(gaussians.means).max(initial=0.0))
    if not extent < _LARGEST_FIXED:
        raise InputError(f"{path}: expected positions below {_LARGEST_FIXED} units for SPZ, got {extent:g}.")
    bits = int(np.clip(np.floor(np.log2(_LARGEST_FIXED / max(extent, 1e-6))), 0, _MOST_FRACTION_BITS))
    fixed = np.rint(gaussians.means.astype(np.float64) * 2.0**bits).astype("<i4")
    opacities = 1.0 / (1.0 + np.exp(-gaussians.logit_opacities.astype(np.float64)))
    streams = [
        np.ascontiguousarray(fixed).view(np.uint8).reshape(count, 3, 4)[:, :, :3],
        _byte(opacities * 255.0),
        _byte((gaussians.sh0[:, 0] * _COLOR_SCALE + 0.5) * 255.0),
        _byte((gaussians.log_scales + 10.0) * 16.0),
        _pack_quats(gaussians.quats),
        _pack_sh(gaussians.shN, sh_bits),
    ]
    header = _HEADER.pack(MAGIC, VERSION, count, SH_DEGREE, bits, 0, 0)
    content = header + b"".join(np.ascontiguousarray(stream).tobytes() for stream in streams)
    with atomic_path(path) as temporary:
        temporary.write_bytes(gzip.compress(content, compresslevel=9, mtime=0))


def read_spz(path: str | Path) -> Gaussians:
    """Read an SPZ file of version 2 or 3; missing degrees of spherical harmonics are zero.

    Raises InputError naming the file when it is not one, or is of another version or length.
    """
    try:
        content = gzip.decompress(Path(path).read_bytes())
    except (OSError, EOFError, zlib.error) as error:
        raise InputError(f"{path}: cannot be read as SPZ of version 2 or 3 ({error}).") from error
    if len(content) < _HEADER.size or _HEADER.unpack_from(content)[0] != MAGIC:
        raise InputError(f"{path}: expected an SPZ file, got other gzip content.")
    _, version, count, degree, bits, _, _ = _HEADER.unpack_from(content)
    if version not in (2, 3) or degree not in _BANDS:
        raise InputError(f"{path}: expected SPZ version 2 or 3 of degree 0 to 3, got {version} of degree {degree}.")
    bands, rotation = _BANDS[degree], 4 if version == 3 else 3
    widths = (9, 1, 3, 3, rotation, 3 * bands)
    if len(content) < _HEADER.size + count * sum(widths):
        raise InputError(
            f"{path}: expected {_HEADER.size + count * sum(widths)} bytes for {count} Gaussians, got {len(content)}; "
            "copy or export it again."
        )
    flat = np.frombuffer(content, np.uint8, count * sum(widths), _HEADER.size)
    parts = np.split(flat, np.cumsum([count * width for width in widths])[:-1])
    places, alphas, colors, scales, quats, sh = (
        part.reshape(count, width) for part, width in zip(parts, widths, strict=True)
    )
    opacities = np.clip(alphas[:, 0] / 255.0, 1e-9, 1.0 - 1e-9)
    shN = np.zeros((count, 15, 3))
    shN[:, :bands] = (sh.reshape(count, bands, 3).astype(np.float64) - 128.0) / 128.0
    arrays = {
        "means": _from_fixed(places.reshape(count, 3, 3)) * 2.0**-bits,
        "quats": _unpack_quats(quats) if version == 3 else _unpack_first_three(quats),
        "log_scales": scales / 16.0 - 10.0,
        "logit_opacities": np.clip(np.log(opacities / (1.0 - opacities)), -LOGIT_LIMIT, LOGIT_LIMIT),
        "sh0": ((colors / 255.0 - 0.5) / _COLOR_SCALE)[:, None, :],
        "shN": shN,
    }
    return Gaussians(**{name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()})


def _byte(values: NDArray) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _from_fixed(bytes_: NDArray[np.uint8]) -> NDArray[np.float64]:  # [N, 3] from [N, 3, 3]
    """Return 24-bit little-endian two's complement numbers."""
    values = (
        bytes_[..., 0].astype(np.int64) | bytes_[..., 1].astype(np.int64) << 8 | bytes_[..., 2].astype(np.int64) << 16
    )
    return np.where(values >= 2**23, values - 2**24, values).astype(np.float64)


def _pack_quats(quats: NDArray[np.float32]) -> NDArray[np.uint8]:  # [N, 4] bytes
    """Pack as 2 bits, which number is largest (order xyzw), then sign and magnitude of the others (1 + 9 bits)."""
    xyzw = np.roll(quats.astype(np.float64), -1, axis=1)
    xyzw /= np.linalg.norm(xyzw, axis=1, keepdims=True)
    largest = np.abs(xyzw).argmax(axis=1)
    xyzw *= np.where(np.take_along_axis(xyzw, largest[:, None], 1) < 0, -1.0, 1.0)
    packed = largest.astype(np.uint32)
    for part in range(4):
        magnitude = np.floor(_LEVELS * np.abs(xyzw[:, part]) / _SMALL + 0.5).astype(np.uint32)
        number = (xyzw[:, part] < 0).astype(np.uint32) << 9 | magnitude
        packed = np.where(largest == part, packed, packed << np.uint32(10) | number)
    return packed.astype("<u4").view(np.uint8).reshape(-1, 4)


def _unpack_quats(bytes_: NDArray[np.uint8]) -> NDArray[np.float64]:  # [N, 4] wxyz
    packed = np.ascontiguousarray(bytes_).view("<u4")[:, 0].astype(np.uint32)
    largest = packed >> np.uint32(30)
    xyzw = np.zeros((len(packed), 4))
    for part in (3, 2, 1, 0):
        number = packed & np.uint32(1023)
        value = (number & np.uint32(511)) * (_SMALL / _LEVELS) * np.where(number >> np.uint32(9), -1.0, 1.0)
        xyzw[:, part] = np.where(largest == part, 0.0, value)
        packed = np.where(largest == part, packed, packed >> np.uint32(10))
    rest = np.sqrt(np.maximum(1.0 - (xyzw**2).sum(axis=1), 0.0))
    np.put_along_axis(xyzw, largest[:, None].astype(np.int64), rest[:, None], 1)
    return np.roll(xyzw, 1, axis=1)


def _unpack_first_three(bytes_: NDArray[np.uint8]) -> NDArray[np.float64]:  # [N, 4] wxyz
    """Unpack version 2: x, y, z in a byte each, w not negative."""
    xyz = bytes_ / 127.5 - 1.0
    w = np.sqrt(np.maximum(1.0 - (xyz**2).sum(axis=1, keepdims=True), 0.0))
    quats = np.concatenate([w, xyz], axis=1)
    return quats / np.linalg.norm(quats, axis=1, keepdims=True)


def _pack_sh(shN: NDArray[np.float32], sh_bits: tuple[int, int]) -> NDArray[np.uint8]:  # [N, 15, 3]
    """Pack in steps of 1/128 of [-1, 1), rounded to what `sh_bits` leave so that gzip finds repetitions."""
    steps = np.repeat([2 ** (8 - sh_bits[0]), 2 ** (8 - sh_bits[1])], [3, 12])[:, None]
    values = np.rint(shN.astype(np.float64) * 128.0) + 128.0
    return np.clip(np.floor_divide(values + steps // 2, steps) * steps, 0, 255).astype(np.uint8)
