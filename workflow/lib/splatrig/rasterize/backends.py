"""Choice of the rasterizer back end; the table of back ends is `splatrig.config.rasterizers.BACKENDS`."""

from importlib import import_module
from importlib.util import find_spec

from splatrig.config.rasterizers import BACKENDS
from splatrig.io.errors import InputError
from splatrig.rasterize.scene import Render


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
