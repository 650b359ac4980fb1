"""Figure of the landmarks over the photographs, for inspection."""

from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from splatrig.dataset.dataset import Frame
from splatrig.dataset.decoding import read_photograph
from splatrig.io.files import atomic_path
from splatrig.landmarks.locate import facing_cosines
from splatrig.landmarks.points import REGIONS, rows_of
from splatrig.landmarks.triangulate import project, projections

_MOST = 4
"""Number of photographs in the figure."""
_MARGIN = 0.35
"""Margin around the face, relative to its width."""


def draw_landmarks(
    path: str | Path,
    frame: Frame,
    seen: NDArray[np.float64],  # [C, L, 2]
    positions: NDArray[np.float64],  # [L, 3]
    canonical: NDArray[np.float64],  # [L, 3]
) -> None:
    """Draw the photographs that see the face most frontally as a PNG.

    Dots are the located points, projected, one color per region; white rings are the points that the network saw.

    Args:
        path: The PNG to write.
        frame: The neutral frame.
        seen: Points in pixels of each camera [C, L, 2].
        positions: Located points in head space [L, 3].
        canonical: Points of an average head [L, 3].
    """
    cosines = facing_cosines(seen, canonical)
    shown = [int(row) for row in np.argsort(-cosines, kind="stable")[:_MOST] if cosines[row] > -1.0]
    figure = Figure(figsize=(3.2 * max(len(shown), 1), 3.6), layout="constrained")
    if not shown:
        figure.text(0.5, 0.5, "no face was found", ha="center", va="center")
    projected = project(projections(frame.cameras), positions)
    for place, row in enumerate(shown, start=1):
        axes = figure.add_subplot(1, len(shown), place)
        axes.imshow(read_photograph(frame.photograph(row), frame.cameras.width, frame.cameras.height)[..., :3],
                    extent=(0, frame.cameras.width, frame.cameras.height, 0))  # fmt: skip
        axes.scatter(seen[row, :, 0], seen[row, :, 1], s=9, facecolors="none", edgecolors="white", linewidths=0.4)
        for region in REGIONS:
            x, y = projected[row, rows_of(region)].T
            axes.scatter(x, y, s=3, label=region)
        low, high = np.nanmin(seen[row], axis=0), np.nanmax(seen[row], axis=0)
        margin = _MARGIN * (high - low)
        axes.set(xlim=(low[0] - margin[0], high[0] + margin[0]), ylim=(high[1] + margin[1], low[1] - margin[1]))
        axes.set_title(f"camera {frame.cameras.names[row]}", fontsize=8)
        axes.set_axis_off()
    if shown:
        figure.legend(*axes.get_legend_handles_labels(), loc="outside lower center", ncols=len(REGIONS), fontsize=7)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)
