"""Numbers at the vertices of a mesh, drawn on the shaded mesh from a fixed camera, with a colour bar."""

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator
from numba import njit
from numpy.typing import NDArray

from splatrig.animation.pictures import Picture, text_block
from splatrig.capture.cameras import Cameras

COLORS = "magma_r"
"""Matplotlib's name of the colour map: its lightness falls evenly, so it survives colour blindness and grey print."""

USED_SHARE = 0.88
"""Share of the colour map that is used: on the darkest colours no shading can be seen."""

NEAR_MM = 1.0
"""Triangles with a corner nearer to the camera are not drawn."""


@dataclass(frozen=True)
class MeshView:
    """What one camera sees of a mesh: per sample the triangle and where in it, before any colour."""

    faces: NDArray[np.int64]  # [T, 3]
    face_at: NDArray[np.int32]  # [S·H, S·W] index into faces, -1 outside of the mesh
    corners_at: NDArray[np.float32]  # [S·H, S·W, 3] perspective-correct barycentric coordinates
    light: NDArray[np.float32]  # [S·H, S·W] in [0, 1], a lamp at the camera
    samples: int
    """S samples along each side of a pixel."""

    def interpolate(self, values: NDArray) -> NDArray[np.float32]:  # [S·H, S·W]
        """Return per-vertex `values` [V] at every sample; 0 outside of the mesh."""
        seen = self.face_at >= 0
        corners = np.asarray(values, dtype=np.float32)[self.faces[np.where(seen, self.face_at, 0)]]
        return np.where(seen, np.einsum("hwc,hwc->hw", corners, self.corners_at), 0.0).astype(np.float32)

    def paint(self, values: NDArray, largest: float, colors: str = COLORS) -> Picture:
        """Return the mesh [H, W, 3] coloured by `values` [V] from 0 to `largest`, on white."""
        share = np.clip(self.interpolate(values) / max(largest, 1e-12), 0.0, 1.0)
        rgb = colormaps[colors](USED_SHARE * share)[..., :3] * self.light[..., None]
        rgb[self.face_at < 0] = 1.0
        high, wide = np.array(self.face_at.shape) // self.samples
        averaged = rgb.reshape(high, self.samples, wide, self.samples, 3).mean(axis=(1, 3))
        return (averaged * 255.0 + 0.5).astype(np.uint8)


def look(
    vertices: NDArray,  # [V, 3] head space, millimetres
    faces: NDArray[np.int64],  # [T, 3]
    cameras: Cameras,  # one camera, viewmats from head space
    *,
    samples: int = 2,
) -> MeshView:
    """Return what the first of `cameras` sees of the mesh, by a z-buffer with `samples`² samples a pixel."""
    viewmat, K = cameras.viewmats[0], cameras.Ks[0]
    seen = vertices @ viewmat[:3, :3].T + viewmat[:3, 3]
    pixels = (seen @ K.T)[:, :2] / np.maximum(seen[:, 2:], NEAR_MM) * samples
    shape = (cameras.height * samples, cameras.width * samples)
    face_at, corners_at = _z_buffer(pixels, seen[:, 2], np.ascontiguousarray(faces), shape[0], shape[1])
    normals = vertex_normals(seen, faces)
    corners = normals[faces[np.maximum(face_at, 0)]]
    smooth = np.einsum("hwcx,hwc->hwx", corners, corners_at)
    facing = np.abs(smooth[..., 2]) / np.maximum(np.linalg.norm(smooth, axis=-1), 1e-9)
    light = (0.45 + 0.55 * facing).astype(np.float32)
    return MeshView(np.asarray(faces), face_at, corners_at, light, samples)


def vertex_normals(vertices: NDArray, faces: NDArray[np.int64]) -> NDArray[np.float64]:  # [V, 3]
    """Return area-weighted unit normals; zero where no triangle meets."""
    a, b, c = (vertices[faces[:, corner]] for corner in range(3))
    per_face = np.cross(b - a, c - a)
    normals = np.stack(
        [
            np.bincount(faces.ravel(), weights=np.repeat(per_face[:, axis], 3), minlength=len(vertices))
            for axis in range(3)
        ],
        axis=-1,
    )
    return normals / np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-12)


@njit(cache=True)
def _z_buffer(pixels, depths, faces, height, width):  # type: ignore[no-untyped-def]
    """Fill (face index, barycentric coordinates) per sample; the nearest triangle wins, ties go to the lower index."""
    face_at = np.full((height, width), -1, dtype=np.int32)
    corners_at = np.zeros((height, width, 3), dtype=np.float32)
    nearest = np.full((height, width), np.inf)
    for face in range(faces.shape[0]):
        i, j, k = faces[face, 0], faces[face, 1], faces[face, 2]
        if min(depths[i], depths[j], depths[k]) < NEAR_MM:
            continue
        xi, yi, xj, yj, xk, yk = pixels[i, 0], pixels[i, 1], pixels[j, 0], pixels[j, 1], pixels[k, 0], pixels[k, 1]
        area = (xj - xi) * (yk - yi) - (xk - xi) * (yj - yi)
        if area == 0.0:
            continue
        first_column = max(0, int(np.floor(min(xi, xj, xk) - 0.5)))
        last_column = min(width - 1, int(np.ceil(max(xi, xj, xk) - 0.5)))
        first_row = max(0, int(np.floor(min(yi, yj, yk) - 0.5)))
        last_row = min(height - 1, int(np.ceil(max(yi, yj, yk) - 0.5)))
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
    return face_at, corners_at


def color_bar(
    height: int,
    largest: float,
    unit: str,
    *,
    colors: str = COLORS,
    used_share: float = USED_SHARE,
    text_size: int = 14,
) -> Picture:
    """Return a vertical colour bar [height, W, 3] from 0 (bottom) to `largest` with round ticks and the unit."""
    bar_wide, tick_wide = max(10, height // 28), text_size * 5
    title = text_block(unit, width=bar_wide + tick_wide, size=text_size)
    room = max(height - len(title) - 3 * text_size, 2)
    picture = np.full((height, bar_wide + tick_wide, 3), 255, dtype=np.uint8)
    picture[: len(title)] = title
    top = len(title) + text_size
    shares = np.linspace(1.0, 0.0, room)
    rgb = colormaps[colors](used_share * shares)[:, None, :3]
    picture[top : top + room, :bar_wide] = (rgb * 255.0 + 0.5).astype(np.uint8)
    ticks = np.asarray(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(0.0, largest))
    for value in ticks[(ticks >= 0.0) & (ticks <= largest * (1 + 1e-9))]:
        tick = text_block(f"{value:.3g}", width=tick_wide, size=text_size)
        row = top + round((1.0 - value / largest) * (room - 1))
        picture[row, :bar_wide] = 64
        first = min(max(row - len(tick) // 2, 0), height - len(tick))
        picture[first : first + len(tick), bar_wide:] = tick
    return picture


def nice_ceiling(value: float) -> float:
    """Return the smallest of 1, 1.5, 2, 3, 4, 5, 6, 8 times a power of ten that is not below `value` (1 for 0)."""
    if not value > 0:
        return 1.0
    power = 10.0 ** np.floor(np.log10(value))
    return float(next(step * power for step in (1, 1.5, 2, 3, 4, 5, 6, 8, 10) if step * power >= value * (1 - 1e-9)))
