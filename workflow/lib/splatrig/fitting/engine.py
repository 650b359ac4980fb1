"""The one engine of all fits: gradient descent of a rig on an objective, step by step.

A per-frame fit is a rig of one frame without components.
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
"""Views rendered per call: each takes memory, and with four there are enough kernels to keep a GPU busy."""


class GradientPolicy(Protocol):
    """Handling of a step's loss and gradients: what is recorded, and what happens to values that are not finite."""

    def accept(self, step: int, loss: Tensor, gradients: Mapping[str, Tensor]) -> None:
        """Record a step's loss [] and the base's gradients, which may be changed in place."""


@dataclass(frozen=True)
class Fit:
    """State of one fit; a step waits only for the rasterizer, and copies nothing from the host."""

    rig: TrainableRig
    """Rig that is fitted in place."""
    optimizer: RigOptimizer
    objective: Objective
    policy: GradientPolicy
    world: World = field(default_factory=World)
    """Processes that fit the rig together."""

    def step(
        self,
        step: int,
        shots: Sequence[Shot],
        *,
        seen: Sequence[int] | None = None,
    ) -> None:
        """Blend the frames of a step at once, render each in its camera, and step down the gradient of the mean loss.

        `seen` are the frames of the step in all processes (default: those of `shots`).
        """
        rig = self.rig
        for parameter in (*rig.base.values(), *rig.of_cameras.values()):
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
        still = {
            name: p.grad for name, p in rig.base.items() if p.grad is not None
        }  # gradients of fields that no component moves
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
        """Return the gradients of all frames from those of a step's frames, which may repeat or be missing."""
        slopes = own.new_zeros((len(self.rig.weights), own.shape[1]))
        for frame, slope in zip(frames, own, strict=True):
            # times the number of frames, so that a frame's gradient does not depend on the size of the step
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
    """Return the slices of shots that are rendered together, so that memory does not grow with the batch."""
    return [slice(first, first + TOGETHER) for first in range(0, count, TOGETHER)]


def finite(gradient: Tensor | None, like: Tensor) -> Tensor:
    """Return a gradient with entries that are not finite set to zero, in place; zeros when there is none."""
    return torch.zeros_like(like) if gradient is None else torch.nan_to_num_(gradient, 0.0, 0.0, 0.0)
