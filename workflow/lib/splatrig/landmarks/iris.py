"""Network that finds the opening of the lids and the iris in a crop around one eye, run on the CPU by LiteRT.

The network (MediaPipe Iris, Ablavatski et al. 2020) was trained on left eyes; right ones are mirrored for it.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.landmarks.network import Network

CROP_WIDTHS = 2.3
"""Side of the crop that the network expects, in widths of the eye from corner to corner."""
LID_POINTS = 16
"""Number of points around the opening of the lids, which come first in the network's output."""

_CONTOUR_NUMBERS, _IRIS_NUMBERS = 213, 15
"""Sizes of the two outputs: 71 points of the eye and its brow, and 5 of the iris, with three coordinates each."""
_AROUND = (*range(9), *range(15, 8, -1))
"""Order of the points of the lids: along the lower lid from corner to corner, and back along the upper one."""


class IrisFinder:
    """Finder of lids and irises in crops of eyes; for one thread."""

    def __init__(self, path: str | Path) -> None:
        """Load the network from its file."""
        self._network = Network(Path(path))
        self.size = self._network.size
        """Width and height of a crop in pixels."""

    def find(
        self,
        pixels: NDArray[np.float32],  # [size, size, 3] RGB, 0 to 255
        *,
        right: bool,
    ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return the points of the lids [16, 2], in order around their opening, and the center of the iris [2].

        The center of pixel (row i, column j) is (j+.5, i+.5). Closed lids have points as well, with no area between
        them; the iris behind them is a guess.
        """
        seen = np.ascontiguousarray(pixels[:, ::-1] if right else pixels) / 255.0
        outputs = {output.size: output.reshape(-1, 3)[:, :2].astype(np.float64) for output in self._network(seen)}
        lids, iris = outputs[_CONTOUR_NUMBERS][list(_AROUND)], outputs[_IRIS_NUMBERS][0]
        if right:
            lids[:, 0], iris[0] = self.size - lids[:, 0], self.size - iris[0]
        return lids, iris
