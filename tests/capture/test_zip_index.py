"""Archives of frames against `zipfile`, and what is said of damaged ones."""

import zipfile

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from splatrig.capture.zip_index import FrameZip
from splatrig.io.errors import InputError
from support.releases import write_zip


@pytest.fixture
def members():
    rng = np.random.default_rng(0)
    return {f"cam7/{number:06d}.avif": rng.bytes(200 + number) for number in (30, 2, 100)}


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
def test_members_are_those_that_zipfile_reads(tmp_path, members, method):
    write_zip(tmp_path / "a.zip", members, method)
    index = FrameZip(tmp_path / "a.zip")
    assert_array_equal(index.frames, [2, 30, 100])
    with zipfile.ZipFile(tmp_path / "a.zip") as archive:
        for number in (2, 30, 100):
            member = index.member(number)
            assert member.read_bytes() == archive.read(f"cam7/{number:06d}.avif")
            assert str(member) == f"{tmp_path}/a.zip/cam7/{number:06d}.avif"
    assert [index.member(number) for number in (0, 3, 101)] == [None] * 3


def test_frames_beyond_four_gigabytes_are_found(tmp_path):
    """With the 64-bit fields that such an archive has; its front is a hole that takes no disk."""
    with (tmp_path / "big.zip").open("wb") as stream:
        stream.seek(5 << 30)
        with zipfile.ZipFile(stream, "w", zipfile.ZIP_STORED) as archive:
            archive.writestr("000001.png", b"far behind")
    member = FrameZip(tmp_path / "big.zip").member(1)
    assert member.offset == 5 << 30
    assert member.read_bytes() == b"far behind"


def test_an_archive_without_members_has_no_frames(tmp_path):
    write_zip(tmp_path / "a.zip", {})
    index = FrameZip(tmp_path / "a.zip")
    assert len(index.frames) == 0
    assert index.member(0) is None


@pytest.mark.parametrize("left", [0, 300])
def test_an_archive_that_is_cut_short_is_named(tmp_path, members, left):
    write_zip(tmp_path / "a.zip", members)
    whole = (tmp_path / "a.zip").read_bytes()
    (tmp_path / "a.zip").write_bytes(whole[:left])
    with pytest.raises(InputError, match=r"a\.zip: cannot be read as a zip"):
        FrameZip(tmp_path / "a.zip")


def test_an_archive_that_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"a\.zip: cannot be read as a zip"):
        FrameZip(tmp_path / "a.zip")


@pytest.mark.parametrize("method", [zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED], ids=["stored", "deflated"])
@pytest.mark.parametrize("spot", [0, 400], ids=["header", "content"])
def test_a_damaged_member_is_named(tmp_path, method, spot):
    write_zip(tmp_path / "a.zip", {"000001.png": np.random.default_rng(0).bytes(500)}, method)
    member = FrameZip(tmp_path / "a.zip").member(1)
    content = bytearray((tmp_path / "a.zip").read_bytes())
    content[spot] ^= 0xFF
    (tmp_path / "a.zip").write_bytes(content)
    with pytest.raises(InputError, match=r"a\.zip/000001\.png: is damaged, or the archive is cut short"):
        member.read_bytes()
