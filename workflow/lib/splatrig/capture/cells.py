"""Division of an image into square cells; the last cells of a row or column are cropped."""

from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def reduced(mask: NDArray[np.bool_], size: int) -> NDArray[np.bool_]:  # [H, W] -> [h, w]
    """Return whether any pixel of a cell of `size` × `size` pixels is set."""
    rows = np.logical_or.reduceat(mask, np.arange(0, mask.shape[0], size), axis=0)
    return np.logical_or.reduceat(rows, np.arange(0, mask.shape[1], size), axis=1)


def grown_to_pixels(
    cells: NDArray[Number],  # [h, w]
    size: int,
    shape: tuple[int, ...],
) -> NDArray[Number]:  # [H, W]
    """Return the value of its cell for every pixel of an image of some shape."""
    return np.repeat(np.repeat(cells, size, axis=0), size, axis=1)[: shape[0], : shape[1]]


def pixels_of_cells(size: int, shape: tuple[int, ...]) -> NDArray[np.int64]:  # [h, w]
    """Return the number of pixels of each cell of an image."""
    height, width = (np.diff(np.append(np.arange(0, n, size), n)) for n in shape)
    return np.outer(height, width)
