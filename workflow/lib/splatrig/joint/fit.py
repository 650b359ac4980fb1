"""Learn a rig through the rasteriser: random pairs, one blend a step, checks, checkpoints."""

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.errors import InputError
from splatrig.gaussians.activation import Activated, activate
from splatrig.joint.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from splatrig.joint.model import JointRig
from splatrig.joint.optimiser import SELECTING, RigOptimiser
from splatrig.joint.parallel import World
from splatrig.joint.plan import JointPlan
from splatrig.joint.schedule import Pair, Schedule
from splatrig.joint.stream import Photographs, Shot, stream
from splatrig.progress import track
from splatrig.training.losses import photometric_loss, size_loss
from splatrig.training.metrics import psnr
from splatrig.training.trainer import render_view

_LOG = logging.getLogger(__name__)

BAD_SHARE = 0.01
"""The fit fails when more than this share of its steps had a loss that was not finite."""
IMPROVEMENT_DB = 0.01
"""A measurement counts as an improvement when it is better by this much."""


@dataclass(frozen=True)
class Surroundings:
    """What a fit reads beside photographs."""

    edge_lengths: NDArray[np.float64]  # [N] of the neutral, millimetres
    normals: NDArray[np.float64]  # [N, 3] of the neutral, unit length
    neighbours: NDArray[np.float64]  # [F, F] Laplacian of frames in their segments (`segment_laplacian`)
    validation: tuple[Pair, ...]
    """Pairs that are measured and never trained."""


@dataclass(frozen=True)
class Saving:
    """Where and how often the state is saved, so that a killed job goes on where it was."""

    path: Path
    digest: str
    """Of all that the fit depends on; a checkpoint with another digest is not used."""
    every_seconds: float = 60.0


@dataclass(frozen=True)
class FitReport:
    """What happened."""

    history: pd.DataFrame
    """step, seconds, loss (mean since the last row), psnr (dB in the mask, mean over the validation pairs)."""
    best_step: int
    seconds: float
    waited_seconds: float
    """Time during which photographs were waited for."""
    bad_steps: int
    """Steps whose loss was not finite and which therefore changed nothing."""


def segment_laplacian(frames: Sequence[str]) -> NDArray[np.float64]:  # [F, F]
    """Return the Laplacian of the chains of frames `expression/number`, weighted by one over the number's difference.

    `w.T @ L @ w` is the sum of (w_i - w_j)² / |number_i - number_j| over neighbours i, j of a segment.
    """
    laplacian = np.zeros((len(frames), len(frames)))
    segments: dict[str, list[tuple[int, int]]] = {}
    for row, name in enumerate(frames):
        expression, _, number = name.rpartition("/")
        digits = "".join(filter(str.isdigit, number))
        segments.setdefault(expression, []).append((int(digits or row), row))
    for members in segments.values():
        ordered = sorted(members)
        for (earlier, row), (later, next_row) in pairwise(ordered):
            weight = 1.0 / max(1, later - earlier)
            laplacian[[row, next_row], [row, next_row]] += weight
            laplacian[[row, next_row], [next_row, row]] -= weight
    return laplacian


class JointFit:
    """The state of one fit of one rig."""

    def __init__(
        self,
        rig: JointRig,
        photographs: Photographs,
        schedule: Schedule,
        surroundings: Surroundings,
        plan: JointPlan,
        world: World | None = None,
    ) -> None:
        """Prepare to fit `rig` in place."""
        device = rig.device
        self.rig, self.photographs, self.schedule, self.plan = rig, photographs, schedule, plan
        self.world = world or World()
        self.optimiser = RigOptimiser(rig, plan)
        self.validation = surroundings.validation[self.world.rank :: self.world.size]
        self.inverse_edges = torch.as_tensor(1.0 / surroundings.edge_lengths, dtype=torch.float32, device=device)[
            :, None
        ]
        self.normals = torch.as_tensor(surroundings.normals, dtype=torch.float32, device=device)
        self.neighbours = torch.as_tensor(surroundings.neighbours, dtype=torch.float32, device=device)
        self.background = torch.zeros(3, device=device)
        self.losses = torch.zeros(2, device=device)  # sum of finite losses since the last check, steps that were bad
        self.steps_done = 0
        self.best_psnr, self.best_step = -np.inf, 0
        self.best: dict[str, Tensor] = {}
        self.history: list[tuple[int, float, float, float]] = []

    def run(self, saving: Saving | None = None) -> FitReport:
        """Make the steps of the plan, from the checkpoint if there is one, and leave the best rig measured in `rig`."""
        begin = last_saved = time.perf_counter()
        self.optimiser.constrain()
        if saving is not None:
            self._resume(saving)
        lanes, leading = self.world.lanes(self.schedule.batch.frames), self.world.rank == 0
        shots = stream(self.photographs, self.schedule, lanes, self.steps_done)
        self.photographs.hold(self.validation)
        stale = self._stale_checks()
        for step in track(range(self.steps_done, self.plan.steps), "joint fit", unit="step", shown=leading):
            if self.plan.patience and stale >= self.plan.patience:
                _LOG.info("stopped at step %d: no improvement in %d checks", step, stale)
                break
            self.step(step, next(shots))
            self.steps_done = step + 1
            if self.steps_done % self.plan.check_every == 0 or self.steps_done == self.plan.steps:
                self.check(time.perf_counter() - begin)
                stale = self._stale_checks()
                due = saving is not None and time.perf_counter() - last_saved >= saving.every_seconds
                if saving is not None and due and leading:
                    write_checkpoint(saving.path, self._checkpoint(saving.digest))
                    last_saved = time.perf_counter()
        self._take_best()
        return FitReport(
            history=pd.DataFrame(self.history, columns=["step", "seconds", "loss", "psnr"]),
            best_step=self.best_step,
            seconds=time.perf_counter() - begin,
            waited_seconds=self.photographs.waited_seconds,
            bad_steps=int(self.losses[1]),
        )

    def step(self, step: int, groups: list[list[Shot]]) -> None:
        """Blend the frames of a step at once, render their cameras, go down the gradient of the mean loss.

        A gradient entry that is not finite is left out, so that one degenerate Gaussian cannot poison the rig.
        """
        for parameter in self.rig.base.values():
            parameter.grad = None
        frames = [group[0].frame for group in groups]
        weights = self.rig.weights.detach()[frames]
        with torch.no_grad():
            blended = self.rig.rows(weights)
        gradients: dict[str, list[Tensor]] = {name: [] for name in blended}
        total = torch.zeros((), device=self.rig.device)
        background = self._background(step)
        for index, group in enumerate(groups):
            leaves = {name: rows[index].requires_grad_() for name, rows in blended.items()}
            total += self._descend(leaves, group, background, step, 1.0 / len(groups))
            for name, leaf in leaves.items():
                gradients[name].append(_finite(leaf.grad, leaf))
        for parameter in self.rig.base.values():
            parameter.grad = _finite(parameter.grad, parameter)
        slopes = self.rig.pull(weights, {name: torch.stack(parts) for name, parts in gradients.items()})
        self._apply(step, frames, slopes, total)

    def _descend(
        self, leaves: dict[str, Tensor], group: list[Shot], background: Tensor, step: int, share: float
    ) -> Tensor:
        """Add the gradients of one frame's shots to its `leaves` and to shared parameters; return its loss."""
        activated = activate(**(self.rig.base | leaves))
        losses = []
        for number, shot in enumerate(group):
            shown = self._shown(activated, shot, (step, shot.frame, number))
            rendered, photographed = render_view(shown, shot.view, self.plan.view, background)
            losses.append(photometric_loss(rendered, photographed, self.plan.view.lambda_dssim))
        loss = torch.stack(losses).mean()
        if self.plan.view.size_weight > 0:
            loss = loss + self.plan.view.size_weight * size_loss(activated.scales, self.inverse_edges)
        (share * loss).backward()
        return share * loss.detach()

    def _shown(self, activated: Activated, shot: Shot, key: tuple[int, ...]) -> Activated:
        """Return the Gaussians with those that this step hides from a camera made transparent."""
        seeds = (self.schedule.seed, 6, *key)
        shown = self.plan.hiding.shown(activated.means, self.normals, shot.view.viewmats[0], seeds)
        return activated if shown is None else activated._replace(opacities=activated.opacities * shown)

    def _apply(self, step: int, frames: list[int], weight_slopes: Tensor, total: Tensor) -> None:
        """Average gradients over the processes and let the optimiser step."""
        trained = [parameter for name, parameter in self.rig.parameters().items() if name != "weights"]
        slopes = torch.zeros_like(self.rig.weights, requires_grad=False)
        seen = torch.zeros(len(slopes), device=slopes.device)
        rows = torch.tensor(frames, device=slopes.device)
        # times the number of frames: a frame's own loss does not depend on how many others the step has
        slopes.index_add_(0, rows, weight_slopes * len(frames))
        seen.index_add_(0, rows, torch.ones_like(rows, dtype=seen.dtype))
        bad = torch.stack([torch.nan_to_num(total, 0.0, 0.0, 0.0), (~total.isfinite()).float()])
        self.world.reduce(means=[*[_gradient(parameter) for parameter in trained], bad], sums=[slopes, seen])
        self.losses += bad
        self.optimiser.step(step, seen, slopes + self._prior_slopes())

    def _prior_slopes(self) -> Tensor:  # [F, K]
        """Return the gradient of ridge and smoothness with respect to the weights."""
        weights = self.rig.weights.detach()
        slopes = 2.0 * self.plan.ridge * weights
        if self.plan.smoothness > 0:
            slopes = slopes + 2.0 * self.plan.smoothness * (self.neighbours @ weights)
        return slopes

    def _background(self, step: int) -> Tensor:  # [3]
        """Return black, or with the backdrop `random` the colour of this step."""
        if self.plan.view.backdrop != "random":
            return self.background
        color = np.random.default_rng([self.schedule.seed, 2, step]).random(3, np.float32)
        return torch.as_tensor(color).to(self.rig.device)

    def check(self, seconds: float) -> None:
        """Measure the validation pairs, keep the rig if it is the best so far; raise InputError when it is broken."""
        finite = all(bool(tensor.isfinite().all()) for tensor in self.rig.parameters().values())
        bad = int(self.losses[1])
        if not finite or bad > max(1.0, BAD_SHARE * self.steps_done):
            raise InputError(
                f"joint fit: after step {self.steps_done} {bad} losses and {'no' if finite else 'some'} parameters "
                "were not finite; lower joint.rate_factor, or look at the photographs."
            )
        value = self.validation_psnr()
        since = self.steps_done - (self.history[-1][0] if self.history else 0)
        self.history.append((self.steps_done, seconds, float(self.losses[0]) / max(1, since), value))
        self.losses[0] = 0.0
        _LOG.info("step %d: loss %.5f, validation %.3f dB", *self.history[-1][:1], self.history[-1][2], value)
        selecting = self.plan.sparsity > 0 and self.steps_done <= SELECTING * self.plan.steps
        if not selecting and (value > self.best_psnr or not self.best):
            self.best_psnr, self.best_step = value, self.steps_done
            self.best = {name: tensor.detach().clone() for name, tensor in self.rig.parameters().items()}

    def validation_psnr(self) -> float:
        """Return the mean PSNR in the silhouette over all processes' validation pairs, in dB; NaN without any.

        All processes get the same number, and so decide alike.
        """
        values = [self.measure(pair) for pair in self.validation]
        sums = torch.tensor([sum(values), len(values)], dtype=torch.float64, device=self.rig.device)
        self.world.reduce(sums=[sums])
        return float(sums[0] / sums[1])

    def measure(self, pair: Pair) -> float:
        """Return the PSNR in the silhouette of one pair, in dB."""
        frame = pair[0]
        with torch.no_grad():
            activated = self.rig.activated(self.rig.weights[frame : frame + 1])
            view = self.photographs.view(pair)
            rendered, photographed = render_view(activated, view, self.plan.view, self.background)
            return psnr(rendered.clamp(0.0, 1.0), photographed, view.image[..., 3] > 127)

    def _stale_checks(self) -> int:
        """Return how many measurements have passed since the last that was better by `IMPROVEMENT_DB`."""
        reference, stale = -np.inf, 0
        for step, _, _, value in self.history:
            selecting = self.plan.sparsity > 0 and step <= SELECTING * self.plan.steps
            better = value > reference + IMPROVEMENT_DB
            reference, stale = (value, 0) if better or selecting else (reference, stale + 1)
        return stale

    def _take_best(self) -> None:
        """Go back to the best rig that was measured; without a measurement stay where the steps ended."""
        if self.best and np.isfinite(self.best_psnr):
            with torch.no_grad():
                for name, tensor in self.rig.parameters().items():
                    tensor.copy_(self.best[name])

    def _checkpoint(self, digest: str) -> Checkpoint:
        tensors = self.optimiser.state() | {f"best/{name}": tensor for name, tensor in self.best.items()}
        tensors["losses"] = self.losses
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
        return Checkpoint(digest, self.steps_done, self.best_psnr, self.best_step, np.array(self.history), arrays)

    def _resume(self, saving: Saving) -> None:
        checkpoint = read_checkpoint(saving.path, saving.digest)
        steps_done = 0 if checkpoint is None else checkpoint.steps_done
        if not self.world.agrees(steps_done, self.rig.device):
            raise InputError(f"{saving.path}: the processes of the fit read different states; delete it and run again.")
        if checkpoint is None:
            return
        _LOG.info("going on from step %d of %s", checkpoint.steps_done, saving.path)
        device = self.rig.device
        tensors = {name: torch.as_tensor(array).to(device) for name, array in checkpoint.arrays.items()}
        self.optimiser.restore(tensors)
        self.losses.copy_(tensors["losses"])
        self.best = {name.removeprefix("best/"): tensor for name, tensor in tensors.items() if name.startswith("best/")}
        self.steps_done, self.best_step = checkpoint.steps_done, checkpoint.best_step
        self.best_psnr = checkpoint.best_psnr
        self.history = [(int(row[0]), float(row[1]), float(row[2]), float(row[3])) for row in checkpoint.history]


def _finite(gradient: Tensor | None, like: Tensor) -> Tensor:
    """Return a gradient with entries that are not finite set to zero; zeros when there is none."""
    return torch.zeros_like(like) if gradient is None else torch.nan_to_num_(gradient, 0.0, 0.0, 0.0)


def _gradient(parameter: Tensor) -> Tensor:
    assert parameter.grad is not None  # for the type checker: set by the caller
    return parameter.grad
