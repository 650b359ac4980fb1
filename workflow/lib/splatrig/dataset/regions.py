"""Regions of the photographs that the evaluation distinguishes, one image of flags per photograph.

Regions may overlap: hair that reaches beyond the tracked mesh is in `hair` and in `beyond`. All of them lie in `whole`.
"""

from dataclasses import dataclass
from enum import IntFlag
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.io.errors import InputError
from splatrig.io.files import unreadable


class Region(IntFlag):
    """Regions that a pixel may belong to; the values are those in the files."""

    WHOLE = 1
    """Foreground: the photograph's matte covers the pixel by more than half."""
    SKIN = 2
    MOUTH = 4
    """Inside of the mouth: the cavity, teeth and tongue."""
    EYES = 8
    """Eyeballs, and lashes if labels distinguish them."""
    HAIR = 16
    BEYOND = 32
    """Foreground that the tracked mesh does not cover."""


REGIONS: tuple[str, ...] = tuple(str(region.name).lower() for region in Region)
"""Names of the regions, in the order of all tables."""

REGION_COLUMNS: tuple[str, ...] = tuple(f"{what}_{region}" for region in REGIONS for what in ("sse", "pixels"))
"""Columns of tables of images: the sum over a region's pixels of the squared error (values in 0 to 1, mean over the
color channels), and the number of these pixels. Both are empty if an image shows nothing of a region, or its regions
are not known."""

UNKNOWN: tuple[float, ...] = (float("nan"),) * len(REGION_COLUMNS)
"""Values of `REGION_COLUMNS` for an image whose regions are not known."""

COLORS = {
    Region.WHOLE: (150, 150, 150),
    Region.SKIN: (230, 159, 0),
    Region.MOUTH: (213, 94, 0),
    Region.EYES: (0, 114, 178),
    Region.HAIR: (0, 158, 115),
    Region.BEYOND: (240, 228, 66),
}
"""Colors of Okabe and Ito (2008), in the files and in figures; that of `whole` is for pixels in no other region."""

_FLAGS = np.arange(2 * max(Region))
MEMBERS: NDArray[np.bool_] = (_FLAGS[:, None] & np.array([int(region) for region in Region])) > 0  # [64, R]
"""Membership of pixels in regions, by their flags."""


@dataclass(frozen=True)
class RegionFolder:
    """The flags of photographs, `{expression}/{frame}/{camera}.png` below one folder."""

    folder: Path

    def path(self, frame: str, camera: str) -> Path:
        """Return the file of the photograph of the frame `expression/frame` from a camera."""
        return self.folder / frame / f"{camera}.png"

    def write(self, frame: str, camera: str, flags: NDArray[np.uint8]) -> None:
        """Write flags [H, W] as an image of indices, which viewers show in `COLORS`."""
        path = self.path(frame, camera)
        path.parent.mkdir(parents=True, exist_ok=True)
        image = Image.fromarray(flags).convert("P")
        image.putpalette(_palette().ravel().tolist())
        image.save(path, format="PNG", compress_level=1)

    def read(self, frame: str, camera: str, width: int, height: int) -> NDArray[np.uint8]:  # [H, W]
        """Read the flags of a photograph; raise InputError naming a file that is missing or of another size."""
        path = self.path(frame, camera)
        try:
            with Image.open(path) as image:
                flags = np.asarray(image)
        except FileNotFoundError as error:
            raise InputError(f"{path}: regions are missing; delete the folder and run again.") from error
        except (OSError, SyntaxError, ValueError) as error:
            damaged = f"regions cannot be read ({error}); delete the folder and run again."
            raise unreadable(path, error, damaged) from error
        if flags.shape != (height, width):
            raise InputError(
                f"{path}: expected regions of {width}×{height} pixels as the photographs, got "
                f"{flags.shape[1]}×{flags.shape[0]}; delete the folder and run again."
            )
        return flags


def _palette() -> NDArray[np.uint8]:  # [64, 3]
    """Return a color for all flags: that of the last region except `beyond`, mixed with `beyond`'s if that is set."""
    colors = np.zeros((len(_FLAGS), 3))
    for region in (region for region in Region if region != Region.BEYOND):
        colors[(_FLAGS & region) > 0] = COLORS[region]
    outside = (_FLAGS & Region.BEYOND) > 0
    colors[outside] = 0.5 * colors[outside] + 0.5 * np.array(COLORS[Region.BEYOND])
    return colors.astype(np.uint8)
