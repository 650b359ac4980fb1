"""Appearance of the tracked mesh in photographs: gray details at points of the skin.

A point of the skin looks alike in all photographs of one camera, as long as the mesh is where the skin is. If the mesh
belongs to another moment, the details at its points differ.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.reduced import ReducedFrame, Tracked
from splatrig.mesh.normals import face_normals
from splatrig.tracking.views import BORDER_PX, LEAST_COSINE, band_passed, depths_of, sampled

MOMENTS = (0, -1, 1)
"""Meshes that a photograph is compared with: that of its frame (0), and those just before (-1) and after (1)."""
_SIGMA_PX = 0.8
"""Scale of the details, small enough to separate frames whose skin moves by half a pixel of a reduced photograph."""
_COARSE = 0.5
"""Size of the images in which visibility is computed, relative to the reduced photographs."""
_SOLID_MM = 3.0
"""Largest distance of a visible point behind the nearest surface along its ray."""


@dataclass(frozen=True)
class Skin:
    """The points of the tracked mesh that are compared."""

    faces: NDArray[np.int64]  # [T, 3]
    most: int
    """Maximum number of points."""

    @property
    def places(self) -> NDArray[np.int64]:  # [P]
        """Triangles whose centers are compared: all of them, or some at equal steps of their indices."""
        return np.arange(0, len(self.faces), -(-len(self.faces) // self.most))

    def views(self, mesh: Tracked, cameras: Cameras) -> "Views":
        """Return the projection of a mesh into `cameras`, which are in world space."""
        in_head = cameras.in_head_space(mesh.head_to_world)
        faces = self.faces[self.places]
        middles, normals = mesh.vertices[faces].mean(axis=1), face_normals(mesh.vertices, faces)
        return Views(mesh, self, in_head, middles, normals)


@dataclass(frozen=True)
class Views:
    """Projection of one mesh into all cameras."""

    mesh: Tracked
    skin: Skin
    cameras: Cameras
    """Cameras in the head space of the mesh."""
    middles: NDArray[np.float64]  # [P, 3]
    normals: NDArray[np.float64]  # [P, 3]

    def pixels(self, camera: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # [P, 2], [P]
        """Return the pixels and depths of the points in a camera."""
        P = self.cameras.Ks[camera] @ self.cameras.viewmats[camera, :3]
        homogeneous = self.middles @ P[:, :3].T + P[:, 3]
        with np.errstate(divide="ignore", invalid="ignore"):
            return homogeneous[:, :2] / homogeneous[:, 2:], homogeneous[:, 2]

    def shown(self, camera: int) -> tuple[NDArray[np.bool_], NDArray[np.bool_]]:  # [P], [h', w']
        """Return which points a camera sees well, and which pixels of its coarse image the mesh covers."""
        size = np.array([self.cameras.width, self.cameras.height])
        small = np.maximum(np.rint(_COARSE * size), 1).astype(int)
        scale = np.append(small / size, 1.0)[:, None]
        P = scale * self.cameras.Ks[camera] @ self.cameras.viewmats[camera, :3]
        nearest = depths_of(self.mesh.vertices, self.skin.faces, P, int(small[1]), int(small[0]))[2]
        pixels, depths = self.pixels(camera)
        view = self.middles - self.cameras.centers[camera]
        lengths = np.linalg.norm(view, axis=1) * np.linalg.norm(self.normals, axis=1)
        well = -(view * self.normals).sum(axis=1) > LEAST_COSINE * np.maximum(lengths, 1e-12)
        well &= (depths > 0) & self._in_image(pixels, camera)
        column, row = (pixels[well] * scale[:2, 0]).astype(np.int64).T
        well[well] = depths[well] <= nearest[row, column] + _SOLID_MM
        columns, rows = (scale[:2, 0] * self.cameras.own_sizes[camera]).astype(np.int64)
        covered = np.zeros(nearest.shape, dtype=bool)
        covered[:rows, :columns] = np.isfinite(nearest[:rows, :columns])
        return well, covered

    def look(self, band: NDArray[np.float32], camera: int, shown: NDArray[np.bool_]) -> NDArray[np.float32]:  # [P]
        """Return the values of a camera's image [h, w] at the places that are `shown` [P]; NaN at others."""
        pixels, depths = self.pixels(camera)
        inside = shown & (depths > 0) & self._in_image(pixels, camera)
        values = np.full(len(pixels), np.nan, dtype=np.float32)
        if inside.any():
            values[inside] = sampled(band, pixels[inside])
        return values

    def _in_image(self, pixels: NDArray[np.float64], camera: int) -> NDArray[np.bool_]:
        """Return which of the pixels [P, 2] are so far inside the photographed area that filters stay in it."""
        size = self.cameras.own_sizes[camera]
        return np.asarray(((pixels >= BORDER_PX) & (pixels < size - BORDER_PX)).all(axis=1))


@dataclass(frozen=True)
class FrameLooks:
    """Appearance of the mesh in all photographs of one frame."""

    looks: NDArray[np.float32]  # [M, C, P]
    """Gray details at the meshes of the `MOMENTS`; NaN for a missing mesh or photograph."""
    inside: NDArray[np.float64]  # [C]
    """Fraction of the mesh's silhouette that the matte covers; NaN without a photograph, or if the camera sees no
    mesh."""


def bands_of(frame: ReducedFrame) -> list[NDArray[np.float32] | None]:
    """Return the details of the photographs of a frame; None for cameras without one."""
    return [
        band_passed(gray.astype(np.float32) / 255.0, _SIGMA_PX) if digest else None
        for gray, digest in zip(frame.grays, frame.digests, strict=True)
    ]


def look_at(frame: ReducedFrame, skin: Skin, cameras: Cameras) -> FrameLooks:
    """Return the appearance of a frame's mesh and of its neighbors in the frame's photographs.

    `cameras` are reduced and in world space. Visibility is that of the frame's own mesh: neighbors are compared at the
    same points.
    """
    rows = [row for row, side in enumerate(MOMENTS) if side in frame.meshes]
    views = [skin.views(frame.meshes[MOMENTS[row]], cameras) for row in rows]
    looks = np.full((len(MOMENTS), len(cameras), len(skin.places)), np.nan, dtype=np.float32)
    inside = np.full(len(cameras), np.nan)
    for camera, band in enumerate(bands_of(frame)):
        if band is None:
            continue
        shown, covered = views[0].shown(camera)
        for row, view in zip(rows, views, strict=True):
            looks[row, camera] = view.look(band, camera, shown)
        if covered.any():
            inside[camera] = frame.matte_at(camera, covered.shape)[covered].mean() / 255.0
    return FrameLooks(looks, inside)


def likeness(looks: NDArray[np.floating], usual: NDArray[np.floating], least: int = 40) -> NDArray[np.float64]:
    """Return the correlation [...] of looks [..., P] with usual ones of that shape, over the points that both show.

    It is NaN if these are fewer than `least`.
    """
    both = np.isfinite(looks) & np.isfinite(usual)
    count = both.sum(axis=-1)
    a, b = (np.where(both, values, 0.0).astype(np.float64) for values in (looks, usual))
    with np.errstate(divide="ignore", invalid="ignore"):
        a = np.where(both, a - (a.sum(axis=-1) / count)[..., None], 0.0)
        b = np.where(both, b - (b.sum(axis=-1) / count)[..., None], 0.0)
        result = (a * b).sum(axis=-1) / np.sqrt((a * a).sum(axis=-1) * (b * b).sum(axis=-1))
    return np.where(count >= least, result, np.nan)


def usual_look(looks: NDArray[np.floating]) -> NDArray[np.floating]:  # [F, ..., P] -> [..., P]
    """Return the median over the frames that show a point; NaN if none does."""
    shown = np.isfinite(looks).any(axis=0)
    filled = np.where(shown, looks, 0.0)
    return np.where(shown, np.nanmedian(filled, axis=0), np.nan)
