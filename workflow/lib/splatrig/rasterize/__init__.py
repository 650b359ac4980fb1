"""One rasterisation function, several back ends."""

from torch import Tensor

from splatrig.io.errors import InputError
from splatrig.rasterize.backends import choose_backend, load_backend
from splatrig.rasterize.scene import Splats, Views

__all__ = ["Splats", "Views", "rasterize", "render"]


def rasterize(
    means: Tensor,  # [N, 3]
    quats: Tensor,  # [N, 4]
    scales: Tensor,  # [N, 3]
    opacities: Tensor,  # [N]
    colors: Tensor,  # [N, 3] or [N, K, 3]
    viewmats: Tensor,  # [C, 4, 4]
    Ks: Tensor,  # [C, 3, 3]
    width: int,
    height: int,
    *,
    sh_degree: int | None = None,
    backgrounds: Tensor | None = None,  # [C, 3]
    backend: str = "auto",
) -> tuple[Tensor, Tensor]:
    """Render activated Gaussians from C cameras; return images [C, H, W, 3] and alphas [C, H, W, 1].

    Differentiable with respect to the Gaussians and the backgrounds. `colors` are RGB, or with `sh_degree`
    spherical-harmonic coefficients, of which the colour is max(0, value + 0.5) along the view direction. Conventions
    are those of gsplat 1.5.3: see `splatrig.rasterize.scene` and `splatrig.rasterize.numba_compositing`.

    Args:
        means: centres, head space, millimetres.
        quats: rotations wxyz, of any length but zero.
        scales: standard deviations, millimetres (activated).
        opacities: in [0, 1] (activated).
        colors: RGB or spherical harmonics.
        viewmats: head space to camera, OpenCV axes.
        Ks: pinhole intrinsics, pixels; any principal point.
        width: image width, pixels.
        height: image height, pixels.
        sh_degree: degree of spherical harmonics to evaluate, 0 to 3.
        backgrounds: RGB per camera; black when None.
        backend: auto (gsplat on CUDA, numba on CPU) or a name of `splatrig.rasterize.backends.BACKENDS`.

    Raises:
        InputError: a shape, dtype, device or degree that does not fit, or a back end that is missing.

    """
    splats = Splats(means, quats, scales, opacities, colors, sh_degree)
    return render(splats, Views(viewmats, Ks, width, height, backgrounds), backend)


def render(splats: Splats, views: Views, backend: str = "auto") -> tuple[Tensor, Tensor]:
    """Do what `rasterize` does, on bundled arguments."""
    if splats.means.device != views.viewmats.device:
        raise InputError(
            f"rasterize: the Gaussians are on {splats.means.device}, the cameras on {views.viewmats.device}; "
            "move them to one device."
        )
    return load_backend(choose_backend(backend, splats.means.device.type))(splats, views)
