import subprocess
import sys

import pytest
import torch

from splatrig.config.rasterizers import Backend
from splatrig.io.errors import InputError
from splatrig.rasterize import Views, backends, gsplat_backend, rasterize
from splatrig.rasterize.scene import blank
from support.scenes import Scene, random_scene


def with_changed(scene: Scene, name: str, value) -> Scene:
    return Scene(**{**scene.__dict__, name: value})


def drawn(scene: Scene, backend: str = "auto"):
    return rasterize(scene.splats(), scene.views(), backend)


@pytest.mark.parametrize(
    ("name", "change", "message"),
    [
        ("means", lambda t: t[:, :2], r"means of shape \[60, 3\], got \[60, 2\]"),
        ("quats", lambda t: t[1:], r"quats of shape \[60, 4\], got \[59, 4\]"),
        ("scales", lambda t: t[:, 0], r"scales of shape \[60, 3\]"),
        ("opacities", lambda t: t[:, None], r"opacities of shape \[60\]"),
        ("colors", lambda t: t[:, None].expand(-1, 16, -1), r"colors of shape \[60, 3\].*sh_degree"),
        ("scales", lambda t: t.float(), r"scales are torch.float32.*one dtype and device"),
        ("viewmats", lambda t: t[0], r"viewmats of shape"),
        ("Ks", lambda t: t.repeat(2, 1, 1), r"Ks of shape \[1, 3, 3\], got \[2, 3, 3\]"),
        ("Ks", lambda t: t * float("nan"), r"camera 0: expected finite intrinsics, fx, fy > 0"),
        ("Ks", lambda t: t + t.new_tensor([[0, 3, 0], [0, 0, 0], [0, 0, 0]]), r"no skew, got K "),
        ("Ks", lambda t: -t, r"camera 0: expected finite intrinsics, fx, fy > 0"),
        ("viewmats", lambda t: 2 * t, r"camera 0: expected a rigid transform"),
        ("viewmats", lambda t: t * float("nan"), r"camera 0: expected a rigid transform"),
        ("width", lambda _: 0, r"0x35"),
    ],
)
def test_arguments_that_do_not_fit_are_named(name, change, message):
    scene = random_scene()
    with pytest.raises(InputError, match=message):
        drawn(with_changed(scene, name, change(getattr(scene, name))))


def test_integer_and_half_gaussians_are_refused():
    scene = random_scene(dtype=torch.float16)
    with pytest.raises(InputError, match=r"torch.float16; convert the Gaussians to float32"):
        drawn(scene)


@pytest.mark.parametrize(("degree", "message"), [(4, "sh_degree is 4"), (-1, "sh_degree is -1"), (3, "needs 16")])
def test_degrees_that_do_not_fit_are_refused(degree, message):
    with pytest.raises(InputError, match=message):
        random_scene(sh_bases=9).splats(degree)


def test_backgrounds_need_one_color_a_camera():
    with pytest.raises(InputError, match=r"backgrounds of shape \[1, 3\], got \[3\]"):
        random_scene().views(torch.zeros(3, dtype=torch.float64))


def test_cameras_that_require_gradients_are_refused():
    scene = random_scene()
    with pytest.raises(InputError, match="no back end computes"):
        drawn(with_changed(scene, "viewmats", scene.viewmats.requires_grad_()))


def test_an_unknown_back_end_is_answered_with_the_known_ones():
    with pytest.raises(InputError, match=r"'opengl' is unknown; expected auto, .*numba"):
        drawn(random_scene(), "opengl")


def test_auto_picks_by_device():
    assert backends.choose_backend("auto", "cpu") == "numba"
    assert backends.choose_backend("auto", "cuda") == "gsplat"


@pytest.mark.parametrize("name", ["gsplat", "diff_gaussian_rasterization"])
def test_cuda_back_ends_are_refused_for_cpu_tensors_without_importing_them(name):
    with pytest.raises(InputError, match=f"{name} takes cuda tensors, got cpu tensors"):
        drawn(random_scene(), name)


def test_back_ends_load_no_cuda_package_until_they_render():
    """In a process of its own: on a GPU machine other tests have loaded the packages."""
    code = (
        "import sys, torch; from importlib import import_module\n"
        "from splatrig.rasterize import Splats, Views, backends, rasterize\n"
        "assert all(callable(import_module(backend.module).render) for backend in backends.BACKENDS.values())\n"
        "N = torch.zeros(1, 3); K = torch.eye(3)[None]; V = torch.eye(4)[None]\n"
        "rasterize(Splats(N, torch.eye(4)[:1], N + 1, torch.ones(1), N), Views(V, K, 2, 2))\n"
        "assert not {'gsplat', 'diff_gaussian_rasterization'} & sys.modules.keys()"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_gaussians_in_double_precision_are_refused_by_back_ends_that_lack_it():
    scene = random_scene()
    with pytest.raises(InputError, match=r"gsplat computes in float32, got torch.float64"):
        gsplat_backend.render(scene.splats(), scene.views())


def test_blank_views_show_the_background_and_pass_empty_gradients():
    scene = random_scene(count=0, cameras=2).requiring_gradients()
    backgrounds = torch.rand(2, 3, dtype=torch.float64)
    images, alphas = blank(scene.splats(), Views(scene.viewmats, scene.Ks, 5, 4, backgrounds))
    assert torch.equal(images, backgrounds[:, None, None].expand(2, 4, 5, 3)) and not alphas.any()
    (images.sum() + alphas.sum()).backward()
    assert scene.means.grad.shape == (0, 3)


def test_a_back_end_is_refused_for_tensors_of_another_device():
    with pytest.raises(InputError, match="numba takes cpu tensors, got cuda tensors"):
        backends.choose_backend("numba", "cuda")


def test_a_missing_package_is_answered_with_how_to_install_it(monkeypatch):
    missing = Backend("splatrig.rasterize.nowhere", "no_such_package", "cpu", "pip install no-such-package")
    monkeypatch.setitem(backends.BACKENDS, "nowhere", missing)
    with pytest.raises(InputError, match=r"needs the package no_such_package; install it: pip install no-such-package"):
        drawn(random_scene(), "nowhere")
