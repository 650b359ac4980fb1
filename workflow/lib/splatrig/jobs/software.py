"""Versions of the installed software."""

import os
import platform
from importlib.metadata import PackageNotFoundError, version

from splatrig import __version__

COMPUTING = (
    "diff-gaussian-rasterization",
    "embreex",
    "fast-simplification",
    "gsplat",
    "h5py",
    "numba",
    "numpy",
    "pandas",
    "pillow",
    "plyfile",
    "potpourri3d",
    "scipy",
    "torch",
    "torchmetrics",
    "trimesh",
)
"""Packages whose versions can change the bytes of a result."""


def software() -> dict[str, str]:
    """Return the versions of Python, splatrig and the installed packages that compute, and the architecture."""
    found = {"python": platform.python_version(), "splatrig": __version__, "machine": platform.machine()}
    for name in COMPUTING:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def here() -> str:
    """Return one line about this machine and the versions on it."""
    versions = ", ".join(f"{name} {text}" for name, text in software().items() if name != "machine")
    return f"on {platform.node()} ({platform.machine()}, {os.cpu_count()} cores): {versions}"
