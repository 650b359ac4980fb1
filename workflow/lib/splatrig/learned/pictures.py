"""The Gaussians of several frames as a step renders them."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from splatrig.gaussians.gaussians import Gaussians
from splatrig.rasterize import Splats, activate


def activated_frames(
    base: Mapping[str, Tensor],  # field to [N, ...]
    rows: Mapping[str, Tensor],  # driven field to [B, N, ...]
    frames: int,
) -> Splats:  # [B, N, *]
    """Return the rasteriser-ready Gaussians of a batch of B frames, which share the fields that nothing drives."""
    fields = {
        name: rows[name] if name in rows else shared[None].expand(frames, *shared.shape)
        for name, shared in base.items()
    }
    return activate(Gaussians(**fields), unit_quats=False)


def repeated(poses: Splats, times: Sequence[int]) -> Splats:
    """Return pose b `times[b]` times, one after the other: one for each camera that looks at it."""
    if all(number == 1 for number in times):
        return poses

    def repeat(tensor: Tensor) -> Tensor:
        rows = zip(tensor.split(1), times, strict=True)
        return torch.cat([row.expand(number, *row.shape[1:]) for row, number in rows])

    return poses.map(repeat)


def hidden(poses: Splats, shown: Tensor | None) -> Splats:  # shown [S, N] bool
    """Return the poses with what is not `shown` made transparent."""
    return poses if shown is None else replace(poses, opacities=poses.opacities * shown)
