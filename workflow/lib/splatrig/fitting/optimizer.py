"""Adam on named tensors, each with a rate of its own.

Runs torch's fused kernel, the one under `torch.optim.Adam(fused=True)`, with the same bits, but without the class
around it: constructing a `torch.optim` optimizer imports torch's compiler, a second in every job.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

ADAM_EPSILON = 1e-15
"""Gradients of single Gaussians are tiny; Adam's usual 1e-8 would damp them (Kerbl et al. 2023, released code)."""
ADAM_BETAS = (0.9, 0.999)


@dataclass(frozen=True)
class Moments:
    """What Adam remembers of one parameter."""

    mean: Tensor
    """Running mean of the gradient, not yet corrected for its start from zero."""
    square: Tensor
    """Running mean of the squared gradient."""
    steps: Tensor  # []
    """Steps taken, float32 on the parameter's device: the kernel counts and corrects without asking the host."""


class Adam:
    """Kingma and Ba 2015, algorithm 1, in place."""

    def __init__(self, parameters: Mapping[str, Tensor], betas: tuple[float, float], epsilon: float) -> None:
        """Start with zero moments for `parameters`, leaf tensors that require gradients."""
        self.parameters = dict(parameters)
        self.betas = betas
        self.epsilon = epsilon
        self.moments = {
            name: Moments(torch.zeros_like(p), torch.zeros_like(p), torch.zeros((), device=p.device))
            for name, p in self.parameters.items()
        }

    @torch.no_grad()
    def step(self, rates: Mapping[str, float]) -> None:
        """Move every parameter that has a gradient by one step at its rate."""
        gradients = {name: p.grad for name, p in self.parameters.items() if p.grad is not None}
        if gradients:
            torch._foreach_add_([self.moments[name].steps for name in gradients], 1.0)  # one kernel for all
        for name, gradient in gradients.items():
            move([self.parameters[name]], [gradient], [self.moments[name]], rates[name], self.betas, self.epsilon)


def move(
    parameters: list[Tensor],
    gradients: list[Tensor],
    moments: list[Moments],
    rate: float,
    betas: tuple[float, float],
    epsilon: float,
) -> None:
    """Take one step of Adam for tensors of one rate, in one kernel; their counters have counted this step already."""
    torch._fused_adam_(
        parameters,
        gradients,
        [remembered.mean for remembered in moments],
        [remembered.square for remembered in moments],
        [],
        [remembered.steps for remembered in moments],
        lr=rate,
        beta1=betas[0],
        beta2=betas[1],
        weight_decay=0.0,
        eps=epsilon,
        amsgrad=False,
        maximize=False,
    )
