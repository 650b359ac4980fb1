"""Tables of landmarks: points in images (`detections.csv`) and in space (`landmarks.csv`)."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path
from splatrig.io.tables import read_table
from splatrig.landmarks.points import NOSE_TIP, POINTS, REGION_OF, rows_of
from splatrig.landmarks.triangulate import Triangulated
from splatrig.mesh.marks import FaceMarks
from splatrig.mesh.nearest import Places, Surface

COLUMNS = ("point", "region", "x", "y", "z", "triangle", "a", "b", "c", "cameras", "error")
"""Columns of the table: number of the point in the network's topology and its region; position in the neutral's head
space (mm); triangle of the tracked mesh and barycentric weights of its corners at the nearest point; number of agreeing
cameras, and the median of their reprojection errors (pixels)."""

_POSITION = ["x", "y", "z"]
_WEIGHTS = ["a", "b", "c"]
_FEWEST = 4
"""Least number of points that determine a size and axes."""


@dataclass(frozen=True)
class Landmarks:
    """Points of a face in the head space of the neutral frame, attached to its tracked mesh.

    Arrays have one row for each of `POINTS`; a point that was not found has NaN, triangle -1 and no cameras.
    """

    positions: NDArray[np.float64]  # [L, 3] millimeters
    triangles: NDArray[np.int64]  # [L] faces of the tracked mesh without unreferenced vertices
    barycentric: NDArray[np.float64]  # [L, 3]
    cameras: NDArray[np.int64]  # [L]
    errors: NDArray[np.float64]  # [L] pixels; NaN for landmarks of a user

    @property
    def found(self) -> NDArray[np.bool_]:  # [L]
        """True for points that were found."""
        return self.triangles >= 0

    def vertex(self, point: int, faces: NDArray[np.int64]) -> int | None:
        """Return the vertex of the tracked mesh's `faces` [T, 3] nearest to a point; None if it was not found."""
        row = POINTS.index(point)
        if not self.found[row]:
            return None
        return int(Places(self.triangles[[row]], self.barycentric[[row]]).nearest_vertices(faces)[0])

    def marks(self, vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> FaceMarks | None:
        """Return the features of the face; None if one was not found.

        The tip of the nose is the vertex nearest to its point, since the network usually sees it in front of the mesh.
        """
        tip = self.vertex(NOSE_TIP, faces)
        places = [self.positions[rows][self.found[rows]] for rows in map(rows_of, ("left eye", "right eye", "lips"))]
        if tip is None or not all(len(place) for place in places):
            return None
        return FaceMarks(vertices[tip], *(place.mean(axis=0) for place in places))


def no_landmarks() -> Landmarks:
    """Return landmarks none of which was found."""
    nowhere = np.full((len(POINTS), 3), np.nan)
    none = np.zeros(len(POINTS), dtype=np.int64)
    return Landmarks(nowhere, none - 1, nowhere, none, nowhere[:, 0])


def attach(
    positions: NDArray[np.float64],  # [L, 3], NaN where there is none
    surface: Surface,
    cameras: NDArray[np.int64],  # [L]
    errors: NDArray[np.float64],  # [L] pixels
) -> Landmarks:
    """Return landmarks attached to the nearest points of the tracked mesh.

    Args:
        positions: Points in head space [L, 3], NaN where there is none.
        surface: The tracked mesh.
        cameras: Number of cameras that agree on each point [L].
        errors: Median reprojection error of each point in pixels [L].
    """
    there = np.isfinite(positions).all(axis=1)
    triangles, weights = np.full(len(positions), -1), np.full((len(positions), 3), np.nan)
    if there.any():
        places, _ = surface.nearest(positions[there])
        triangles[there], weights[there] = places.faces, places.barycentric
    return Landmarks(positions, triangles, weights, np.where(there, cameras, 0), np.where(there, errors, np.nan))


def attach_located(located: Triangulated, surface: Surface) -> Landmarks:
    """Attach triangulated points to the tracked mesh."""
    return attach(located.positions, surface, located.inliers.sum(axis=0), located.errors)


def write_landmarks(path: str | Path, landmarks: Landmarks) -> None:
    """Write `landmarks.csv`, one row for each point that was found; no rows if no face was seen by two cameras.

    Args:
        path: The file to write.
        landmarks: The points.
    """
    rows = np.flatnonzero(landmarks.found)
    table = pd.DataFrame({"point": np.array(POINTS)[rows], "region": [REGION_OF[POINTS[row]] for row in rows]})
    table[_POSITION] = np.round(landmarks.positions[rows], 4)
    table["triangle"] = landmarks.triangles[rows]
    table[_WEIGHTS] = np.round(landmarks.barycentric[rows], 6)
    table["cameras"], table["error"] = landmarks.cameras[rows], np.round(landmarks.errors[rows], 4)
    with atomic_path(path) as temporary:
        table[list(COLUMNS)].to_csv(temporary, index=False)


def read_landmarks(path: str | Path, face_count: int) -> Landmarks:
    """Read a table that `write_landmarks` wrote.

    Args:
        path: The file.
        face_count: Number of triangles of the tracked mesh.

    Raises:
        InputError: A row is malformed or of another mesh; names the file.
    """
    table = _read(path, list(COLUMNS))
    triangles = table["triangle"].to_numpy()
    if len(table) and not ((triangles >= 0) & (triangles < face_count)).all():
        raise InputError(
            f"{path}: triangle {int(triangles.max())} does not exist, the tracked mesh has {face_count}; delete the "
            "file and run again."
        )
    weights = _spread(table, _WEIGHTS)
    cameras = np.nan_to_num(_spread(table, ["cameras"])[:, 0]).astype(np.int64)
    attached = np.nan_to_num(_spread(table, ["triangle"])[:, 0], nan=-1).astype(np.int64)
    return Landmarks(_spread(table, _POSITION), attached, weights, cameras, _spread(table, ["error"])[:, 0])


def read_positions(path: str | Path) -> NDArray[np.float64]:  # [L, 3]
    """Read the positions of a user's own table: the columns point, x, y and z; NaN for points that it lacks.

    Args:
        path: The file.

    Returns:
        Positions [L, 3] in head space, millimeters.

    Raises:
        InputError: A column is missing, a point is unknown or repeated, or a position is not a number; names the file.
    """
    table = _read(path, ["point", *_POSITION])
    positions = _spread(table, _POSITION)
    bad = table["point"][~np.isfinite(table[_POSITION].to_numpy(dtype=np.float64)).all(axis=1)]
    if len(bad):
        raise InputError(f"{path}: point {bad.iloc[0]}: expected three finite numbers; leave out what is not known.")
    if len(table) < _FEWEST:
        raise InputError(f"{path}: expected at least {_FEWEST} of the {len(POINTS)} points, got {len(table)}.")
    return positions


def _read(path: str | Path, columns: list[str]) -> pd.DataFrame:
    """Read a table of points that must have `columns`, each point once."""
    table = read_table(path, "landmarks", columns, "write it again")
    numbers = table[[name for name in columns if name != "region"]]
    text = [name for name in numbers.columns if len(table) and not pd.api.types.is_numeric_dtype(numbers[name])]
    if text:
        raise InputError(f"{path}: column {text[0]}: expected numbers alone; take the words out.")
    unknown = [point for point in table["point"] if point not in REGION_OF]
    if unknown:
        raise InputError(
            f"{path}: point {unknown[0]} is none of the {len(POINTS)} of eyes, brows, nose and lips that are used "
            "(numbers of the 468-point face mesh, docs/captures.md)."
        )
    twice = table["point"][table["point"].duplicated()]
    if len(twice):
        raise InputError(f"{path}: point {twice.iloc[0]} appears twice; remove one of the two.")
    return table


def _spread(table: pd.DataFrame, columns: list[str]) -> NDArray[np.float64]:  # [L, columns]
    """Return columns of a table with one row for each of `POINTS`; NaN for those that it lacks."""
    return table.set_index("point")[columns].reindex(list(POINTS)).to_numpy(dtype=np.float64)


def write_detections(path: str | Path, cameras: tuple[str, ...], seen: NDArray[np.float64]) -> None:
    """Write the points in images, one row per camera and point, in pixels; no rows without a face.

    Args:
        path: The file to write.
        cameras: Names of the cameras.
        seen: Points [C, L, 2] in pixels.
    """
    rows, points = np.nonzero(np.isfinite(seen).all(axis=2))
    table = pd.DataFrame({"camera": np.array(cameras, dtype=object)[rows], "point": np.array(POINTS)[points]})
    table[["x", "y"]] = np.round(seen[rows, points], 3)
    with atomic_path(path) as temporary:
        table.to_csv(temporary, index=False)


def read_detections(path: str | Path, cameras: tuple[str, ...]) -> NDArray[np.float64]:  # [C, L, 2]
    """Read the points in the images of `cameras`; NaN where a camera does not see them.

    Args:
        path: The file.
        cameras: Names of the cameras.

    Returns:
        Points [C, L, 2] in pixels.
    """
    text: dict[str, Any] = {"dtype": {"camera": str}, "keep_default_na": False, "na_values": {"x": [""], "y": [""]}}
    table = read_table(path, "detections", ["camera", "point", "x", "y"], "delete it and run again", **text)
    seen = np.full((len(cameras), len(POINTS), 2), np.nan)
    places = {name: row for row, name in enumerate(cameras)}
    known = table[table["camera"].isin(places)]
    rows = known["camera"].map(places).to_numpy(dtype=np.int64)
    seen[rows, np.searchsorted(POINTS, known["point"].to_numpy())] = known[["x", "y"]].to_numpy(dtype=np.float64)
    return seen
