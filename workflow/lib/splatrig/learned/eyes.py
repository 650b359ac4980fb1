"""Eyeballs of learned rigs: free Gaussians on the visible part of each ball, and components that rotate them.

An eye rotates about its center, in the four directions of ARKit's units. Weights start at the gaze in
`landmarks/gaze.csv`, relative to the neutral, and are then optimized on photographs, as all weights are. Blendshape
families have components of these names, which move the lids; they rotate the eyes as well. Other rigs get additional
components.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatrig.fitting.trainable_rig import Blendshapes, RigStart
from splatrig.fitting.turns import TurningPart
from splatrig.gaussians.free import EYES, FreeGaussians
from splatrig.io.errors import InputError
from splatrig.landmarks.gaze import Gaze
from splatrig.learned.look import COVERED, Look

SIDEWAYS_DEG, VERTICAL_DEG = 25.0, 20.0
"""Rotation of an eye at weight 1. People rotate the head for larger angles; on the chord to 25° an eyeball of 12 mm
sinks by at most 0.3 mm."""
LEAST_DEG = 4.0
"""Gaze that never deviates from the neutral's by more than this counts as noise, and the eyes stay still."""
CAP_DEG = 60.0
"""Angle from straight ahead within which an eyeball gets Gaussians; lids hide the rest of it in every gaze."""
FRACTION, LEAST, MOST = 0.04, 150, 1500
"""Gaussians per eye: fraction of all free ones, minimum and maximum, as long as half of all remain for other parts."""
OPACITY = 0.5
"""Initial opacity of the eyes' Gaussians: unlike elsewhere, it is known that there is a surface."""
SPREAD = 0.5
"""Standard deviation of the eyes' Gaussians, in distances between neighbors."""
EYE_PACE = 0.0
"""Learning rate of the other components on Gaussians of rotating eyes, relative to that on the mesh: 0, so that only
the named components move eyes. At 0.3, the value for other free Gaussians, images are equally good."""
BEHIND_MM = 1.5
"""A camera sees a point of the ball if the point is at most this far behind the rendered depth; lids are thicker."""


@dataclass(frozen=True)
class EyeUnit:
    """Rotation of an eye by one of ARKit's units."""

    name: str
    """Name without the side, such as eyeLookIn."""
    axis: tuple[float, float, float]
    """Axis that the subject's left eye rotates about; that of the right eye is its mirror image."""
    degrees: float
    """Angle at weight 1."""


UNITS = (
    EyeUnit("eyeLookIn", (0.0, -1.0, 0.0), SIDEWAYS_DEG),
    EyeUnit("eyeLookOut", (0.0, 1.0, 0.0), SIDEWAYS_DEG),
    EyeUnit("eyeLookUp", (-1.0, 0.0, 0.0), VERTICAL_DEG),
    EyeUnit("eyeLookDown", (1.0, 0.0, 0.0), VERTICAL_DEG),
)
"""Units in head space (y up, z out of the face, x toward the subject's left)."""

DEGREES = np.array([unit.degrees for unit in UNITS])
LIDS_WITHIN = 2.0
"""Factor within which blendshapes may rotate eyes by other angles than `DEGREES`, according to a capture's lids."""

SIDES = ("Left", "Right")
"""Sides of the eyes, in the order of `EYES`."""


def gaze_units(eye: int) -> tuple[str, ...]:
    """Return the names of the units of an eye: `eyeLookInLeft` and so on."""
    return tuple(f"{unit.name}{SIDES[eye]}" for unit in UNITS)


@dataclass(frozen=True)
class Looking:
    """Two eyeballs and their gaze in F frames, relative to the neutral."""

    centers: NDArray[np.float64]  # [2, 3] millimeters, head space; NaN of an eye that is not known
    radii_mm: NDArray[np.float64]  # [2]
    aside_deg: NDArray[np.float64]  # [F, 2] toward the subject's left
    up_deg: NDArray[np.float64]  # [F, 2]

    @classmethod
    def of(cls, gaze: Gaze, frames: Sequence[str], neutral: str) -> "Looking":
        """Return the gaze of a table in `frames`, named `expression/frame`.

        Where eyes were not seen, the gaze is the neutral's. Raises InputError for a frame that the table lacks.
        """
        row_of = {name: row for row, name in enumerate(gaze.frames)}
        missing = [name for name in (*frames, neutral) if name not in row_of]
        if missing:
            raise InputError(
                f"gaze.csv: expected every frame of frames.csv, got none of {missing[0]}; find gaze again."
            )
        rows, first = [row_of[name] for name in frames], row_of[neutral]
        seen = (gaze.confidence[rows] > 0) & (gaze.confidence[first] > 0)
        turned = [np.where(seen, angles[rows] - angles[first], 0.0) for angles in (gaze.yaw_deg, gaze.pitch_deg)]
        return cls(np.where(gaze.known[:, None], gaze.centers, np.nan), gaze.radii_mm, *turned)

    @property
    def known(self) -> tuple[int, ...]:
        """Indices of the eyes whose balls are known."""
        return tuple(eye for eye in range(len(EYES)) if np.isfinite(self.centers[eye]).all())

    @property
    def moves(self) -> bool:
        """Whether there is gaze to learn from."""
        return bool(max(np.abs(self.aside_deg).max(initial=0.0), np.abs(self.up_deg).max(initial=0.0)) > LEAST_DEG)

    def degrees(self, eye: int) -> NDArray[np.float64]:  # [F, 4]
        """Return the gaze of an eye as an angle in the direction of each of its units."""
        outward = self.aside_deg[:, eye] * (1.0 if EYES[eye] == EYES[0] else -1.0)
        return np.stack([-outward, outward, self.up_deg[:, eye], -self.up_deg[:, eye]], axis=1)

    def weights(self, eye: int, whole: NDArray[np.float64] = DEGREES) -> NDArray[np.float32]:  # [F, 4]
        """Return the weights of an eye's units at which its chords to `whole` [4] degrees point along its gaze."""
        return chord_weights(self.degrees(eye), whole).astype(np.float32)

    def tells(self, eye: int) -> NDArray[np.bool_]:  # [4]
        """Return the mask of an eye's units whose gaze exceeds the noise."""
        return self.degrees(eye).max(axis=0, initial=0.0) > LEAST_DEG


def chord_weights(degrees: NDArray[np.float64], whole: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the fractions (0 to 1) along the chords to `whole` degrees at which the rotation is `degrees`."""
    turned = np.tan(np.radians(degrees.clip(0.0, whole)))
    end = np.radians(whole)
    return (turned / (np.sin(end) + turned * (1.0 - np.cos(end)))).clip(0.0, 1.0)


def turning_eyes(start: RigStart, free: FreeGaussians, looking: Looking | None) -> RigStart:
    """Return a start whose components rotate the eyes of its `free` Gaussians; the same start if there are none.

    Blendshapes with the names of `gaze_units` rotate them; other rigs get four additional components per eye. There are
    none if gaze is unknown or never changes, or if components move no centers. No other component moves Gaussians of
    rotating eyes.
    """
    if looking is None or not looking.moves or start.basis is None or "means" not in start.basis.fields:
        return start
    assert start.basis.pace is not None or not len(free)  # as `with_free` returns it
    pace = None if start.basis.pace is None else start.basis.pace.copy()
    weights, known, parts = start.weights, start.blendshapes, []
    whole = DEGREES if known is None else degrees_of_lids(weights, known, looking)
    for eye in looking.known:
        own = np.flatnonzero(free.motions == EYES[eye])
        if len(own):
            weights, known, columns = _with_gaze(weights, known, looking.weights(eye, whole), looking.tells(eye), eye)
            turned = [replace(unit, degrees=angle) for unit, angle in zip(UNITS, whole.tolist(), strict=True)]
            quats = np.stack([_quat(unit, mirrored=eye > 0) for unit in turned])
            parts.append(TurningPart(free.structured + own, looking.centers[eye], gaze_units(eye), quats, columns))
            if pace is not None:
                pace[len(pace) - len(free) + own] = EYE_PACE
    basis = replace(start.basis, pace=pace)
    return replace(start, basis=basis, weights=weights, parts=tuple(parts), blendshapes=known)


def _with_gaze(
    weights: NDArray[np.float32],  # [F, K]
    known: Blendshapes | None,
    gaze: NDArray[np.float32],  # [F, 4]
    tells: NDArray[np.bool_],  # [4]
    eye: int,
) -> tuple[NDArray[np.float32], Blendshapes | None, NDArray[np.int64]]:  # [F, K], or [F, K + 4]; [4]
    """Return the weights with those of an eye's units, the units given by gaze, and their columns (existing or new)."""
    count = weights.shape[1]
    if known is None:
        return np.concatenate([weights, gaze], axis=1), None, np.arange(count, count + len(UNITS))
    columns = np.array([known.names.index(name) for name in gaze_units(eye)])
    weights, told = weights.copy(), known.told.copy()
    told[columns] = tells
    weights[:, columns] = np.where(tells, gaze, 0.0)
    return weights, replace(known, told=told), columns


def degrees_of_lids(
    weights: NDArray[np.float32],  # [F, K]
    known: Blendshapes,
    looking: Looking,
) -> NDArray[np.float64]:  # [4]
    """Return the degrees by which an eye rotates at weight 1 of each of `UNITS`, calibrated to this capture.

    Lids and eye of a blendshape share one weight, whose meaning the template defines by the lids. So an angle is the
    least-squares slope of the measured gaze over the weights of the lids, pooled over both eyes and over in and out;
    it is that of `DEGREES` if no lid gives information. It is raised to the farthest gaze of any frame, and then
    limited to within a factor of `LIDS_WITHIN` of `DEGREES`.
    """
    columns = np.concatenate([[known.names.index(name) for name in gaze_units(eye)] for eye in looking.known])
    looked = np.concatenate([looking.degrees(eye) for eye in looking.known], axis=1).clip(min=0.0)  # [F, 4 · eyes]
    lids = weights[:, columns] * known.told[columns] * (looked > 0)
    sums = np.stack([(lids * looked).sum(axis=0), np.square(lids).sum(axis=0)]).reshape(2, -1, len(UNITS)).sum(axis=1)
    farthest = looked.max(axis=0, initial=0.0).reshape(-1, len(UNITS)).max(axis=0)
    sums[:, :2], farthest[:2] = sums[:, :2].sum(axis=1, keepdims=True), farthest[:2].max()  # in and out have one angle
    slopes = np.divide(sums[0], sums[1], out=DEGREES.copy(), where=sums[1] > 0)
    return np.clip(np.maximum(slopes, farthest), DEGREES / LIDS_WITHIN, DEGREES * LIDS_WITHIN)


def _quat(unit: EyeUnit, *, mirrored: bool) -> NDArray[np.float64]:  # [4]
    """Return the rotation of a unit; `mirrored` in the plane x = 0."""
    half = np.radians(unit.degrees) / 2
    x, y, z = unit.axis
    return np.array([np.cos(half), *(np.sin(half) * np.array([x, -y, -z] if mirrored else [x, y, z]))])


def seeds_per_eye(count: int) -> int:
    """Return the number of free Gaussians of each eye, of `count` in all."""
    return min(int(np.clip(FRACTION * count, LEAST, MOST)), count // 4)


def seed_eyes(free: FreeGaussians, means: NDArray[np.float32], looking: Looking) -> FreeGaussians:
    """Return `free` with its first ones on the fronts of the eyeballs; `means` [N, 3] are the structured centers."""
    each, structured = seeds_per_eye(len(free)), cKDTree(means)
    fields = {name: getattr(free, name).copy() for name in ("means", "parents", "motions", "sizes", "opacities")}
    for place, eye in enumerate(looking.known if each else ()):
        own = slice(place * each, (place + 1) * each)
        radius = float(looking.radii_mm[eye])
        points = looking.centers[eye] + radius * cap(each)
        fields["means"][own] = points
        fields["parents"][own] = structured.query(points)[1]
        fields["motions"][own] = EYES[eye]
        fields["sizes"][own] = SPREAD * radius * np.sqrt(2 * np.pi * (1 - np.cos(np.radians(CAP_DEG))) / each)
        fields["opacities"][own] = OPACITY
    return replace(free, **fields)


def cap(count: int) -> NDArray[np.float64]:  # [count, 3]
    """Return unit vectors within `CAP_DEG` of +z, evenly spaced on a golden-angle spiral."""
    index = np.arange(count) + 0.5
    z = 1.0 - (1.0 - np.cos(np.radians(CAP_DEG))) * index / count
    across, angle = np.sqrt(1.0 - z**2), np.pi * (3.0 - np.sqrt(5.0)) * index
    return np.stack([across * np.cos(angle), across * np.sin(angle), z], axis=1)


def eye_colors(points: torch.Tensor, look: Look) -> torch.Tensor:  # [S, 3]
    """Return the mean colors of `points` [S, 3] of eyes in the cameras that see them.

    Points behind lids get the color of the nearest visible point; all are gray if no camera sees any.
    """
    found = look.project(points)
    nothing = found.read(look.alpha) < COVERED
    seen = found.inside & ((found.depth < found.read(look.depth) + BEHIND_MM) | nothing)
    count = seen.sum(dim=0)
    colors = (found.read(look.photo) * seen[..., None]).sum(dim=0) / count.clamp_min(1)[:, None]
    shown = (count > 0).nonzero()[:, 0]
    if not len(shown):
        return torch.full_like(points, 0.5)
    nearest = torch.cdist(points, points[shown]).argmin(dim=1)
    return colors[shown[nearest]]
