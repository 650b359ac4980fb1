"""The camera rig of the demo: cameras as in a Multiface entity, and a head that moves in front of them.

The world is the frame of camera 400029, which looks at the face from the front, 1.07 m away.
"""

import zlib

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.capture.demo.camera_names import WIDE_CAMERAS, WORLD_CAMERA, camera_names
from splatrig.dataset.cameras import Cameras

FULL_WIDTH, FULL_HEIGHT = 1334, 2048
MIDDLE_PX = np.array([FULL_WIDTH / 2, FULL_HEIGHT / 2])
PRINCIPAL_SPREAD_PX, WANTED_SPREAD_PX = np.array([40.0, 70.0]), np.array([20.0, 35.0])
"""Standard deviations of the principal points, and of the projected head center, about the image center at full
resolution."""
DISTANCE_MM = 1070.0
FOCAL_PX, WIDE_FOCAL_PX = (7660.0, 7840.0), (5040.0, 5100.0)
"""Ranges of focal lengths at full resolution, of the cameras and of the wide ones."""
AZIMUTH_DEG, ELEVATION_DEG = 112.0, (-22.0, 48.0)
"""Range of camera positions around the head: azimuth to either side, elevation from lowest to highest."""
HEAD_CENTER_MM = np.array([0.0, 2.0, 42.0])
"""Point that the cameras aim at, in head space."""
REST_POSE = np.array([[1.0, 0.0, 0.0, 0.0], [0.0, -1.0, 0.0, 2.0], [0.0, 0.0, -1.0, DISTANCE_MM + 42.0]])
"""Head to world when the head does not move: y up becomes y down, the nose points to the world's camera."""


def build_cameras(count: int, image_height: int, seed: int) -> Cameras:
    """Return `count` cameras with names sorted, at an image size in Multiface's proportions."""
    generator = np.random.default_rng([seed, 1])
    names = camera_names(count)
    width = round(FULL_WIDTH * image_height / FULL_HEIGHT)
    scale = np.diag([width / FULL_WIDTH, image_height / FULL_HEIGHT, 1.0])
    head_in_world = REST_POSE[:, :3] @ HEAD_CENTER_MM + REST_POSE[:, 3]
    viewmats, Ks = [], []
    places = _places(count, names.index(WORLD_CAMERA), generator)
    for name, (azimuth, elevation) in zip(names, places, strict=True):
        focal = generator.uniform(*(WIDE_FOCAL_PX if name in WIDE_CAMERAS else FOCAL_PX))
        focals = np.array([focal, focal * generator.uniform(0.996, 1.004)])
        wanted = MIDDLE_PX + generator.normal(0.0, WANTED_SPREAD_PX)
        principal = MIDDLE_PX + generator.normal(0.0, PRINCIPAL_SPREAD_PX)
        view = np.eye(4)
        if name == WORLD_CAMERA:
            principal = wanted - focals * head_in_world[:2] / head_in_world[2]
        else:
            distance = DISTANCE_MM * generator.uniform(0.97, 1.03)
            view = _look_at(head_in_world, azimuth, elevation, distance, generator.normal(0.0, 1.5))
            view = _aimed(view, (wanted - principal) / focals)
        viewmats.append(view)
        Ks.append(scale @ np.array([[focals[0], 0.0, principal[0]], [0.0, focals[1], principal[1]], [0.0, 0.0, 1.0]]))
    return Cameras(
        tuple(names), np.array(viewmats), np.array(Ks), width, image_height, held_out=np.zeros(count, dtype=bool)
    )


def head_poses(segment: str, frame_count: int, seed: int) -> NDArray[np.float64]:  # [frame_count, 3, 4]
    """Return the head-to-world matrices of a segment: each has its own pose, which drifts from frame to frame."""
    generator = np.random.default_rng([seed, 2, zlib.crc32(segment.encode())])
    angles = generator.normal(0.0, (2.5, 3.5, 1.2)) + np.cumsum(
        generator.normal(0.0, (0.7, 1.0, 0.4), (frame_count, 3)), axis=0
    )
    shifts = generator.normal(0.0, (3.0, 2.5, 4.0)) + np.cumsum(
        generator.normal(0.0, (0.8, 0.6, 1.0), (frame_count, 3)), axis=0
    )
    poses = np.repeat(REST_POSE[None], frame_count, axis=0)
    poses[:, :, :3] = REST_POSE[:, :3] @ Rotation.from_euler("xyz", angles, degrees=True).as_matrix()
    poses[:, :, 3] += shifts
    return poses


def _places(count: int, front: int, generator: np.random.Generator) -> NDArray[np.float64]:  # [count, 2]
    """Spread azimuths and elevations (degrees) evenly, in random order, with the `front` one at the face's front."""
    index = np.arange(count)
    azimuths = AZIMUTH_DEG * (2.0 * ((index + 0.5) / count) - 1.0)
    turns = (index * 0.6180339887498949 + generator.uniform()) % 1.0
    elevations = ELEVATION_DEG[0] + (ELEVATION_DEG[1] - ELEVATION_DEG[0]) * turns
    places = np.column_stack([azimuths, elevations])
    middle = int(np.argmin(np.abs(places[:, 0])))
    places = np.delete(places, middle, axis=0)[generator.permutation(count - 1)]
    return np.insert(places, front, (0.0, 0.0), axis=0)


def _look_at(
    aim: NDArray[np.float64], azimuth: float, elevation: float, distance: float, roll: float
) -> NDArray[np.float64]:
    """Return the world-to-camera matrix [4, 4] of a camera around `aim`; angles in degrees, 0, 0 is the front."""
    turn = Rotation.from_euler("yx", [azimuth, -elevation], degrees=True)
    backward = turn.apply([0.0, 0.0, -1.0])
    forward = -backward
    right = np.cross([0.0, 1.0, 0.0], forward)
    right /= np.linalg.norm(right)
    upright = np.array([right, np.cross(forward, right), forward])
    axes = Rotation.from_euler("z", roll, degrees=True).as_matrix() @ upright
    view = np.eye(4)
    view[:3, :3] = axes
    view[:3, 3] = -axes @ (aim + distance * backward)
    return view


def _aimed(
    view: NDArray[np.float64],  # [4, 4]
    place: NDArray[np.float64],  # [2]
) -> NDArray[np.float64]:
    """Rotate a camera about its center so that what it looked at appears at `place` of the plane z = 1."""
    ray = np.append(place, 1.0) / np.hypot(1.0, np.linalg.norm(place))
    turn, _ = Rotation.align_vectors(ray[None], [[0.0, 0.0, 1.0]])
    turned = view.copy()
    turned[:3] = turn.as_matrix() @ view[:3]
    return turned
