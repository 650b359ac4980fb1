"""Z-buffer: the nearest triangle of a mesh at every pixel."""

import numpy as np
from numpy.typing import NDArray

from splatrig.jobs.kernels import cached_njit


@cached_njit(nogil=True, error_model="numpy")
def nearest_faces(
    pixels: NDArray[np.float64],  # [V, 2] (x, y); the center of pixel (row i, column j) is (j+.5, i+.5)
    depths: NDArray[np.float64],  # [V]
    faces: NDArray[np.int64],  # [T, 3]
    height: int,
    width: int,
    near: float,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float64]]:
    """Return, at each pixel's center, the nearest face, the position in it, and its depth.

    These are the face's index [H, W] (-1 for none; ties go to the lower index), perspective-correct barycentric
    coordinates [H, W, 3], and depth [H, W] (infinite for none; inverse depth is linear on the screen). Faces with a
    corner nearer than `near` are left out.
    """
    face_at = np.full((height, width), -1, dtype=np.int32)
    corners_at = np.zeros((height, width, 3), dtype=np.float32)
    nearest = np.full((height, width), np.inf)
    for face in range(faces.shape[0]):
        i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
        if not min(depths[i], depths[j], depths[k]) >= near:
            continue
        xi, yi, xj, yj, xk, yk = pixels[i, 0], pixels[i, 1], pixels[j, 0], pixels[j, 1], pixels[k, 0], pixels[k, 1]
        area = (xj - xi) * (yk - yi) - (xk - xi) * (yj - yi)
        if area == 0.0:
            continue
        first_column = max(0, int(np.ceil(min(xi, xj, xk) - 0.5)))
        last_column = min(width - 1, int(np.floor(max(xi, xj, xk) - 0.5)))
        first_row = max(0, int(np.ceil(min(yi, yj, yk) - 0.5)))
        last_row = min(height - 1, int(np.floor(max(yi, yj, yk) - 0.5)))
        for row in range(first_row, last_row + 1):
            y = row + 0.5
            for column in range(first_column, last_column + 1):
                x = column + 0.5
                u = ((xj - x) * (yk - y) - (xk - x) * (yj - y)) / area
                v = ((xk - x) * (yi - y) - (xi - x) * (yk - y)) / area
                w = 1.0 - u - v
                if u < 0.0 or v < 0.0 or w < 0.0:
                    continue
                inverse = u / depths[i] + v / depths[j] + w / depths[k]
                if 1.0 / inverse < nearest[row, column]:
                    nearest[row, column] = 1.0 / inverse
                    face_at[row, column] = face
                    corners_at[row, column, 0] = u / depths[i] / inverse
                    corners_at[row, column, 1] = v / depths[j] / inverse
                    corners_at[row, column, 2] = w / depths[k] / inverse
    return face_at, corners_at, nearest
