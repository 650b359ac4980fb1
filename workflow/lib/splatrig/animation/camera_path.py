"""Camera paths around the head: one camera per frame of a film."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation, Slerp

from splatrig.config.choices import CameraPath
from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError

UP = np.array([0.0, 1.0, 0.0])
"""Vertical axis of head space."""

DEGREES, ELEVATION, TURNS = 50.0, 5.0, 2.0
"""Orbit of films: degrees from end to end of a swing, which shows both cheeks and stays among the captured views;
degrees of elevation above the camera; swings per film."""

ZOOM = 0.85
"""Zoom of films about the image center: below 1 leaves room for the head to rotate."""

STOPS = 4
"""Number of cameras that a path visits when none is named."""


def eased(share: NDArray) -> NDArray[np.float64]:
    """Return 3 s² - 2 s³ of values in [0, 1]: a move that starts and ends at rest."""
    share = np.asarray(share, dtype=np.float64)
    return share * share * (3.0 - 2.0 * share)


def fixed(camera: Cameras, frames: int) -> Cameras:
    """Return the first of `camera`, repeated `frames` times."""
    return _film(camera, np.repeat(camera.viewmats[:1], frames, axis=0), np.repeat(camera.Ks[:1], frames, axis=0))


def orbit(
    camera: Cameras,
    frames: int,
    target: NDArray,  # [3] head space, millimeters
    *,
    degrees: float = DEGREES,
    elevation: float = ELEVATION,
    turns: float = TURNS,
) -> Cameras:
    """Return the first of `camera` rotated around `target`, which stays at the same position in the image.

    The camera swings to both sides, `degrees` from end to end, `turns` times over the film. It starts at its original
    position, raised by `elevation` degrees. Distance and framing are constant.
    """
    phase = turns * np.arange(frames) / max(frames, 1)
    angles = degrees / 2.0 * np.sin(2.0 * np.pi * phase)
    center = camera.centers[0]
    side = np.cross(UP, center - target)
    norm = float(np.linalg.norm(side))
    axis = side / norm if norm > 1e-9 else np.array([1.0, 0.0, 0.0])
    turns_ = Rotation.from_rotvec(np.radians(angles)[:, None] * UP) * Rotation.from_rotvec(
        -np.radians(elevation) * axis
    )
    motions = np.tile(np.eye(4), (frames, 1, 1))
    motions[:, :3, :3] = turns_.as_matrix()
    motions[:, :3, 3] = target - np.einsum("fij,j->fi", motions[:, :3, :3], target)
    return _film(camera, camera.viewmats[0] @ np.linalg.inv(motions), np.repeat(camera.Ks[:1], frames, axis=0))


def through(cameras: Cameras, frames: int, target: NDArray, *, loop: bool = True) -> Cameras:
    """Return a path from each of `cameras` to the next, eased, that stops at every one; a loop ends at the first.

    Rotations and directions from `target` [3] are interpolated on the sphere (slerp), distances and intrinsics
    linearly, so the camera moves around the head, not through it. Raises InputError for fewer than two cameras.
    """
    count = len(cameras)
    if count < 2:
        raise InputError(f"camera path: expected at least 2 cameras, got {count}; name more of them (video.cameras).")
    stops = np.arange(count + 1) % count if loop else np.arange(count)
    legs = len(stops) - 1
    share = np.linspace(0.0, legs, frames, endpoint=not loop)
    leg = np.minimum(share.astype(int), legs - 1)
    within = eased(share - leg)
    away = cameras.centers - target
    lengths = np.linalg.norm(away, axis=1)
    viewmats = np.tile(np.eye(4), (frames, 1, 1))
    Ks = np.empty((frames, 3, 3))
    for frame in range(frames):
        a, b, s = stops[leg[frame]], stops[leg[frame] + 1], within[frame]
        turn = Slerp([0.0, 1.0], Rotation.from_matrix(cameras.viewmats[[a, b], :3, :3]))(s).as_matrix()
        direction = _slerp(away[a] / lengths[a], away[b] / lengths[b], s)
        center = target + direction * ((1.0 - s) * lengths[a] + s * lengths[b])
        viewmats[frame, :3, :3], viewmats[frame, :3, 3] = turn, -turn @ center
        Ks[frame] = (1.0 - s) * cameras.Ks[a] + s * cameras.Ks[b]
    return _film(cameras, viewmats, Ks)


def _slerp(a: NDArray, b: NDArray, share: float) -> NDArray[np.float64]:  # [3]
    """Return the unit vector at the fraction `share` of the arc between two; near +y if they are opposite."""
    angle = np.arccos(np.clip(a @ b, -1.0, 1.0))
    if angle < 1e-9:
        return a
    across = b - a * np.cos(angle)
    if np.linalg.norm(across) < 1e-9:
        across = UP - a * (a @ UP)
    return np.cos(share * angle) * a + np.sin(share * angle) * across / np.linalg.norm(across)


def _film(like: Cameras, viewmats: NDArray, Ks: NDArray) -> Cameras:
    names = tuple(f"{frame:06d}" for frame in range(len(viewmats)))
    return Cameras(names, viewmats, Ks, like.width, like.height, np.zeros(len(viewmats), dtype=bool))


def zoomed(cameras: Cameras, zoom: float) -> Cameras:
    """Return cameras whose images are magnified about their centers by `zoom`; below 1 they show more."""
    middle = np.array([cameras.width / 2.0, cameras.height / 2.0])
    Ks = cameras.Ks.copy()
    Ks[:, :2] *= zoom
    Ks[:, :2, 2] += (1.0 - zoom) * middle
    return replace(cameras, Ks=Ks)


def path_about(
    cameras: Cameras,  # cameras in head space, the most frontal first
    frames: int,
    target: NDArray,  # [3]
    path: CameraPath,
    names: Sequence[str] = (),
    *,
    zoom: float = ZOOM,
) -> Cameras:
    """Return a path over the cameras `names`; without names, from the first camera, or between the first `STOPS`.

    Raises InputError for a name that no camera has.
    """
    missing = [name for name in names if name not in cameras.names]
    if missing:
        raise InputError(
            f"video.cameras: camera {missing[0]} does not exist; the capture has {', '.join(sorted(cameras.names))}."
        )
    cameras = zoomed(cameras, zoom)
    chosen = cameras.select([cameras.names.index(name) for name in names]) if names else cameras
    if path == "fixed":
        return fixed(chosen, frames)
    if path == "cameras":
        return through(chosen if names else cameras.select(np.arange(min(STOPS, len(cameras)))), frames, target)
    return orbit(chosen, frames, target)
