"""Learn a rig through the rasterizer: random pairs, one blend per step, checks, checkpoints."""

import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import repeat
from typing import Protocol

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.dataset.photographs import Pair, Photographs
from splatrig.fitting.checkpoint import Arrays, Slot
from splatrig.fitting.compare_view import render_view
from splatrig.fitting.engine import Fit
from splatrig.fitting.metrics import psnr
from splatrig.fitting.objective import Backdrops, Objective
from splatrig.fitting.rig_optimizer import RigOptimizer
from splatrig.fitting.schedule import Schedule, Shot, stream
from splatrig.fitting.trainable_rig import TrainableRig
from splatrig.fitting.world import World
from splatrig.io.errors import InputError
from splatrig.jobs.progress import track
from splatrig.learned.plan import LearnedPlan

_LOG = logging.getLogger(__name__)

BAD_SHARE = 0.01
"""The fit fails if the fraction of its steps with a loss that was not finite exceeds this."""
_NUMBERS = ("steps_done", "bad_steps")
"""Attributes of `LearnedFit` that a saved state holds."""


@dataclass(frozen=True)
class Surroundings:
    """Inputs of a fit in addition to photographs."""

    edge_lengths: NDArray[np.float64]  # [N] mean edge length at each Gaussian of the neutral, millimeters
    normals: NDArray[np.float64]  # [N, 3] normals of the neutral, unit length; zero for Gaussians without a side
    validation: tuple[Pair, ...]
    """Pairs that are measured and never trained on."""
    free: int = 0
    """Number of Gaussians, the last ones, whose opacity is penalized (`LearnedPlan.opacity_weight`)."""


class Between(Protocol):
    """Hook between the steps of a fit."""

    def after(self, done: int) -> None:
        """Modify the rig after `done` steps."""

    def state(self) -> Arrays:
        """Return the state that a later run needs to resume exactly."""

    def restore(self, tensors: Mapping[str, Tensor]) -> None:
        """Restore what `state` returned."""


@dataclass(frozen=True)
class FitReport:
    """Summary of one fit."""

    history: pd.DataFrame
    """History with step, seconds, loss (mean since the last row) and psnr (dB in the mask, mean over the validation
    pairs)."""
    seconds: float
    waited_seconds: float
    """Time spent waiting for photographs."""
    bad_steps: int
    """Number of steps that were skipped because their loss was not finite."""


class _Losses:
    """Losses since the last measurement; gradient entries that are not finite are set to zero."""

    def __init__(self, count: int, device: torch.device) -> None:
        self.per_step = torch.zeros(count, device=device)

    def accept(self, step: int, loss: Tensor, gradients: Mapping[str, Tensor]) -> None:
        """Record a step; zero gradient entries that are not finite, so that one Gaussian cannot break the rig."""
        self.per_step[step % len(self.per_step)] += loss
        for gradient in gradients.values():
            torch.nan_to_num_(gradient, 0.0, 0.0, 0.0)


class LearnedFit:
    """Fit of one rig: its steps, the measurements between them, and its end."""

    def __init__(
        self,
        rig: TrainableRig,
        photographs: Photographs,
        schedule: Schedule,
        surroundings: Surroundings,
        plan: LearnedPlan,
        world: World | None = None,
    ) -> None:
        """Prepare to fit `rig` in place."""
        self.rig, self.photographs, self.schedule, self.plan = rig, photographs, schedule, plan
        self.world = world or World()
        self.optimizer = RigOptimizer(rig, plan.learning_rates(rig), bounded=plan.bounded)
        self.losses = _Losses(min(plan.check_every, plan.steps), rig.device)
        self.fit = Fit(rig, self.optimizer, self._objective(surroundings), self.losses, self.world)
        self.validation = surroundings.validation[self.world.rank :: self.world.size]
        self.bad_steps = self.steps_done = 0
        self.history: list[tuple[int, float, float, float]] = []

    def _objective(self, surroundings: Surroundings) -> Objective:
        plan, seed = self.plan, self.schedule.seed

        def tensor(array: NDArray[np.float64]) -> Tensor:
            return torch.as_tensor(array, dtype=torch.float32, device=self.rig.device)

        def color(step: int) -> NDArray[np.float32]:  # [3]
            return np.random.default_rng([seed, 2, step]).random(3, np.float32)

        return Objective(
            plan.render,
            Backdrops(self.rig.device, color if plan.render.backdrop == "random" else None),
            tensor(1.0 / surroundings.edge_lengths)[:, None],
            plan.size_weight,
            occlusion=plan.occlusion,
            normals=tensor(surroundings.normals),
            seed=seed,
            colors=self.rig.colors,
            opacity_weight=plan.opacity_weight,
            structured=len(surroundings.normals) - surroundings.free,
        )

    def run(self, slot: Slot | None = None, between: Between | None = None) -> FitReport:
        """Run the steps of the plan, from the state in `slot` if there is one, calling `between` after each.

        Validation between steps is only reported and never stops the fit, since the final tables use the same cameras.
        """
        begin = time.perf_counter()
        self.optimizer.constrain()
        if slot is not None:
            self._resume(slot, between)
        lanes, leading = self.world.lanes(self.schedule.per_step), self.world.rank == 0
        shots = stream(self.photographs, self.schedule, lanes, self.steps_done)
        seen = self.schedule.frames(self.steps_done) if self.world.size > 1 else repeat(None)
        self.photographs.hold(self.validation)
        for step in track(range(self.steps_done, self.plan.steps), "learned fit", unit="step", shown=leading):
            self.fit.step(step, next(shots), seen=next(seen))
            self.steps_done = step + 1
            if between is not None:
                between.after(self.steps_done)
            if self.steps_done % self.plan.check_every == 0 or self.steps_done == self.plan.steps:
                self.check(time.perf_counter() - begin)
                if slot is not None and leading:
                    slot.keep(self.steps_done, lambda: self._state(between))
        return FitReport(
            history=pd.DataFrame(self.history, columns=["step", "seconds", "loss", "psnr"]),
            seconds=time.perf_counter() - begin,
            waited_seconds=self.photographs.waited_seconds,
            bad_steps=self.bad_steps,
        )

    def check(self, seconds: float) -> None:
        """Measure the validation pairs; raise InputError when the rig is broken."""
        self.world.reduce(means=[self.losses.per_step])
        losses = self.losses.per_step.tolist()
        self.losses.per_step.zero_()
        bad = np.logical_not(np.isfinite(losses))
        self.bad_steps += int(bad.sum())
        finite = all(bool(tensor.isfinite().all()) for tensor in self.rig.parameters().values())
        if not finite or self.bad_steps > max(1.0, BAD_SHARE * self.steps_done):
            raise InputError(
                f"learned fit, step {self.steps_done}: {self.bad_steps} losses and {'no' if finite else 'some'} "
                "parameters were not finite; check the photographs."
            )
        value = self.validation_psnr()
        since = self.steps_done - (self.history[-1][0] if self.history else 0)
        loss = float(np.where(bad, 0.0, losses).sum()) / max(1, since)
        self.history.append((self.steps_done, seconds, loss, value))
        _LOG.info("step %d: loss %.5f, validation %.3f dB", *self.history[-1][:1], self.history[-1][2], value)

    def validation_psnr(self) -> float:
        """Return the mean PSNR (dB) in the silhouette over all processes' validation pairs; NaN if there are none.

        Pairs whose camera does not see the head are skipped. All processes get the same value.
        """
        measured = [self.measure(pair) for pair in self.validation]
        values = [value for value in measured if not np.isnan(value)]
        sums = torch.tensor([sum(values), len(values)], dtype=torch.float64, device=self.rig.device)
        self.world.reduce(sums=[sums])
        return float(sums[0] / sums[1])

    def measure(self, pair: Pair) -> float:
        """Return the PSNR (dB) in the silhouette of one pair; NaN for an empty one."""
        frame = pair[0]
        with torch.no_grad():
            activated = self.rig.activated(self.rig.weights[frame : frame + 1])
            view = self.rig.seen([Shot(frame, self.photographs.view(pair))])[0].view
            black = torch.zeros(3, device=self.rig.device)
            rendered, photographed = render_view(activated, view, self.plan.render, black)
            return psnr(rendered.clamp(0.0, 1.0), photographed, view.inside)

    def _state(self, between: Between | None) -> Arrays:
        """Return everything that later steps depend on."""
        arrays = {name: tensor.cpu().numpy() for name, tensor in self.optimizer.state().items()}
        numbers = {name: np.array(getattr(self, name)) for name in _NUMBERS}
        other = {} if between is None else {f"between/{name}": array for name, array in between.state().items()}
        return arrays | numbers | other | {"history": np.array(self.history)}

    def _resume(self, slot: Slot, between: Between | None) -> None:
        arrays = slot.read() or {}
        done = int(arrays.get("steps_done", 0))
        if not self.world.agrees(done, self.rig.device):
            raise InputError(
                f"{slot.path}: expected the same state in all processes of the fit, got others; delete it and run "
                "again."
            )
        if not done:
            return
        _LOG.info("resuming after step %d from %s", done, slot.path)
        tensors = {name: torch.as_tensor(array).to(self.rig.device) for name, array in arrays.items()}
        self.optimizer.restore(tensors)
        if between is not None:
            begins = "between/"
            between.restore({name.removeprefix(begins): t for name, t in tensors.items() if name.startswith(begins)})
        for name in _NUMBERS:
            setattr(self, name, int(arrays[name]))
        self.history = [(int(row[0]), float(row[1]), float(row[2]), float(row[3])) for row in arrays["history"]]
