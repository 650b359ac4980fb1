import torch

from splatrig.rasterize.inria_backend import projection_matrix
from support.scenes import random_scene


def test_projection_matrix_gives_pixels_of_cameras_with_any_principal_point():
    scene = random_scene(count=30, width=37, height=53)
    K, (width, height) = scene.Ks[0], (scene.width, scene.height)
    in_camera = scene.means @ scene.viewmats[0, :3, :3].T + scene.viewmats[0, :3, 3]
    clip = torch.cat([in_camera, torch.ones(30, 1, dtype=torch.float64)], 1) @ projection_matrix(K, width, height).T
    ndc = clip[:, :2] / clip[:, 3:]
    pixels = (ndc + 1) / 2 * torch.tensor([width, height], dtype=torch.float64)
    homogeneous = in_camera @ K.T
    torch.testing.assert_close(pixels, homogeneous[:, :2] / homogeneous[:, 2:])
