"""The CUDA back ends against the CPU's on the same scenes; needs a GPU: pytest -m cuda tests/rasterize."""

from importlib.util import find_spec

import pytest
import torch

from splatrig.io.errors import InputError
from splatrig.rasterize import rasterize
from support.scenes import Scene, random_scene

# Arithmetic in another order flips a pixel's decision at alpha = 1/255 or transmittance = 1e-4 now and then: the bulk
# must agree closely, single values may jump by a few times 1/255. Values and gradients are relative to the largest.
MEAN, P999, MAX = 1e-5, 1e-4, 2e-2
# The original clamps the projection's Jacobian symmetrically about the optical axis where the others follow the
# image's borders, so splats that reach over a border differ, the more the further the principal point is off-center
# (seen on an H100: mean 4e-5, p99.9 7e-3, max 2e-2).
ORIGINAL = (1e-4, 1e-2, 5e-2)

NAMES = ("image", "alpha", "means", "quats", "scales", "opacities", "colors")

pytestmark = [
    pytest.mark.cuda,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device"),
]


def needs(package: str) -> pytest.MarkDecorator:
    return pytest.mark.skipif(find_spec(package) is None, reason=f"needs {package}")


BACKENDS = [
    pytest.param("gsplat", marks=needs("gsplat")),
    pytest.param("diff_gaussian_rasterization", marks=needs("diff_gaussian_rasterization")),
]


def moderate(scene: Scene) -> Scene:
    """Limit opacities so that splats end within 3 standard deviations, where the original back end cuts them."""
    return Scene(*scene.gaussians[:3], 0.34 * scene.opacities, *scene.arguments[4:])


def run(scene: Scene, backend: str, sh_degree: int | None, backgrounds: torch.Tensor | None) -> dict[str, torch.Tensor]:
    """Return image, alpha and the gradients of a random linear functional of both, on the CPU."""
    device = "cpu" if backend == "numba" else "cuda"
    moved = Scene(*(t.to(device) for t in scene.arguments[:7]), scene.width, scene.height).requiring_gradients()
    on_device = None if backgrounds is None else backgrounds.to(device)
    image, alpha = rasterize(moved.splats(sh_degree), moved.views(on_device), backend)
    generator = torch.Generator().manual_seed(3)
    image_weight = torch.randn(image.shape, generator=generator).to(device)
    alpha_weight = torch.randn(alpha.shape, generator=generator).to(device)
    ((image * image_weight).sum() + (alpha * alpha_weight).sum()).backward()
    gradients = (torch.zeros_like(tensor) if tensor.grad is None else tensor.grad for tensor in moved.gaussians)
    values = [image.detach(), alpha.detach(), *gradients]
    return {name: value.cpu() for name, value in zip(NAMES, values, strict=True)}


def assert_agree(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], backend: str = "gsplat") -> None:
    bounds = ORIGINAL if backend == "diff_gaussian_rasterization" else (MEAN, P999, MAX)
    for name, value in expected.items():
        difference = (found[name] - value).abs().flatten() / value.abs().max().clamp_min(1e-3)
        mean, p999 = difference.mean().item(), torch.quantile(difference[:10_000_000], 0.999).item()
        largest = difference.max().item()
        within = all(value < bound for value, bound in zip((mean, p999, largest), bounds, strict=True))
        assert within, f"{name}: mean {mean} p99.9 {p999} max {largest}"


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("sh_degree", [None, 0, 3])
@pytest.mark.parametrize("seed", [0, 1])
def test_images_and_gradients_agree_with_the_cpu(backend, sh_degree, seed):
    bases = None if sh_degree is None else 16
    scene = random_scene(1500, 203, 150, cameras=2, sh_bases=bases, dtype=torch.float32, seed=seed, scale_mm=3)
    backgrounds = torch.tensor([[0.1, 0.5, 0.9], [0.0, 0.3, 0.2]])
    scene = moderate(scene)
    assert_agree(run(scene, backend, sh_degree, backgrounds), run(scene, "numba", sh_degree, backgrounds), backend)


@needs("gsplat")
def test_gsplat_agrees_with_the_cpu_on_opaque_gaussians_and_beyond_the_border():
    scene = random_scene(1500, 203, 150, dtype=torch.float32, seed=5, scale_mm=6)
    scene.means[::5, 0] *= 3
    assert_agree(run(scene, "gsplat", None, None), run(scene, "numba", None, None))


@needs("diff_gaussian_rasterization")
def test_the_original_back_end_differs_by_its_shorter_splats_only():
    scene = random_scene(1500, 203, 150, dtype=torch.float32, seed=6, scale_mm=3)
    scene = Scene(*scene.gaussians[:3], scene.opacities.clamp_max(0.98), *scene.arguments[4:])
    found, expected = run(scene, "diff_gaussian_rasterization", None, None), run(scene, "numba", None, None)
    difference = (found["image"] - expected["image"]).abs()
    assert difference.max() < 2 * MAX  # a splat cut at 3 standard deviations loses up to exp(-4.5) = 0.011 of alpha
    assert difference.mean() < 100 * MEAN


@pytest.mark.parametrize("backend", BACKENDS)
def test_principal_points_far_from_the_center_agree(backend):
    scene = moderate(random_scene(800, 150, 203, dtype=torch.float32, seed=7, scale_mm=3))
    scene.Ks[:, 0, 2] += 40
    scene.Ks[:, 1, 2] -= 30
    assert_agree(run(scene, backend, None, None), run(scene, "numba", None, None), backend)


@pytest.mark.parametrize("backend", BACKENDS)
def test_nothing_to_draw_gives_the_background(backend):
    scene = random_scene(count=0, dtype=torch.float32)
    backgrounds = torch.tensor([[0.1, 0.5, 0.9]])
    found = run(scene, backend, None, backgrounds)
    assert torch.equal(found["image"], backgrounds[:, None, None].expand_as(found["image"]))
    assert found["means"].shape == (0, 3)


@pytest.mark.parametrize("backend", BACKENDS)
def test_double_precision_is_refused(backend):
    scene = random_scene(dtype=torch.float64)
    with pytest.raises(InputError, match="computes in float32"):
        run(scene, backend, None, None)


@needs("diff_gaussian_rasterization")
def test_the_original_back_end_refuses_backgrounds_that_require_gradients():
    scene = random_scene(dtype=torch.float32)
    on_gpu = Scene(*(t.cuda() for t in scene.arguments[:7]), scene.width, scene.height)
    backgrounds = torch.zeros(1, 3, device="cuda", requires_grad=True)
    with pytest.raises(InputError, match="no gradients of backgrounds"):
        rasterize(on_gpu.splats(), on_gpu.views(backgrounds), "diff_gaussian_rasterization")
