"""Gaussians as torch tensors, in a separate module so that jobs without tensors start without torch."""

from typing import Any

import numpy as np
import torch
from torch import Tensor

from splatrig.gaussians.gaussians import Gaussians


def on_device(gaussians: Gaussians[Any], device: str | torch.device = "cpu") -> Gaussians[Tensor]:
    """Return Gaussians, of arrays or tensors, as float32 tensors on `device`."""

    def moved(array: Any) -> Tensor:
        if isinstance(array, Tensor):
            return array.to(device, torch.float32)
        return torch.as_tensor(np.require(array, np.float32, "W"), device=device)  # writable, as torch requires

    return Gaussians(**{name: moved(array) for name, array in gaussians.items()})
