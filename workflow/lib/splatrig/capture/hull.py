"""The visual hull of a head's surroundings: points that enough cameras see as foreground.

Laurentini 1994, on a coarse grid of points around the tracked mesh, in head space. The kernels are cached on disk,
which notices changes of this file alone: their constants live here.
"""

import numpy as np
import scipy.ndimage
from numpy.typing import NDArray

from splatrig.dataset.cameras import Cameras
from splatrig.jobs.kernels import cached_njit
from splatrig.landmarks.triangulate import projections

GRID_MM = 5.0
"""Distance between neighboring points of the grid."""
OBJECTIONS = 0.1
"""Fraction of the other cameras that may see background at a point of the hull, for hair as dark as the stage behind
it."""


def points_around(vertices: NDArray[np.float64], reach: float, spacing: float = GRID_MM) -> NDArray[np.float64]:
    """Return the points [P, 3] of a grid within `reach` millimeters of any of the `vertices` [V, 3]."""
    low = vertices.min(axis=0) - reach
    size = np.ceil((np.ptp(vertices, axis=0) + 2.0 * reach) / spacing).astype(int) + 1
    empty = np.ones(size, dtype=bool)
    empty[tuple(np.rint((vertices - low) / spacing).astype(int).T)] = False
    near = scipy.ndimage.distance_transform_edt(empty) * spacing <= reach
    return low + spacing * np.argwhere(near)


def hull_cells(
    points: NDArray[np.float64],  # [P, 3]
    cameras: Cameras,
    covered: NDArray[np.bool_],  # [C, h, w]
    foreground: NDArray[np.bool_],  # [C, h, w]
    known: NDArray[np.bool_],  # [C, h, w]
    size: int,
) -> NDArray[np.bool_]:  # [C, h, w]
    """Return each camera's foreground cells whose rays pass a point that enough other cameras see as foreground.

    Cells are squares of `size` pixels. A camera does not vote on points outside its image, where its view of the stage
    is not `known`, or in cells that the tracked mesh has `covered`, which hides what is behind it. Points that no other
    camera can judge pass. A point is seen in the cell that contains its projection and in the neighboring cells.
    """
    seen = _grown(foreground)
    votes = np.where(covered, 0, np.where(seen, 1, np.where(known, -1, 0))).astype(np.int8)
    passed = np.zeros(foreground.shape, dtype=bool)
    shape = np.array([cameras.height, cameras.width])
    _carve(np.ascontiguousarray(points), projections(cameras), votes, shape, size, passed)
    return _grown(passed) & (seen | _grown(covered))


def _grown(cells: NDArray[np.bool_]) -> NDArray[np.bool_]:  # [C, h, w]
    """Return the cells dilated by one cell."""
    return np.asarray(scipy.ndimage.binary_dilation(cells, np.ones((1, 3, 3), dtype=bool)))


@cached_njit(nogil=True)
def _carve(points, projections, votes, shape, size, passed):  # type: ignore[no-untyped-def]
    """Set the cells [C, h, w] of the points that few enough cameras object to."""
    cameras = len(projections)
    rows, columns = np.empty(cameras, dtype=np.int64), np.empty(cameras, dtype=np.int64)
    for k in range(len(points)):
        x, y, z = points[k]
        judges = objections = 0
        for c in range(cameras):
            m = projections[c]
            depth = m[2, 0] * x + m[2, 1] * y + m[2, 2] * z + m[2, 3]
            rows[c] = -1
            if depth <= 0.0:
                continue
            column = np.floor((m[0, 0] * x + m[0, 1] * y + m[0, 2] * z + m[0, 3]) / depth)
            row = np.floor((m[1, 0] * x + m[1, 1] * y + m[1, 2] * z + m[1, 3]) / depth)
            if not (0 <= row < shape[0] and 0 <= column < shape[1]):
                continue
            rows[c], columns[c] = int(row) // size, int(column) // size
            vote = votes[c, rows[c], columns[c]]
            judges += vote != 0
            objections += vote < 0
        if objections > OBJECTIONS * max(judges - 1, 0):
            continue
        for c in range(cameras):
            if rows[c] >= 0:
                passed[c, rows[c], columns[c]] = True
