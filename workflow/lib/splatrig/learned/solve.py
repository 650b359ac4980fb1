"""Weights of frames that a rig was not learned from, from their photographs through the rasteriser."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray

from splatrig.components.rig import Rig
from splatrig.dataset.photographs import Pair, Photographs
from splatrig.fitting.compare_view import RenderOptions, render_view
from splatrig.fitting.losses import photometric_loss
from splatrig.fitting.optimizer import ADAM_EPSILON
from splatrig.fitting.schedule import half_cosine
from splatrig.rasterize import activate

SOLVE_RATE = 0.05
"""Adam's learning rate at the first step, in usual sizes of a weight."""


def weights_from_photographs(
    rig: Rig,
    photographs: Photographs,
    pairs: Sequence[Pair],
    start: NDArray[np.floating],  # [K]
    steps: int,
    render: RenderOptions,
    usual: NDArray[np.floating] | None = None,  # [K]
    rate: float = SOLVE_RATE,
) -> NDArray[np.float64]:  # [K]
    """Return the weights within the model's limits with which a rig of tensors matches photographs of a frame best.

    The cameras take turns, one a step, in the order of `pairs`, from `start`; `usual` is the usual size of each weight.
    `rate` is Adam's learning rate at the first step, in those units; it falls along half a cosine.
    """
    photographs.hold(pairs)
    means = rig.neutral.means
    units = torch.ones(rig.count) if usual is None else torch.as_tensor(np.asarray(usual), dtype=torch.float32)
    units = units.to(means.device)
    low, high = (torch.as_tensor(bound, dtype=torch.float32, device=means.device) / units for bound in rig.limits)
    begin = torch.tensor(np.asarray(start), dtype=torch.float32, device=means.device)
    weights = (begin / units)[None].requires_grad_()
    adam = torch.optim.Adam([weights], lr=rate, eps=ADAM_EPSILON)
    background = torch.zeros(3, device=means.device)
    for step in range(steps):
        adam.param_groups[0]["lr"] = rate * half_cosine(step, steps)
        view = photographs.view(pairs[step % len(pairs)])
        posed = activate(rig.pose((weights * units)[0]))
        rendered, photographed = render_view(posed, view, render, background)
        (weights.grad,) = torch.autograd.grad(photometric_loss(rendered, photographed, render.lambda_dssim), [weights])
        weights.grad = torch.nan_to_num(weights.grad, 0.0, 0.0, 0.0)
        adam.step()
        with torch.no_grad():
            weights.clamp_(low, high)
    photographs.drop(pairs)
    return (weights.detach()[0] * units).cpu().numpy().astype(np.float64)
