"""Values at the vertices of a mesh, drawn on the shaded mesh from a fixed camera, with a color bar."""

from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from splatrig.animation.pictures import TEXT_SIZE, Picture, text_block
from splatrig.dataset.cameras import Cameras
from splatrig.mesh.normals import vertex_normals
from splatrig.mesh.silhouette import NEAR_MM
from splatrig.mesh.z_buffer import nearest_faces

COLORS = "magma_r"
"""Matplotlib's name of the color map: its lightness falls evenly, so it works with color blindness and in gray
print."""

USED_SHARE = 0.88
"""Fraction of the color map that is used; on its darkest colors no shading would be visible."""


@dataclass(frozen=True)
class MeshView:
    """Visible surface of a mesh in one camera: per sample the triangle and the position in it, before any color."""

    faces: NDArray[np.int64]  # [T, 3]
    face_at: NDArray[np.int32]  # [S·H, S·W] index into faces, -1 outside the mesh
    corners_at: NDArray[np.float32]  # [S·H, S·W, 3] perspective-correct barycentric coordinates
    light: NDArray[np.float32]  # [S·H, S·W] shading in [0, 1], with a light at the camera
    samples: int
    """Number of samples S along each side of a pixel."""

    def interpolate(self, values: NDArray) -> NDArray[np.float32]:  # [S·H, S·W]
        """Return per-vertex `values` [V] at every sample; 0 outside the mesh."""
        seen = self.face_at >= 0
        corners = np.asarray(values, dtype=np.float32)[self.faces[np.where(seen, self.face_at, 0)]]
        return np.where(seen, np.einsum("hwc,hwc->hw", corners, self.corners_at), 0.0).astype(np.float32)

    def paint(self, values: NDArray, largest: float, colors: str = COLORS) -> Picture:
        """Return the mesh [H, W, 3] colored by `values` [V] from 0 to `largest`, on white."""
        share = np.clip(self.interpolate(values) / max(largest, 1e-12), 0.0, 1.0)
        rgb = colormaps[colors](USED_SHARE * share)[..., :3] * self.light[..., None]
        rgb[self.face_at < 0] = 1.0
        high, wide = np.array(self.face_at.shape) // self.samples
        averaged = rgb.reshape(high, self.samples, wide, self.samples, 3).mean(axis=(1, 3))
        return (averaged * 255.0 + 0.5).astype(np.uint8)


def look(
    vertices: NDArray,  # [V, 3] head space, millimeters
    faces: NDArray[np.int64],  # [T, 3]
    cameras: Cameras,  # a single camera, viewmats from head space
    *,
    samples: int = 2,
) -> MeshView:
    """Return the view of the mesh by the first of `cameras`, from a z-buffer with `samples`² samples per pixel."""
    viewmat, K = cameras.viewmats[0], cameras.Ks[0]
    seen = vertices @ viewmat[:3, :3].T + viewmat[:3, 3]
    pixels = (seen @ K.T)[:, :2] / np.maximum(seen[:, 2:], NEAR_MM) * samples
    shape = (cameras.height * samples, cameras.width * samples)
    faces = np.ascontiguousarray(faces, dtype=np.int64)
    face_at, corners_at, _ = nearest_faces(pixels, seen[:, 2].copy(), faces, *shape, NEAR_MM)
    normals = vertex_normals(seen, faces)
    corners = normals[faces[np.maximum(face_at, 0)]]
    smooth = np.einsum("hwcx,hwc->hwx", corners, corners_at)
    facing = np.abs(smooth[..., 2]) / np.maximum(np.linalg.norm(smooth, axis=-1), 1e-9)
    light = (0.45 + 0.55 * facing).astype(np.float32)
    return MeshView(np.asarray(faces), face_at, corners_at, light, samples)


def color_bar(
    height: int,
    largest: float,
    unit: str,
    *,
    colors: str = COLORS,
    used_share: float = USED_SHARE,
) -> Picture:
    """Return a vertical color bar [height, W, 3] from 0 (bottom) to `largest` with round ticks and the unit."""
    bar_wide, tick_wide = max(10, height // 28), TEXT_SIZE * 5
    title = text_block(unit, width=bar_wide + tick_wide)
    room = max(height - len(title) - 3 * TEXT_SIZE, 2)
    picture = np.full((height, bar_wide + tick_wide, 3), 255, dtype=np.uint8)
    picture[: len(title)] = title
    top = len(title) + TEXT_SIZE
    shares = np.linspace(1.0, 0.0, room)
    rgb = colormaps[colors](used_share * shares)[:, None, :3]
    picture[top : top + room, :bar_wide] = (rgb * 255.0 + 0.5).astype(np.uint8)
    ticks = np.asarray(MaxNLocator(nbins=6, steps=[1, 2, 2.5, 5, 10]).tick_values(0.0, largest))
    for value in ticks[(ticks >= 0.0) & (ticks <= largest * (1 + 1e-9))]:
        tick = text_block(f"{value:.3g}", width=tick_wide)
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
