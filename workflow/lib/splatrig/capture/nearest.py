"""Fill the unknown pixels of an image from the nearest known ones."""

from typing import TypeVar

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

Number = TypeVar("Number", bound=np.generic)


def filled(image: NDArray[Number], known: NDArray[np.bool_]) -> NDArray[Number]:
    """Return `image` [H, W, c] with each unknown pixel replaced by the nearest known one; black if there is none."""
    if not known.any():
        return np.zeros_like(image)
    nearest = scipy.ndimage.distance_transform_edt(~known, return_distances=False, return_indices=True)
    return image[nearest[0], nearest[1]]
