"""Image of the regions: a photograph from each measuring camera, with its regions colored."""

from collections.abc import Sequence
from textwrap import fill

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from splatrig.animation.pictures import INK, PAPER, TEXT_SIZE, Picture, contact_sheet, enlarge
from splatrig.dataset.dataset import Frame
from splatrig.dataset.decoding import read_photograph
from splatrig.dataset.regions import COLORS, MEMBERS, REGIONS, Region, RegionFolder

HEIGHT = 384
"""Height of one image in pixels."""
OPACITY = 0.55
STRIPE = 4
"""Width of a stripe in pixels; overlapping regions are striped in their colors."""
MOST_CAMERAS = 6


def painted(photograph: NDArray[np.uint8], flags: NDArray[np.uint8]) -> Picture:  # [H, W, 3]
    """Return a photograph [H, W, 3] with its regions [H, W] colored; pixels outside all regions are dimmed."""
    parts = [region for region in Region if region not in (Region.WHOLE, Region.BEYOND)]
    color = np.full((*flags.shape, 3), COLORS[Region.WHOLE], dtype=np.float64)
    labeled = np.zeros(flags.shape, dtype=bool)
    for region in parts:
        own = (flags & region) > 0
        color[own], labeled = COLORS[region], labeled | own
    rows, columns = np.indices(flags.shape)
    striped = ((rows + columns) // STRIPE) % 2 == 0
    beyond = (flags & Region.BEYOND) > 0
    color[beyond & (striped | ~labeled)] = COLORS[Region.BEYOND]
    inside = (flags > 0)[..., None]
    mixed = np.where(inside, (1.0 - OPACITY) * photograph + OPACITY * color, 0.3 * photograph)
    return np.rint(mixed).astype(np.uint8)


def legend(flags: Sequence[NDArray[np.uint8]], width: int) -> Picture:
    """Return a legend of the regions that occur in any of the `flags`, except `whole`."""
    there = np.unique(np.concatenate([np.unique(each) for each in flags]))
    line = Image.new("RGB", (width, 2 * TEXT_SIZE), PAPER)
    draw, font, left = ImageDraw.Draw(line), ImageFont.load_default(size=TEXT_SIZE), TEXT_SIZE
    for region, name, known in zip(Region, REGIONS, MEMBERS[there].any(axis=0), strict=True):
        if known and region != Region.WHOLE:
            draw.rectangle((left, 6, left + TEXT_SIZE, 6 + TEXT_SIZE), fill=COLORS[region])
            draw.text((left + TEXT_SIZE + 6, 5), name, font=font, fill=INK)
            left += round(TEXT_SIZE + 22 + draw.textlength(name, font=font))
    return np.asarray(line)


def picture_regions(frame: Frame, regions: RegionFolder) -> Picture:
    """Return the photographs of a frame above their regions, one column per camera (at most `MOST_CAMERAS`)."""
    frame = frame.photographed
    photographs, flags, names = [], [], frame.cameras.names[:MOST_CAMERAS]
    size = frame.cameras.width, frame.cameras.height
    for index, camera in enumerate(names):
        photographs.append(read_photograph(frame.photograph(index), *size)[..., :3])
        flags.append(regions.read(frame.name, camera, *size))
    shown = [painted(photograph, own) for photograph, own in zip(photographs, flags, strict=True)]
    rows = [[enlarge(picture, HEIGHT) for picture in row] for row in (photographs, shown)]
    title = f"{fill(frame.expression.replace('_', ' '), 16)}\nframe {frame.frame}"
    sheet = contact_sheet(rows, row_titles=[title, "regions"], column_titles=names, title_width=140)
    return np.concatenate([sheet, legend(flags, sheet.shape[1])])
