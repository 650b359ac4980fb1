"""Cameras in front of a head that is not there, and what they see painted into their images."""

import numpy as np
import torch

from splatrig.learned.look import Look

SIDE, FOCAL, DISTANCE = 64, 300.0, 1000.0
EYES = ((0.0, 0.0), (0.35, 0.0), (-0.35, 0.1))
"""Yaw and pitch of the cameras in front of the head, which looks along +z."""


def empty_look(means: torch.Tensor | None = None) -> Look:
    """Cameras around the origin that see a gray wall of zero error, 1 m away, all over."""
    viewmats = []
    for yaw, pitch in EYES:
        z = -np.array([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)])
        x = np.cross([0.0, -1.0, 0.0], z)
        x /= np.linalg.norm(x)
        pose = np.eye(4)
        pose[:3, :3] = np.stack([x, np.cross(z, x), z])
        pose[2, 3] = DISTANCE
        viewmats.append(pose)
    count, size = len(EYES), (len(EYES), SIDE, SIDE)
    K = torch.tensor([[FOCAL, 0, SIDE / 2], [0, FOCAL, SIDE / 2], [0, 0, 1.0]])
    return Look(
        means=torch.zeros((1, 3)) if means is None else means,
        viewmats=torch.as_tensor(np.stack(viewmats), dtype=torch.float32),
        Ks=K.expand(count, 3, 3),
        photo=torch.full((*size, 3), 0.5),
        matte=torch.ones(size),
        error=torch.zeros(size),
        depth=torch.full(size, DISTANCE),
        alpha=torch.ones(size),
    )


def painted(look: Look, maps: torch.Tensor, place: torch.Tensor, value: object, reach: int = 2) -> None:
    """Give pixels around a point a value in all cameras."""
    pixel = look.project(place[None]).pixel[:, 0]
    for camera in range(len(maps)):
        row, column = divmod(int(pixel[camera]) % (SIDE * SIDE), SIDE)
        maps[camera, row - reach : row + reach + 1, column - reach : column + reach + 1] = torch.as_tensor(value)
