"""The one engine of all fits: a rig goes down the gradient of an objective, step by step.

A frame that is fitted alone is a rig of one frame without components.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

import torch
from torch import Tensor

from splatrig.fitting.objective import Objective
from splatrig.fitting.rig_optimizer import RigOptimizer
from splatrig.fitting.schedule import Shot
from splatrig.fitting.trainable_rig import TrainableRig
from splatrig.fitting.world import World

TOGETHER = 4
"""Views that are rendered in one call: each takes memory, and four start too few kernels to keep a GPU waiting."""


class GradientPolicy(Protocol):
    """What a fit remembers of each step, and what it does with gradients that are not finite."""

    def accept(self, step: int, loss: Tensor, gradients: Mapping[str, Tensor]) -> None:
        """Take notice of a step's loss [] and of the base's gradients, which may be changed in place."""


@dataclass(frozen=True)
class Fit:
    """The state of one fit; a step waits for nothing but the rasterizer, and copies nothing from the host."""

    rig: TrainableRig
    """Fitted in place."""
    optimizer: RigOptimizer
    objective: Objective
    policy: GradientPolicy
    world: World = field(default_factory=World)
    """The processes that fit it together."""

    def step(
        self,
        step: int,
        shots: Sequence[Shot],
        *,
        seen: Sequence[int] | None = None,
    ) -> None:
        """Blend the frames of a step at once, render each in its camera, go down the gradient of the mean loss.

        `seen` are the frames of the step in all processes (default: those of `shots`).
        """
        rig = self.rig
        for parameter in rig.base.values():
            parameter.grad = None
        frames, shots = [shot.frame for shot in shots], rig.seen(shots)
        weights, blended = rig.blended(frames)
        parts: dict[str, list[Tensor]] = {name: [] for name in blended}
        losses = []
        for part in _parts(len(shots)):
            leaves = {name: rows[part].requires_grad_() for name, rows in blended.items()}
            loss = self.objective.value(rig.base, leaves, shots[part], step, 1.0 / len(shots))
            loss.backward()
            losses.append(loss.detach())
            for name, leaf in leaves.items():
                parts[name].append(finite(leaf.grad, leaf))
        still = {name: p.grad for name, p in rig.base.items() if p.grad is not None}  # of fields that nothing moves
        self.policy.accept(step, sum(losses[1:], losses[0]), still)
        slopes = {}
        if blended:
            joined = {name: rows[0] if len(rows) == 1 else torch.cat(rows) for name, rows in parts.items()}
            slopes["weights"] = self._slopes(frames, rig.pull(weights, joined))
            if rig.poses is not None:
                slopes["poses"] = self._slopes(frames, rig.poses.pull(frames, blended, joined))
        self._reduce(slopes.values())
        self.optimizer.step(step, sorted(set(frames)) if seen is None else seen, slopes)

    def _slopes(self, frames: Sequence[int], own: Tensor) -> Tensor:  # [B, A] to [F, A]
        """Return the gradients of all frames from those of a step's, which may have some twice and others not."""
        slopes = own.new_zeros((len(self.rig.weights), own.shape[1]))
        for frame, slope in zip(frames, own, strict=True):
            # times the number of frames: a frame's own loss does not depend on how many others the step has
            slopes[frame].add_(slope, alpha=len(frames))
        return slopes

    def _reduce(self, slopes: Collection[Tensor]) -> None:
        """Average the gradients over the processes."""
        if self.world.size > 1:
            trained = list(self.rig.shared.values())
            gradients = [finite(tensor.grad, tensor) for tensor in trained]
            for tensor, gradient in zip(trained, gradients, strict=True):
                tensor.grad = gradient
            self.world.reduce(means=gradients, sums=list(slopes))


def _parts(count: int) -> list[slice]:
    """Return the shots that are rendered together, so that the memory of a step does not grow with its batch."""
    return [slice(first, first + TOGETHER) for first in range(0, count, TOGETHER)]


def finite(gradient: Tensor | None, like: Tensor) -> Tensor:
    """Return a gradient with entries that are not finite set to zero, in place; zeros when there is none."""
    return torch.zeros_like(like) if gradient is None else torch.nan_to_num_(gradient, 0.0, 0.0, 0.0)
