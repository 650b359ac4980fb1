"""Figure of eyeballs and gaze over the photographs, for inspection."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Frame
from splatrig.dataset.decoding import read_photograph
from splatrig.io.files import atomic_path
from splatrig.landmarks.eye_views import PUPILS_MM
from splatrig.landmarks.eyeballs import IRIS_MM
from splatrig.landmarks.gaze import EYES, Gaze
from splatrig.landmarks.triangulate import project, projections

_MOST, _COLUMNS = 6, 3
"""Maximum number of frames in the figure, and number of columns."""
_ARROW_MM = 30.0
"""Length of the arrow of a gaze."""
_MARGIN_MM = (45.0, 32.0)
"""Margins of the crop around the eyes, horizontally and vertically."""
_COLORS = ("tab:cyan", "tab:orange")


def shown_frames(gaze: Gaze) -> list[int]:
    """Return the frames that differ most in gaze, in order; the first frame and one with closed eyes are included."""
    angles = np.stack([gaze.yaw_deg, gaze.pitch_deg], axis=-1).mean(axis=1)  # [F, 2]
    sure = gaze.confidence.min(axis=1) > 0.5
    closed = np.flatnonzero(gaze.confidence.max(axis=1) == 0.0)
    chosen = [0, *closed[-1:].tolist()]
    while len(chosen) < _MOST:
        distance = np.linalg.norm(angles[:, None] - angles[chosen], axis=-1).min(axis=1) * sure
        if not distance.max(initial=0.0) > 0.0:
            break
        chosen.append(int(np.argmax(distance)))
    return sorted(set(chosen))


def draw_gaze(path: str | Path, frames: Sequence[Frame], gaze: Gaze) -> None:
    """Draw some frames as a PNG, from the training camera that sees the face most frontally.

    Circles are the projected eyeballs and irises, of average size, and lines are the gaze. For an unseen eye only the
    eyeball is drawn.

    Args:
        path: The PNG to write.
        frames: Frames of the data set.
        gaze: The gaze in these frames.
    """
    shown = shown_frames(gaze) if gaze.known.all() else []
    rows = max(1, -(-len(shown) // _COLUMNS))
    figure = Figure(figsize=(3.4 * _COLUMNS, 1.8 * rows), layout="constrained")
    if not shown:
        figure.text(0.5, 0.5, "no eyes were found", ha="center", va="center")
    for place, row in enumerate(shown, start=1):
        axes = figure.add_subplot(rows, _COLUMNS, place)
        _draw_frame(axes, frames[row].photographed, gaze, row)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=130)


def _draw_frame(axes: Axes, frame: Frame, gaze: Gaze, row: int) -> None:
    cameras = frame.cameras
    camera = _frontal(cameras, gaze.centers.mean(axis=0))
    image = read_photograph(frame.photograph(camera), cameras.width, cameras.height)[..., :3]
    axes.imshow(image, extent=(0, cameras.width, cameras.height, 0))
    P = projections(cameras.select([camera]))
    iris_mm = IRIS_MM * float(np.linalg.norm(gaze.centers[0] - gaze.centers[1])) / PUPILS_MM
    for e, color in enumerate(_COLORS):
        center, radius, direction = gaze.centers[e], gaze.radii_mm[e], gaze.directions[row, e]
        toward = cameras.centers[camera] - center
        axes.plot(*project(P, center + _circle(toward, radius))[0].T, color=color, linewidth=0.8)
        if gaze.confidence[row, e] > 0:
            iris = center + np.sqrt(radius**2 - iris_mm**2) * direction + _circle(direction, iris_mm)
            axes.plot(*project(P, iris)[0].T, color=color, linewidth=0.8)
            axes.plot(*project(P, center + np.outer([radius, radius + _ARROW_MM], direction))[0].T, color=color)
    words = [f"{name} {value:.2f}" for name, value in zip(EYES, gaze.confidence[row], strict=True)]
    axes.set_title(f"{frame.expression}\n{frame.frame}, confidence {', '.join(words)}", fontsize=7)
    low, high = gaze.centers.min(axis=0), gaze.centers.max(axis=0)
    margin = np.array([*_MARGIN_MM, 0.0])
    corners = project(P, np.array([low - margin, high + margin]))[0]
    axes.set(xlim=sorted(corners[:, 0]), ylim=sorted(corners[:, 1], reverse=True))
    axes.set_axis_off()


def _frontal(cameras: Cameras, place: NDArray[np.float64]) -> int:
    """Return the training camera that sees a point [3] of the face most frontally."""
    away = cameras.centers - place
    ahead = away[:, 2] / np.linalg.norm(away, axis=1)
    return int(np.argmax(np.where(cameras.held_out, -2.0, ahead)))


def _circle(normal: NDArray[np.float64], radius: float) -> NDArray[np.float64]:  # [3] -> [49, 3]
    """Return a circle about the origin in the plane normal to a vector."""
    right = np.cross([0.0, 1.0, 0.0], normal)
    right /= np.linalg.norm(right)
    up = np.cross(normal, right) / np.linalg.norm(normal)
    angles = np.linspace(0.0, 2.0 * np.pi, 49)[:, None]
    return radius * (np.cos(angles) * right + np.sin(angles) * up)
