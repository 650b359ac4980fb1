import numpy as np
import pytest
import torch

from splatrig.animation.render import widened
from splatrig.control.viewer.splats import Blender, heat_colors, reach_mm
from splatrig.gaussians.tensors import on_device
from splatrig.rasterize import activate
from support import heads
from support.sh_colors import sh_to_rgb, view_directions

HEAD = heads.head(1)
SKIN = heads.head(1, skin=True)


def a_pose(seed: int = 0) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {name: generator.random(panel.count) for name, panel in HEAD.panels.items()}


@pytest.mark.parametrize("head", [HEAD, SKIN], ids=["plain", "with skin"])
def test_splats_are_the_activated_gaussians_of_the_pose(head):
    splats = Blender(head, 3.0).splats(a_pose())
    expected = widened(head.gaussians(a_pose()), 3.0)
    activated = activate(on_device(expected))
    w, x, y, z = activated.quats.double().unbind(-1)
    rotation = torch.stack(
        [1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y),
         2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x),
         2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)], dim=-1
    ).reshape(-1, 3, 3)  # fmt: skip
    scaled = rotation * activated.scales.double()[:, None, :]
    assert np.allclose(splats.centers, expected.means, atol=1e-4)
    assert np.allclose(splats.covariances, (scaled @ scaled.transpose(1, 2)).numpy(), rtol=1e-3, atol=1e-4)
    assert np.abs(splats.opacities[:, 0] / 255.0 - activated.opacities.numpy()).max() <= 0.5 / 255 + 1e-6


def test_colors_are_those_seen_from_the_eye():
    eye = np.array([100.0, 50.0, 700.0])
    blender = Blender(HEAD)
    blender.look_from(eye, HEAD.base.means)
    viewmat = torch.eye(4)
    viewmat[:3, 3] = -torch.tensor(eye)
    sh = activate(on_device(HEAD.base)).colors
    expected = sh_to_rgb(sh, view_directions(torch.tensor(HEAD.base.means), viewmat.float()), 3).clamp(0, 1)
    assert np.abs(blender.splats({}).rgbs / 255.0 - expected.numpy()).max() <= 0.5 / 255 + 1e-4


def test_one_slider_after_another_gives_the_pose_itself():
    blender, pose = Blender(HEAD), heads.zeros(HEAD)
    generator = np.random.default_rng(3)
    for _ in range(60):
        name = list(pose)[generator.integers(len(pose))]
        pose[name] = pose[name].copy()
        pose[name][generator.integers(len(pose[name]))] = generator.random()
        splats = blender.splats(pose)
    assert np.allclose(splats.centers, HEAD.gaussians(pose).means, atol=1e-3)


def test_what_was_sent_does_not_change_with_the_next_pose():
    blender = Blender(HEAD)
    first = blender.splats(a_pose(1))
    kept = first.centers.copy(), first.rgbs.copy(), first.covariances.copy()
    blender.splats(a_pose(2))
    assert all(np.array_equal(a, b) for a, b in zip(kept, (first.centers, first.rgbs, first.covariances), strict=True))


def test_heat_grows_with_the_reach_of_a_component():
    lengths = reach_mm(HEAD, "sldc_gauss_xyz", 0)
    colors = heat_colors(lengths, float(lengths.max())).astype(int).sum(axis=1)
    assert colors.argmax() == lengths.argmax() and colors[lengths == 0].max() == colors.min()
    pose = {"sldc_gauss_xyz": np.eye(5)[0] * HEAD.panels["sldc_gauss_xyz"].high[0]}
    moved = np.linalg.norm(HEAD.gaussians(pose).means - HEAD.base.means, axis=1)
    assert np.allclose(lengths, moved, atol=1e-3)
