import imageio.v2 as imageio
import numpy as np
import pytest
from PIL import Image

from splatrig.animation.pictures import (
    GAP,
    beside,
    contact_sheet,
    enlarge,
    label,
    reduced,
    text_block,
    write_gif,
    write_jpeg,
    write_mp4,
    write_png,
)
from splatrig.io.errors import InputError


def flat(value, height=20, width=30):
    return np.full((height, width, 3), value, dtype=np.uint8)


def test_contact_sheet_puts_every_picture_in_its_cell():
    pictures = [[flat(10), flat(20), flat(30)], [flat(40), flat(50), flat(60)]]
    sheet = contact_sheet(pictures)
    assert sheet.shape == (2 * (20 + GAP) + GAP, 3 * (30 + GAP) + GAP, 3)
    for row in range(2):
        for column in range(3):
            top, left = GAP + row * (20 + GAP), GAP + column * (30 + GAP)
            np.testing.assert_array_equal(sheet[top : top + 20, left : left + 30], pictures[row][column])
    assert np.all(sheet[:GAP] == 255)


def test_titles_and_captions_add_room_and_ink():
    plain = contact_sheet([[flat(10)]])
    dressed = contact_sheet([[flat(10)]], row_titles=["a"], column_titles=["b"], captions=[["c"]], title_width=40)
    assert dressed.shape[1] == plain.shape[1] + 40
    assert dressed.shape[0] > plain.shape[0]
    title = dressed[: dressed.shape[0] - 20 - GAP, 40:]
    assert title.min() < 128


def test_uneven_contact_sheets_are_refused():
    for nothing in ([], [[]]):
        with pytest.raises(InputError, match="at least one image"):
            contact_sheet(nothing)
    with pytest.raises(InputError, match="contact sheet"):
        contact_sheet([[flat(1)], [flat(2), flat(3)]])
    with pytest.raises(InputError, match="contact sheet"):
        contact_sheet([[flat(1), flat(2, height=5)]])


def test_label_and_text_block_keep_the_width():
    assert label(flat(0, width=120), "two\nlines").shape[1] == 120
    assert text_block("x", width=50, height=33).shape == (33, 50, 3)


def test_beside_fills_shorter_pictures_with_paper():
    joined = beside([flat(0, height=10), flat(0, height=4)])
    assert joined.shape == (10, 60, 3)
    assert np.all(joined[4:, 30:] == 255)


def test_gif_opens_again_with_its_frames(tmp_path):
    frames = [flat(value, 24, 36) for value in (0, 100, 200, 250, 90)]
    write_gif(tmp_path / "a.gif", frames)
    with Image.open(tmp_path / "a.gif") as opened:
        assert opened.n_frames == 5
        assert opened.size == (36, 24)
        opened.seek(2)
        assert abs(int(np.asarray(opened.convert("RGB")).mean()) - 200) <= 4


def test_gif_keeps_the_color_of_small_things(tmp_path):
    generator = np.random.default_rng(0)
    skin = np.array([200, 150, 120]) + generator.integers(-30, 30, (5, 120, 160, 3))
    frames = list(skin.astype(np.uint8))
    for frame in frames:
        frame[40:48, 40:48] = (60, 120, 80)
    write_gif(tmp_path / "a.gif", frames)
    with Image.open(tmp_path / "a.gif") as opened:
        eye = np.asarray(opened.convert("RGB"))[44, 44].astype(int)
    assert np.abs(eye - (60, 120, 80)).max() <= 8


def test_mp4_opens_again_with_its_frames(tmp_path):
    frames = [flat(value, 49, 65) for value in np.linspace(0, 255, 7).astype(int)]
    write_mp4(tmp_path / "a.mp4", frames)
    read = list(imageio.get_reader(tmp_path / "a.mp4").iter_data())
    assert len(read) == 7
    assert read[0].shape == (48, 64, 3)
    assert read[0].mean() < 20 < 230 < read[-1].mean()


def test_png_round_trip(tmp_path):
    picture = np.random.default_rng(0).integers(0, 256, (7, 9, 3)).astype(np.uint8)
    write_png(tmp_path / "a.png", picture)
    np.testing.assert_array_equal(np.asarray(Image.open(tmp_path / "a.png")), picture)


def test_jpeg_loses_next_to_nothing(tmp_path):
    """Of smooth colors, that is, as skin has them."""
    x, y = np.meshgrid(np.linspace(0, 1, 64), np.linspace(0, 1, 48))
    picture = (255 * np.stack([x, y, 1 - x], axis=-1)).astype(np.uint8)
    write_jpeg(tmp_path / "a.jpg", picture)
    with Image.open(tmp_path / "a.jpg") as opened:
        assert opened.format == "JPEG"
        assert np.abs(np.asarray(opened).astype(int) - picture).max() <= 6


def test_letters_without_ascenders_are_not_cut_off():
    """The unit above color bars, mm, lost its first rows to a negative fraction of a pixel."""
    for text in ("mm", "rg", "none", "svd"):
        tight, roomy = text_block(text, width=80), text_block(text, width=80, height=91)
        ink = [np.flatnonzero((block < 255).any(axis=(1, 2))) for block in (tight, roomy)]
        assert len(ink[0]) == len(ink[1])
        assert ink[0][0] > 0
        assert ink[0][-1] < len(tight) - 1


def test_mp4_takes_frames_as_they_come_and_refuses_none(tmp_path):
    write_mp4(tmp_path / "a.mp4", (flat(value, 24, 37) for value in (0, 120, 250)), frames_per_second=3, threads=2)
    with imageio.get_reader(tmp_path / "a.mp4") as reader:
        values = [float(np.asarray(frame).mean()) for frame in reader]
    np.testing.assert_allclose(values, [0, 120, 250], atol=4)
    with pytest.raises(InputError, match="at least one frame"):
        write_mp4(tmp_path / "b.mp4", iter(()))
    with pytest.raises(InputError, match=r"expected frames of 2 x 2 pixels or more, got \(1, 9\)"):
        write_mp4(tmp_path / "b.mp4", [flat(90, 1, 9)])
    assert not list(tmp_path.glob("*b.mp4*"))


def test_a_gif_of_no_frame_is_refused(tmp_path):
    with pytest.raises(InputError, match="at least one frame"):
        write_gif(tmp_path / "a.gif", [])


def test_reduced_pictures_keep_their_shape_and_color():
    assert reduced(flat(90, 40, 60), 10).shape == (10, 15, 3)
    assert reduced(flat(90, 40, 60), 10).mean() == pytest.approx(90, abs=0.5)
    assert reduced(flat(90, 40, 60), 80).shape == (40, 60, 3)


def test_enlarge_keeps_the_proportions():
    assert enlarge(np.zeros((10, 7, 3), dtype=np.uint8), 30).shape == (30, 21, 3)
