import math

import pytest
import torch

from splatrig.io.errors import InputError
from splatrig.rasterize import Splats, numba_compositing, numba_projection, rasterize
from support.brute_force import brute_force
from support.scenes import Scene, random_scene
from support.sh_colors import sh_to_rgb, view_directions

FLOAT64 = 1e-12  # of the largest value: sums of some hundred terms in another order
FLOAT32 = 5e-6  # the same in float32; a 7-term polynomial for exp

NAMES = ("means", "quats", "scales", "opacities", "colors")


@pytest.fixture(autouse=True)
def _restore_threads():
    threads = torch.get_num_threads()
    yield
    torch.set_num_threads(threads)


def weights_like(*tensors: torch.Tensor) -> list[torch.Tensor]:
    generator = torch.Generator().manual_seed(99)
    return [torch.randn(tensor.shape, generator=generator, dtype=torch.float64).to(tensor.dtype) for tensor in tensors]


def gradients(scene: Scene, render) -> dict[str, torch.Tensor]:
    """Image, alpha and the gradients of one random linear functional of both."""
    scene = scene.requiring_gradients()
    image, alpha = render(scene)
    image_weight, alpha_weight = weights_like(image, alpha)
    ((image * image_weight).sum() + (alpha * alpha_weight).sum()).backward()
    found = {name: tensor.grad for name, tensor in zip(NAMES, scene.gaussians, strict=True)}
    return {"image": image.detach(), "alpha": alpha.detach(), **found}


def by_numba(scene: Scene):
    return rasterize(scene.splats(), scene.views(), "numba")


def by_brute_force(scene: Scene):
    views = [
        brute_force(*scene.gaussians, viewmat, K, scene.width, scene.height)
        for viewmat, K in zip(scene.viewmats, scene.Ks, strict=True)
    ]
    return tuple(torch.stack(parts) for parts in zip(*views, strict=True))


def assert_agree(found: dict[str, torch.Tensor], expected: dict[str, torch.Tensor], tolerance: float) -> None:
    for name, value in expected.items():
        scale = value.abs().max().item()
        difference = (found[name].double() - value.double()).abs().max().item()
        assert difference <= tolerance * max(scale, 1e-3), f"{name}: {difference} of {scale}"


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize(("width", "height"), [(41, 35), (32, 64), (7, 19)])
def test_image_and_gradients_equal_brute_force_in_float64(seed, width, height):
    scene = random_scene(width=width, height=height, seed=seed)
    expected = gradients(scene, by_brute_force)
    assert expected["alpha"].max() > 0.5
    assert_agree(gradients(scene, by_numba), expected, FLOAT64)


def test_several_cameras_equal_brute_force():
    scene = random_scene(count=40, cameras=3)
    assert_agree(gradients(scene, by_numba), gradients(scene, by_brute_force), FLOAT64)


def test_opaque_pixels_close_as_in_brute_force():
    scene = random_scene(count=150, width=33, height=20, scale_mm=30)
    scene = Scene(*scene.gaussians[:3], torch.full((150,), 0.95, dtype=torch.float64), *scene.arguments[4:])
    expected = gradients(scene, by_brute_force)
    assert (expected["alpha"] > 0.999).double().mean() > 0.5  # most pixels close before the last Gaussian
    assert_agree(gradients(scene, by_numba), expected, FLOAT64)


def test_large_gaussians_near_the_border_equal_brute_force():
    scene = random_scene(count=30, scale_mm=60)
    scene.means[:, 0] *= 4  # far outside the image, where the Jacobian is clamped
    assert_agree(gradients(scene, by_numba), gradients(scene, by_brute_force), FLOAT64)


@pytest.mark.parametrize("seed", range(3))
def test_float32_is_close_to_float64_brute_force(seed):
    scene = random_scene(seed=seed)
    single = Scene(*(tensor.float() for tensor in scene.arguments[:7]), scene.width, scene.height)
    widened = Scene(*(tensor.double() for tensor in single.arguments[:7]), scene.width, scene.height)
    found = gradients(single, by_numba)
    assert all(value.dtype == torch.float32 for value in found.values())
    assert_agree(found, gradients(widened, by_brute_force), FLOAT32)


@pytest.mark.parametrize("scale_mm", [1e6, 1e10, 1e19, 1e30])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_gaussians_of_any_size_cover_the_image(dtype, scale_mm):
    """Their conics are too small for float32, and their reach for an integer."""
    scene = random_scene(count=20, dtype=dtype)
    scene.scales[:], scene.opacities[:] = scale_mm, 0.3
    image, alpha = by_numba(scene)
    weights = 0.3 * 0.7 ** torch.arange(20)
    order = (scene.means @ scene.viewmats[0, 2, :3]).argsort()
    torch.testing.assert_close(alpha, torch.full_like(alpha, 1 - 0.7**20), rtol=0, atol=1e-6)
    expected = (weights[:, None] * scene.colors[order]).sum(0)
    torch.testing.assert_close(image, expected.to(dtype).expand_as(image), rtol=0, atol=1e-6)


@pytest.mark.parametrize("degrees", [0, 30, 45])
def test_needles_equal_brute_force(degrees):
    """A thousand times as long as wide, longer than the image: a conic in float32 keeps three digits of its angle."""
    scene = random_scene(count=1, width=90, height=60)
    half = math.radians(degrees) / 2
    scene.quats[:] = torch.tensor([math.cos(half), 0, 0, math.sin(half)], dtype=torch.float64)
    scene.scales[:], scene.means[:] = torch.tensor([800.0, 0.8, 0.8], dtype=torch.float64), 0.0
    scene.opacities[:] = 0.8
    expected = gradients(scene, by_brute_force)
    assert expected["alpha"].max() > 0.3
    assert_agree(gradients(scene, by_numba), expected, 1e-8)
    single = Scene(*(tensor.float() for tensor in scene.arguments[:7]), scene.width, scene.height)
    found = gradients(single, by_numba)
    assert_agree({**found, "quats": expected["quats"]}, expected, 5e-3)


def test_gradients_are_those_of_finite_differences():
    scene = random_scene(count=12, width=18, height=17, scale_mm=25)
    scene = Scene(*scene.gaussians[:3], scene.opacities.clamp(0.05, 0.6), *scene.arguments[4:])
    found = gradients(scene, by_numba)
    image_weight, alpha_weight = weights_like(found["image"], found["alpha"])

    def value(changed: Scene) -> float:
        image, alpha = by_numba(changed)
        return ((image * image_weight).sum() + (alpha * alpha_weight).sum()).item()

    generator = torch.Generator().manual_seed(5)
    for index, name in enumerate(NAMES):
        direction = torch.randn(scene.gaussians[index].shape, generator=generator, dtype=torch.float64)
        expected = (found[name] * direction).sum().item()
        step = 1e-7  # small enough that no pixel crosses a threshold
        ahead, behind = (
            Scene(
                *(t + s * direction if i == index else t for i, t in enumerate(scene.gaussians)), *scene.arguments[5:]
            )
            for s in (step, -step)
        )
        assert (value(ahead) - value(behind)) / (2 * step) == pytest.approx(expected, rel=1e-5, abs=1e-6)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_bits_do_not_depend_on_the_number_of_threads(dtype):
    scene = random_scene(count=400, width=130, height=70, cameras=2, dtype=dtype)
    runs = []
    for threads in (1, 2, 2):
        torch.set_num_threads(threads)
        runs.append(gradients(scene, by_numba))
    for run in runs[1:]:
        for name, value in runs[0].items():
            assert torch.equal(run[name], value), name


def test_backgrounds_fill_what_is_transparent():
    scene = random_scene(cameras=2)
    backgrounds = torch.tensor([[0.2, 0.4, 0.9], [1.0, 0.0, 0.5]], dtype=torch.float64, requires_grad=True)
    on_black, alpha = rasterize(scene.splats(), scene.views())
    image, same_alpha = rasterize(scene.splats(), scene.views(backgrounds))
    torch.testing.assert_close(image, on_black + (1 - alpha) * backgrounds[:, None, None], rtol=0, atol=FLOAT64)
    assert torch.equal(alpha, same_alpha)
    image.sum().backward()
    torch.testing.assert_close(backgrounds.grad, (1 - alpha).sum((1, 2)).expand(-1, 3))


def test_no_gaussians_give_the_background_and_empty_gradients():
    scene = random_scene(count=0).requiring_gradients()
    image, alpha = rasterize(scene.splats(), scene.views(torch.full((1, 3), 0.25, dtype=torch.float64)))
    assert image.shape == (1, 35, 41, 3) and alpha.shape == (1, 35, 41, 1)
    assert (image == 0.25).all() and (alpha == 0).all()
    image.sum().backward()
    assert scene.means.grad.shape == (0, 3)


def test_an_empty_view_is_transparent_and_has_zero_gradients():
    scene = random_scene()
    scene.means[:, 0] += 1e5
    found = gradients(scene, by_numba)
    assert (found["image"] == 0).all() and (found["alpha"] == 0).all()
    assert all((found[name] == 0).all() for name in NAMES)


def test_no_cameras_give_no_images():
    scene = random_scene(cameras=0)
    image, alpha = rasterize(scene.splats(), scene.views())
    assert image.shape == (0, 35, 41, 3) and alpha.shape == (0, 35, 41, 1)


def test_gaussians_behind_or_at_the_camera_are_not_drawn():
    scene = random_scene(count=20)
    kept = by_numba(scene)
    axis, center = scene.viewmats[0, 2, :3], -scene.viewmats[0, :3, :3].T @ scene.viewmats[0, :3, 3]
    behind = torch.stack([center - 500 * axis, center, center + 0.005 * axis])
    extended = Scene(
        torch.cat([behind, scene.means]),
        torch.cat([scene.quats[:3], scene.quats]),
        torch.cat([scene.scales[:3] * 10, scene.scales]),
        torch.cat([torch.ones(3, dtype=torch.float64), scene.opacities]),
        torch.cat([scene.colors[:3], scene.colors]),
        *scene.arguments[5:],
    )
    assert all(torch.equal(a, b) for a, b in zip(by_numba(extended), kept, strict=True))
    found = gradients(extended, by_numba)
    assert all(torch.isfinite(found[name]).all() and (found[name][:3] == 0).all() for name in NAMES)


def test_a_single_pixel_equals_brute_force():
    scene = random_scene(count=25, width=1, height=1, scale_mm=200)
    scene.Ks[:, 0, 2], scene.Ks[:, 1, 2] = 0.3, 0.6
    assert_agree(gradients(scene, by_numba), gradients(scene, by_brute_force), FLOAT64)


def test_shifting_the_principal_point_by_whole_pixels_shifts_the_image():
    scene = random_scene(width=60, height=50)
    image, _ = by_numba(scene)
    scene.Ks[:, 0, 2] += 5
    scene.Ks[:, 1, 2] -= 3
    shifted, _ = by_numba(scene)
    torch.testing.assert_close(shifted[:, 5:-5, 5:-5], image[:, 8:-2, :-10], rtol=0, atol=1e-9)


@pytest.mark.parametrize("degree", [0, 1, 2, 3])
def test_spherical_harmonics_and_their_gradients_equal_brute_force(degree):
    scene = random_scene(sh_bases=16, cameras=2, seed=degree)
    scene.colors[:10, 0] = -4  # some colors are clamped at zero

    def by_brute_force_with_sh(leaves: Scene):
        views = []
        for viewmat, K in zip(leaves.viewmats, leaves.Ks, strict=True):
            rgb = sh_to_rgb(leaves.colors, view_directions(leaves.means, viewmat), degree)
            views.append(brute_force(*leaves.gaussians[:4], rgb, viewmat, K, leaves.width, leaves.height))
        return tuple(torch.stack(parts) for parts in zip(*views, strict=True))

    def by_numba_with_sh(leaves: Scene):
        return rasterize(leaves.splats(degree), leaves.views(), "numba")

    expected = gradients(scene, by_brute_force_with_sh)
    assert_agree(gradients(scene, by_numba_with_sh), expected, FLOAT64)


@pytest.mark.parametrize(
    ("name", "value"),
    [("means", float("nan")), ("scales", float("inf")), ("scales", 1e200), ("quats", 0.0), ("colors", float("nan"))],
)
def test_a_gaussian_that_is_not_finite_is_named(name, value):
    scene = random_scene()
    getattr(scene, name)[17] = value
    with pytest.raises(InputError, match=r"Gaussian 17 has a value that is not finite, a quaternion of length zero"):
        by_numba(scene)


def test_kernels_compile_once_a_precision_whatever_is_rendered():
    for dtype in (torch.float32, torch.float64):
        for count, size, cameras in ((50, 40, 2), (1, 1, 1), (0, 16, 1)):
            for bases, degree in ((None, None), (1, 0), (16, 3)):
                scene = random_scene(count, size, size, cameras, bases, dtype).requiring_gradients()
                image, alpha = rasterize(scene.splats(degree), scene.views())
                (image[..., 0].mean() + alpha.mean()).backward()
    entry_points = (
        *(numba_projection.project, numba_projection.project_backward, numba_compositing.find_tiles),
        *(numba_compositing.composite_tiles, numba_compositing.composite_tiles_backward),
        *(numba_compositing.fill_tiles, numba_compositing.sum_records),
    )
    counts = {kernel.py_func.__name__: len(kernel.signatures) for kernel in entry_points}
    assert counts == dict.fromkeys(counts, 2) | {"fill_tiles": 1}


def test_tensors_need_not_be_contiguous():
    scene = random_scene()
    strided = Scene(*(t.T.contiguous().T if t.ndim == 2 else t for t in scene.gaussians), *scene.arguments[5:])
    assert not strided.means.is_contiguous()
    found, expected = gradients(strided, by_numba), gradients(scene, by_numba)
    assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_spherical_harmonics_of_degree_zero_are_plain_colors():
    scene = random_scene(sh_bases=16)
    by_sh, _ = rasterize(scene.splats(0), scene.views())
    colors = (0.28209479177387814 * scene.colors[:, 0] + 0.5).clamp_min(0)
    plain, _ = rasterize(Splats(*scene.gaussians[:4], colors), scene.views())
    torch.testing.assert_close(by_sh, plain, rtol=0, atol=FLOAT64)
