"""Adam for a rig: one step for base and basis, one per frame for weights and poses, then the constraints."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from splatrig.fitting.optimizer import ADAM_BETAS, ADAM_EPSILON, Adam, Moments, move
from splatrig.fitting.schedule import LearningRates
from splatrig.fitting.trainable_rig import TrainableRig


@dataclass
class RowAdam:
    """Adam on single rows of a matrix: rows of frames that were not seen are unchanged, as are their moments."""

    matrix: Tensor  # [F, K]
    first_moments: Tensor  # [F, K]
    second_moments: Tensor  # [F, K]
    ages: Tensor  # [F] number of steps per row

    @classmethod
    def of(cls, matrix: Tensor) -> "RowAdam":
        """Return the optimizer of `matrix` before its first step."""
        zeros = torch.zeros_like(matrix, requires_grad=False)
        return cls(matrix, zeros, zeros.clone(), torch.zeros(len(matrix), device=matrix.device))

    @torch.no_grad()
    def step(self, rows: Sequence[int], gradients: Tensor, rate: float) -> None:
        """Update `rows` by their `gradients` [F, K]: two kernels for any number of rows."""
        moments = [Moments(self.first_moments[row], self.second_moments[row], self.ages[row]) for row in rows]
        torch._foreach_add_([remembered.steps for remembered in moments], 1.0)
        matrix, slopes = [self.matrix[row] for row in rows], [gradients[row] for row in rows]
        move(matrix, slopes, moments, rate, ADAM_BETAS, ADAM_EPSILON)


class RigOptimizer:
    """All optimizer state of a rig."""

    def __init__(self, rig: TrainableRig, rates: LearningRates, *, bounded: bool = False) -> None:
        """Prepare to optimize `rig` with a learning rate per parameter.

        Weights of `bounded` components stay in [0, 1]; for others the root mean square per component stays 1.
        Components that rotate rigid parts are bounded in any case; blendshapes that the capture does not show stay 0.
        """
        self.rig, self.rates = rig, rates
        self.bounded = rig.turning | bounded
        """Mask [K] of components whose weights stay in [0, 1]."""
        limits = torch.tensor([0.0, 1.0], device=rig.device)[:, None].repeat(1, rig.count)
        if rig.blendshapes is not None:
            limits[1] = torch.as_tensor(rig.blendshapes.told).to(limits)
        infinite = torch.tensor([-torch.inf, torch.inf], device=rig.device)[:, None]
        self.limits = torch.where(self.bounded, limits, infinite)
        self._any_bounded, self._any_free = bool(self.bounded.any()), not bool(self.bounded.all())
        self.adam = Adam(rig.shared, ADAM_BETAS, ADAM_EPSILON)
        self.rows = {name: RowAdam.of(matrix) for name, matrix in rig.per_frame.items()}

    def step(self, step: int, seen: Sequence[int], per_frame: Mapping[str, Tensor]) -> None:
        """Apply the gradients on the rig's tensors, and those `per_frame` [F, *], if there are any, to the rows `seen`.

        Components assume base quaternions of unit length, so these are normalized if there are components.
        """
        rates = self.rates.at(step)
        self.adam.step(rates)
        if not per_frame:
            return
        self.rig.normalize_quaternions()
        for name, gradients in per_frame.items():
            self.rows[name].step(seen, gradients, rates[name])
        self.constrain()

    def constrain(self) -> None:
        """Fix the gauge: neutral weights at zero, others in their limits or at unit root mean square per component.

        The mean head motion over all frames is zero, since it could not be distinguished from a motion of the base, and
        so is the mean change of the cameras' colors.
        """
        weights = self.rig.weights
        with torch.no_grad():
            if self.rig.poses is not None:
                self.rig.poses.center_()
            if self.rig.colors is not None:
                self.rig.colors.center_()
            weights[self.rig.neutral_row] = 0.0
            if self._any_bounded:
                weights.clamp_(*self.limits)
            if self._any_free:
                lengths = torch.linalg.vector_norm(weights, dim=0)
                sizes = lengths.mul_(len(weights) ** -0.5).clamp_min_(1e-8)
                weights.div_(sizes.masked_fill_(self.bounded, 1.0) if self._any_bounded else sizes)

    def state(self) -> dict[str, Tensor]:
        """Return every tensor that a later run needs to resume exactly, by name; they change with the next step."""
        tensors = {f"rig/{name}": tensor.detach() for name, tensor in self.rig.parameters().items()}
        for name, moments in self.adam.moments.items():
            tensors |= {f"adam/{name}/{key}": value for key, value in vars(moments).items()}
        for name, rows in self.rows.items():
            tensors |= {f"rows/{name}/{key}": value for key, value in vars(rows).items() if key != "matrix"}
        return tensors

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""
        with torch.no_grad():
            for name, tensor in self.state().items():
                tensor.copy_(tensors[name])
