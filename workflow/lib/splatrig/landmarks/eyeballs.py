"""Fit of two eyeballs to the views of cameras: their centers, their size, and their rotation in each frame.

An eyeball is a sphere that rotates about its center, and the iris is a circle on it. At the border of the iris the
photographs change from dark to bright. A coarse search finds the rotations whose projected circles have the largest
change (the integro-differential operator of Daugman 1993, on a sphere and over all cameras). Gauss-Newton then
optimizes centers, radii and all rotations together until the circles lie on the nearest edges (as Harris 1990 tracks
objects by their edges). Only pixels between the lids count.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from splatrig.landmarks.eye_views import EyeViews
from splatrig.landmarks.gaze import direction_of

RADIUS_MM, IRIS_MM = 12.0, 5.9
"""Radius of an average adult's eyeball and iris."""
_RADIUS_SPREAD, _IRIS_SPREAD = 0.25, 0.05
"""Standard deviations of the logarithms of the radii. Adults differ by 0.04; eyeballs that artists model are larger."""
_LEAST_RATIO = 1.25
"""Least ratio of the radius of an eyeball to that of its iris."""
_UNEVEN_MM = 1.0
"""Standard deviation of the difference of the two eyeballs in height and depth."""
_FRONT_MM = 3.0
"""Standard deviation of irises that look ahead from where the network sees them."""
_AHEAD_DEG = 3.0
"""Standard deviation of the gaze in the neutral from straight ahead."""
_APART_DEG = (5.0, 3.0)
"""Standard deviations of the difference in rotation of the two eyes: yaw, pitch."""
_WIDEST_DEG = 40.0
"""Largest usual rotation of the eyes."""

_SIDES = np.radians(np.r_[-60:61:10, 120:241:10])  # [N]
"""Angles around the iris at which its border is searched; above and below, lids and lashes have edges as well."""
_GRID_DEG = np.stack(np.meshgrid(np.arange(-30, 31, 6), np.arange(-18, 19, 6), indexing="ij"), axis=-1).reshape(-1, 2)
"""Rotations that the coarse search tries: yaw, pitch."""
_STEP_PX = 2.0
"""Distance in pixels of the crop between the dark and the bright side of a border."""
_REACHES_PX = (6, 6, 5, 5, 4, 4, 4, 4, 4, 4)
"""Search range of edges from the projected circle in each step of Gauss-Newton; beyond it are pupil and lids."""
_EDGE_PX = 3.0
"""Standard deviation of one edge; the errors of neighboring edges on a circle are correlated."""
FAINT, _CLEAR = 6.0, 40.0
"""Gray levels below which an edge is ignored, and above which it counts fully."""
_ASIDE, _FACING = 0.45, 0.85
"""Cosines between gaze and camera: below the first an iris is not seen, above the second it is seen well."""


@dataclass(frozen=True)
class Eyeballs:
    """Two eyeballs of equal size and their rotations in F frames."""

    centers: NDArray[np.float64]  # [2, 3] head space, millimeters
    radius_mm: float
    """Distance from the center of the eyeball to the center of the iris, on the sphere."""
    iris_mm: float
    """Radius of the iris."""
    turns_deg: NDArray[np.float64]  # [F, 2, 2]
    """Yaw and pitch of each eye."""

    @property
    def depth_mm(self) -> float:
        """Distance of the plane of the iris from the center."""
        return float(np.sqrt(self.radius_mm**2 - self.iris_mm**2))


@dataclass(frozen=True)
class _Given:
    """Knowledge before the fit."""

    scale: float
    """Size of the head relative to an average one."""
    fronts: NDArray[np.float64]  # [2, 3]
    opened: NDArray[np.bool_]  # [F, 2]
    neutral: NDArray[np.bool_]  # [F]
    learned: NDArray[np.bool_]  # [F]


def fit_eyeballs(
    views: EyeViews,
    fronts: NDArray[np.float64],  # [2, 3] where the irises are, roughly
    scale: float,
    *,
    opened: NDArray[np.bool_],  # [F, 2]
    neutral: NDArray[np.bool_],  # [F]
    learned: NDArray[np.bool_],  # [F]
) -> Eyeballs:
    """Return the eyeballs of a head that is `scale` times as large as an average one.

    Eyes that are not `opened` are ignored; centers and size are only learned from some frames.
    """
    radius_mm = scale * RADIUS_MM
    centers = fronts - [0.0, 0.0, radius_mm]
    balls = Eyeballs(centers, radius_mm, scale * IRIS_MM, np.zeros((len(views.there), 2, 2)))
    balls = replace(balls, turns_deg=_coarse_turns(views, balls, opened))
    given = _Given(scale, fronts, opened, neutral, learned)
    for reach in _REACHES_PX:
        balls = _step(views, balls, given, reach)
    return balls


def border_contrast(views: EyeViews, balls: Eyeballs) -> NDArray[np.float64]:  # [F, 2]
    """Return the gray levels by which the border of each iris is brighter outside than inside, between the lids."""
    return _contrast(views, balls, balls.turns_deg)


def _coarse_turns(views: EyeViews, balls: Eyeballs, opened: NDArray[np.bool_]) -> NDArray[np.float64]:  # [F, 2, 2]
    """Return for each frame the rotations of both eyes, from a grid, whose borders have the most contrast together.

    Rotations that differ between the eyes or are large lose a gray level per square of the standard deviation, which
    only decides between equals.
    """
    contrast = np.stack(
        [_contrast(views, balls, np.broadcast_to(turn, balls.turns_deg.shape)) for turn in _GRID_DEG], axis=-1
    )  # [F, 2, G]
    contrast = np.where(opened[..., None], contrast, 0.0) - np.square(_GRID_DEG / _WIDEST_DEG).sum(axis=1)
    apart = np.square((_GRID_DEG[:, None] - _GRID_DEG) / _APART_DEG).sum(axis=-1)  # [G, G]
    turns = np.zeros(balls.turns_deg.shape)
    for f, (left, right) in enumerate(contrast):
        best = np.argmax(left[:, None] + right - apart)
        turns[f] = _GRID_DEG[list(np.unravel_index(best, apart.shape))]
    return turns


@dataclass(frozen=True)
class _Border:
    """N points on the border of each iris in space and in the crops; shapes [F, 2, ...] and [F, 2, M, N, ...]."""

    direction: NDArray[np.float64]  # [F, 2, 3]
    around: NDArray[np.float64]  # [F, 2, N, 3]
    """Unit vectors from the middle of the iris to its border."""
    away: NDArray[np.float64]  # [F, 2, N, 3]
    """Vectors from the center of the eyeball, in millimeters."""
    pixels: NDArray[np.float64]  # [F, 2, M, N, 2]
    normals: NDArray[np.float64]  # [F, 2, M, N, 2]
    """Unit normals of the projected circle, outward."""
    slopes: NDArray[np.float64]  # [F, 2, M, N, 3]
    """Pixels along the normal per millimeter of motion."""
    weights: NDArray[np.float64]  # [F, 2, M, N]
    """Visibility of the point to the camera."""


def _border(views: EyeViews, balls: Eyeballs, turns: NDArray[np.float64]) -> _Border:
    yaw = np.radians(turns[..., 0])
    direction = direction_of(turns[..., 0], turns[..., 1])
    right = np.stack([np.cos(yaw), np.zeros_like(yaw), -np.sin(yaw)], axis=-1)
    up = np.cross(direction, right)
    around = np.cos(_SIDES)[:, None] * right[..., None, :] + np.sin(_SIDES)[:, None] * up[..., None, :]
    along = -np.sin(_SIDES)[:, None] * right[..., None, :] + np.cos(_SIDES)[:, None] * up[..., None, :]
    away = balls.depth_mm * direction[..., None, :] + balls.iris_mm * around
    points = balls.centers[:, None] + away  # [F, 2, N, 3]
    homogeneous = np.einsum("femij,fenj->femni", views.P[..., :3], points) + views.P[..., None, :, 3]
    depth = np.where(homogeneous[..., 2:] > 0, homogeneous[..., 2:], 1.0)
    pixels = homogeneous[..., :2] / depth
    jacobian = (views.P[..., None, :2, :3] - pixels[..., None] * views.P[..., None, 2:, :3]) / depth[..., None]
    tangents = np.einsum("femnij,fenj->femni", jacobian, along)
    outward = np.einsum("femnij,fenj->femni", jacobian, around)
    normals = np.stack([tangents[..., 1], -tangents[..., 0]], axis=-1)
    normals *= np.where((normals * outward).sum(axis=-1) < 0, -1.0, 1.0)[..., None]
    normals /= np.maximum(np.linalg.norm(normals, axis=-1, keepdims=True), 1e-9)
    views_of = views.camera_centers - balls.centers[:, None]  # [F, 2, M, 3]
    views_of /= np.linalg.norm(views_of, axis=-1, keepdims=True)
    facing = np.clip(((views_of * direction[..., None, :]).sum(axis=-1) - _ASIDE) / (_FACING - _ASIDE), 0.0, 1.0)
    front = np.einsum("femi,feni->femn", views_of, away) > 0.3 * balls.radius_mm
    return _Border(
        direction=direction,
        around=around,
        away=away,
        pixels=pixels,
        normals=normals,
        slopes=np.einsum("femni,femnij->femnj", normals, jacobian),
        weights=(facing * views.there)[..., None] * front,
    )


def _contrast(views: EyeViews, balls: Eyeballs, turns: NDArray[np.float64]) -> NDArray[np.float64]:  # [F, 2]
    border = _border(views, balls, turns)
    outside, inside = (border.pixels + sign * _STEP_PX * border.normals for sign in (1.0, -1.0))
    visible = border.weights * _at(views.opening, outside) * _at(views.opening, inside)
    change = _at(views.gray, outside) - _at(views.gray, inside)
    # a border that is hardly visible does not count
    total = np.maximum(visible.sum(axis=(2, 3)), 0.25 * len(_SIDES))
    return (visible * change).sum(axis=(2, 3)) / total


def _at(images: NDArray, places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values of images [..., S, S] at the pixels that contain `places` [..., K, 2]; 0 outside."""
    size = images.shape[-1]
    column, row = np.moveaxis(np.floor(places).astype(np.int64), -1, 0)
    inside = (column >= 0) & (column < size) & (row >= 0) & (row < size)
    index = np.where(inside, row * size + column, 0)
    flat = images.reshape(*images.shape[:-2], size * size)
    values = np.take_along_axis(flat, index.reshape(*flat.shape[:-1], -1), axis=-1).reshape(index.shape)
    return values * inside.astype(np.float64)


def _edges(
    views: EyeViews, border: _Border, reach: float
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:  # [F, 2, M, N] both
    """Return the distance of the clearest edge along each normal in pixels, and its weight, 0 if there is none.

    An edge is brighter outside; of two equally clear edges the nearer one is taken.
    """
    offsets = np.arange(-reach - _STEP_PX, reach + _STEP_PX + 0.5)
    lines = border.pixels[..., None, :] + offsets[:, None] * border.normals[..., None, :]  # [F, 2, M, N, O, 2]
    values = _between_pixels(views.gray, lines.reshape(*lines.shape[:3], -1, 2)).reshape(lines.shape[:-1])
    change = 0.5 * (values[..., 4:] + values[..., 3:-1] - values[..., 1:-3] - values[..., :-4])
    middles = offsets[2:-2]
    score = change * np.exp(-0.5 * np.square(middles / (0.5 * reach)))
    best = np.clip(score.argmax(axis=-1), 1, len(middles) - 2)
    before, peak, after = (np.take_along_axis(score, best[..., None] + i, axis=-1)[..., 0] for i in (-1, 0, 1))
    bend = before - 2.0 * peak + after
    found = middles[best] + np.clip(
        np.where(bend < 0, 0.5 * (before - after) / np.minimum(bend, -1e-9), 0.0), -0.5, 0.5
    )
    contrast = np.take_along_axis(change, best[..., None], axis=-1)[..., 0]
    between = _at(views.opening, border.pixels)
    for beside in (0.0, _STEP_PX):
        places = border.pixels + (found + beside)[..., None] * border.normals
        between *= _at(views.opening, places)
    return found, border.weights * between * np.clip((contrast - FAINT) / (_CLEAR - FAINT), 0.0, 1.0)


def _between_pixels(images: NDArray[np.uint8], places: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the values of images [..., S, S] at `places` [..., K, 2], interpolated between pixel centers."""
    low = np.floor(places - 0.5) + 0.5
    x, y = np.moveaxis(places - low, -1, 0)
    upper = _at(images, low) * (1.0 - x) + _at(images, low + np.array([1.0, 0.0])) * x
    lower = _at(images, low + np.array([0.0, 1.0])) * (1.0 - x) + _at(images, low + 1.0) * x
    return upper * (1.0 - y) + lower * y


def _step(views: EyeViews, balls: Eyeballs, given: _Given, reach: float) -> Eyeballs:
    """Return the eyeballs after one step of Gauss-Newton; rotations are eliminated per frame (Schur complement).

    Eight unknowns are shared by all frames: both centers, and the logarithms of the radii; each frame has four: the
    rotations.
    """
    border = _border(views, balls, balls.turns_deg)
    away, weights = _edges(views, border, reach)
    weights = weights * given.opened[..., None, None] / _EDGE_PX**2 / (1.0 + np.square(away / _EDGE_PX))
    shared, own = _jacobians(border, balls)
    frames = len(weights)
    A, b = np.zeros((8, 8)), np.zeros(8)
    B, D, d = np.zeros((frames, 8, 4)), np.zeros((frames, 4, 4)), np.zeros((frames, 4))
    for eye in range(2):
        rows, columns = np.r_[3 * eye : 3 * eye + 3, 6, 7], np.r_[2 * eye : 2 * eye + 2]
        w, J, K, r = weights[:, eye], shared[:, eye], own[:, eye], away[:, eye]
        trained = w * given.learned[:, None, None]
        A[np.ix_(rows, rows)] += np.einsum("fmn,fmni,fmnj->ij", trained, J, J)
        b[rows] += np.einsum("fmn,fmni,fmn->i", trained, J, r)
        B[:, rows[:, None], columns] += np.einsum("fmn,fmni,fmnj->fij", w, J, K)
        D[:, columns[:, None], columns] += np.einsum("fmn,fmni,fmnj->fij", w, K, K)
        d[:, columns] += np.einsum("fmn,fmni,fmn->fi", w, K, r)
    _add_priors(A, b, D, d, balls, given)
    solved = np.linalg.solve(D, np.concatenate([B.transpose(0, 2, 1), d[..., None]], axis=2))  # [F, 4, 9]
    reduced = np.einsum("fij,fjk->fik", B, solved)[given.learned].sum(axis=0)
    x = np.linalg.solve(A - reduced[:, :8], b - reduced[:, 8])
    turns = solved[..., 8] - solved[..., :8] @ x
    iris_mm = float(balls.iris_mm * np.exp(np.clip(x[7], -0.1, 0.1)))
    return Eyeballs(
        centers=balls.centers + x[:6].reshape(2, 3),
        radius_mm=max(float(balls.radius_mm * np.exp(np.clip(x[6], -0.2, 0.2))), _LEAST_RATIO * iris_mm),
        iris_mm=iris_mm,
        turns_deg=balls.turns_deg + np.clip(turns, -10.0, 10.0).reshape(-1, 2, 2),
    )


def _jacobians(border: _Border, balls: Eyeballs) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the Jacobians of borders along their normals: shared unknowns [F, 2, M, N, 5] and rotations [..., 2]."""
    radius, iris, depth = balls.radius_mm, balls.iris_mm, balls.depth_mm
    direction = np.broadcast_to(border.direction[..., None, :], border.away.shape)
    wider = radius**2 / depth * direction
    larger = iris * (border.around - iris / depth * direction)
    up = np.broadcast_to([0.0, 1.0, 0.0], border.away.shape)
    right = np.cross(up, direction)
    right /= np.linalg.norm(right, axis=-1, keepdims=True)
    turned = np.radians(np.stack([np.cross(up, border.away), np.cross(-right, border.away)], axis=-1))
    radii = np.einsum("femni,fenij->femnj", border.slopes, np.stack([wider, larger], axis=-1))
    return np.concatenate([border.slopes, radii], axis=-1), np.einsum("femni,fenij->femnj", border.slopes, turned)


def _add_priors(
    A: NDArray[np.float64],
    b: NDArray[np.float64],
    D: NDArray[np.float64],
    d: NDArray[np.float64],
    balls: Eyeballs,
    given: _Given,
) -> None:
    """Add the priors to the equations A x = b of all frames and D y = d of each."""
    for row, value, usual, spread in (
        (6, balls.radius_mm, given.scale * RADIUS_MM, _RADIUS_SPREAD),
        (7, balls.iris_mm, given.scale * IRIS_MM, _IRIS_SPREAD),
    ):
        A[row, row] += 1.0 / spread**2
        b[row] += np.log(usual / value) / spread**2
    for axis in (1, 2):
        uneven = np.zeros(8)
        uneven[[axis, 3 + axis]] = 1.0, -1.0
        A += np.outer(uneven, uneven) / _UNEVEN_MM**2
        b -= uneven * (balls.centers[0, axis] - balls.centers[1, axis]) / _UNEVEN_MM**2
    for eye, axis in np.ndindex(2, 3):
        front = np.zeros(8)
        front[[3 * eye + axis, 6]] = 1.0, balls.radius_mm * (axis == 2)
        miss = given.fronts[eye, axis] - balls.centers[eye, axis] - balls.radius_mm * (axis == 2)
        A += np.outer(front, front) / _FRONT_MM**2
        b += front * miss / _FRONT_MM**2
    turns = balls.turns_deg.reshape(-1, 4)
    tightness = np.where(given.neutral, 1.0 / _AHEAD_DEG**2, 1.0 / _WIDEST_DEG**2)
    D += tightness[:, None, None] * np.eye(4)
    d -= tightness[:, None] * turns
    for axis, spread in enumerate(_APART_DEG):
        apart = np.zeros(4)
        apart[[axis, 2 + axis]] = 1.0, -1.0
        D += np.outer(apart, apart) / spread**2
        d -= apart * (turns @ apart)[:, None] / spread**2
