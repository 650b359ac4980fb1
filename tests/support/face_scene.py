"""A face that cameras see exactly but for noise: the canonical points, on a surface through them, and no network."""

from pathlib import Path

import numpy as np
from scipy.spatial import Delaunay
from scipy.spatial.transform import Rotation

from splatrig.dataset.cameras import Cameras
from splatrig.landmarks.calibration_faults import Scene
from splatrig.landmarks.canonical import read_canonical
from splatrig.landmarks.triangulate import project, projections
from splatrig.mesh.nearest import Surface

CANONICAL = read_canonical(Path(__file__).resolve().parents[2] / "resources" / "landmarks" / "canonical.csv")
WIDTH, HEIGHT = 500, 800
POSE = np.column_stack([Rotation.from_euler("xyz", [185, 4, -3], degrees=True).as_matrix(), [12.0, -30.0, 1100.0]])
"""Head to world."""


AZIMUTHS, ELEVATIONS = (-75, -50, -30, -15, 0, 15, 32, 48, 80), (5, 20, -5, 15, 0, -12, 18, 0, 8)
"""Degrees around the head; the fifth camera is in front of the face."""


def stage() -> Cameras:
    """Return nine cameras around the face, in the world, with principal points of their own."""
    generator = np.random.default_rng(4)
    aim = POSE[:, :3] @ CANONICAL.mean(axis=0) + POSE[:, 3]
    viewmats, Ks = [], []
    for azimuth, elevation in zip(AZIMUTHS, ELEVATIONS, strict=True):
        turn = Rotation.from_euler("yx", [azimuth, elevation], degrees=True).as_matrix().T
        viewmats.append(np.eye(4))
        viewmats[-1][:3] = np.column_stack([turn, [*generator.normal(0, 5, 2), 1050.0] - turn @ aim])
        focal = generator.uniform(2900, 3100)
        K = [[focal, 0, 0.46 * WIDTH + generator.normal(0, 6)], [0, focal, 0.48 * HEIGHT], [0, 0, 1]]
        Ks.append(np.array(K))
    names = tuple(f"{row:02d}" for row in range(len(Ks)))
    return Cameras(names, np.array(viewmats), np.array(Ks), WIDTH, HEIGHT, np.zeros(len(names), bool))


def face_mesh(points: np.ndarray = CANONICAL) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices and faces of a surface through the points."""
    faces = Delaunay(CANONICAL[:, :2]).simplices.astype(np.int64)
    return points, faces


def face_scene(noise_px: float = 0.4) -> Scene:
    """Return the scene; noise as the network's."""
    cameras = stage()
    seen = project(projections(cameras.in_head_space(POSE)), CANONICAL)
    seen += np.random.default_rng(1).normal(0, noise_px, seen.shape)
    return Scene(cameras, POSE, seen, Surface(*face_mesh()), CANONICAL)
