"""SPZ: Gaussians in about a tenth of the bytes of a PLY, for viewers on the web and on phones.

Niantic's format (github.com/nianticlabs/spz, its README and constants; MIT license), written as version 3 or 4 and read
as versions 2 to 4. Six streams hold one attribute of all N Gaussians each: positions (24-bit fixed point), opacities,
colors, log scales (8 bits each), rotations (32 bits: the three smallest of four components), spherical harmonics (8
bits, of which `sh_bits` are used). Versions 2 and 3 are one gzip stream of a header of 16 bytes and the six streams in
turn. Version 4 is a plain header of 32 bytes, a table of lengths, and a separate Zstandard frame per stream. Axes are
right, up, back: those of head space.

Loss of precision: log scales are rounded to 1/16 (3 % of a size), opacities to 1/255, colors to 1/255 of about -2.8 to
3.8, positions to 2^-fraction_bits of the file's unit.
"""

import gzip
import struct
import zlib
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import zstandard
from numpy.typing import NDArray

from splatrig.gaussians.activated import linear_opacities, logits
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.ply import LOGIT_LIMIT
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path

MAGIC = 0x5053474E  # "NGSP"
VERSIONS = (3, 4)
"""Versions that can be written: web renderers read 3; Niantic's library has written 4 since 2026 and reads both."""
SH_DEGREE = 3
SH_BITS = (8, 8)
"""Bits of each coefficient of degree 1, and of degrees 2 and 3. Niantic's library writes (5, 4): 40 % smaller on the
demo, 37 to 42 dB after rendering instead of 54."""

_HEADER = struct.Struct("<IIIBBBB")
_HEADER_4 = struct.Struct("<IIIBBBBI12x")  # as above, with the number of streams and the offset of their table
_LENGTHS = struct.Struct("<QQ")  # sizes of one stream: compressed, uncompressed
_ZSTD_LEVEL = 19  # 7 % smaller than the usual 3, and 3 s instead of 0.03 for the 23,905 Gaussians of the demo
_MOST_FRACTION_BITS = 23
_LARGEST_FIXED = 2**23 - 1
_COLOR_SCALE = 0.15
_BANDS = {0: 0, 1: 3, 2: 8, 3: 15}
_SMALL = np.sqrt(0.5)  # maximum magnitude of all but the largest component of a unit quaternion
_LEVELS = 511  # bits of the magnitude of one of the three smallest components


def write_spz(
    path: str | Path, gaussians: Gaussians, *, version: int = VERSIONS[0], sh_bits: tuple[int, int] = SH_BITS
) -> None:
    """Write an SPZ file with spherical harmonics of degree 3; equal Gaussians give equal bytes.

    Positions have as many fractional bits as their extent allows.

    Raises:
        InputError: A value is not finite, a position is beyond 2^23 of the file's unit, or the version is not one of
            `VERSIONS`.
    """
    if version not in VERSIONS:
        raise InputError(f"{path}: expected SPZ version 3 or 4, got {version}.")
    gaussians.check_finite(path)
    count = len(gaussians)
    extent = float(np.abs(gaussians.means).max(initial=0.0))
    if not extent < _LARGEST_FIXED:
        raise InputError(f"{path}: expected positions below {_LARGEST_FIXED} units for SPZ, got {extent:g}.")
    bits = int(np.clip(np.floor(np.log2(_LARGEST_FIXED / max(extent, 1e-6))), 0, _MOST_FRACTION_BITS))
    fixed = np.rint(gaussians.means.astype(np.float64) * 2.0**bits).astype("<i4")
    attributes = [
        np.ascontiguousarray(fixed).view(np.uint8).reshape(count, 3, 4)[:, :, :3],
        _byte(linear_opacities(gaussians) * 255.0),
        _byte((gaussians.sh0[:, 0] * _COLOR_SCALE + 0.5) * 255.0),
        _byte((gaussians.log_scales + 10.0) * 16.0),
        _pack_quats(gaussians.quats),
        _pack_sh(gaussians.shN, sh_bits),
    ]
    streams = [attribute.tobytes() for attribute in attributes]
    with atomic_path(path) as temporary:
        temporary.write_bytes(_as_gzip(count, bits, streams) if version == 3 else _as_zstd(count, bits, streams))


def _as_gzip(count: int, bits: int, streams: Sequence[bytes]) -> bytes:
    header = _HEADER.pack(MAGIC, 3, count, SH_DEGREE, bits, 0, 0)
    return gzip.compress(header + b"".join(streams), compresslevel=9, mtime=0)


def _as_zstd(count: int, bits: int, streams: Sequence[bytes]) -> bytes:
    header = _HEADER_4.pack(MAGIC, 4, count, SH_DEGREE, bits, 0, len(streams), _HEADER_4.size)
    frames = [zstandard.compress(stream, _ZSTD_LEVEL) for stream in streams]
    table = [_LENGTHS.pack(len(frame), len(stream)) for frame, stream in zip(frames, streams, strict=True)]
    return b"".join([header, *table, *frames])


def read_spz(path: str | Path) -> Gaussians:
    """Read an SPZ file of version 2 to 4; missing degrees of spherical harmonics are zero, extensions are skipped.

    Raises InputError naming the file when it is not one, or is of another version or length.
    """
    try:
        content = Path(path).read_bytes()
        version, count, degree, bits, flat = (_from_zstd if content[:4] == b"NGSP" else _from_gzip)(content)
    except (OSError, EOFError, zlib.error, zstandard.ZstdError, struct.error) as error:
        raise InputError(f"{path}: cannot be read as SPZ of version 2 to 4 ({error}).") from error
    except InputError as error:
        raise InputError(f"{path}: {error}") from None
    if version not in (2, 3, 4) or degree not in _BANDS:
        raise InputError(f"{path}: expected SPZ version 2 to 4 of degree 0 to 3, got {version} of degree {degree}.")
    bands, rotation = _BANDS[degree], 3 if version == 2 else 4
    widths = (9, 1, 3, 3, rotation, 3 * bands)
    if len(flat) < count * sum(widths):
        raise InputError(
            f"{path}: expected {count * sum(widths)} bytes for {count} Gaussians, got {len(flat)}; "
            "copy or export it again."
        )
    parts = np.split(flat[: count * sum(widths)], np.cumsum([count * width for width in widths])[:-1])
    places, alphas, colors, scales, quats, sh = (
        part.reshape(count, width) for part, width in zip(parts, widths, strict=True)
    )
    shN = np.zeros((count, 15, 3))
    shN[:, :bands] = (sh.reshape(count, bands, 3).astype(np.float64) - 128.0) / 128.0
    arrays = {
        "means": _from_fixed(places.reshape(count, 3, 3)) * 2.0**-bits,
        "quats": _unpack_first_three(quats) if version == 2 else _unpack_quats(quats),
        "log_scales": scales / 16.0 - 10.0,
        "logit_opacities": np.clip(logits(alphas[:, 0] / 255.0), -LOGIT_LIMIT, LOGIT_LIMIT),
        "sh0": ((colors / 255.0 - 0.5) / _COLOR_SCALE)[:, None, :],
        "shN": shN,
    }
    return Gaussians(**{name: np.ascontiguousarray(array, np.float32) for name, array in arrays.items()})


def _from_gzip(content: bytes) -> tuple[int, int, int, int, NDArray[np.uint8]]:
    """Return version, count, degree, fractional bits and the bytes of all streams."""
    content = gzip.decompress(content)
    if len(content) < _HEADER.size or _HEADER.unpack_from(content)[0] != MAGIC:
        raise InputError("expected an SPZ file, got other gzip content.")
    _, version, count, degree, bits, _, _ = _HEADER.unpack_from(content)
    return version, count, degree, bits, np.frombuffer(content, np.uint8, offset=_HEADER.size)


def _from_zstd(content: bytes) -> tuple[int, int, int, int, NDArray[np.uint8]]:
    """Return the same values as `_from_gzip`, for version 4; extensions between header and table are skipped."""
    _, version, count, degree, bits, _, number, table = _HEADER_4.unpack_from(content)
    sizes = [_LENGTHS.unpack_from(content, table + row * _LENGTHS.size) for row in range(number)]
    start = table + number * _LENGTHS.size
    streams = []
    for compressed, size in sizes:
        frame = content[start : start + compressed]
        streams.append(zstandard.decompress(frame, max_output_size=size))
        start += compressed
    return version, count, degree, bits, np.frombuffer(b"".join(streams), np.uint8)


def _byte(values: NDArray) -> NDArray[np.uint8]:
    return np.clip(np.rint(values), 0, 255).astype(np.uint8)


def _from_fixed(bytes_: NDArray[np.uint8]) -> NDArray[np.float64]:  # [N, 3] from [N, 3, 3]
    """Return 24-bit little-endian two's complement integers as floats."""
    values = (
        bytes_[..., 0].astype(np.int64) | bytes_[..., 1].astype(np.int64) << 8 | bytes_[..., 2].astype(np.int64) << 16
    )
    return np.where(values >= 2**23, values - 2**24, values).astype(np.float64)


def _pack_quats(quats: NDArray[np.float32]) -> NDArray[np.uint8]:  # [N, 4] bytes
    """Pack as 2 bits for the largest component's index (xyzw), then sign and magnitude of the others (1 + 9 bits)."""
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
    """Unpack rotations of version 2: x, y, z in one byte each, w not negative."""
    xyz = bytes_ / 127.5 - 1.0
    w = np.sqrt(np.maximum(1.0 - (xyz**2).sum(axis=1, keepdims=True), 0.0))
    quats = np.concatenate([w, xyz], axis=1)
    return quats / np.linalg.norm(quats, axis=1, keepdims=True)


def _pack_sh(shN: NDArray[np.float32], sh_bits: tuple[int, int]) -> NDArray[np.uint8]:  # [N, 15, 3]
    """Pack in steps of 1/128 of [-1, 1), rounded to `sh_bits` bits so that gzip finds repetitions."""
    steps = np.repeat([2 ** (8 - sh_bits[0]), 2 ** (8 - sh_bits[1])], [3, 12])[:, None]
    values = np.rint(shN.astype(np.float64) * 128.0) + 128.0
    return np.clip(np.floor_divide(values + steps // 2, steps) * steps, 0, 255).astype(np.uint8)
