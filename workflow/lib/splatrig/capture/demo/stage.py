"""The stage behind the head: a dome of panels with lamps, rendered as a background image per camera."""

import numpy as np
from numpy.typing import NDArray

from splatrig.capture.demo.rig import HEAD_CENTER_MM, REST_POSE
from splatrig.dataset.cameras import Cameras

DOME_RADIUS_MM = 2100.0
PANEL_DEG = np.array([7.5, 6.0])
SEAM_DEG = 0.22
LAMP_DEG = 0.75


def background(cameras: Cameras, index: int, seed: int) -> NDArray[np.float32]:
    """Render what camera `index` sees without a head; linear radiance [H, W, 3]."""
    rows, columns = np.mgrid[0 : cameras.height, 0 : cameras.width]
    pixels = np.stack([columns + 0.5, rows + 0.5, np.ones(rows.shape)], axis=-1)
    rotation, shift = cameras.viewmats[index, :3, :3], cameras.viewmats[index, :3, 3]
    directions = pixels @ np.linalg.inv(cameras.Ks[index]).T @ rotation
    directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
    middle = REST_POSE[:, :3] @ HEAD_CENTER_MM + REST_POSE[:, 3]
    away = -rotation.T @ shift - middle
    along = directions @ away
    distance = -along + np.sqrt(along**2 - away @ away + DOME_RADIUS_MM**2)
    points = (away + distance[..., None] * directions) @ REST_POSE[:, :3]
    return _dome(points / DOME_RADIUS_MM, np.random.default_rng([seed, 4])).astype(np.float32)


def _dome(points: NDArray[np.float64], generator: np.random.Generator) -> NDArray[np.float64]:  # [..., 3] -> [..., 3]
    """Color the dome at unit directions (y up)."""
    angles = np.degrees(np.stack([np.arctan2(points[..., 0], points[..., 2]), np.arcsin(points[..., 1])], axis=-1))
    cells = np.floor(angles / PANEL_DEG).astype(int)
    inside = angles - (cells + 0.5) * PANEL_DEG
    shades = generator.uniform(0.55, 1.45, (64, 64))
    tints = generator.uniform(0.88, 1.12, (64, 64, 3))
    lamps = generator.uniform(size=(64, 64)) < 0.45
    places = generator.uniform(-0.28, 0.28, (64, 64, 2)) * PANEL_DEG
    key = cells[..., 0] % 64, cells[..., 1] % 64
    glow = 0.5 + 0.5 * points[..., 1] - 0.25 * points[..., 0]
    color = (0.035 + 0.06 * glow)[..., None] * np.array([0.95, 1.0, 1.08])
    color = color * (shades[key][..., None] * tints[key])
    color *= 1.0 + 0.25 * (inside[..., 1:] / PANEL_DEG[1])
    edge = (0.5 * PANEL_DEG - np.abs(inside)).min(axis=-1)
    color *= 0.25 + 0.75 * np.clip(edge / SEAM_DEG - 0.3, 0.0, 1.0)[..., None]
    away = np.linalg.norm(inside - places[key], axis=-1)
    lit = lamps[key]
    disc = lit * np.clip((LAMP_DEG - away) / 0.12 + 0.5, 0.0, 1.0)
    halo = lit * 0.12 * np.exp(-(away**2) / (2.0 * (1.8 * LAMP_DEG) ** 2))
    return color + (2.2 * disc + halo)[..., None] * np.array([1.0, 0.97, 0.9])
