"""Solve weights and head poses of frames that a rig was not learned from, from photographs through the rasterizer."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from splatrig.components.rig import Rig
from splatrig.dataset.photographs import Pair, Photographs
from splatrig.fitting.compare_view import RenderOptions, render_view
from splatrig.fitting.losses import photometric_loss
from splatrig.fitting.optimizer import ADAM_EPSILON
from splatrig.fitting.poses import MOVED, Poses
from splatrig.fitting.schedule import Shot, half_cosine
from splatrig.rasterize import activate

SOLVE_RATE = 0.05
"""Adam's learning rate at the first step, in usual sizes of a weight."""
SOLVE_POSE_RATE = 0.05
"""Adam's learning rate at the first step for the head pose, in millimeters."""


def weights_from_photographs(
    rig: Rig,
    photographs: Photographs,
    pairs: Sequence[Pair],
    start: NDArray[np.floating],  # [K]
    steps: int,
    render: RenderOptions,
    usual: NDArray[np.floating] | None = None,  # [K]
    rate: float = SOLVE_RATE,
    poses: Poses | None = None,
) -> NDArray[np.float64]:  # [K]
    """Return the weights within the model's limits with which a rig of tensors best matches photographs of a frame.

    Args:
        rig: Rig of tensors on the photographs' device.
        photographs: Source of the photographs.
        pairs: Pairs of frame and camera; one is used per step, in this order, repeatedly.
        start: Initial weights.
        steps: Number of steps of Adam.
        render: Options of the renderer.
        usual: Usual size of each weight, the unit of the learning rate.
        rate: Learning rate at the first step; it falls along half a cosine.
        poses: Head poses of the one frame, which are optimized together with the weights, in place.
    """
    photographs.hold(pairs)
    means = rig.neutral.means
    units = torch.ones(rig.count) if usual is None else torch.as_tensor(np.asarray(usual), dtype=torch.float32)
    units = units.to(means.device)
    low, high = (torch.as_tensor(bound, dtype=torch.float32, device=means.device) / units for bound in rig.limits)
    begin = torch.tensor(np.asarray(start), dtype=torch.float32, device=means.device)
    weights = (begin / units)[None].requires_grad_()
    rates = [(weights, rate)] + ([] if poses is None else [(poses.values, SOLVE_POSE_RATE)])
    adam = torch.optim.Adam([{"params": [tensor]} for tensor, _ in rates], eps=ADAM_EPSILON)
    background = torch.zeros(3, device=means.device)
    for step in range(steps):
        for group, (_, first) in zip(adam.param_groups, rates, strict=True):
            group["lr"] = first * half_cosine(step, steps)
        shot = Shot(0, photographs.view(pairs[step % len(pairs)]))
        view = shot.view if poses is None else poses.seen([shot])[0].view
        posed = activate(rig.pose((weights * units)[0]))
        rendered, photographed = render_view(posed, view, render, background)
        loss = photometric_loss(rendered, photographed, render.lambda_dssim)
        moved = {} if poses is None else {name: getattr(posed, name) for name in MOVED}
        weights.grad, *slopes = (
            torch.nan_to_num(slope, 0.0, 0.0, 0.0) for slope in torch.autograd.grad(loss, [weights, *moved.values()])
        )
        if poses is not None:
            rows = {name: values.detach()[None] for name, values in moved.items()}
            upstream = {name: slope[None] for name, slope in zip(moved, slopes, strict=True)}
            poses.values.grad = poses.pull([0], rows, upstream)
        adam.step()
        with torch.no_grad():
            weights.clamp_(low, high)
    photographs.drop(pairs)
    return (weights.detach()[0] * units).cpu().numpy().astype(np.float64)
