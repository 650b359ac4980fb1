"""Photographs as tracking uses them: gray, band-passed, with normalized contrast; and the pixels that show the skin."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter, map_coordinates

from splatrig.mesh.normals import face_normals
from splatrig.mesh.silhouette import NEAR_MM
from splatrig.mesh.z_buffer import nearest_faces

FAINT = 0.008
"""Contrast, of values from 0 to 1, below which a signal is noise."""
BORDER_PX = 4
"""Border of photographs that is ignored, since filters reach beyond the image there."""
LEAST_COSINE = 0.35
"""Least cosine of the angle at which a pixel sees the skin."""
GRADIENT_PX = 0.5
"""Standard deviation of the Gaussian that the band is smoothed by before differences are taken."""


def band_passed(gray: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:  # [H, W] both
    """Return the details at a scale of `sigma` pixels, divided by the local contrast.

    This removes the effect of light and exposure over larger distances, and gives freckles as much weight as brows.
    """
    low = gaussian_filter(gray, sigma)
    detail = low - gaussian_filter(gray, 3.0 * sigma + 2.0)
    contrast = gaussian_filter(detail * detail, 3.0 * sigma + 3.0)
    return np.asarray(detail / np.sqrt(contrast + FAINT**2), dtype=np.float32)


def sampled(image: NDArray[np.float32], pixels: NDArray[np.float64]) -> NDArray[np.float64]:  # [H, W], [p, 2] -> [p]
    """Return an image at positions (x, y), by bilinear interpolation; outside it is extended by its border."""
    places = [pixels[:, 1] - 0.5, pixels[:, 0] - 0.5]
    return np.asarray(map_coordinates(image, places, order=1, mode="nearest", output=np.float64))


@dataclass(frozen=True)
class Band:
    """One photograph at one scale, with its gradients."""

    values: NDArray[np.float32]  # [H, W]
    along_x: NDArray[np.float32]  # [H, W]
    along_y: NDArray[np.float32]  # [H, W]

    @classmethod
    def of(cls, gray: NDArray[np.float32], sigma: float) -> "Band":
        """Return a photograph at one scale."""
        values = band_passed(gray, sigma)
        smooth = gaussian_filter(values, GRADIENT_PX)
        return cls(values, np.gradient(smooth, axis=1), np.gradient(smooth, axis=0))

    def at(self, pixels: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Return values [p] and gradients [p, 2] at positions [p, 2]."""
        slopes = [sampled(image, pixels) for image in (self.along_x, self.along_y)]
        return sampled(self.values, pixels), np.stack(slopes, axis=1)


def depths_of(
    vertices: NDArray[np.float64],  # [V, 3] world
    faces: NDArray[np.int64],  # [T, 3]
    P: NDArray[np.float64],  # [3, 4] world to homogeneous pixels, third row a rigid motion's
    height: int,
    width: int,
) -> tuple[NDArray[np.int32], NDArray[np.float32], NDArray[np.float64]]:
    """Return face, barycentric coordinates and depth of a mesh at every pixel of a camera, as `nearest_faces` does."""
    homogeneous = vertices @ P[:, :3].T + P[:, 3]
    depths = homogeneous[:, 2]
    with np.errstate(divide="ignore", invalid="ignore"):
        pixels = homogeneous[:, :2] / depths[:, None]
    return nearest_faces(np.ascontiguousarray(pixels), depths.copy(), faces, height, width, NEAR_MM)


@dataclass(frozen=True)
class SkinPixels:
    """Pixels of one camera on a regular grid that see the skin at a good angle, and their points on the skin."""

    pixels: NDArray[np.float64]  # [p, 2]
    faces: NDArray[np.int64]  # [p]
    barycentric: NDArray[np.float64]  # [p, 3]

    def only(self, keep: NDArray[np.bool_]) -> "SkinPixels":  # [p]
        """Return some of the pixels."""
        return SkinPixels(self.pixels[keep], self.faces[keep], self.barycentric[keep])


def skin_pixels(
    vertices: NDArray[np.float64],  # [V, 3] world
    faces: NDArray[np.int64],  # [T, 3]
    P: NDArray[np.float64],  # [3, 4]
    height: int,
    width: int,
    step: int,
) -> SkinPixels:
    """Return every `step`th pixel in both directions whose ray meets the skin at a good angle."""
    seen, inside, _ = depths_of(vertices, faces, P, height, width)
    grid = np.zeros((height, width), dtype=bool)
    grid[BORDER_PX : height - BORDER_PX : step, BORDER_PX : width - BORDER_PX : step] = True
    rows, columns = np.nonzero(grid & (seen >= 0))
    hit = seen[rows, columns].astype(np.int64)
    barycentric = inside[rows, columns].astype(np.float64)
    places = np.einsum("pc,pcd->pd", barycentric, vertices[faces[hit]])
    center = -np.linalg.solve(P[:, :3], P[:, 3])
    view = places - center
    normals = face_normals(vertices, faces)[hit]
    lengths = np.linalg.norm(view, axis=1) * np.linalg.norm(normals, axis=1)
    facing = -(view * normals).sum(axis=1) > LEAST_COSINE * np.maximum(lengths, 1e-12)
    pixels = np.stack([columns + 0.5, rows + 0.5], axis=1)
    return SkinPixels(pixels[facing], hit[facing], barycentric[facing])
