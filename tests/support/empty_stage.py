"""A head with hair beyond its mesh in front of a stage, from cameras all around, with exact mattes."""

from dataclasses import dataclass

import numpy as np
from scipy.spatial.transform import Rotation

from splatrig.capture.difference import Plate
from splatrig.dataset.cameras import Cameras
from splatrig.mesh.silhouette import silhouette
from support.ellipsoid import ellipsoid_head

WIDTH, HEIGHT = 120, 168
DISTANCE_MM = 1000.0
SKIN, HAIR = np.array([170.0, 130.0, 110.0]), np.array([95.0, 60.0, 45.0])
NOISE = 2.0
HAIR_MM = 16.0
"""How far hair reaches beyond the mesh, at the upper half of the head."""


@dataclass(frozen=True)
class EmptyStage:
    """The scene, and the truth about it."""

    cameras: Cameras
    vertices: np.ndarray
    faces: np.ndarray
    meshes: np.ndarray  # [C, H, W] silhouettes of the mesh
    truth: np.ndarray  # [C, H, W] mattes
    stage: np.ndarray  # [C, H, W, 3]
    photographs: list[np.ndarray]
    plates: list[Plate]


def ring_of_cameras(count: int) -> Cameras:
    """Return cameras all around the origin, higher and lower by turns, and a last one from above."""
    viewmats = []
    for number in range(count):
        turn = Rotation.from_euler("y", 360.0 * number / (count - 1), degrees=True)
        tilt = Rotation.from_euler("x", 90.0 if number == count - 1 else (25.0, -15.0)[number % 2], degrees=True)
        view = np.eye(4)
        view[:3, :3] = (Rotation.from_euler("x", 180, degrees=True) * tilt * turn).as_matrix()
        view[2, 3] = DISTANCE_MM
        viewmats.append(view)
    K = np.array([[420.0, 0, WIDTH / 2 + 2.0], [0, 420.0, HEIGHT / 2 - 1.0], [0, 0, 1]])
    names = tuple(f"4000{number:02d}" for number in range(count))
    unheld = np.zeros(count, dtype=bool)
    return Cameras(names, np.array(viewmats), np.repeat(K[None], count, axis=0), WIDTH, HEIGHT, unheld)


def empty_stage(count: int = 9, seed: int = 0, skin: np.ndarray = SKIN, hair: np.ndarray = HAIR) -> EmptyStage:
    """Return the scene: photographs and plates with noise of `NOISE` gray levels each."""
    generator = np.random.default_rng(seed)
    cameras = ring_of_cameras(count)
    vertices, faces = ellipsoid_head(3)
    outward = vertices / np.linalg.norm(vertices, axis=1, keepdims=True)
    haired = vertices + HAIR_MM * np.clip(vertices[:, 1:2] / 40.0, 0.0, 1.0) * outward
    masks = [
        np.stack([silhouette(v, faces, cameras.viewmats[c], cameras.Ks[c], WIDTH, HEIGHT) for c in range(count)])
        for v in (vertices, haired)
    ]
    meshes, truth = masks[0], np.maximum(*masks)
    panels = generator.uniform(30.0, 90.0, (count, HEIGHT // 12 + 1, WIDTH // 12 + 1, 3))
    stage = panels.repeat(12, axis=1).repeat(12, axis=2)[:, :HEIGHT, :WIDTH]
    alpha, inner = truth[..., None] / 255.0, meshes[..., None] / 255.0
    clean = (1.0 - alpha) * stage + (alpha - inner) * hair + inner * skin
    known = np.ones((HEIGHT, WIDTH), dtype=bool)
    return EmptyStage(
        cameras,
        vertices,
        faces,
        meshes,
        truth,
        stage,
        [noisy(image, generator) for image in clean],
        [Plate(noisy(image, generator), known) for image in stage],
    )


def noisy(image: np.ndarray, generator: np.random.Generator) -> np.ndarray:
    """Return an image of 8 bits with noise."""
    return np.clip(np.rint(image + generator.normal(0.0, NOISE, image.shape)), 0, 255).astype(np.uint8)
