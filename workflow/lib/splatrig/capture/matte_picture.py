"""Contact sheet of one frame's mattes, which shows at a glance what counts as head."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.decoding import read_photograph
from splatrig.io.files import atomic_path

BEHIND = np.array([255.0, 0.0, 255.0])
"""Magenta, a color that heads do not have."""
MOST_CAMERAS = 8
HEIGHT = 256
"""Height of one image in pixels."""


def draw_mattes(path: str | Path, folder: Path, cameras: Cameras, plates: Path | None = None) -> list[str]:
    """Draw the photographs of a data set's frame over magenta with their alpha below; return the cameras shown.

    At most `MOST_CAMERAS` cameras are shown, equally spaced from the left to the right of the head.

    Args:
        path: The image file to write.
        folder: Folder with `{camera}.png`.
        cameras: Cameras of the data set.
        plates: Folder with images of the empty stage as `{camera}.png`; they are shown as a third row, over magenta
            where they are unknown.
    """
    cameras = cameras.select([(folder / f"{name}.png").is_file() for name in cameras.names])
    facing = np.argsort(cameras.centers[:, 0], kind="stable")
    picked = facing[np.unique(np.linspace(0, len(facing) - 1, min(MOST_CAMERAS, len(facing))).round().astype(int))]
    columns = []
    for name in (cameras.names[index] for index in picked):
        rgba = read_photograph(folder / f"{name}.png", cameras.width, cameras.height).astype(np.float64)
        rows = [_over_magenta(rgba), np.repeat(rgba[..., 3:], 3, axis=2)]
        if plates is not None:
            rows.append(_over_magenta(read_photograph(plates / f"{name}.png", cameras.width, cameras.height)))
        image = Image.fromarray(np.rint(np.concatenate(rows)).astype(np.uint8))
        image = image.resize((max(1, round(HEIGHT * cameras.width / cameras.height)), len(rows) * HEIGHT))
        ImageDraw.Draw(image).text((4, HEIGHT + 4), name, fill=(255, 0, 255))
        columns.append(np.asarray(image))
    with atomic_path(path) as temporary:
        Image.fromarray(np.concatenate(columns, axis=1)).save(temporary, format="PNG")
    return [cameras.names[index] for index in picked]


def _over_magenta(rgba: NDArray[np.number]) -> NDArray[np.float64]:  # [H, W, 4] -> [H, W, 3]
    """Return an image over `BEHIND`, weighted by its alpha."""
    alpha = rgba[..., 3:] / 255.0
    return np.asarray(alpha * rgba[..., :3] + (1.0 - alpha) * BEHIND)
