"""Adam on named tensors, each with its own learning rate.

It calls torch's fused kernel, the one of `torch.optim.Adam(fused=True)`, with bit-identical results, but without the
class around it: constructing a `torch.optim` optimizer imports torch's compiler, which costs a second in every job.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

ADAM_EPSILON = 1e-15
"""Adam's ε: gradients of single Gaussians are tiny, and the usual 1e-8 would damp them (Kerbl et al. 2023, released
code)."""
ADAM_BETAS = (0.9, 0.999)


@dataclass(frozen=True)
class Moments:
    """Adam's moments of one parameter."""

    mean: Tensor
    """Running mean of the gradient, without bias correction."""
    square: Tensor
    """Running mean of the squared gradient."""
    steps: Tensor  # []
    """Number of steps, as float32 on the parameter's device: the kernel increments and uses it without the host."""


class Adam:
    """Adam (Kingma and Ba 2015, algorithm 1), in place."""

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
    def step(self, rates: Mapping[str, float | Tensor]) -> None:
        """Take one step for every parameter that has a gradient, at its learning rate (or a tensor [] of it)."""
        gradients = {name: p.grad for name, p in self.parameters.items() if p.grad is not None}
        if gradients:
            torch._foreach_add_([self.moments[name].steps for name in gradients], 1.0)  # one kernel for all counters
        for name, gradient in gradients.items():
            move([self.parameters[name]], [gradient], [self.moments[name]], rates[name], self.betas, self.epsilon)


def move(
    parameters: list[Tensor],
    gradients: list[Tensor],
    moments: list[Moments],
    rate: float | Tensor,
    betas: tuple[float, float],
    epsilon: float,
) -> None:
    """Take one step of Adam for tensors of one learning rate, in one kernel; counters already include this step."""
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
