"""Which files photographs may be in, and what is refused of them."""

import io
import struct
import zlib

import numpy as np
import pytest
from numpy.testing import assert_array_equal
from PIL import ExifTags, Image

from splatrig.capture.layout import CaptureLayout
from splatrig.capture.photographs import read_image
from splatrig.io.errors import InputError
from support.raw_capture import SMILE, RawCapture, run

FRAME = "000103"


@pytest.fixture
def raw(tmp_path):
    return RawCapture(tmp_path / "raw").write()


def saved_as(raw, ending, **options):
    """Save all photographs of a camera with another ending; return one of them."""
    for path in raw.image(SMILE, "400017", "").parent.glob("*.png"):
        with Image.open(path) as image:
            image.save(path.with_name(f"{path.stem}{ending}"), **options)
        path.unlink()
    return raw.image(SMILE, "400017", FRAME).with_name(f"{FRAME}{ending}")


@pytest.mark.parametrize(
    ("ending", "options"),
    [(".jpg", {"quality": 95}), (".JPEG", {"quality": 95}), (".PNG", {}), (".avif", {"quality": 95})],
)
def test_photographs_of_other_formats_give_the_data_set_of_png(raw, tmp_path, ending, options):
    rows = run(raw, tmp_path / "png")
    path = saved_as(raw, ending, **options)
    layout = CaptureLayout(raw.root)
    assert layout.image(SMILE, "400017", FRAME) == path
    assert layout.first_image(SMILE, "400017").suffix == ending
    assert run(raw, tmp_path / "other") == rows
    for frame in (row.frame for row in rows):
        images = [np.asarray(Image.open(tmp_path / kind / frame / "400017.png")) for kind in ("png", "other")]
        assert_array_equal(images[0][..., 3], images[1][..., 3])
        assert np.abs(images[0][..., :3].astype(int) - images[1][..., :3]).mean() < 4.0


def test_a_photograph_with_two_endings_is_refused(raw, tmp_path):
    with Image.open(raw.image(SMILE, "400017", FRAME)) as image:
        image.save(raw.image(SMILE, "400017", FRAME).with_suffix(".JPG"))
    with pytest.raises(InputError, match=rf"400017: got {FRAME}\.JPG and {FRAME}\.png, expected one photograph"):
        run(raw, tmp_path / "out")


def png_of_16_bits(values):
    """Return the content of a PNG of 16 bits per channel, which Pillow does not write."""
    height, width, channels = values.shape
    kind = {3: 2, 4: 6}[channels]

    def chunk(name, content):
        return struct.pack(">I", len(content)) + name + content + struct.pack(">I", zlib.crc32(name + content))

    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in values)
    header = struct.pack(">2I5B", width, height, 16, kind, 0, 0, 0)
    ends = chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(rows)), chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + b"".join(ends)


@pytest.mark.parametrize("channels", [3, 4])
def test_16_bits_per_channel_are_refused_by_name(raw, tmp_path, channels):
    content = png_of_16_bits(np.full((36, 24, channels), 4095))
    with Image.open(io.BytesIO(content)) as image:
        assert np.asarray(image).max() == 4095 >> 8, "what Pillow makes of it, silently"
    raw.image(SMILE, "400017", FRAME).write_bytes(content)
    with pytest.raises(InputError, match=rf"400017/{FRAME}\.png: expected 8 bits per channel, got 16"):
        run(raw, tmp_path / "out", frames_per_expression=4)


def test_gray_of_16_bits_is_refused(tmp_path):
    Image.fromarray(np.full((4, 4), 4095, np.uint16)).save(tmp_path / "gray.png")
    with pytest.raises(InputError, match=r"gray\.png: expected 8 bits per channel, got 16"):
        read_image(tmp_path / "gray.png")


def test_a_photograph_that_exif_turns_is_refused(tmp_path):
    image = Image.new("RGB", (6, 4), (9, 9, 9))
    exif = image.getexif()
    for orientation in (1, 6):
        exif[ExifTags.Base.Orientation] = orientation
        image.save(tmp_path / f"{orientation}.jpg", exif=exif)
    assert read_image(tmp_path / "1.jpg").size == (6, 4)
    with pytest.raises(InputError, match=r"6\.jpg: .* got orientation 6"):
        read_image(tmp_path / "6.jpg")
