"""The rims of mouth and eyes on the tracked mesh: its openings or, where it is closed, landmarks of lips and lids."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw

from splatrig.dataset.cameras import Cameras
from splatrig.landmarks.points import INNER_LIPS, LIDS, OUTER_LIPS, POINTS, rows_of
from splatrig.landmarks.table import Landmarks
from splatrig.landmarks.triangulate import project, projections
from splatrig.mesh.nearest import Places, Surface
from splatrig.mesh.openings import small_loops

REACH_MM = 25.0
"""Largest distance between the middle of an opening and the middle of the landmarks for them to match."""
FEWEST = 8
"""Least number of landmarks of a rim that must have been found."""
LIP_SHARE, LID_MM = 0.4, 3.0
"""Distance from an opening to the points that its rim is attached to: a fraction of the way to the outer border of the
lips, and a distance on the lids. On a mesh that is closed over an opening, nearer points do not move with only one lip
or lid.

On a mesh that is closed over an opening, what is nearer does not move with one lip or lid alone.
"""
FACING = 0.2
"""Least cosine between the normal of a rim and the direction to a camera that sees into it."""


@dataclass(frozen=True)
class Rim:
    """A closed line around an opening of the face, attached to points of the tracked mesh that it moves with."""

    held: Places  # R
    offsets: NDArray[np.float64]  # [R, 3]
    """Vectors from the attachment points to the line, millimeters in head space."""

    def on(self, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> NDArray[np.float64]:  # [R, 3]
        """Return the line on the mesh of `vertices` [V, 3] and `faces` [T, 3], in any pose of the mesh."""
        return self.held.on(vertices, faces) + self.offsets


@dataclass(frozen=True)
class Rims:
    """The rims of a face; empty where they are not known."""

    mouth: tuple[Rim, ...] = ()
    eyes: tuple[Rim, ...] = ()


def find_rims(
    vertices: NDArray[np.float64],  # [V, 3] of the neutral, millimeters
    faces: NDArray[np.int64],  # [T, 3]
    landmarks: Landmarks,
) -> Rims:
    """Return the rims of mouth and eyes.

    Each is the opening of the mesh nearest to its landmarks, or a line through them if the mesh has none there. Without
    landmarks, three openings count as the mouth, nearest to the middle, and two eyes.
    """
    loops = small_loops(vertices, faces)
    if not landmarks.found.any():
        loops = sorted(loops, key=lambda loop: abs(float(vertices[loop, 0].mean())))
        rims = [_of_loop(loop, faces) for loop in loops]
        return Rims(tuple(rims[:1]), tuple(rims[1:])) if len(rims) == 3 else Rims()
    places = {
        name: landmarks.positions[rows][landmarks.found[rows]] for name, rows in ((n, rows_of(n)) for n in _FEATURES)
    }
    opened = {name: _nearest(loops, vertices, points) for name, points in places.items()}
    surface = Surface(vertices, faces)
    made = {
        name: _of_landmarks(name, landmarks.positions, surface) if loop is None else _of_loop(loop, faces)
        for name, loop in opened.items()
    }
    known = {name: rim for name, rim in made.items() if rim is not None}
    return Rims(
        tuple(rim for name, rim in known.items() if name == "lips"),
        tuple(rim for name, rim in known.items() if name != "lips"),
    )


_FEATURES = ("lips", *LIDS)


def _nearest(
    loops: Sequence[NDArray[np.int64]], vertices: NDArray[np.float64], points: NDArray[np.float64]
) -> NDArray[np.int64] | None:
    """Return the loop of vertices whose middle is nearest to that of `points` [P, 3]; None if none is near."""
    if not len(points) or not len(loops):
        return None
    distances = [np.linalg.norm(vertices[loop].mean(axis=0) - points.mean(axis=0)) for loop in loops]
    nearest = int(np.argmin(distances))
    return loops[nearest] if distances[nearest] < REACH_MM else None


def _of_loop(loop: NDArray[np.int64], faces: NDArray[np.int64]) -> Rim:
    """Return vertices of the mesh as a rim."""
    corner = np.full(int(faces.max()) + 1, -1)
    corner[faces.ravel()] = np.arange(faces.size)
    at = corner[loop]
    return Rim(Places(at // 3, np.eye(3)[at % 3]), np.zeros((len(loop), 3)))


def _of_landmarks(name: str, positions: NDArray[np.float64], surface: Surface) -> Rim | None:
    """Return the line through the landmarks [L, 3] of a feature; None if too few were found."""
    row = {point: index for index, point in enumerate(POINTS)}
    if name == "lips":
        inner = positions[[row[point] for point in INNER_LIPS]]
        holding = inner + LIP_SHARE * (positions[[row[point] for point in OUTER_LIPS]] - inner)
    else:
        inner = positions[[row[point] for point in LIDS[name]]]
        away = inner - np.nanmean(inner, axis=0) if np.isfinite(inner).any() else inner
        holding = inner + LID_MM * away / np.linalg.norm(away, axis=1, keepdims=True)
    found = np.isfinite(inner).all(axis=1) & np.isfinite(holding).all(axis=1)
    if found.sum() < FEWEST:
        return None
    held, _ = surface.nearest(holding[found])
    return Rim(held, inner[found] - held.on(surface.vertices, surface.faces))


def inside_rims(
    rims: Iterable[Rim],
    vertices: NDArray[np.float64],  # [V, 3] of a frame, millimeters
    faces: NDArray[np.int64],  # [T, 3]
    camera: Cameras,
) -> NDArray[np.bool_]:  # [H, W]
    """Return the pixels inside any of the rims in a single camera, which is in the space of `vertices`.

    A rim whose normal points away from the camera has no pixels: the face, which looks along +z, is in front of it.
    """
    image = Image.new("1", (camera.width, camera.height))
    for rim in rims:
        points = rim.on(vertices, faces)
        middle = points.mean(axis=0)
        normal = np.linalg.svd(points - middle)[2][2]
        normal *= np.sign(normal[2]) or 1.0
        towards = camera.centers[0] - middle
        (pixels,) = project(projections(camera), points)
        if normal @ towards > FACING * np.linalg.norm(towards) and np.isfinite(pixels).all():
            # in Pillow pixel centers have integer coordinates
            ImageDraw.Draw(image).polygon([(x - 0.5, y - 0.5) for x, y in pixels.tolist()], fill=1)
    return np.asarray(image)
