"""Meaning of `device: auto`, shared by rules, the cache and jobs; only jobs import torch for it."""

import shutil
from collections.abc import Callable


def kind_of(device: str, has_gpu: Callable[[], bool]) -> str:
    """Return `cuda` or `cpu` for the configuration's `device`; `auto` is cuda if `has_gpu()` says so."""
    if device == "auto":
        return "cuda" if has_gpu() else "cpu"
    return device


def driver_is_here() -> bool:
    """Return whether NVIDIA's driver is installed, on which rules depend, since they are read before any job runs."""
    return shutil.which("nvidia-smi") is not None


def torch_sees_gpu() -> bool:
    """Return whether torch can use a GPU, on which jobs and the cache depend; importing torch takes two seconds."""
    import torch

    return torch.cuda.is_available()
