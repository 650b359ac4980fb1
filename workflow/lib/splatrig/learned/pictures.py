"""What a step compares: the Gaussians of several frames as their cameras show them, and the photographs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

import torch
from torch import Tensor

from splatrig.fitting.recipe import Plan
from splatrig.fitting.trainer import behind_render, over_backdrop
from splatrig.gaussians.gaussians import Gaussians
from splatrig.learned.stream import Shot
from splatrig.rasterize import Splats, Views, activate, rasterize_each


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


def pictures(
    poses: Splats,  # [S, N, *]
    shots: Sequence[Shot],  # S
    viewmats: Tensor,  # [S, 4, 4] of the shots
    plan: Plan,
    background: Tensor,  # [3]
) -> list[tuple[Tensor, Tensor]]:  # S of [h, w, 3] each
    """Return each shot's render and photograph, both over the plan's backdrop (`background` or plate)."""
    views = [shot.view for shot in shots]
    sizes = [(view.width, view.height) for view in views]
    largest = Views(
        viewmats[:, None],
        torch.cat([view.Ks for view in views])[:, None],
        width=max(width for width, _ in sizes),
        height=max(height for _, height in sizes),
        backgrounds=behind_render(plan, background).expand(len(views), 1, 3),
    )
    rendered = rasterize_each(replace(poses, sh_degree=plan.sh_degree), largest, sizes, plan.rasterizer)
    return [
        over_backdrop(image, alpha, view, plan, background)
        for (image, alpha), view in zip(rendered, views, strict=True)
    ]


def hidden(poses: Splats, shown: Tensor | None) -> Splats:  # shown [S, N] bool
    """Return the poses with what is not `shown` made transparent."""
    return poses if shown is None else replace(poses, opacities=poses.opacities * shown)
