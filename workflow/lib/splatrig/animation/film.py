"""Films: weights over time and a camera a frame become 8-bit pictures, on the CPU one by one, on a GPU in batches.

On a GPU everything stays there until a picture is finished: one matrix product gives the rows of a batch of poses
(B × K times K × 13 N), they are activated and rendered in one call, and pictures leave as bytes.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array
from torch import Tensor

from splatrig.animation.render import render, to_bytes, widened
from splatrig.components.fields import ATTRIBUTES
from splatrig.components.rig import Rig
from splatrig.components.skin_torch import DeviceSurface, device_surface
from splatrig.dataset.cameras import Cameras
from splatrig.gaussians.sh import MAX_DEGREE
from splatrig.io.errors import InputError
from splatrig.rasterize import Splats, Views, rasterize

BATCH = 16
"""Poses in one call on a GPU: enough that launching kernels costs nothing beside running them."""


@dataclass(frozen=True)
class DeviceRig:
    """A rig as tensors on one device, ready to pose in batches."""

    rest: Tensor  # [D] row of weights zero, in stored units
    basis: Tensor  # [K, D]
    fields: dict[str, Tensor]
    """Raw parameters of the base, [N, …] by field of `Gaussians`."""
    spans: tuple[tuple[str, int, int], ...]
    """Field, first and end column of what the components move."""
    surface: DeviceSurface | None
    """The skin that Gaussians follow, if they do."""
    widen_mm2: float = 0.0
    """Added to the variance of every axis; see `render.lens_blur`."""

    def poses(self, weights: Tensor) -> Splats:  # [B, K]
        """Return the activated Gaussians of B poses, [B, N, *]."""
        rows = torch.addmm(self.rest, weights, self.basis)
        batch = len(weights)
        raw = {name: value.expand(batch, *value.shape) for name, value in self.fields.items()}
        for name, first, end in self.spans:
            raw[name] = rows[:, first:end].reshape(batch, *self.fields[name].shape)
        if self.surface is not None:
            moves = raw["means"] - self.fields["means"]
            raw["quats"], raw["log_scales"] = self.surface.follow(
                moves, torch.nn.functional.normalize(self.fields["quats"], dim=-1), self.fields["log_scales"]
            )
        return Splats(
            means=raw["means"],
            quats=raw["quats"],  # of any length: back ends normalise
            scales=(raw["log_scales"].mul(2.0).exp() + self.widen_mm2).sqrt(),
            opacities=raw["logit_opacities"].sigmoid(),
            colors=torch.cat([raw["sh0"], raw["shN"]], dim=-2),
            sh_degree=MAX_DEGREE,
        )


def device_rig(rig: Rig, device: str | torch.device, widen_mm2: float = 0.0) -> DeviceRig:
    """Return the rig on `device`, with its whole basis: K · D · 4 bytes; see `widened` for `widen_mm2`."""
    basis = rig.basis.toarray() if isinstance(rig.basis, csr_array) else rig.basis
    return DeviceRig(
        rest=torch.as_tensor(rig.rest, device=device),
        basis=torch.as_tensor(basis, device=device),
        fields={name: torch.as_tensor(array, device=device) for name, array in rig.neutral.items()},
        spans=tuple((ATTRIBUTES[name], first, end) for name, first, end in rig.components.dim_info),
        surface=device_surface(rig.surface, device) if rig.follows and rig.surface is not None else None,
        widen_mm2=widen_mm2,
    )


def film(
    rig: Rig,
    weights: NDArray,  # [T, K]
    cameras: Cameras,  # T, one a frame, in head space
    *,
    background: tuple[float, float, float] = (0.0, 0.0, 0.0),
    device: str | torch.device = "cpu",
    batch: int = BATCH,
    widen_mm2: float = 0.0,
) -> Iterator[NDArray[np.uint8]]:  # [H, W, 3]
    """Yield the pictures of a film before `background`, RGB in [0, 1], of Gaussians that are `widened` by `widen_mm2`.

    Raises InputError unless there is one camera a row of `weights`.
    """
    if len(weights) != len(cameras):
        raise InputError(f"film: expected a camera for each of {len(weights)} rows of weights, got {len(cameras)}.")
    color = np.array(background, dtype=np.float32)
    if torch.device(device).type == "cpu":
        for frame, row in enumerate(weights):
            images, _ = render(widened(rig.gaussians(row), widen_mm2), cameras.select([frame]), background=color)
            yield to_bytes(images[0])
        return
    ready = device_rig(rig, device, widen_mm2)
    for pictures in film_on_device(ready, weights, cameras, color, batch):
        yield from pictures.cpu().numpy()


@torch.no_grad()
def film_on_device(
    rig: DeviceRig,
    weights: NDArray,  # [T, K]
    cameras: Cameras,  # T
    color: NDArray,  # [3]
    batch: int = BATCH,
) -> Iterator[Tensor]:  # [B, H, W, 3] uint8
    """Yield batches of pictures that are still on the rig's device."""
    device = rig.rest.device
    rows = torch.as_tensor(np.asarray(weights), dtype=torch.float32, device=device)
    viewmats = torch.as_tensor(cameras.viewmats, dtype=torch.float32, device=device)
    Ks = torch.as_tensor(cameras.Ks, dtype=torch.float32, device=device)
    behind = torch.as_tensor(color, dtype=torch.float32, device=device).expand(len(rows), 3)
    for first in range(0, len(rows), batch):
        part = slice(first, first + batch)
        views = Views(viewmats[part, None], Ks[part, None], cameras.width, cameras.height, behind[part, None])
        images, _ = rasterize(rig.poses(rows[part]), views)
        yield images.squeeze(1).clamp_(0.0, 1.0).mul_(255.0).add_(0.5).to(torch.uint8)
