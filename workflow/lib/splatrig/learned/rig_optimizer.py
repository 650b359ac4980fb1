"""Adam for a rig: one step for base and basis, another per frame for weights; then the constraints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from splatrig.fitting.optimizer import Adam, Moments, move
from splatrig.fitting.trainer import ADAM_BETAS, ADAM_EPSILON
from splatrig.io.errors import InputError
from splatrig.learned.model import JointRig
from splatrig.learned.plan import JointPlan

SELECTING = 0.6
"""Share of the steps in which a sparsity penalty acts; after them the supports are fixed."""


@dataclass
class RowAdam:
    """Adam on single rows of a matrix: a frame that was not seen neither moves nor ages."""

    matrix: Tensor  # [F, K]
    first_moments: Tensor  # [F, K]
    second_moments: Tensor  # [F, K]
    ages: Tensor  # [F] steps that each row has made

    @classmethod
    def of(cls, matrix: Tensor) -> "RowAdam":
        """Return the optimiser of `matrix` before its first step."""
        zeros = torch.zeros_like(matrix, requires_grad=False)
        return cls(matrix, zeros, zeros.clone(), torch.zeros(len(matrix), device=matrix.device))

    @torch.no_grad()
    def step(self, rows: Sequence[int], gradients: Tensor, rate: float) -> None:
        """Move `rows` down their `gradients` [F, K]: two kernels for any number of rows."""
        moments = [Moments(self.first_moments[row], self.second_moments[row], self.ages[row]) for row in rows]
        torch._foreach_add_([remembered.steps for remembered in moments], 1.0)
        matrix, slopes = [self.matrix[row] for row in rows], [gradients[row] for row in rows]
        move(matrix, slopes, moments, rate, ADAM_BETAS, ADAM_EPSILON)


class RigOptimiser:
    """All state that a step changes beside the rig itself."""

    def __init__(self, rig: JointRig, plan: JointPlan) -> None:
        """Prepare to optimise `rig` by `plan`; raise InputError when a rate of a driven field is not above 0."""
        for name in rig.driven:
            if not getattr(plan.rates, name) > 0:
                raise InputError(f"training.rates.{name}: got 0, expected more than 0, since joint components move it.")
        self.rig, self.plan = rig, plan
        trained = {name: tensor for name, tensor in rig.parameters().items() if name != "weights"}
        self.first_rates = {f"base_{name}": getattr(plan.base_rates, name) for name in rig.base}
        self.adam = Adam(trained, ADAM_BETAS, ADAM_EPSILON)
        self.rows = RowAdam.of(rig.weights)
        self.alive: list[Tensor] = []

    def step(self, step: int, seen: Sequence[int], weight_gradients: Tensor) -> None:
        """Apply the gradients on the rig's tensors, and `weight_gradients` [F, K] to the rows `seen`."""
        share = self.plan.share(step)
        self._look(step)
        self.adam.step({name: self.first_rates.get(name, 1.0) * share for name in self.adam.parameters})
        self.rig.normalise_quaternions()
        if self.plan.sparsity > 0:
            self._sparsify(step, share)
        if self.rig.count:
            self.rows.step(seen, weight_gradients, self.plan.weight_rate * share)
            self.constrain()

    def _sparsify(self, step: int, share: float) -> None:
        """Shrink rows during the first part of the steps; then keep what has vanished at zero and pull no more.

        The second part undoes the shrinkage of the rows that stay, as the refit after a lasso does.
        """
        if step < SELECTING * self.plan.steps:
            for block in self.rig.blocks:
                shrink_rows(block.values, block.penalty, share * self.plan.sparsity)
            return
        with torch.no_grad():
            for block, alive in zip(self.rig.blocks, self.alive, strict=True):
                block.values.mul_(alive)

    def _look(self, step: int) -> None:
        """Remember, before `step` moves them, which rows of the bases are not zero."""
        if self.plan.sparsity > 0 and step >= SELECTING * self.plan.steps and not self.alive:
            self.alive = [block.values.detach().any(dim=-1, keepdim=True) for block in self.rig.blocks]

    def constrain(self) -> None:
        """Fix the gauge: the neutral at zero, weights in [0, 1] or of unit root mean square a component."""
        weights = self.rig.weights
        with torch.no_grad():
            weights[self.rig.neutral_row] = 0.0
            if self.plan.bounded:
                weights.clamp_(0.0, 1.0)
            else:
                lengths = torch.linalg.vector_norm(weights, dim=0)
                weights.div_(lengths.mul_(len(weights) ** -0.5).clamp_min_(1e-8))

    def state(self) -> dict[str, Tensor]:
        """Return every tensor that a later run needs to go on exactly, by name; they change with the next step."""
        tensors = {f"rig/{name}": tensor for name, tensor in self.rig.parameters().items()}
        for name, moments in self.adam.moments.items():
            tensors |= {f"adam/{name}/{key}": value for key, value in vars(moments).items()}
        rows = {
            "first_moments": self.rows.first_moments,
            "second_moments": self.rows.second_moments,
            "ages": self.rows.ages,
        }
        return tensors | {f"rows/{name}": tensor for name, tensor in rows.items()}

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Put back what `state` returned."""
        with torch.no_grad():
            for name, tensor in self.state().items():
                tensor.copy_(tensors[name])


def shrink_rows(values: Tensor, penalty: Tensor | None, pull: float) -> None:
    """Shorten each row [..., A] of `values` by `pull * penalty`, to zero at most, in place.

    The proximal step of the group lasso, sum of `penalty` times the length of a row (Neumann et al. 2013, equation 6),
    with lengths in units of one step of Adam.
    """
    with torch.no_grad():
        lengths = values.norm(dim=-1, keepdim=True)
        threshold = pull if penalty is None else pull * penalty
        values.mul_((1.0 - threshold / lengths.clamp_min(1e-12)).clamp_min(0.0))
