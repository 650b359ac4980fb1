import pytest
import torch
from torch import Tensor

from rasterize.scenes import Scene, random_scene
from splatrig.io.errors import InputError
from splatrig.rasterize import rasterize
from splatrig.rasterize.poses import rasterize_poses, render_poses
from splatrig.rasterize.scene import Poses

SIZES = [(203, 110), (150, 150), (203, 150)]
DEVICES = ["cpu", pytest.param("cuda", marks=[pytest.mark.cuda])]


def scenes(device: str) -> list[Scene]:
    """Return as many poses of Gaussians as there are sizes, each with a camera; far from the borders of all pictures.

    Beyond the border of the largest picture, which those rendered together share, a Gaussian is flattened otherwise.
    """
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    made = [
        random_scene(400, 203, 150, sh_bases=16, dtype=torch.float32, seed=seed, scale_mm=3)
        for seed in range(len(SIZES))
    ]
    inside = [Scene(0.25 * scene.means, *scene.arguments[1:]) for scene in made]
    return [Scene(*(t.to(device) for t in scene.arguments[:7]), scene.width, scene.height) for scene in inside]


def posed(found: list[Scene]) -> tuple[Poses, Tensor, Tensor, Tensor]:
    """Return poses whose tensors are leaves, view matrices, intrinsics and backgrounds."""
    poses = Poses(*(torch.stack(parts).requires_grad_() for parts in zip(*(s.gaussians for s in found), strict=True)))
    backgrounds = torch.tensor([[0.1, 0.5, 0.9], [0.0, 0.3, 0.2], [1.0, 0.0, 0.4]], device=poses.means.device)
    viewmats, Ks = (torch.cat([getattr(scene, name) for scene in found]) for name in ("viewmats", "Ks"))
    return poses, viewmats, Ks, backgrounds[: len(found)]


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("count", [1, 3])
def test_poses_rendered_together_are_those_rendered_alone(device: str, count: int) -> None:
    """Pictures of several sizes, their alphas and the gradients of both."""
    found, sizes = scenes(device)[:count], SIZES[:count]
    poses, viewmats, Ks, backgrounds = posed(found)
    together = rasterize_poses(poses, viewmats, Ks, sizes, sh_degree=3, backgrounds=backgrounds)
    generator = torch.Generator().manual_seed(0)
    loss, expected = torch.zeros((), device=device), torch.zeros((), device=device)
    alone = [scene.requiring_gradients() for scene in found]
    for b, (scene, (width, height)) in enumerate(zip(alone, sizes, strict=True)):
        views = (scene.viewmats, scene.Ks, width, height)
        image, alpha = rasterize(*scene.gaussians, *views, sh_degree=3, backgrounds=backgrounds[b : b + 1])
        assert together[b][0].shape == (height, width, 3)
        assert together[b][1].shape == (height, width, 1)
        assert together[b][0].is_contiguous()
        torch.testing.assert_close(together[b][0], image[0], atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(together[b][1], alpha[0], atol=1e-5, rtol=1e-5)
        probe, veil = (torch.randn(height, width, n, generator=generator).to(device) for n in (3, 1))
        loss = loss + (together[b][0] * probe).sum() + (together[b][1] * veil).sum()
        expected = expected + (image[0] * probe).sum() + (alpha[0] * veil).sum()
    loss.backward()
    expected.backward()
    for index, name in enumerate(Poses.__dataclass_fields__):
        gradient = getattr(poses, name).grad
        for b, scene in enumerate(alone):
            wanted = scene.gaussians[index].grad
            assert float((gradient[b] - wanted).abs().max()) < 1e-4 * float(wanted.abs().max()), name


@pytest.mark.parametrize("device", DEVICES)
def test_alphas_need_not_be_differentiated(device: str) -> None:
    poses, viewmats, Ks, backgrounds = posed(scenes(device))
    images = rasterize_poses(poses, viewmats, Ks, SIZES, sh_degree=3, backgrounds=backgrounds)
    images[1][0].sum().backward()
    assert poses.means.grad[1].any()
    assert not poses.means.grad[[0, 2]].any()


def test_rendered_poses_are_the_pictures_without_gradients() -> None:
    poses, viewmats, Ks, backgrounds = posed(scenes("cpu"))
    sizes = [(90, 70)] * 3
    images = render_poses(poses, viewmats, Ks, sizes[0], sh_degree=3, backgrounds=backgrounds)
    assert not images.requires_grad
    expected = rasterize_poses(poses, viewmats, Ks, sizes, sh_degree=3, backgrounds=backgrounds)
    assert all(torch.equal(image, picture) for image, (picture, _) in zip(images, expected, strict=True))


def test_every_pose_needs_a_size() -> None:
    poses, viewmats, Ks, backgrounds = posed(scenes("cpu"))
    with pytest.raises(InputError, match="for each of 3 poses, got 3, 3, 2, 3"):
        rasterize_poses(poses, viewmats, Ks, SIZES[:2], sh_degree=3, backgrounds=backgrounds)
