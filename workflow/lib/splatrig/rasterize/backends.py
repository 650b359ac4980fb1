"""The table of rasterisers, and the choice among them.

To add one: write a module with `render(splats: Splats, views: Views) -> (images [C, H, W, 3], alphas [C, H, W, 1])`,
differentiable with respect to the Gaussians and backgrounds, and add a row to `BACKENDS`. Without `batched` in its row
it gets Gaussians and cameras without leading axes. Modules are imported when they are first used, so a row may need
packages that this machine lacks.
"""

from dataclasses import dataclass
from importlib import import_module
from importlib.util import find_spec

from splatrig.io.errors import InputError
from splatrig.rasterize.scene import Render


@dataclass(frozen=True)
class Backend:
    """One rasteriser."""

    module: str
    """Module of this package that has `render`."""
    package: str
    """The import it needs."""
    device: str
    """Where its tensors live: cpu or cuda."""
    install: str
    """What to do when `package` is missing."""
    batched: bool = False
    """Whether `render` takes leading axes; otherwise it is called for one pose after the other."""


BACKENDS = {
    "numba": Backend("splatrig.rasterize.numba_backend", "numba", "cpu", "pip install numba"),
    "gsplat": Backend(
        "splatrig.rasterize.gsplat_backend",
        "gsplat",
        "cuda",
        "pip install gsplat==1.5.3 packaging, beside a CUDA build of torch; its first use compiles it with nvcc",
        batched=True,
    ),
    "diff_gaussian_rasterization": Backend(
        "splatrig.rasterize.inria_backend",
        "diff_gaussian_rasterization",
        "cuda",
        "pip install --no-build-isolation git+https://github.com/graphdeco-inria/diff-gaussian-rasterization, beside a "
        "CUDA build of torch, with nvcc (its licence allows research only)",
    ),
}
"""Name of the back end (`training.rasterizer` of the config) to what it is."""


def choose_backend(name: str, device: str) -> str:
    """Return the back end for tensors on `device` (cpu or cuda): `name`, or the default one when it is `auto`."""
    if name == "auto":
        name = "gsplat" if device == "cuda" else "numba"
    if name not in BACKENDS:
        raise InputError(f"rasterizer: {name!r} is unknown; expected auto, {', '.join(BACKENDS)}.")
    backend = BACKENDS[name]
    if backend.device != device:
        raise InputError(
            f"rasterizer: {name} takes {backend.device} tensors, got {device} tensors; "
            f"move them, or use auto, which picks a back end by device."
        )
    return name


def load_backend(name: str) -> Render:
    """Import the `render` of the back end `name`; raise InputError that says how to install what is missing."""
    backend = BACKENDS[name]
    if find_spec(backend.package) is None:
        raise InputError(f"rasterizer: {name} needs the package {backend.package}; install it: {backend.install}.")
    render: Render = import_module(backend.module).render
    return render
