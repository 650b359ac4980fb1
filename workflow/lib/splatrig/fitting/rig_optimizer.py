"""Adam for a rig: one step for base and basis, one per frame for weights; then the constraints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from splatrig.fitting.optimizer import ADAM_BETAS, ADAM_EPSILON, Adam, Moments, move
from splatrig.fitting.schedule import LearningRates
from splatrig.fitting.trainable_rig import TrainableRig

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


class RigOptimizer:
    """All state that a step changes next to the rig itself."""

    def __init__(
        self, rig: TrainableRig, rates: LearningRates, *, bounded: bool = False, sparsity: float = 0.0
    ) -> None:
        """Prepare to optimize `rig` with a rate for each of its parameters.

        `bounded`: weights stay in [0, 1], else their root mean square per component stays 1. `sparsity` is by how much
        of one step of Adam rows of the basis are shortened in each step.
        """
        self.rig, self.rates, self.bounded, self.sparsity = rig, rates, bounded, sparsity
        trained = {name: tensor for name, tensor in rig.parameters().items() if name != "weights"}
        self.adam = Adam(trained, ADAM_BETAS, ADAM_EPSILON)
        self.rows = RowAdam.of(rig.weights)
        self.alive: list[Tensor] = []

    def step(self, step: int, seen: Sequence[int], weight_gradients: Tensor | None) -> None:
        """Apply the gradients on the rig's tensors, and `weight_gradients` [F, K], if it has any, to the rows `seen`.

        What components move is counted from quaternions of unit length; without components nothing asks for it.
        """
        rates = self.rates.at(step)
        self._look(step)
        self.adam.step(rates)
        if weight_gradients is None:
            return
        self.rig.normalize_quaternions()
        if self.sparsity > 0:
            self._sparsify(step)
        self.rows.step(seen, weight_gradients, rates["weights"])
        self.constrain()

    def _sparsify(self, step: int) -> None:
        """Shrink rows during the first part of the steps; then keep what has vanished at zero and pull no more.

        The second part undoes the shrinkage of the rows that stay, as the refit after a lasso does.
        """
        if step < SELECTING * self.rates.steps:
            for block in self.rig.blocks:
                shrink_rows(block.values, block.penalty, self.rates.fraction(step) * self.sparsity)
            return
        with torch.no_grad():
            for block, alive in zip(self.rig.blocks, self.alive, strict=True):
                block.values.mul_(alive)

    def _look(self, step: int) -> None:
        """Remember, before `step` moves them, which rows of the bases are not zero."""
        if self.sparsity > 0 and step >= SELECTING * self.rates.steps and not self.alive:
            self.alive = [block.values.detach().any(dim=-1, keepdim=True) for block in self.rig.blocks]

    def constrain(self) -> None:
        """Fix the gauge: the neutral at zero, weights in [0, 1] or of unit root mean square a component."""
        weights = self.rig.weights
        with torch.no_grad():
            weights[self.rig.neutral_row] = 0.0
            if self.bounded:
                weights.clamp_(0.0, 1.0)
            else:
                lengths = torch.linalg.vector_norm(weights, dim=0)
                weights.div_(lengths.mul_(len(weights) ** -0.5).clamp_min_(1e-8))

    def state(self) -> dict[str, Tensor]:
        """Return every tensor that a later run needs to resume exactly, by name; they change with the next step."""
        tensors = {f"rig/{name}": tensor.detach() for name, tensor in self.rig.parameters().items()}
        for name, moments in self.adam.moments.items():
            tensors |= {f"adam/{name}/{key}": value for key, value in vars(moments).items()}
        return tensors | {f"rows/{name}": value for name, value in vars(self.rows).items() if name != "matrix"}

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
