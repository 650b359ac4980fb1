"""Films: weights over time and one camera per frame become 8-bit images, on a GPU in batches.

On a GPU everything stays on the device until an image is finished: one matrix product gives the rows of a batch of
poses (B × K times K × 13 N), they are activated and rendered in one call, and images leave as bytes.
"""

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.animation.render import Renderer
from splatrig.components.rig import Rig
from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError

BATCH = 16
"""Poses per call on a GPU: enough for the cost of kernel launches to be negligible."""


def film(
    rig: Rig,
    weights: NDArray,  # [T, K]
    cameras: Cameras,  # T cameras, one per frame, in head space
    renderer: Renderer | None = None,
) -> Iterator[NDArray[np.uint8]]:  # [H, W, 3]
    """Yield the images of a film; raise InputError unless there is one camera per row of `weights`."""
    if len(weights) != len(cameras):
        raise InputError(f"film: expected one camera per row of weights, {len(weights)}, got {len(cameras)}.")
    renderer = renderer or Renderer()
    on_cpu = torch.device(renderer.device).type == "cpu"
    posed = rig if on_cpu else rig.to(renderer.device)
    for images in film_in_batches(posed, weights, cameras, renderer, 1 if on_cpu else BATCH):
        yield from images.cpu().numpy()


@torch.no_grad()
def film_in_batches(
    rig: Rig,  # rig of arrays, or of tensors on the renderer's device
    weights: NDArray,  # [T, K]
    cameras: Cameras,  # T
    renderer: Renderer,
    batch: int = BATCH,
) -> Iterator[Tensor]:  # [B, H, W, 3] uint8
    """Yield batches of images that are still on the renderer's device."""
    rows = np.asarray(weights, dtype=np.float32)
    given = rows if isinstance(rig.neutral.means, np.ndarray) else torch.as_tensor(rows, device=renderer.device)
    views = renderer.views(cameras)
    for first in range(0, len(rows), batch):
        part = slice(first, first + batch)
        one_each = replace(views, viewmats=views.viewmats[part, None], Ks=views.Ks[part, None])
        yield renderer.tensors(rig.pose(given[part]), one_each).squeeze(1)
