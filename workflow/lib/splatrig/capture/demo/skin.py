"""Paint the demo person: skin, brows, lips, hair, stubble, eyes and teeth, by the position on the neutral head."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage
from scipy.spatial import cKDTree

from splatrig.capture.demo.head import (
    BASE,
    EYES,
    FACE,
    MOUTH,
    NECK,
    SOCKETS,
    TEETH,
    TONGUE,
    HeadModel,
    boundary_loops,
    tile,
)
from splatrig.capture.demo.identity import Color, Complexion

FRECKLE: Color = (0.22, 0.11, 0.06)
SCLERA: Color = (0.68, 0.63, 0.58)
TOOTH: Color = (0.72, 0.66, 0.53)
GUM: Color = (0.45, 0.17, 0.16)
IRIS_RADIUS_MM, PUPIL_RADIUS_MM = 6.1, 2.2
CORNEA_RADIUS_MM = 6.4
TOOTH_WIDTH_MM = 7.6


@dataclass(frozen=True)
class Texels:
    """Texels of the atlas that the head covers."""

    uvs: NDArray[np.float64]  # [k, 2]
    positions: NDArray[np.float64]  # [k, 3]
    """Millimeters on the neutral head."""
    normals: NDArray[np.float64]  # [k, 3]
    parts: NDArray[np.int64]  # [k]


@dataclass
class Paint:
    """Color and relief of the painted texels."""

    albedo: NDArray[np.float64]  # [k, 3]
    """Linear reflectance."""
    shine: NDArray[np.float64]  # [k, 2]
    """Strength of the broad and of the wet highlight, 0..1."""
    bump: NDArray[np.float64]  # [k, 3]
    """Gradient of the surface's relief, subtracted from the unit normal."""

    def cover(self, rows: NDArray, color: Color | NDArray, share: NDArray | float) -> None:
        """Mix `color` over the texels `rows` with opacity `share` [rows]."""
        share = np.broadcast_to(share, np.shape(self.albedo[rows][:, 0]))[:, None]
        self.albedo[rows] = (1.0 - share) * self.albedo[rows] + share * np.asarray(color)


class SolidNoise:
    """Value noise in space: a random lattice, interpolated."""

    def __init__(self, generator: np.random.Generator) -> None:
        self.lattice = generator.uniform(-1.0, 1.0, (48, 48, 48)).astype(np.float32)

    def __call__(self, positions: NDArray[np.float64], size_mm: float) -> NDArray[np.float64]:  # [k, 3] -> [k]
        """Return noise in -1..1 with features of `size_mm`."""
        places = (positions / size_mm + 1000.37) % 48.0
        return ndimage.map_coordinates(self.lattice, places.T, order=1, mode="grid-wrap").astype(float)

    def gradient(self, positions: NDArray[np.float64], size_mm: float) -> NDArray[np.float64]:  # [k, 3] -> [k, 3]
        """Return the slope of the noise times `size_mm`, by central differences."""
        step = 0.35 * size_mm
        return np.stack(
            [
                (self(positions + step * axis, size_mm) - self(positions - step * axis, size_mm)) / 0.7
                for axis in np.eye(3)
            ],
            axis=1,
        )


def paint(head: HeadModel, texels: Texels, generator: np.random.Generator) -> Paint:
    """Paint all parts of the head."""
    count = len(texels.positions)
    painted = Paint(np.zeros((count, 3)), np.zeros((count, 2)), np.zeros((count, 3)))
    noise = SolidNoise(generator)
    outside = np.flatnonzero(np.isin(texels.parts, (FACE, NECK, SOCKETS)))
    _paint_skin(head, texels, painted, outside, noise)
    _paint_freckles(texels, painted, outside, generator)
    _paint_lips(head, texels, painted, outside, noise)
    _paint_hair(head, texels, painted, outside, noise)
    _paint_brows(head, texels, painted, outside, generator)
    _paint_lids(head, texels, painted, outside)
    _paint_inside(head, texels, painted, noise)
    _paint_eyes(head, texels, painted, noise)
    return painted


def smoothstep(low: float, high: float, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the cubic step from 0 at `low` to 1 at `high`."""
    t = np.clip((x - low) / (high - low), 0.0, 1.0)
    return t * t * (3.0 - 2.0 * t)


def eye_centers(head: HeadModel) -> NDArray[np.float64]:  # [2, 3]
    """Return the centers of the eyeballs, the one at negative x first."""
    eyes = head.neutral[np.unique(head.quads[head.parts == EYES])]
    return np.array([eyes[eyes[:, 0] < 0].mean(axis=0), eyes[eyes[:, 0] > 0].mean(axis=0)])


def hair_share(
    head: HeadModel,
    uvs: NDArray[np.floating],  # [k, 2]
    positions: NDArray[np.float64],  # [k, 3]
    parts: NDArray[np.int64],  # [k]
    ragged_mm: NDArray[np.float64] | float = 0.0,
) -> NDArray[np.float64]:  # [k]
    """Return how far points of the neutral's skin belong to the scalp, 0..1; `ragged_mm` lowers the hairline."""
    x, y, z = np.abs(positions[:, 0]), positions[:, 1], positions[:, 2]
    line = np.where(z > 20.0, 13.0 + 1.0 * (z - 20.0), 13.0 + 0.76 * (z - 20.0))
    line += 9.0 * np.exp(-(((x - 42.0) / 15.0) ** 2)) * (z > 40.0)
    ears = _mask(head, "ears", uvs) * (parts == FACE)
    return smoothstep(-1.5, 5.0, y - line + ragged_mm) * (1.0 - smoothstep(0.1, 0.5, ears))


def strand_colors(complexion: Complexion, size: int) -> NDArray[np.float64]:
    """Return the linear reflectances of strands [size, size, 3]: one shade per row, from the root to the tip."""
    shade, along = np.meshgrid(np.linspace(0.0, 1.0, size), np.linspace(0.0, 1.0, size), indexing="ij")
    return np.array(complexion.hair) * (0.7 + 1.1 * shade**2 + 0.6 * along)[..., None]


def _mask(head: HeadModel, name: str, uvs: NDArray[np.floating]) -> NDArray[np.float64]:
    mask = head.masks[name]
    corner, size = tile("face")
    face_uvs = head.corner_uvs[head.parts == FACE]
    extent = face_uvs.max(axis=(0, 1)) - corner
    places = (uvs - corner) / extent * np.array(mask.shape[::-1]) - 0.5
    inside = ndimage.map_coordinates(mask, places[:, ::-1].T, order=1, mode="constant")
    return np.where((uvs < corner + size).all(axis=1), inside, 0.0)


def _near(positions: NDArray[np.float64], center: NDArray | Color, radius_mm: float) -> NDArray[np.float64]:
    return np.exp(-((positions - np.asarray(center)) ** 2).sum(axis=1) / (2.0 * radius_mm**2))


def _paint_skin(head: HeadModel, texels: Texels, painted: Paint, rows: NDArray, noise: SolidNoise) -> None:
    positions = texels.positions[rows]
    tone = 1.0 + 0.07 * noise(positions, 22.0) + 0.06 * noise(positions, 7.0) + 0.05 * noise(positions, 2.2)
    tone += 0.07 * noise(positions, 1.1)
    painted.albedo[rows] = np.array(head.complexion.skin) * tone[:, None]
    eyes = eye_centers(head)
    tip = positions[np.argmax(positions[:, 2])]
    blush = 0.55 * _near(positions, tip, 11.0)
    for side, eye in zip((-1.0, 1.0), eyes, strict=True):
        blush += 0.40 * _near(positions, (side * 46.0, eye[1] - 38.0, eye[2]), 17.0)
        blush += 0.30 * _near(positions, (side * 84.0, 0.0, 0.0), 20.0)
        hollow = _near(positions, eye + np.array([0.0, -13.0, 12.0]), 8.0)
        hollow += 0.8 * _near(positions, eye + np.array([-6.0 * side, 4.0, 8.0]), 8.0)
        painted.cover(rows, (0.30, 0.16, 0.13), 0.34 * np.minimum(hollow, 1.0))
    blush *= 1.0 + 0.5 * noise(positions, 5.0)
    painted.cover(rows, head.complexion.blood, np.clip(0.45 * blush, 0.0, 0.6))
    painted.shine[rows, 0] = 0.55 + 0.25 * _near(positions, tip, 25.0) + 0.12 * noise(positions, 4.0)
    painted.bump[rows] = 0.06 * noise.gradient(positions, 1.3) + 0.05 * noise.gradient(positions, 3.4)


def _paint_freckles(texels: Texels, painted: Paint, rows: NDArray, generator: np.random.Generator) -> None:
    positions = texels.positions[rows]
    tree = cKDTree(positions)
    front = np.flatnonzero((positions[:, 2] > 55.0) & (positions[:, 1] < 85.0) & (positions[:, 1] > -85.0))
    centers = positions[generator.choice(front, 420)]
    radii, depths = generator.uniform(0.45, 1.15, 420), generator.uniform(0.12, 0.5, 420)
    likely = generator.uniform(size=420) < 0.25 + 0.75 * np.exp(-(((centers[:, 1] - 2.0) / 30.0) ** 2))
    moles = positions[generator.choice(front, 9)]
    centers = np.concatenate([centers[likely], moles])
    radii = np.concatenate([radii[likely], generator.uniform(1.1, 2.0, 9)])
    depths = np.concatenate([depths[likely], np.full(9, 0.8)])
    for center, radius, depth in zip(centers, radii, depths, strict=True):
        near = np.array(tree.query_ball_point(center, 2.5 * radius), dtype=np.int64)
        if len(near):
            away = np.linalg.norm(positions[near] - center, axis=1)
            painted.cover(rows[near], FRECKLE, depth * (1.0 - smoothstep(0.6 * radius, 1.4 * radius, away)))


def _paint_lips(head: HeadModel, texels: Texels, painted: Paint, rows: NDArray, noise: SolidNoise) -> None:
    share = _mask(head, "lips", texels.uvs[rows]) * (texels.parts[rows] == FACE)
    rows, share = rows[share > 0.15], smoothstep(0.15, 0.85, share[share > 0.15])
    positions = texels.positions[rows]
    creases = noise(positions * np.array([1.0, 0.22, 0.22]), 1.1)
    painted.cover(rows, head.complexion.lip, 0.85 * share)
    painted.albedo[rows] *= (1.0 + 0.22 * creases * share)[:, None]
    painted.shine[rows, 0] += 0.3 * share
    painted.shine[rows, 1] += 0.10 * share
    painted.bump[rows] += (0.12 * share)[:, None] * noise.gradient(positions * np.array([1.0, 0.25, 0.25]), 1.2)


def _paint_hair(head: HeadModel, texels: Texels, painted: Paint, rows: NDArray, noise: SolidNoise) -> None:
    positions = texels.positions[rows]
    ragged = 3.0 * noise(positions, 9.0) + 1.6 * noise(positions, 3.0)
    share = hair_share(head, texels.uvs[rows], positions, texels.parts[rows], ragged)
    strands = 0.5 + 0.5 * noise(positions * np.array([1.0, 0.35, 1.0]), 0.9)
    density = np.clip(share * (0.74 + 0.26 * strands + 0.10 * noise(positions, 6.0)), 0.0, 1.0)
    painted.cover(rows, np.array(head.complexion.hair)[None] * (0.8 + 0.8 * strands[:, None]), density)
    painted.shine[rows, 0] *= 1.0 - 0.8 * share
    hairy = share > 0.0
    relief = noise.gradient(positions[hairy] * np.array([1.0, 0.4, 1.0]), 1.0)
    painted.bump[rows[hairy]] += (0.30 * share[hairy])[:, None] * relief

    x, y, z = np.abs(positions[:, 0]), positions[:, 1], positions[:, 2]
    jaw = smoothstep(-22.0, -34.0, y - 0.0012 * (x - 30.0) * np.abs(x - 30.0)) * smoothstep(8.0, 34.0, z)
    jaw *= smoothstep(-118.0, -96.0, y + 0.35 * (z - 60.0))
    lip = _mask(head, "lips", texels.uvs[rows])
    jaw *= 1.0 - smoothstep(0.05, 0.4, lip)
    jaw *= 1.0 - 0.75 * np.exp(-(((x - 44.0) / 12.0) ** 2 + ((y + 38.0) / 14.0) ** 2))
    points = smoothstep(-0.1, 0.7, noise(positions, 0.8))
    painted.cover(rows, head.complexion.stubble, np.clip(jaw * (0.26 + 0.36 * points), 0.0, 1.0))


def _paint_brows(
    head: HeadModel, texels: Texels, painted: Paint, rows: NDArray, generator: np.random.Generator
) -> None:
    positions = texels.positions[rows]
    for side, eye in zip((-1.0, 1.0), eye_centers(head), strict=True):
        along = generator.uniform(0.0, 1.0, 240)
        across = generator.uniform(-1.0, 1.0, 240)
        middle_x = 11.0 + 42.0 * along
        middle_y = eye[1] + 14.5 + 8.0 * np.sin(2.3 * along) - 5.5 * along**2
        thickness = 3.9 * np.sqrt(1.02 - along) + 0.7
        lean = np.radians(68.0 - 75.0 * along**0.6 - 14.0 * across)
        length = generator.uniform(4.0, 7.0, 240)
        steps = np.linspace(0.0, 1.0, 16)[:, None]
        strokes_x = middle_x + steps * length * np.cos(lean)
        strokes_y = middle_y + across * thickness + steps * length * np.sin(lean) * 0.8
        tree = cKDTree(np.column_stack([strokes_x.ravel(), strokes_y.ravel()]))
        box = (
            (side * positions[:, 0] > 4.0) & (np.abs(positions[:, 1] - eye[1] - 18.0) < 22.0) & (positions[:, 2] > 50.0)
        )
        near = np.flatnonzero(box)
        distance, _ = tree.query(np.column_stack([side * positions[near, 0], positions[near, 1]]), workers=1)
        painted.cover(rows[near], head.complexion.hair, 0.92 * (1.0 - smoothstep(0.05, 0.8, np.asarray(distance))))


def _paint_lids(head: HeadModel, texels: Texels, painted: Paint, rows: NDArray) -> None:
    positions = texels.positions[rows]
    for loop in boundary_loops(head.quads[head.outer]):
        points = head.neutral[loop]
        if abs(points[:, 0].mean()) < 10.0:
            continue
        closed = np.concatenate([points, points[:1]])
        dense = np.concatenate([closed[:-1] + t * np.diff(closed, axis=0) for t in np.linspace(0.0, 1.0, 8, False)])
        near = np.flatnonzero(_near(positions, points.mean(axis=0), 15.0) > 0.05)
        distance, index = cKDTree(dense).query(positions[near], workers=1)
        upper = dense[index, 1] > points[:, 1].mean()
        reach = np.where(upper, 3.0, 1.3)
        painted.cover(
            rows[near], head.complexion.hair, np.where(upper, 0.9, 0.5) * (1.0 - smoothstep(0.3, 1.0, distance / reach))
        )


def _paint_inside(head: HeadModel, texels: Texels, painted: Paint, noise: SolidNoise) -> None:
    rows = np.flatnonzero(texels.parts == MOUTH)
    painted.albedo[rows] = np.array((0.27, 0.075, 0.065))
    lips = texels.positions[rows, 2] > 100.0
    painted.cover(rows, head.complexion.lip, 0.7 * lips)
    painted.shine[rows] = (0.4, 0.3)
    rows = np.flatnonzero(texels.parts == TONGUE)
    painted.albedo[rows] = np.array((0.42, 0.15, 0.14)) * (1.0 + 0.2 * noise(texels.positions[rows], 1.5))[:, None]
    painted.shine[rows] = (0.4, 0.35)
    rows = np.flatnonzero(texels.parts == BASE)
    painted.albedo[rows] = np.array((0.045, 0.05, 0.06)) * (1.0 + 0.3 * noise(texels.positions[rows], 2.0))[:, None]
    rows = np.flatnonzero(texels.parts == SOCKETS)
    painted.cover(rows, (0.40, 0.17, 0.15), 0.7)

    rows = np.flatnonzero(texels.parts == TEETH)
    teeth = head.neutral[np.unique(head.quads[head.parts == TEETH])]
    positions = texels.positions[rows]
    middle_y = 0.5 * (teeth[:, 1].min() + teeth[:, 1].max())
    half = 0.5 * np.ptp(teeth[:, 1])
    angle = np.arctan2(positions[:, 0], positions[:, 2] - teeth[:, 2].min())
    arc = angle * 0.5 * np.ptp(teeth[:, 0])
    gap = np.abs(arc / TOOTH_WIDTH_MM - np.rint(arc / TOOTH_WIDTH_MM)) * TOOTH_WIDTH_MM
    painted.albedo[rows] = np.array(TOOTH) * (1.0 + 0.08 * noise(positions, 6.0))[:, None]
    painted.cover(rows, (0.28, 0.2, 0.14), 0.75 * (1.0 - smoothstep(0.1, 0.7, gap)))
    painted.cover(rows, GUM, smoothstep(0.62, 0.72, np.abs(positions[:, 1] - middle_y) / half))
    painted.shine[rows] = (0.3, 0.5)


def _paint_eyes(head: HeadModel, texels: Texels, painted: Paint, noise: SolidNoise) -> None:
    rows = np.flatnonzero(texels.parts == EYES)
    positions = texels.positions[rows]
    centers = eye_centers(head)
    center = np.where(positions[:, :1] < 0, centers[0], centers[1])
    away = positions - center
    radius = np.where(away[:, 2] > 0.0, np.hypot(away[:, 0], away[:, 1]), 99.0)
    angle = np.arctan2(away[:, 1], away[:, 0])
    rays = noise(np.column_stack([7.0 * np.cos(angle), 7.0 * np.sin(angle), 0.15 * radius]), 0.55)
    veins = smoothstep(0.55, 0.9, np.abs(noise(positions, 2.6))) * smoothstep(7.0, 12.0, radius)
    painted.albedo[rows] = np.array(SCLERA)
    painted.cover(rows, (0.62, 0.36, 0.30), 0.18 * smoothstep(7.0, 14.0, radius) + 0.25 * veins)
    inside = 1.0 - smoothstep(IRIS_RADIUS_MM - 0.5, IRIS_RADIUS_MM + 0.3, radius)
    painted.cover(rows, np.array(head.complexion.iris) * (1.0 + 0.5 * rays)[:, None], inside)
    ring = (1.0 - smoothstep(2.4, 4.3, radius)) * (0.8 + 0.2 * rays)
    painted.cover(rows, head.complexion.iris_inner, 0.75 * np.clip(ring, 0.0, 1.0))
    limbus = np.exp(-(((radius - IRIS_RADIUS_MM + 0.2) / 0.6) ** 2))
    painted.cover(rows, (0.03, 0.03, 0.03), 0.7 * limbus)
    painted.cover(rows, (0.006, 0.006, 0.006), 1.0 - smoothstep(PUPIL_RADIUS_MM - 0.3, PUPIL_RADIUS_MM + 0.25, radius))
    painted.shine[rows] = (0.1, 1.0)
    # the cornea bulges: its normals change faster than the eyeball's
    steeper = 1.0 / CORNEA_RADIUS_MM - 1.0 / np.linalg.norm(away, axis=1)
    cornea = 1.0 - smoothstep(0.75 * IRIS_RADIUS_MM, 1.1 * IRIS_RADIUS_MM, radius)
    painted.bump[rows, :2] = -(steeper * cornea)[:, None] * away[:, :2]
