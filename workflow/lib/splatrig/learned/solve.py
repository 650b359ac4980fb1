"""Weights of frames that a rig was not learned from: from photographs through the rasteriser, or from a mesh."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import lsq_linear
from torch import Tensor

from splatrig.components.fields import NUMBERS
from splatrig.dataset.photographs import Pair, Photographs
from splatrig.fitting.compare_view import RenderOptions, render_view
from splatrig.fitting.losses import photometric_loss
from splatrig.fitting.trainer import ADAM_EPSILON
from splatrig.learned.model import JointRig


@dataclass(frozen=True)
class SolvePlan:
    """How weights are found."""

    steps: int
    rate: float
    """Adam's rate at the first step; weights are of order 1. It falls along half a cosine."""
    bounded: bool
    """Weights in [0, 1]."""
    ridge: float = 1e-3
    """Pull to zero of the fit to a mesh, relative to the mean squared length of a component."""


def weights_from_photographs(
    rig: JointRig,
    photographs: Photographs,
    pairs: Sequence[Pair],
    start: NDArray[np.float32],  # [K]
    plan: SolvePlan,
    render: RenderOptions,
) -> NDArray[np.float32]:  # [K]
    """Return the weights with which the rig matches the photographs `pairs` of one frame best, from `start`.

    The cameras take turns, one a step, in the order given.
    """
    photographs.hold(pairs)
    weights = torch.tensor(start, dtype=torch.float32, device=rig.device)[None].requires_grad_()
    adam = torch.optim.Adam([weights], lr=plan.rate, eps=ADAM_EPSILON)
    background = torch.zeros(3, device=rig.device)
    for step in range(plan.steps):
        adam.param_groups[0]["lr"] = plan.rate * 0.5 * (1.0 + math.cos(math.pi * step / plan.steps))
        view = photographs.view(pairs[step % len(pairs)])
        rendered, photographed = render_view(rig.activated(weights), view, render, background)
        (weights.grad,) = torch.autograd.grad(photometric_loss(rendered, photographed, render.lambda_dssim), [weights])
        weights.grad = torch.nan_to_num(weights.grad, 0.0, 0.0, 0.0)
        adam.step()
        if plan.bounded:
            with torch.no_grad():
                weights.clamp_(0.0, 1.0)
    photographs.drop(pairs)
    return weights.detach()[0].cpu().numpy()


def weights_from_displacements(
    rig: JointRig,
    displacements: NDArray[np.floating],  # [F, N, 3]
    plan: SolvePlan,
) -> NDArray[np.float32]:  # [F, K]
    """Return the weights that move the centres most like a tracked mesh at the finest level.

    `displacements` are its vertices less the neutral's, millimetres. Components that move no centre get 0.
    """
    basis = position_basis(rig).double()
    targets = torch.as_tensor(np.asarray(displacements), device=rig.device).double().reshape(len(displacements), -1)
    gram = (basis @ basis.T).cpu().numpy()
    moments = (targets @ basis.T).cpu().numpy()
    return _ridge(gram, moments, plan)


def position_basis(rig: JointRig) -> Tensor:  # [K, N·3]
    """Return how far each component moves the centres, in millimetres per unit of weight."""
    basis = torch.zeros((rig.count, len(rig) * 3), device=rig.device)
    for block in rig.blocks:
        if "means" in block.fields:
            first = sum(NUMBERS[name] for name in block.fields[: block.fields.index("means")])
            basis[block.columns] = block.dense()[:, :, first : first + 3].reshape(-1, len(rig) * 3)
    return basis


def _ridge(gram: NDArray[np.float64], moments: NDArray[np.float64], plan: SolvePlan) -> NDArray[np.float32]:
    """Solve the normal equations of all frames, with weights in [0, 1] if the plan says so."""
    count = len(gram)
    damped = gram + np.eye(count) * (plan.ridge * np.trace(gram) / max(1, count) + 1e-12)
    if not plan.bounded:
        return np.linalg.solve(damped, moments.T).T.astype(np.float32)
    factor = np.linalg.cholesky(damped)
    targets = np.linalg.solve(factor, moments.T).T
    rows = [lsq_linear(factor.T, target, bounds=(0.0, 1.0)).x for target in targets]
    return np.array(rows, dtype=np.float32).reshape(len(moments), count)
