"""Image of the head with its face mask colored, for inspection."""

from pathlib import Path

import numpy as np
from matplotlib.collections import PolyCollection
from matplotlib.figure import Figure
from numpy.typing import NDArray

from splatrig.io.files import atomic_path
from splatrig.mesh.normals import face_normals
from splatrig.mesh.template import Level

_FACE_COLOR = np.array([0.86, 0.42, 0.33])
_HEAD_COLOR = np.array([0.78, 0.79, 0.82])
_TO_LIGHT = np.array([0.3, 0.5, 0.8]) / np.linalg.norm([0.3, 0.5, 0.8])
_VIEWS = {"front": 0.0, "three-quarter": 40.0, "side": 90.0}
"""Angles (degrees) by which the head is rotated to its left."""


def draw_mask(path: str | Path, level: Level, title: str) -> None:
    """Draw one level of the template from three sides as a PNG, with faces inside the mask in another color."""
    figure = Figure(figsize=(12, 5.2), layout="constrained")
    figure.suptitle(title)
    inside = np.asarray(level.mask[level.faces].all(axis=1))
    for place, (name, degrees) in enumerate(_VIEWS.items(), start=1):
        axes = figure.add_subplot(1, len(_VIEWS), place)
        axes.add_collection(_painted(level.vertices, level.faces, inside, np.radians(degrees)))
        axes.autoscale_view()
        axes.set(aspect="equal", title=name, xlabel="mm")
        axes.spines[["top", "right"]].set_visible(False)
    with atomic_path(path) as temporary:
        figure.savefig(temporary, dpi=110)


def _painted(
    vertices: NDArray[np.float64], faces: NDArray[np.int64], inside: NDArray[np.bool_], angle: float
) -> PolyCollection:
    """Return the front-facing triangles seen along -z after a rotation about y, back to front, with flat shading."""
    turn = np.array([[np.cos(angle), 0, -np.sin(angle)], [0, 1, 0], [np.sin(angle), 0, np.cos(angle)]])
    turned = vertices @ turn.T
    normals = face_normals(turned, faces)
    normals /= np.maximum(np.linalg.norm(normals, axis=1, keepdims=True), 1e-12)
    order = np.argsort(turned[faces, 2].mean(axis=1), kind="stable")
    order = order[normals[order, 2] > 0]
    shade = 0.5 + 0.5 * np.clip(normals[order] @ _TO_LIGHT, 0, 1)
    colors = np.where(inside[order, None], _FACE_COLOR, _HEAD_COLOR) * shade[:, None]
    return PolyCollection(turned[faces[order], :2], facecolors=colors, edgecolors=colors, linewidths=0.3)
