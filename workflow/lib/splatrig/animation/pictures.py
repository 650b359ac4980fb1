"""Contact sheets, labels, GIF and MP4: images [H, W, 3] uint8 in, files and larger images out."""

from collections.abc import Iterable, Sequence
from pathlib import Path

import imageio.v2 as imageio
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path

Picture = NDArray[np.uint8]

PAPER = (255, 255, 255)
INK = (32, 32, 32)
TEXT_SIZE = 14
"""Size of text in pixels."""
GAP = 6
"""Pixels between the cells of a contact sheet."""


def write_png(path: str | Path, picture: Picture) -> None:
    """Write an image [H, W, 3 or 4] as PNG."""
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="PNG")


def write_jpeg(path: str | Path, picture: Picture) -> None:
    """Write an image [H, W, 3] as JPEG without visible loss, also in letters; photographs take a third of a PNG."""
    with atomic_path(path) as temporary:
        Image.fromarray(picture).save(temporary, format="JPEG", quality=92, subsampling=0)


def label(picture: Picture, text: str) -> Picture:
    """Return the image with a line of text on white below it."""
    return np.concatenate([picture, text_block(text, width=picture.shape[1])], axis=0)


def text_block(text: str, *, width: int, size: int = TEXT_SIZE, height: int | None = None) -> Picture:
    """Return `text`, centered on white, `width` pixels wide and as high as needed (or `height`, then centered)."""
    font = ImageFont.load_default(size=size)
    probe = ImageDraw.Draw(Image.new("RGB", (1, 1)))
    left, top, right, bottom = probe.multiline_textbbox((0, 0), text, font=font, align="center")
    high = height if height is not None else int(np.ceil(bottom - top)) + size // 2 + 4
    sheet = Image.new("RGB", (width, high), PAPER)
    # whole pixels, since Pillow cuts off the first rows at negative fractions
    at = (round((width - (right - left)) / 2 - left), round((high - (bottom - top)) / 2 - top))
    ImageDraw.Draw(sheet).multiline_text(at, text, font=font, fill=INK, align="center")
    return np.asarray(sheet)


def contact_sheet(
    rows: Sequence[Sequence[Picture]],
    *,
    row_titles: Sequence[str] = (),
    column_titles: Sequence[str] = (),
    captions: Sequence[Sequence[str]] = (),
    title_width: int = 110,
) -> Picture:
    """Return one image with `rows` of equally large images on white, with titles and a caption below each cell.

    The sheet is rows · (H + caption) high and columns · W wide, plus `GAP` around every cell and the titles.
    """
    if not rows or not rows[0]:
        raise InputError("contact sheet: expected at least one image, got none.")
    shape = rows[0][0].shape
    if any(picture.shape != shape for row in rows for picture in row) or len({len(row) for row in rows}) != 1:
        raise InputError(f"contact sheet: expected rows of the same number of images of shape {shape}, got others.")
    high, wide = shape[:2]
    caption_high = 0
    if captions:
        caption_high = max(len(text_block(text, width=wide)) for row in captions for text in row)
    title_high = max((len(text_block(text, width=wide)) for text in column_titles), default=0)
    title_wide = title_width if row_titles else 0
    cell_high, cell_wide = high + caption_high + GAP, wide + GAP
    sheet = np.full((title_high + len(rows) * cell_high + GAP, title_wide + len(rows[0]) * cell_wide + GAP, 3), 255)
    sheet = sheet.astype(np.uint8)
    for column, text in enumerate(column_titles):
        left = title_wide + GAP + column * cell_wide
        sheet[:title_high, left : left + wide] = text_block(text, width=wide, height=title_high)
    for index, row in enumerate(rows):
        top = title_high + GAP + index * cell_high
        if row_titles:
            sheet[top : top + high, :title_wide] = text_block(row_titles[index], width=title_wide, height=high)
        for column, picture in enumerate(row):
            left = title_wide + GAP + column * cell_wide
            sheet[top : top + high, left : left + wide] = picture
            if captions:
                sheet[top + high : top + high + caption_high, left : left + wide] = text_block(
                    captions[index][column], width=wide, height=caption_high
                )
    return sheet


def beside(pictures: Sequence[Picture]) -> Picture:
    """Return images side by side, with white below shorter ones."""
    high = max(len(picture) for picture in pictures)
    return np.concatenate(
        [np.pad(p, ((0, high - len(p)), (0, 0), (0, 0)), constant_values=PAPER[0]) for p in pictures], axis=1
    )


def write_gif(path: str | Path, frames: Sequence[Picture], *, frames_per_second: float = 12.0) -> None:
    """Write a looping GIF with one palette for all frames, so that colors do not flicker; InputError without frames."""
    if not frames:
        raise InputError(f"{path}: expected at least one frame, got none.")
    palette = Image.fromarray(_palette_sample(frames)).quantize(colors=255, method=Image.Quantize.MEDIANCUT)
    images = [Image.fromarray(frame).quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    with atomic_path(path) as temporary:
        images[0].save(
            temporary,
            format="GIF",
            save_all=True,
            append_images=images[1:],
            duration=round(1000 / frames_per_second),
            loop=0,
            disposal=1,
            optimize=False,
        )


def _palette_sample(frames: Sequence[Picture]) -> Picture:
    """Return pixels to compute a palette from: every sixteenth, and as many again spread evenly over distinct colors.

    Without the second half, the eyes, a few pixels in distinct colors, would get the colors of skin.
    """
    pixels = np.concatenate([frame[::4, ::4].reshape(-1, 3) for frame in frames])
    cube = (32, 32, 32)  # colors of 5 bits a channel
    used = np.flatnonzero(np.bincount(np.ravel_multi_index((pixels >> 3).T, cube)))
    distinct = np.stack(np.unravel_index(used, cube), axis=1).astype(np.uint8) << 3
    spread = np.tile(distinct, (max(1, len(pixels) // (2 * len(distinct))), 1))
    sample = np.concatenate([pixels, spread])
    return np.resize(sample, (-(-len(sample) // 256), 256, 3))


def write_mp4(
    path: str | Path, frames: Iterable[Picture], *, frames_per_second: float = 12.0, threads: int = 1
) -> None:
    """Write an H.264 MP4 that browsers play, frame by frame as they arrive.

    Odd sizes lose their last row or column (4:2:0 needs even ones).

    Raises:
        InputError: There is no frame, or frames are a single pixel high or wide.
    """
    with atomic_path(path) as temporary:
        writer = imageio.get_writer(
            temporary,
            format="FFMPEG",
            mode="I",
            fps=frames_per_second,
            codec="libx264",
            macro_block_size=1,
            ffmpeg_params=["-crf", "20", "-movflags", "+faststart", "-threads", str(threads)],
        )
        written = 0
        with writer:
            for frame in frames:
                high, wide = frame.shape[0] // 2 * 2, frame.shape[1] // 2 * 2
                if not (high and wide):
                    raise InputError(f"{path}: expected frames of 2 x 2 pixels or more, got {frame.shape[:2]}.")
                writer.append_data(np.ascontiguousarray(frame[:high, :wide]))
                written += 1
        if not written:
            raise InputError(f"{path}: expected at least one frame, got none.")


def enlarge(picture: Picture, height: int) -> Picture:
    """Return an image scaled to `height` pixels, its width in proportion."""
    width = round(picture.shape[1] * height / picture.shape[0])
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS))


def reduced(picture: Picture, height: int) -> Picture:
    """Return an image [H, W, 3] reduced to `height` pixels, or unchanged if it is not higher."""
    if picture.shape[0] <= height:
        return picture
    size = (max(1, round(picture.shape[1] * height / picture.shape[0])), height)
    return np.asarray(Image.fromarray(picture).resize(size, Image.Resampling.BOX))
