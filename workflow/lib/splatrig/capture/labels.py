"""Labels of a capture: the part of the head that each pixel of a photograph shows."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.capture.photographs import Companion, read_companion
from splatrig.dataset.regions import Region
from splatrig.io.errors import InputError

LABELS: tuple[Region | None, ...] = (None, Region.SKIN, Region.MOUTH, Region.EYES, Region.HAIR)
"""Region of each index in the files; 0 belongs to none."""
_KIND = Companion(
    name="labels",
    its="their",
    it="them",
    modes=("L", "P"),
    form="labels as an 8-bit gray or palette image",
    remedy="save the indices themselves, not their colors",
)


def read_labels(path: Path, photograph: Path, width: int, height: int) -> NDArray[np.uint8]:  # [H, W]
    """Read the labels of a photograph, indices into `LABELS`, resized to `width` × `height` by the nearest neighbor.

    Raises InputError naming the file when it is damaged, is not an 8-bit image of one channel, differs in size from its
    photograph, or has an unknown index.
    """
    labels = read_companion(path, photograph, _KIND)
    if labels.size != (width, height):
        labels = labels.resize((width, height), Image.Resampling.NEAREST)
    indices = np.asarray(labels)
    if indices.max(initial=0) >= len(LABELS):
        names = ", ".join(f"{index} {str(region.name).lower()}" for index, region in enumerate(LABELS) if region)
        raise InputError(
            f"{path}: expected labels 0 to {len(LABELS) - 1} (0 nothing, {names}), got {indices.max()}; translate them "
            "(docs/captures.md)."
        )
    return indices


def write_labels(path: Path, labels: NDArray[np.uint8]) -> None:
    """Write labels [H, W], indices into `LABELS`, as `read_labels` reads them."""
    Image.fromarray(labels).save(path, compress_level=1)
