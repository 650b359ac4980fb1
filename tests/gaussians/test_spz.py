import gzip
import struct

import numpy as np
import pytest
import zstandard

from splatrig.gaussians.spz import MAGIC, VERSIONS, read_spz, write_spz
from splatrig.io.errors import InputError
from support.random_gaussians import random_gaussians


def turned(a, b):
    """Degrees between rotations."""
    return np.degrees(2 * np.arccos(np.clip(np.abs((a * b).sum(axis=1)), 0, 1)))


def content(path):
    return gzip.decompress(path.read_bytes())


def test_what_is_read_back_differs_by_no_more_than_the_format_loses(tmp_path):
    gaussians = random_gaussians(500)
    write_spz(tmp_path / "a.spz", gaussians)
    back = read_spz(tmp_path / "a.spz")
    np.testing.assert_allclose(back.means, gaussians.means, atol=2.0**-20)
    np.testing.assert_allclose(back.log_scales, gaussians.log_scales, atol=1 / 32 + 1e-6)
    opacities = [1 / (1 + np.exp(-g.logit_opacities)) for g in (back, gaussians)]
    np.testing.assert_allclose(*opacities, atol=0.5 / 255 + 1e-6)
    np.testing.assert_allclose(back.sh0, np.clip(gaussians.sh0, -0.5 / 0.15, 0.5 / 0.15), atol=0.5 / 255 / 0.15 + 1e-6)
    np.testing.assert_allclose(back.shN, np.clip(gaussians.shN, -1, 127 / 128), atol=1 / 256 + 1e-6)
    assert turned(back.quats, gaussians.quats).max() < 0.4  # 511 steps of each of the three smallest numbers


@pytest.mark.parametrize("largest", range(4))
@pytest.mark.parametrize("sign", [-1, 1])
def test_every_largest_number_of_a_rotation_survives(tmp_path, largest, sign):
    quats = np.array([[0.1, -0.2, 0.15, -0.05]], np.float32)
    quats[0, largest] = sign * 0.9
    quats /= np.linalg.norm(quats)
    one = random_gaussians(1)
    write_spz(tmp_path / "a.spz", type(one)(**dict(one.items()) | {"quats": quats}))
    assert turned(read_spz(tmp_path / "a.spz").quats, quats)[0] < 0.4


def test_the_file_is_laid_out_as_the_specification_says(tmp_path):
    """Decoded here by hand: header, then positions, alphas, colors, scales, rotations, harmonics."""
    gaussians = random_gaussians(3)
    write_spz(tmp_path / "a.spz", gaussians)
    data = content(tmp_path / "a.spz")
    magic, version, count, degree, bits, flags, reserved = struct.unpack("<4sIIBBBB", data[:16])
    assert (magic, version, count, degree, flags, reserved) == (b"NGSP", 3, 3, 3, 0, 0)
    assert len(data) == 16 + 3 * (9 + 1 + 3 + 3 + 4 + 45)
    first = int.from_bytes(data[16:19], "little", signed=True) / 2**bits
    assert first == pytest.approx(float(gaussians.means[0, 0]), abs=2.0**-bits)
    alphas = data[16 + 27 : 16 + 30]
    assert alphas[1] == round(255 / (1 + np.exp(-float(gaussians.logit_opacities[1]))))
    scales = data[16 + 39 : 16 + 48]
    assert scales[5] == round((float(gaussians.log_scales[1, 2]) + 10) * 16)
    harmonics = data[16 + 60 :]
    assert harmonics[4] == np.clip(round(float(gaussians.shN[0, 1, 1]) * 128) + 128, 0, 255)


def test_version_4_holds_what_version_3_holds_laid_out_as_the_specification_says(tmp_path):
    """Decoded here by hand: a plain header, the lengths of six streams, each a Zstandard frame."""
    gaussians = random_gaussians(30)
    write_spz(tmp_path / "a.spz", gaussians)
    write_spz(tmp_path / "b.spz", gaussians, version=4)
    data = (tmp_path / "b.spz").read_bytes()
    fields = struct.unpack("<4sIIBBBBI12s", data[:32])
    assert fields == (b"NGSP", 4, 30, 3, content(tmp_path / "a.spz")[13], 0, 6, 32, bytes(12))
    lengths = np.frombuffer(data, "<u8", 12, 32).astype(np.int64).reshape(6, 2)
    assert lengths[:, 1].tolist() == [30 * width for width in (9, 1, 3, 3, 4, 45)]
    ends = 32 + 6 * 16 + np.cumsum(lengths[:, 0])
    assert ends[-1] == len(data)
    frames = [data[end - length : end] for end, length in zip(ends, lengths[:, 0], strict=True)]
    assert b"".join(map(zstandard.decompress, frames)) == content(tmp_path / "a.spz")[16:]
    for name, array in read_spz(tmp_path / "a.spz").items():
        np.testing.assert_array_equal(getattr(read_spz(tmp_path / "b.spz"), name), array)


def test_extensions_of_version_4_are_skipped(tmp_path):
    write_spz(tmp_path / "a.spz", random_gaussians(9), version=4)
    data = (tmp_path / "a.spz").read_bytes()
    record = struct.pack("<II", 0xADBE0002, 12) + bytes(12)
    header = data[:14] + bytes([2, 6]) + struct.pack("<I", 32 + len(record)) + data[20:32]
    (tmp_path / "b.spz").write_bytes(header + record + data[32:])
    for name, array in read_spz(tmp_path / "a.spz").items():
        np.testing.assert_array_equal(getattr(read_spz(tmp_path / "b.spz"), name), array)


def test_damaged_files_of_version_4_are_refused(tmp_path):
    path = tmp_path / "a.spz"
    write_spz(path, random_gaussians(9), version=4)
    data = path.read_bytes()
    for damaged in (data[:20], data[:60], data[:-9], data[:128] + bytes(4) + data[132:]):
        path.write_bytes(damaged)
        with pytest.raises(InputError, match=r"a\.spz: (cannot be read as SPZ|expected)"):
            read_spz(path)
    with pytest.raises(InputError, match="expected SPZ version 3 or 4, got 5"):
        write_spz(path, random_gaussians(9), version=5)


def test_fewer_bits_are_rounded_to_the_middle_of_their_bucket_and_keep_zero(tmp_path):
    gaussians = random_gaussians(200)
    flat = type(gaussians)(**dict(gaussians.items()) | {"shN": np.clip(0.3 * gaussians.shN, -0.9, 0.9)})
    flat.shN[0] = 0
    write_spz(tmp_path / "fine.spz", flat)
    write_spz(tmp_path / "coarse.spz", flat, sh_bits=(5, 4))
    back = read_spz(tmp_path / "coarse.spz")
    assert np.all(back.shN[0] == 0)
    np.testing.assert_allclose(back.shN[:, :3], flat.shN[:, :3], atol=1 / 32 + 1 / 256)
    np.testing.assert_allclose(back.shN[:, 3:], flat.shN[:, 3:], atol=1 / 16 + 1 / 256)
    assert (tmp_path / "coarse.spz").stat().st_size < (tmp_path / "fine.spz").stat().st_size


def test_equal_gaussians_give_equal_bytes(tmp_path):
    for version in VERSIONS:
        for name in ("a", "b"):
            write_spz(tmp_path / f"{name}.spz", random_gaussians(50), version=version)
        assert (tmp_path / "a.spz").read_bytes() == (tmp_path / "b.spz").read_bytes()


def test_version_2_is_read(tmp_path):
    gaussians = random_gaussians(40)
    write_spz(tmp_path / "a.spz", gaussians)
    data = content(tmp_path / "a.spz")
    count = 40
    before, after = 16 + count * 16, 16 + count * 20
    xyzw = np.roll(gaussians.quats * np.sign(gaussians.quats[:, :1]), -1, axis=1)
    first_three = np.rint(xyzw[:, :3] * 127.5 + 127.5).astype(np.uint8).tobytes()
    header = struct.pack("<IIIBBBB", MAGIC, 2, count, 3, data[13], 0, 0)
    (tmp_path / "b.spz").write_bytes(gzip.compress(header + data[16:before] + first_three + data[after:]))
    back = read_spz(tmp_path / "b.spz")
    np.testing.assert_array_equal(back.means, read_spz(tmp_path / "a.spz").means)
    assert np.median(turned(back.quats, gaussians.quats)) < 2


def test_other_files_are_refused(tmp_path):
    path = tmp_path / "a.spz"
    path.write_bytes(b"ply\n")
    with pytest.raises(InputError, match="cannot be read as SPZ"):
        read_spz(path)
    path.write_bytes(gzip.compress(b"hello" * 9))
    with pytest.raises(InputError, match="other gzip content"):
        read_spz(path)
    write_spz(path, random_gaussians(5))
    path.write_bytes(gzip.compress(content(path)[:-9]))
    with pytest.raises(InputError, match="bytes for 5 Gaussians"):
        read_spz(path)
    path.write_bytes(gzip.compress(struct.pack("<IIIBBBB", MAGIC, 9, 0, 3, 12, 0, 0)))
    with pytest.raises(InputError, match="version 2 to 4"):
        read_spz(path)


def test_positions_beyond_the_format_are_refused(tmp_path):
    one = random_gaussians(1)
    far = type(one)(**dict(one.items()) | {"means": np.full((1, 3), 1e8, np.float32)})
    with pytest.raises(InputError, match="positions below"):
        write_spz(tmp_path / "a.spz", far)


@pytest.mark.parametrize("name", ["quats", "logit_opacities", "shN"])
def test_numbers_that_are_not_finite_are_refused_and_nothing_is_written(tmp_path, name):
    gaussians = random_gaussians(9)
    getattr(gaussians, name)[4] = np.nan
    with pytest.raises(InputError, match=rf"a\.spz: expected finite {name}, got NaN or infinity, first at Gaussian 4"):
        write_spz(tmp_path / "a.spz", gaussians)
    assert not list(tmp_path.iterdir())
