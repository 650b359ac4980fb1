"""Fit the Gaussians of one frame to its photographs: a rig of one frame without components."""

import logging
import time
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.fitting.checkpoint import Arrays, Slot
from splatrig.fitting.engine import Fit
from splatrig.fitting.frame_data import FrameData
from splatrig.fitting.objective import Backdrops, Objective
from splatrig.fitting.rates import in_millimetres
from splatrig.fitting.recipe import Plan
from splatrig.fitting.replay import WARM_UP, Replay, can_replay
from splatrig.fitting.rig_optimizer import RigOptimizer
from splatrig.fitting.schedule import Shot
from splatrig.fitting.trainable_rig import RigStart, TrainableRig
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.io.errors import InputError
from splatrig.rasterize import activate

_LOG = logging.getLogger(__name__)

CHECK_INTERVAL = 64
"""Steps between two checks of the recorded losses on a GPU, where each check waits for the device."""

_ADVICE = "check this camera's photograph and calibration, and this frame's tracked mesh."


@dataclass(frozen=True)
class FitResult:
    """Result of fitting one frame."""

    gaussians: Gaussians
    losses: NDArray[np.float32]  # [steps]
    """Loss of every step, on that step's camera."""
    seconds: float
    """Wall time, of this process alone if the fit was resumed."""


def fit(
    start: Gaussians,
    frame: FrameData,
    edge_lengths: NDArray[np.float64],  # [N] millimeters
    plan: Plan,
    seed: int,
    *,
    reference_quats: NDArray[np.float32] | None = None,  # [N, 4]
    slot: Slot | None = None,
) -> FitResult:
    """Fit `start` to the training cameras of `frame`, on the device of its photographs.

    Cameras come in random order, each once per epoch; the order and random backdrops depend only on `seed` and the
    frame's name. With a `slot`, the state is saved there regularly, and an interrupted fit resumes from it, bit for bit
    on the CPU.

    Args:
        start: Initial Gaussians, one per vertex.
        frame: Tracked mesh and photographs of the frame.
        edge_lengths: Mean edge length at each vertex of the neutral, the unit of the regularization of centers and
            sizes.
        plan: Steps, learning rates and rendering options.
        seed: Seed of the random numbers.
        reference_quats: Quaternions [N, 4] that fix the hemisphere of the result; default: those of `start`.
        slot: Storage for checkpoints; None: none are written.

    Raises:
        InputError: The start or a step is not finite; names frame, step, camera and parameter.
    """
    begin = time.perf_counter()
    _check_finite_start(start, frame.name)
    try:
        run = _FrameFit(start, frame, edge_lengths, plan, seed, can_replay(frame.device, plan.render.rasterizer))
        run.take_steps(slot)
    except OverflowError as error:
        _LOG.info("%s: %s; fitting again without CUDA graphs", frame.name, error)
        run = _FrameFit(start, frame, edge_lengths, plan, seed, replayed=False)
        run.take_steps(slot)
    reference = start.quats if reference_quats is None else reference_quats
    return FitResult(
        gaussians=normalized(run.current(), reference),
        losses=run.history.rows[:, 0].cpu().numpy(),
        seconds=time.perf_counter() - begin,
    )


def normalized(gaussians: Gaussians, reference_quats: NDArray[np.float32]) -> Gaussians:
    """Return the Gaussians with unit quaternions on the hemisphere of `reference_quats` [N, 4]."""
    quats = gaussians.quats / np.linalg.norm(gaussians.quats, axis=1, keepdims=True)
    opposite = (quats * reference_quats).sum(axis=1, keepdims=True) < 0
    fields = dict(gaussians.items()) | {"quats": np.where(opposite, -quats, quats).astype(np.float32)}
    return Gaussians(**fields)


def _check_finite_start(start: Gaussians, frame: str) -> None:
    for name, values in start.items():
        bad = ~np.isfinite(values).reshape(len(start), -1).all(axis=1)
        if bad.any():
            raise InputError(
                f"{frame}: expected finite {name} of the initial Gaussians, got others, the first at Gaussian "
                f"{int(np.flatnonzero(bad)[0])}; fit the neutral again."
            )


def frame_generator(seed: int, frame: str) -> np.random.Generator:
    """Return the generator of one frame: it depends on the seed and the frame's name, not on what was fitted before."""
    return np.random.default_rng([seed, zlib.crc32(frame.encode())])


def camera_order(generator: np.random.Generator, cameras: int, steps: int) -> NDArray[np.int64]:  # [steps]
    """Return random camera indices, without replacement within an epoch of `cameras` steps."""
    epochs = -(-steps // cameras)
    return np.concatenate([generator.permutation(cameras) for _ in range(epochs)])[:steps]


class _History:
    """Loss and gradient size of every step; a step that is not finite ends the fit."""

    def __init__(self, names: Sequence[str], device: torch.device) -> None:
        """Record the losses of steps; error messages identify a step by its entry of `names`."""
        self.names = names
        self.rows = torch.zeros((len(names), 1 + len(SHAPES)), device=device)
        self.checked = 0

    @staticmethod
    def row(loss: Tensor, gradients: Mapping[str, Tensor]) -> Tensor:  # [1 + fields]
        """Return what is recorded of a step: the loss and the L1 norm of each field's gradient."""
        measured = [gradients.get(name, loss) for name in SHAPES]
        return torch.stack([loss, *torch._foreach_norm(measured, 1)])

    def accept(self, step: int, loss: Tensor, gradients: Mapping[str, Tensor]) -> None:
        """Record a step; check for values that are not finite at once or, on a GPU, at intervals."""
        self.rows[step] = self.row(loss, gradients)
        if loss.device.type == "cpu" or (step + 1) % CHECK_INTERVAL == 0:
            self.check(step + 1)

    def check(self, end: int) -> None:
        """Raise InputError if an unchecked step before `end` was not finite."""
        rows = self.rows[self.checked : end].isfinite()
        if not bool(rows.all()):
            bad = rows.logical_not().cpu().numpy()
            step = int(np.flatnonzero(bad.any(axis=1))[0])
            names = ["the loss", *(f"the gradient of {name}" for name in SHAPES)]
            what = ", ".join(name for name, flag in zip(names, bad[step], strict=True) if flag)
            raise InputError(f"{self.names[self.checked + step]}: {what} not finite; {_ADVICE}")
        self.checked = end


class _FrameFit:
    """Fit of one frame, with the camera of each step."""

    def __init__(
        self,
        start: Gaussians,
        frame: FrameData,
        edge_lengths: NDArray[np.float64],
        plan: Plan,
        seed: int,
        replayed: bool,
    ) -> None:
        device, cameras = frame.device, frame.cameras
        views = [view for view, held_out in zip(frame.views, cameras.held_out, strict=True) if not held_out]
        if not views:
            raise InputError(
                f"{frame.name}: every camera is held out, expected some for training; shorten capture.held_out.cameras."
            )
        if plan.rate_unit == "pixel":
            pixel_size = cameras.train.pixel_size(frame.vertices.mean(axis=0))
            plan = replace(plan, rates=in_millimetres(plan.rates, pixel_size))
        self.frame = frame
        self.views = views if plan.render.backdrop == "leak" else [view.silhouette for view in views]
        generator = frame_generator(seed, frame.name)
        self.order = camera_order(generator, len(views), plan.steps)
        colors = generator.random((plan.steps, 3), np.float32) if plan.render.backdrop in ("random", "leak") else None
        unit = edge_lengths if plan.regularizer_unit == "edge" else np.ones(len(start))
        objective = Objective(
            plan.render,
            Backdrops(device, None if colors is None else lambda step: colors[step % plan.steps]),
            torch.as_tensor(1.0 / unit, dtype=torch.float32, device=device)[:, None],
            plan.size_weight,
            plan.drift_weight,
            torch.as_tensor(frame.vertices, dtype=torch.float32, device=device),
        )
        alone = RigStart(start, np.zeros((1, 0), np.float32), None, neutral_row=0)
        rig = TrainableRig(alone, plan.rates, device)
        names = [f"{frame.name}: step {step}, camera {views[view].camera}" for step, view in enumerate(self.order)]
        self.history = _History(names, device)
        self.fit = Fit(rig, RigOptimizer(rig, plan.learning_rates), objective, self.history)
        self.plan = plan
        self.replay: Replay | None = None
        self.warm_up = WARM_UP if replayed else plan.steps
        """Number of steps before the first that is replayed."""

    def take_steps(self, slot: Slot | None) -> None:
        """Take all steps that are left, and save the state in `slot` between them.

        Raises OverflowError if replayed steps did not have the memory that they needed.
        """
        for step in range(self.resume(slot), self.plan.steps):
            self.step(step)
            if slot is not None and step + 1 < self.plan.steps:
                slot.keep(step + 1, lambda done=step + 1: self.state(done))  # type: ignore[misc]
        self.check(self.plan.steps)

    def step(self, step: int) -> None:
        """Step down the gradient of the loss in one camera."""
        shot = Shot(0, self.views[self.order[step]])
        if self.warm_up == 0:
            self.replay = self.replay or Replay(self.fit, self.views, self.plan.steps, self.history.row)
            self.history.rows[step] = self.replay.step(step, shot)
            if (step + 1) % CHECK_INTERVAL == 0:
                self.check(step + 1)
            return
        self.warm_up -= 1
        try:
            self.fit.step(step, [shot])
        except InputError as error:
            splats = activate(Gaussians(**self.fit.rig.base), unit_quats=False)
            names = [name for name, values in splats.items() if not bool(values.isfinite().all())]
            what = f"{', '.join(names)} not finite; {_ADVICE}" if names else str(error)
            raise InputError(f"{self.history.names[step]}: {what}") from error

    def check(self, done: int) -> None:
        """Raise OverflowError or InputError if one of the first `done` steps went wrong."""
        if self.replay is not None:
            self.replay.check()
        self.history.check(done)

    def current(self) -> Gaussians:
        """Copy the Gaussians from the device; quaternions are not normalized."""
        return Gaussians(**{name: p.detach().cpu().numpy().copy() for name, p in self.fit.rig.base.items()})

    def state(self, done: int) -> Arrays:
        """Return everything that the steps after the first `done` depend on."""
        self.check(done)
        tensors = self.fit.optimizer.state() | {"history": self.history.rows[:done]}
        arrays = {name: tensor.cpu().numpy() for name, tensor in tensors.items()}
        return arrays | {"done": np.array(done)}

    def resume(self, slot: Slot | None) -> int:
        """Restore the state that an interrupted fit left, if any; return its number of steps."""
        arrays = None if slot is None else slot.read()
        if arrays is None:
            return 0
        done = int(arrays["done"])
        self.history.checked = done
        tensors = {name: torch.as_tensor(array) for name, array in arrays.items()}
        self.history.rows[:done] = tensors["history"].to(self.history.rows.device)
        self.fit.optimizer.restore(tensors)
        _LOG.info("%s: resuming after step %d", self.frame.name, done)
        return done
