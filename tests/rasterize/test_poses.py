import pytest
import torch

from splatrig.io.errors import InputError
from splatrig.rasterize import Splats, Views, rasterize, rasterize_each
from support.scenes import Scene, random_scene

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


def posed(found: list[Scene], size: tuple[int, int] = (203, 150)) -> tuple[Splats, Views]:
    """Return poses whose tensors are leaves, and a camera with a background for each."""
    tensors = (torch.stack(parts).requires_grad_() for parts in zip(*(s.gaussians for s in found), strict=True))
    poses = Splats(*tensors, sh_degree=3)
    backgrounds = torch.tensor([[0.1, 0.5, 0.9], [0.0, 0.3, 0.2], [1.0, 0.0, 0.4]], device=poses.means.device)
    viewmats, Ks = (torch.stack([getattr(scene, name) for scene in found]) for name in ("viewmats", "Ks"))
    return poses, Views(viewmats, Ks, *size, backgrounds[: len(found), None])


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("count", [1, 3])
def test_poses_rendered_together_are_those_rendered_alone(device: str, count: int) -> None:
    """Pictures of several sizes, their alphas and the gradients of both."""
    found, sizes = scenes(device)[:count], SIZES[:count]
    poses, views = posed(found)
    together = rasterize_each(poses, views, sizes)
    generator = torch.Generator().manual_seed(0)
    loss, expected = torch.zeros((), device=device), torch.zeros((), device=device)
    alone = [scene.requiring_gradients() for scene in found]
    for b, (scene, (width, height)) in enumerate(zip(alone, sizes, strict=True)):
        own = Views(scene.viewmats, scene.Ks, width, height, views.backgrounds[b])
        image, alpha = rasterize(scene.splats(3), own)
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
    for index, (name, leaf) in enumerate(poses.items()):
        gradient = leaf.grad
        for b, scene in enumerate(alone):
            wanted = scene.gaussians[index].grad
            assert float((gradient[b] - wanted).abs().max()) < 1e-4 * float(wanted.abs().max()), name


@pytest.mark.parametrize("device", DEVICES)
def test_alphas_need_not_be_differentiated(device: str) -> None:
    poses, views = posed(scenes(device))
    images = rasterize_each(poses, views, SIZES)
    images[1][0].sum().backward()
    assert poses.means.grad[1].any()
    assert not poses.means.grad[[0, 2]].any()


@pytest.mark.parametrize("device", DEVICES)
def test_images_of_one_size_are_those_rendered_each(device: str) -> None:
    poses, views = posed(scenes(device), (90, 70))
    with torch.no_grad():
        images, alphas = rasterize(poses, views)
        expected = rasterize_each(poses, views, [(90, 70)] * 3)
    assert images.shape == (3, 1, 70, 90, 3) and alphas.shape == (3, 1, 70, 90, 1)
    for image, alpha, (picture, veil) in zip(images, alphas, expected, strict=True):
        assert torch.equal(image[0], picture)
        assert torch.equal(alpha[0], veil)


@pytest.mark.parametrize("device", DEVICES)
@pytest.mark.parametrize("count", [20, 400])  # gsplat adds up gradients of poses below 32 Gaussians wrongly
@pytest.mark.parametrize("batch", [(1,), (2,), (2, 2)])
def test_any_leading_axes_are_poses_with_cameras_of_their_own(device: str, count: int, batch: tuple[int, ...]) -> None:
    if device == "cuda" and not torch.cuda.is_available():
        pytest.skip("needs a CUDA device")
    poses = torch.Size(batch).numel()
    made = [
        random_scene(count, 60, 50, cameras=2, sh_bases=16, dtype=torch.float32, seed=s, scale_mm=3)
        for s in range(poses)
    ]
    found = [Scene(*(t.to(device) for t in s.arguments[:7]), s.width, s.height).requiring_gradients() for s in made]
    stacked = [torch.stack(parts).detach() for parts in zip(*(s.arguments[:7] for s in found), strict=True)]
    *tensors, viewmats, Ks = (tensor.reshape(*batch, *tensor.shape[1:]) for tensor in stacked)
    splats = Splats(*(tensor.requires_grad_() for tensor in tensors), sh_degree=3)
    images, alphas = rasterize(splats, Views(viewmats, Ks, 60, 50))
    assert images.shape == (*batch, 2, 50, 60, 3) and alphas.shape == (*batch, 2, 50, 60, 1)
    (images.square().sum() + alphas.sum()).backward()
    for b, scene in enumerate(found):
        image, alpha = rasterize(scene.splats(3), scene.views())
        torch.testing.assert_close(images.flatten(0, -5)[b], image, atol=1e-5, rtol=1e-5)
        torch.testing.assert_close(alphas.flatten(0, -5)[b], alpha, atol=1e-5, rtol=1e-5)
        (image.square().sum() + alpha.sum()).backward()
        for (name, leaf), wanted in zip(splats.items(), scene.gaussians, strict=True):
            gradient = leaf.grad.reshape(poses, *wanted.shape)[b]
            assert float((gradient - wanted.grad).abs().max()) < 1e-4 * float(wanted.grad.abs().max()), name


def test_every_pose_needs_a_size() -> None:
    poses, views = posed(scenes("cpu"))
    with pytest.raises(InputError, match=r"expected 2 poses .* leading axes \[3\] and cameras \[3, 1\]"):
        rasterize_each(poses, views, SIZES[:2])
    with pytest.raises(InputError, match="expected sizes up to 203x150, that of the views"):
        rasterize_each(poses, views, [*SIZES[:2], (203, 151)])


def test_every_pose_needs_cameras() -> None:
    poses, views = posed(scenes("cpu"))
    with pytest.raises(InputError, match=r"leading axes \[3\], the cameras \[\]; give every pose"):
        rasterize(poses, Views(views.viewmats[0], views.Ks[0], 203, 150))
