"""Fit the Gaussians of one frame to its photographs."""

import logging
import time
import zlib
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.fitting.checkpoint import Arrays, Slot
from splatrig.fitting.compare_view import render_view
from splatrig.fitting.frame_data import FrameData
from splatrig.fitting.losses import drift_loss, photometric_loss, size_loss
from splatrig.fitting.optimizer import Adam
from splatrig.fitting.recipe import Plan, in_millimetres
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.io.errors import InputError
from splatrig.rasterize import activate

_LOG = logging.getLogger(__name__)

ADAM_EPSILON = 1e-15
"""Gradients of single Gaussians are tiny; Adam's usual 1e-8 would damp them (Kerbl et al. 2023, released code)."""
ADAM_BETAS = (0.9, 0.999)
CHECK_INTERVAL = 64
"""Steps between two looks at the recorded losses on a GPU, where each look waits for the device."""

PLATEAU_EPOCHS = 2
"""A plateau is seen between the mean losses of this many epochs and of as many before them."""
PLATEAU_RESUME = 0.75
"""Where on its schedule a fit goes on from a plateau: the last quarter lets the rates fall to their end."""

_ADVICE = "lower training.rates or look at this camera's photograph."


@dataclass(frozen=True)
class Surface:
    """The tracked mesh under the Gaussians of one frame."""

    vertices: NDArray[np.float64]  # [N, 3]
    """Where the centres are anchored, millimetres."""
    edge_lengths: NDArray[np.float64]  # [N]
    """Mean edge length at each vertex of the neutral, millimetres."""


@dataclass(frozen=True)
class FitResult:
    """A fitted frame."""

    gaussians: Gaussians
    losses: NDArray[np.float32]  # [steps]
    """The loss of every step that was taken, on that step's camera."""
    seconds: float
    """Wall time, of this process alone if the fit was resumed."""


def fit(
    start: Gaussians,
    frame: FrameData,
    surface: Surface,
    plan: Plan,
    seed: int,
    *,
    reference_quats: NDArray[np.float32] | None = None,  # [N, 4]
    slot: Slot | None = None,
) -> FitResult:
    """Fit `start` to the training cameras of `frame` (photographs on the device that shall do the work).

    Cameras come in random order, each once an epoch; the order and random backdrops follow from `seed` and the
    frame's name alone. `reference_quats` (default: the start's) fix the hemisphere of the quaternions.
    With a `slot` the state is kept there every so many steps, and an interrupted fit goes on from it, on the CPU to
    the same bits. A plateau of the loss (`plan.plateau`) shortens the fit.

    Raises InputError when the start or a step is not finite, naming frame, step, camera and parameter.
    """
    begin = time.perf_counter()
    _check_finite_start(start, frame.name)
    optimization = _Optimization(start, frame, surface, plan, seed)
    step = optimization.resume(slot)
    while step < optimization.end:
        optimization.step(step)
        step += 1
        optimization.watch(step)
        if slot is not None and step % slot.every == 0 and step < optimization.end:
            slot.write(optimization.state(step))
    optimization.check(step)
    reference = start.quats if reference_quats is None else reference_quats
    return FitResult(
        gaussians=normalized(optimization.current(), reference),
        losses=optimization.history[:step, 0].cpu().numpy(),
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
                f"{frame}: the Gaussians to start from have {name} that are not finite, first of Gaussian "
                f"{int(np.flatnonzero(bad)[0])}; fit the neutral again."
            )


def frame_generator(seed: int, frame: str) -> np.random.Generator:
    """Return the generator of one frame: it depends on the seed and the frame's name, not on what was fitted before."""
    return np.random.default_rng([seed, zlib.crc32(frame.encode())])


def camera_order(generator: np.random.Generator, cameras: int, steps: int) -> NDArray[np.int64]:  # [steps]
    """Return random camera indices without replacement within an epoch of `cameras` steps."""
    epochs = -(-steps // cameras)
    return np.concatenate([generator.permutation(cameras) for _ in range(epochs)])[:steps]


class _Optimization:
    """The state of one fit; a step makes no copy between host and device and waits for nothing."""

    def __init__(self, start: Gaussians, frame: FrameData, surface: Surface, plan: Plan, seed: int) -> None:
        device, cameras = frame.device, frame.frame.cameras
        self.frame, self.device = frame, device
        views = [view for view, held_out in zip(frame.views, cameras.held_out, strict=True) if not held_out]
        self.views = views if plan.render.backdrop == "leak" else [view.silhouette for view in views]
        if not self.views:
            raise InputError(f"{frame.name}: every camera is held out; leave some for training.")
        if plan.rate_unit == "pixel":
            pixel_size = cameras.train.pixel_size(surface.vertices.mean(axis=0))
            plan = replace(plan, rates=in_millimetres(plan.rates, pixel_size))
        self.plan = plan
        generator = frame_generator(seed, frame.name)
        self.order = camera_order(generator, len(self.views), plan.steps)
        self.backgrounds = torch.zeros((plan.steps, 3), device=device)
        if plan.render.backdrop in ("random", "leak"):
            self.backgrounds = torch.as_tensor(generator.random((plan.steps, 3), np.float32), device=device)
        # copies: the optimiser writes in place, and on the CPU a tensor would share the start's memory
        self.parameters = {
            name: torch.tensor(values, dtype=torch.float32, device=device, requires_grad=True)
            for name, values in start.items()
        }
        self.optimizer = Adam(self.parameters, ADAM_BETAS, ADAM_EPSILON)
        unit = surface.edge_lengths if plan.regularizer_unit == "edge" else np.ones(len(start))
        self.inverse_edges = torch.as_tensor(1.0 / unit, dtype=torch.float32, device=device)[:, None]
        self.anchors = torch.as_tensor(surface.vertices, dtype=torch.float32, device=device)
        self.history = torch.zeros((plan.steps, 1 + len(SHAPES)), device=device)
        self.checked = 0
        self.skipped = 0

    @property
    def end(self) -> int:
        """Steps to take in all: the plan's, less those that a plateau made needless."""
        return self.plan.steps - self.skipped

    def step(self, step: int) -> None:
        """Render one camera, go down its gradient, record what the step was made of."""
        self.optimizer.forget_gradients()
        splats = activate(Gaussians(**self.parameters), unit_quats=False)
        view = self.views[self.order[step]]
        try:
            rendered, photographed = render_view(splats, view, self.plan.render, self.backgrounds[step])
        except InputError as error:
            names = [name for name, values in splats.items() if not bool(values.isfinite().all())]
            what = f"{', '.join(names)} not finite; {_ADVICE}" if names else str(error)
            raise InputError(f"{self.frame.name}: step {step}, camera {view.camera}: {what}") from error
        loss = photometric_loss(rendered, photographed, self.plan.render.lambda_dssim)
        if self.plan.drift_weight > 0:
            drift = drift_loss(splats.means, self.anchors, self.inverse_edges)
            loss = loss + self.plan.drift_weight * drift
        if self.plan.size_weight > 0:
            loss = loss + self.plan.size_weight * size_loss(splats.scales, self.inverse_edges)
        loss.backward()
        self._record(step, loss.detach())
        self.optimizer.step(self.plan.rates_at(step + self.skipped))

    def _record(self, step: int, loss: Tensor) -> None:
        gradients = [loss if p.grad is None else p.grad for p in self.parameters.values()]
        torch.stack([loss, *torch._foreach_norm(gradients, 1)], out=self.history[step])
        if self.device.type == "cpu" or (step + 1) % CHECK_INTERVAL == 0:
            self.check(step + 1)

    def check(self, end: int) -> None:
        """Raise InputError when a step before `end` that was not looked at yet was not finite."""
        rows = self.history[self.checked : end].isfinite()
        if not bool(rows.all()):
            bad = rows.logical_not().cpu().numpy()
            step = int(np.flatnonzero(bad.any(axis=1))[0])
            names = ["the loss", *(f"the gradient of {name}" for name in SHAPES)]
            what = ", ".join(name for name, flag in zip(names, bad[step], strict=True) if flag)
            step += self.checked
            camera = self.views[self.order[step]].camera
            raise InputError(f"{self.frame.name}: step {step}, camera {camera}: {what} not finite; {_ADVICE}")
        self.checked = end

    def watch(self, done: int) -> None:
        """Go on with the last quarter of the schedule when the loss has stopped to fall; looks once an epoch."""
        epoch = len(self.views)
        tail = round(PLATEAU_RESUME * self.plan.steps)
        span = PLATEAU_EPOCHS * epoch
        if self.plan.plateau == 0 or self.skipped or done % epoch or not 2 * span <= done < tail:
            return
        losses = self.history[done - 2 * span : done, 0].cpu().numpy()
        before, after = losses[:span].mean(), losses[span:].mean()
        if before - after < self.plan.plateau * before:
            self.skipped = tail - done
            _LOG.info("%s: plateau after step %d; %d steps are left out", self.frame.name, done, self.skipped)

    def state(self, done: int) -> Arrays:
        """Return all that the steps after the first `done` depend on."""
        arrays: Arrays = {
            "done": np.array(done),
            "skipped": np.array(self.skipped),
            "history": self.history[:done].cpu().numpy(),
        }
        for name, parameter in self.parameters.items():
            arrays[name] = parameter.detach().cpu().numpy()
            moments = vars(self.optimizer.moments[name])
            arrays |= {f"{name}.{key}": values.cpu().numpy() for key, values in moments.items()}
        return arrays

    def resume(self, slot: Slot | None) -> int:
        """Take up the state that an interrupted fit left, if any; return how many steps it had done."""
        arrays = None if slot is None else slot.read()
        if arrays is None:
            return 0
        done = int(arrays["done"])
        self.skipped = int(arrays["skipped"])
        self.history[:done] = torch.as_tensor(arrays["history"], device=self.device)
        self.checked = done
        with torch.no_grad():
            for name, parameter in self.parameters.items():
                parameter.copy_(torch.as_tensor(arrays[name]))
                for key, values in vars(self.optimizer.moments[name]).items():
                    values.copy_(torch.as_tensor(arrays[f"{name}.{key}"]))
        _LOG.info("%s: going on after step %d", self.frame.name, done)
        return done

    def current(self) -> Gaussians:
        """Copy the Gaussians from the device."""
        return Gaussians(**{name: p.detach().cpu().numpy().copy() for name, p in self.parameters.items()})
