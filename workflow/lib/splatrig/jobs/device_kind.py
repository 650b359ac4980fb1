"""What `device: auto` means: one decision for rules, the cache and jobs, which imports torch only for jobs."""

import shutil
from collections.abc import Callable


def kind_of(device: str, has_gpu: Callable[[], bool]) -> str:
    """Return `cuda` or `cpu` for the configuration's `device`; auto is cuda where `has_gpu`, which only auto asks."""
    if device == "auto":
        return "cuda" if has_gpu() else "cpu"
    return device


def driver_is_here() -> bool:
    """Return whether NVIDIA's driver is installed: what the rules go by, since they are read before any job runs."""
    return shutil.which("nvidia-smi") is not None


def torch_sees_gpu() -> bool:
    """Return whether torch can compute on a GPU: what jobs and the cache go by. Importing torch takes two seconds."""
    import torch

    return torch.cuda.is_available()
