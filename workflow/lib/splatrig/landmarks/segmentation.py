"""Tells people from the background of a photograph: a small network, run on the CPU by LiteRT."""

from pathlib import Path
from threading import Lock

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from splatrig.landmarks.network import Crop, Network


class Segmenter:
    """MediaPipe's selfie segmentation (general model, 256x256 pixels), ready for photographs; for many threads."""

    def __init__(self, path: str | Path) -> None:
        """Load the network from its file."""
        self._network, self._lock = Network(Path(path)), Lock()

    def alpha(self, pixels: NDArray[np.uint8]) -> NDArray[np.uint8]:  # [H, W, 3] -> [H, W]
        """Return how sure the network is of a person at each pixel of an RGB photograph, 0 to 255."""
        image = Image.fromarray(pixels)
        whole = Crop(np.array(image.size) / 2, float(max(image.size)), 0.0)
        square = whole.pixels(image, self._network.size) / 255.0
        with self._lock:
            found = self._network(square)[0][0, ..., 0].copy()
        offset = (whole.side - np.array(image.size)) / 2
        box = (np.array([*offset, *(offset + image.size)]) * self._network.size / whole.side).tolist()
        seen = Image.fromarray(np.clip(np.rint(255.0 * found), 0, 255).astype(np.uint8))
        return np.asarray(seen.resize(image.size, Image.Resampling.BILINEAR, box=tuple(box)))
