"""Learn a rig through the rasteriser: random pairs, one blend a step, checks, checkpoints."""

import logging
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.dataset.photographs import Pair, Photographs
from splatrig.fitting.compare_view import render_view, render_views
from splatrig.fitting.losses import photometric_loss, size_loss
from splatrig.fitting.metrics import psnr
from splatrig.io.errors import InputError
from splatrig.jobs.progress import track
from splatrig.learned.checkpoint import Checkpoint, read_checkpoint, write_checkpoint
from splatrig.learned.model import JointRig
from splatrig.learned.parallel import World
from splatrig.learned.pictures import activated_frames, hidden, repeated
from splatrig.learned.plan import JointPlan
from splatrig.learned.rig_optimizer import SELECTING, RigOptimiser
from splatrig.learned.schedule import Schedule
from splatrig.learned.stream import Shot, stream

_LOG = logging.getLogger(__name__)

BAD_SHARE = 0.01
"""The fit fails when more than this share of its steps had a loss that was not finite."""
TOGETHER = 4
"""Pictures that are rendered in one call: each takes memory, and four start too few kernels to keep a GPU waiting."""
COLOURS = 64
"""Random backdrops that are copied to the device at a time."""
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
        self.losses = torch.zeros(min(plan.check_every, plan.steps), device=device)  # of the steps since the last check
        self.bad_steps = 0
        self._known_shares: dict[tuple[float, tuple[int, ...]], Tensor] = {}
        self._colours: tuple[int, Tensor] | None = None
        self._frames_of_all: Iterator[list[int]] | None = None
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
            bad_steps=self.bad_steps,
        )

    def step(self, step: int, groups: list[list[Shot]]) -> None:
        """Blend the frames of a step at once, render their cameras, go down the gradient of the mean loss.

        A gradient entry that is not finite is left out, so that one degenerate Gaussian cannot poison the rig.
        On a GPU a step makes no copy from the host but the photographs', and waits once, in gsplat.
        """
        for parameter in self.rig.base.values():
            parameter.grad = None
        frames = [group[0].frame for group in groups]
        with torch.no_grad():
            weights = torch.stack([self.rig.weights[frame] for frame in frames])
            blended = self.rig.rows(weights)
        gradients: dict[str, list[Tensor]] = {name: [] for name in blended}
        for part in self._parts(groups):
            leaves = {name: rows[part].requires_grad_() for name, rows in blended.items()}
            self._descend(leaves, groups[part], step, 1.0 / len(groups))
            for name, leaf in leaves.items():
                gradients[name].append(_finite(leaf.grad, leaf))
        for parameter in self.rig.base.values():
            parameter.grad = _finite(parameter.grad, parameter)
        joined = {name: parts[0] if len(parts) == 1 else torch.cat(parts) for name, parts in gradients.items()}
        self._apply(step, frames, self.rig.pull(weights, joined))

    def _parts(self, groups: list[list[Shot]]) -> list[slice]:
        """Return the groups that are rendered together, so that the memory of a step does not grow with its batch."""
        size = max(1, TOGETHER // max(len(group) for group in groups))
        return [slice(first, first + size) for first in range(0, len(groups), size)]

    def _descend(self, leaves: dict[str, Tensor], groups: list[list[Shot]], step: int, share: float) -> None:
        """Add the gradients of some frames' shots to their `leaves` and to shared parameters; record the loss."""
        frames = activated_frames(self.rig.base, leaves, len(groups))
        shots = [shot for group in groups for shot in group]
        viewmats = torch.cat([shot.view.viewmats for shot in shots])
        poses = repeated(frames, [len(group) for group in groups])
        keys = [
            (self.schedule.seed, 6, step, shot.frame, number) for group in groups for number, shot in enumerate(group)
        ]
        poses = hidden(poses, self.plan.occlusion.shown(poses.means, self.normals, viewmats, keys))
        views = [shot.view for shot in shots]
        compared = render_views(poses, views, viewmats, self.plan.render, self._background(step))
        losses = [photometric_loss(*pair, self.plan.render.lambda_dssim) for pair in compared]
        loss = torch.dot(torch.stack(losses), self._shares(share, tuple(len(group) for group in groups)))
        if self.plan.size_weight > 0:
            weight = self.plan.size_weight * len(groups) * share
            loss = loss + weight * size_loss(frames.scales, self.inverse_edges)
        loss.backward()
        self.losses[step % len(self.losses)] += loss.detach()

    def _shares(self, share: float, sizes: tuple[int, ...]) -> Tensor:
        """Return what each shot's loss counts for when frames of so many shots count for `share` each."""
        if (share, sizes) not in self._known_shares:
            shares = [share / size for size in sizes for _ in range(size)]
            self._known_shares[share, sizes] = torch.tensor(shares, device=self.rig.device)
        return self._known_shares[share, sizes]

    def _apply(self, step: int, frames: list[int], weight_slopes: Tensor) -> None:
        """Average gradients over the processes and let the optimiser step."""
        slopes = torch.zeros_like(self.rig.weights, requires_grad=False)
        for frame, slope in zip(frames, weight_slopes, strict=True):
            # times the number of frames: a frame's own loss does not depend on how many others the step has
            slopes[frame].add_(slope, alpha=len(frames))
        trained = [parameter for name, parameter in self.rig.parameters().items() if name != "weights"]
        self.world.reduce(means=[_gradient(parameter) for parameter in trained], sums=[slopes])
        self._add_prior_slopes(slopes)
        self.optimiser.step(step, self._seen(step, frames), slopes)

    def _seen(self, step: int, frames: list[int]) -> list[int]:
        """Return the frames that this step sees in all processes; the order of pairs tells, without a message."""
        if self.world.size == 1:
            return sorted(set(frames))
        if self._frames_of_all is None:
            self._frames_of_all = self.schedule.frames(step)
        return next(self._frames_of_all)

    def _add_prior_slopes(self, slopes: Tensor) -> None:  # [F, K]
        """Add the gradient of ridge and smoothness with respect to the weights."""
        weights = self.rig.weights.detach()
        if self.plan.ridge > 0:
            slopes.add_(weights, alpha=2.0 * self.plan.ridge)
        if self.plan.smoothness > 0:
            slopes.addmm_(self.neighbours, weights, alpha=2.0 * self.plan.smoothness)

    def _background(self, step: int) -> Tensor:  # [3]
        """Return black, or with the backdrop `random` the colour of this step."""
        if self.plan.render.backdrop != "random":
            return self.background
        block, row = divmod(step, COLOURS)
        if self._colours is None or self._colours[0] != block:
            keys = [[self.schedule.seed, 2, number] for number in range(block * COLOURS, (block + 1) * COLOURS)]
            colours = np.stack([np.random.default_rng(key).random(3, np.float32) for key in keys])
            self._colours = block, torch.as_tensor(colours, device=self.rig.device)
        return self._colours[1][row]

    def check(self, seconds: float) -> None:
        """Measure the validation pairs, keep the rig if it is the best so far; raise InputError when it is broken."""
        self.world.reduce(means=[self.losses])
        losses = self.losses.tolist()
        self.losses.zero_()
        bad = np.logical_not(np.isfinite(losses))
        self.bad_steps += int(bad.sum())
        finite = all(bool(tensor.isfinite().all()) for tensor in self.rig.parameters().values())
        if not finite or self.bad_steps > max(1.0, BAD_SHARE * self.steps_done):
            raise InputError(
                f"joint fit: after step {self.steps_done} {self.bad_steps} losses and {'no' if finite else 'some'} "
                "parameters were not finite; lower joint.rate_factor, or look at the photographs."
            )
        value = self.validation_psnr()
        since = self.steps_done - (self.history[-1][0] if self.history else 0)
        loss = float(np.where(bad, 0.0, losses).sum()) / max(1, since)
        self.history.append((self.steps_done, seconds, loss, value))
        _LOG.info("step %d: loss %.5f, validation %.3f dB", *self.history[-1][:1], self.history[-1][2], value)
        selecting = self.plan.sparsity > 0 and self.steps_done <= SELECTING * self.plan.steps
        if not selecting and not value <= self.best_psnr:  # nothing to choose by (NaN): the last one
            self.best_psnr, self.best_step = value, self.steps_done
            self.best = {name: tensor.detach().clone() for name, tensor in self.rig.parameters().items()}

    def validation_psnr(self) -> float:
        """Return the mean PSNR in the silhouette over all processes' validation pairs, in dB; NaN without any.

        Pairs whose camera does not see the head say nothing. All processes get the same number, and so decide alike.
        """
        measured = [self.measure(pair) for pair in self.validation]
        values = [value for value in measured if not np.isnan(value)]
        sums = torch.tensor([sum(values), len(values)], dtype=torch.float64, device=self.rig.device)
        self.world.reduce(sums=[sums])
        return float(sums[0] / sums[1])

    def measure(self, pair: Pair) -> float:
        """Return the PSNR in the silhouette of one pair, in dB; NaN for an empty one."""
        frame = pair[0]
        with torch.no_grad():
            activated = self.rig.activated(self.rig.weights[frame : frame + 1])
            view = self.photographs.view(pair)
            rendered, photographed = render_view(activated, view, self.plan.render, self.background)
            return psnr(rendered.clamp(0.0, 1.0), photographed, view.inside)

    def _stale_checks(self) -> int:
        """Return how many measurements have passed since the last that was better by `IMPROVEMENT_DB`, or was none."""
        reference, stale = -np.inf, 0
        for step, _, _, value in self.history:
            selecting = self.plan.sparsity > 0 and step <= SELECTING * self.plan.steps
            better = not value <= reference + IMPROVEMENT_DB
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
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
        arrays["bad_steps"] = np.array(self.bad_steps)
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
        self.bad_steps = int(checkpoint.arrays["bad_steps"])
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
