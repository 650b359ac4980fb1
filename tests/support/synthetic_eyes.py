"""Two eyes that cameras see exactly: shaded spheres behind flat lids, drawn ray by ray, and no network."""

from dataclasses import dataclass

import numpy as np
from PIL import Image, ImageDraw
from scipy.spatial.transform import Rotation

from splatrig.landmarks.eye_views import CROP_SIZE, MOST_CAMERAS, EyeViews
from splatrig.landmarks.gaze import direction_of
from splatrig.landmarks.triangulate import project

AZIMUTHS, ELEVATIONS = (-48, -20, 0, 22, 45), (5, 15, 0, -12, 8)
"""Degrees around the head of the cameras."""
PIXELS_PER_MM = 2.4
CENTERS = np.array([[31.0, 20.0, 60.0], [-32.0, 19.5, 60.5]])
SKIN, WHITE, IRIS, PUPIL = 140, 215, 70, 15
"""Gray levels."""


@dataclass(frozen=True)
class Eyes:
    """What there is to be found."""

    turns_deg: np.ndarray  # [F, 2, 2] yaw and pitch
    radius_mm: float = 12.0
    iris_mm: float = 5.9
    open_mm: float | np.ndarray = 11.0
    """Height of the opening of the lids, of all frames or of each [F]."""


def lids_of_eyes(eyes: Eyes, open_mm: float = 11.0) -> np.ndarray:  # [2, 16, 3]
    """Return points around the lids, in order: along the lower one, and back along the upper one."""
    angles = np.pi + 2 * np.pi * np.arange(16) / 16
    around = np.column_stack([14.0 * np.cos(angles), 0.5 * open_mm * np.sin(angles), np.zeros(16)])
    return CENTERS[:, None] + around + [0.0, 0.0, eyes.radius_mm - 1.5]


def views_of_eyes(eyes: Eyes, network_error_px: float = 1.5) -> EyeViews:
    """Return the crops; the network's irises are off by some pixels, each by others."""
    generator = np.random.default_rng(3)
    F, S = len(eyes.turns_deg), CROP_SIZE
    shape = (F, 2, MOST_CAMERAS)
    views = EyeViews(
        *(np.zeros((*shape, 3, 4)), np.full((*shape, S, S), SKIN, np.uint8), np.zeros((*shape, S, S), bool)),
        *(np.zeros((*shape, 16, 2)), np.zeros((*shape, 2)), np.zeros(shape, bool)),
    )
    heights = np.broadcast_to(eyes.open_mm, F)
    for f, e, m in np.ndindex(F, 2, len(AZIMUTHS)):
        P = _camera(CENTERS[e], AZIMUTHS[m], ELEVATIONS[m])
        gaze = direction_of(*eyes.turns_deg[f, e])
        lids = project(P[None], lids_of_eyes(eyes, heights[f])[e])[0]
        picture = Image.new("1", (S, S))
        ImageDraw.Draw(picture).polygon([(x - 0.5, y - 0.5) for x, y in lids.tolist()], fill=1)
        opening = np.asarray(picture, dtype=bool)
        views.P[f, e, m], views.lids[f, e, m], views.opening[f, e, m] = P, lids, opening
        views.gray[f, e, m] = np.where(opening, _eyeball(P, eyes, e, gaze), SKIN)
        front = CENTERS[e] + np.sqrt(eyes.radius_mm**2 - eyes.iris_mm**2) * gaze
        views.iris[f, e, m] = project(P[None], front[None])[0, 0] + generator.normal(0, network_error_px, 2)
        views.there[f, e, m] = True
    return views


def _camera(center: np.ndarray, azimuth: float, elevation: float) -> np.ndarray:  # [3, 4]
    """Return the projection of a camera a meter away, which sees the eye in the middle of the crop."""
    turn = Rotation.from_euler("yx", [azimuth, -elevation], degrees=True).as_matrix()
    right, up, back = turn.T
    rotation = np.array([right, -up, -back])
    place = center + [0.0, 0.0, 10.0] + 1000.0 * back
    focal = 1000.0 * PIXELS_PER_MM
    K = np.array([[focal, 0, CROP_SIZE / 2], [0, focal, CROP_SIZE / 2], [0, 0, 1]])
    return K @ np.column_stack([rotation, -rotation @ place])


def _eyeball(P: np.ndarray, eyes: Eyes, eye: int, gaze: np.ndarray) -> np.ndarray:  # [S, S]
    """Return the gray levels of an eyeball, each pixel the mean of four rays."""
    fine = (np.arange(2 * CROP_SIZE) + 0.5) / 2
    pixels = np.stack([*np.meshgrid(fine, fine), np.ones((len(fine), len(fine)))], axis=-1)
    rays = pixels @ np.linalg.inv(P[:, :3]).T
    rays /= np.linalg.norm(rays, axis=-1, keepdims=True)
    away = -np.linalg.solve(P[:, :3], P[:, 3]) - CENTERS[eye]
    along = rays @ away
    under = along**2 - away @ away + eyes.radius_mm**2
    hit = away + (-along - np.sqrt(np.maximum(under, 0.0)))[..., None] * rays
    across = np.linalg.norm(np.cross(hit, gaze), axis=-1)
    front = hit @ gaze > 0
    shade = np.where(front & (across < eyes.iris_mm), IRIS, WHITE)
    shade = np.where(front & (across < 2.0), PUPIL, shade)
    shade = np.where(under > 0, shade, SKIN).astype(float)
    return shade.reshape(CROP_SIZE, 2, CROP_SIZE, 2).mean(axis=(1, 3)).round()
