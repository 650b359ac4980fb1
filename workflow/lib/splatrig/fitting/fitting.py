"""Fitting jobs of the pipeline: fit the neutral frame, then the frames of an expression, starting from the neutral."""

import json
import logging
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.photographs import Photograph
from splatrig.fitting.background import BackgroundQueue, one_ahead
from splatrig.fitting.checkpoint import Arrays, Checkpoints, key_of
from splatrig.fitting.frame_data import FrameData, FrameReader
from splatrig.fitting.frame_fit import fit
from splatrig.fitting.initialize import INITIAL_SHAPE, ORIGINAL_SHAPE, InitialShape, gaussians_on_mesh, moved_by_mesh
from splatrig.fitting.measurement import comparison, measure_frame, measuring_camera, odd_cameras, summary
from splatrig.fitting.recipe import Plan
from splatrig.fitting.tensorboard_writer import TensorBoardWriter
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.gaussians.store import FittedFrames
from splatrig.jobs.progress import track
from splatrig.mesh.normals import tangent_frames, vertex_rotations
from splatrig.mesh.template import Template
from splatrig.mesh.topology import mean_edge_lengths

_LOG = logging.getLogger(__name__)

REFIT_BELOW_DB = 3.0
"""A frame is fitted again if its PSNR on training cameras, inside the mask, is this much below the median of the other
frames of its expression."""
REFIT_STEPS_FACTOR = 3.0
"""Number of steps of the second fit, again from the neutral, relative to the first."""
CHECKPOINT_STEPS = 1000
"""Steps between two checkpoints of a fit: a kill loses only seconds of work, and writing takes little time."""

Placed = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Means [N, 3] and quats [N, 4] of Gaussians that the tracked mesh has moved to a frame."""


@dataclass(frozen=True)
class FitContext:
    """Inputs and settings that all fits of one job have in common."""

    dataset: Dataset
    template: Template
    plan: Plan
    """Settings for fitting each frame of the job."""
    seed: int
    device: torch.device
    initial: InitialShape = INITIAL_SHAPE
    """Shape of the initial Gaussians of frames that do not start from the neutral's; the original recipe has its
    own."""
    progress: Path | None = None
    """Folder of the checkpoints from which a killed job resumes; None: no checkpoints."""
    library: str = ""
    """Digest of the fitting code, so that an edited library starts over."""
    checkpoint_steps: int = CHECKPOINT_STEPS
    """Steps between two checkpoints of a fit. No result depends on it."""
    workers: int = 1
    """Number of photographs decoded in parallel."""

    @property
    def faces(self) -> NDArray[np.int64]:  # [T, 3]
        """Faces of the finest level."""
        return self.template.finest_level.faces

    @property
    def neutral_vertices(self) -> NDArray[np.float64]:  # [N, 3]
        """Vertices of the neutral mesh at the finest level, millimeters."""
        return self.template.finest_level.vertices

    @cached_property
    def edge_lengths(self) -> NDArray[np.float64]:  # [N]
        """Mean edge length at each vertex of the neutral, millimeters."""
        return mean_edge_lengths(self.neutral_vertices, self.faces)

    def reader(self, names: Sequence[str], place: Callable[[NDArray[np.float64]], Any] = lambda _: None) -> FrameReader:
        """Return a reader of the frames `expression/frame` that also computes `place` of each frame's vertices."""
        return FrameReader(self.dataset, names, self.template, self.device, workers=self.workers, place=place)

    def load(self, name: str) -> FrameData:
        """Read one frame `expression/frame`."""
        with self.reader([name]) as reader:
            return reader.read(0)[0]

    def checkpoints(self, expression: str, start: Mapping[str, NDArray[Any]]) -> Checkpoints | None:
        """Return the checkpoints of this job; those of other inputs are never read."""
        if self.progress is None:
            return None
        cameras, plates = self.dataset.cameras, self.dataset.plates
        folders = [self.dataset.folder / expression, *([plates] if plates else [])]
        settings = {
            "plan": asdict(self.plan),
            "initial": asdict(self.initial),
            "seed": self.seed,
            "device": self.device.type,
            "library": self.library,
            "cameras": cameras.names,
        }
        arrays = dict(start) | {"viewmats": cameras.viewmats, "Ks": cameras.Ks, "held_out": cameras.held_out}
        return Checkpoints(self.progress, key_of(settings, arrays | {"neutral": self.neutral_vertices}, folders))


@dataclass(frozen=True)
class Fitted:
    """One fitted frame, its metrics, and an image of it next to the photograph."""

    frame: str
    gaussians: Gaussians
    metrics: pd.DataFrame
    strip: NDArray[np.uint8]  # [h, 3w, 3]
    losses: NDArray[np.float32]  # [steps]

    @property
    def train_psnr(self) -> float:
        """Mean PSNR of the training cameras in the mask, dB."""
        return summary(self.metrics, "train")["psnr"]

    def as_arrays(self) -> Arrays:
        """Return everything but the frame's name as arrays, for a checkpoint."""
        own: Arrays = {
            "strip": self.strip,
            "losses": self.losses,
            "metrics": np.array(self.metrics.to_csv(index=False)),
        }
        return own | dict(self.gaussians.items())

    @classmethod
    def from_arrays(cls, frame: str, arrays: Arrays) -> "Fitted":
        """Return the frame that `as_arrays` saved."""
        metrics = pd.read_csv(StringIO(str(arrays["metrics"])), dtype={"frame": str, "camera": str})
        gaussians = Gaussians(**{name: arrays[name] for name in SHAPES})
        return cls(frame, gaussians, metrics, arrays["strip"], arrays["losses"])


def first_gaussians(context: FitContext, frame: FrameData) -> Gaussians:
    """Return the initial Gaussians of a frame without a neutral: on its mesh, colored by its photographs."""
    from splatrig.fitting.visibility import vertex_colors  # imports compiled kernels that no other fit needs

    vertices, faces = frame.vertices, context.faces
    frames = tangent_frames(vertices, faces)
    cameras = frame.cameras
    train = np.flatnonzero(~cameras.held_out)
    images = torch.stack([frame.views[camera].image for camera in train]).cpu().numpy()
    colors, seen = vertex_colors(vertices, frames[:, :, 2], faces, cameras.train, images)
    _LOG.info("%s: %d of %d vertices are seen by a training camera", frame.name, seen.sum(), len(seen))
    lengths = mean_edge_lengths(vertices, faces)
    if context.plan.recipe != "original":
        return gaussians_on_mesh(vertices, frames, lengths, colors, context.initial)
    from scipy.spatial import cKDTree

    distances = np.asarray(cKDTree(vertices).query(vertices, k=4)[0])
    spacing = np.sqrt(np.square(distances[:, 1:]).mean(axis=1))
    return gaussians_on_mesh(vertices, frames, spacing, colors, ORIGINAL_SHAPE)


def warm_gaussians(context: FitContext, vertices: NDArray[np.float64], neutral: Gaussians) -> Gaussians:
    """Return the neutral's Gaussians moved by the tracked mesh to a frame with the finest vertices [N, 3]."""
    rotations = vertex_rotations(context.neutral_vertices, vertices, context.faces)
    return moved_by_mesh(neutral, context.neutral_vertices, vertices, rotations)


def fit_neutral(context: FitContext, expression: str, frame: str, events: str | Path) -> Fitted:
    """Fit the neutral frame from the mesh and its photographs."""
    checkpoints = context.checkpoints(expression, {})

    def read(index: int) -> tuple[FrameData, Gaussians]:
        data, _ = reader.read(index)
        return data, first_gaussians(context, data)

    with context.reader([f"{expression}/{frame}"]) as reader, TensorBoardWriter(events) as writer:
        ahead = one_ahead(read, [0])
        _warm_up(context)
        data, start = next(ahead)
        fitted = _fitted(context, data, start, start.quats, checkpoints)
        _log(fitted, writer, len(data.views))
    _name_odd_cameras(expression, [fitted])
    return fitted


def fit_expression(
    context: FitContext, expression: str, frames: Sequence[str], neutral: FittedFrames, events: str | Path
) -> list[Fitted]:
    """Fit the frames of an expression in order; the next frame is read and prepared while one is fitted.

    The neutral is refitted too; otherwise the offset shared by all other frames would become the first principal
    component. A frame that ends far worse than the others (`REFIT_BELOW_DB`) is fitted again with more steps. Finished
    frames survive a killed job.

    Args:
        context: Inputs and settings of the job.
        expression: Name of the expression.
        frames: Frames to fit, in order.
        neutral: Fitted neutral to start from; None for recipes that do not use it.
        events: Folder for TensorBoard's event files.
    """
    rest = neutral.gaussians[0]
    checkpoints = context.checkpoints(expression, dict(rest.items()))
    kept = {frame: arrays for frame in frames if checkpoints and (arrays := checkpoints.read(frame)) is not None}

    def place(vertices: NDArray[np.float64]) -> Placed | None:
        if context.plan.recipe == "original":
            return None
        moved = warm_gaussians(context, vertices, rest)
        return moved.means, moved.quats

    def read(index: int) -> tuple[FrameData, Gaussians]:
        data, placed = reader.read(index)
        if placed is None:
            return data, first_gaussians(context, data)
        return data, replace(rest, means=placed[0], quats=placed[1])

    fitted: list[Fitted] = []
    reader = context.reader([f"{expression}/{frame}" for frame in frames], place)
    with reader, TensorBoardWriter(events) as writer, BackgroundQueue() as afterwards:
        ahead = one_ahead(read, [index for index, frame in enumerate(frames) if frame not in kept])
        _warm_up(context)
        for frame in track(frames, expression, unit="frame"):
            if frame in kept:
                fitted.append(Fitted.from_arrays(frame, kept[frame]))
            else:
                begin = time.perf_counter()
                data, start = next(ahead)
                _LOG.info("%s/%s: waited %.2f s for its photographs", expression, frame, time.perf_counter() - begin)
                fitted.append(_fitted(context, data, start, rest.quats, checkpoints))
                if checkpoints:
                    afterwards.do(_keep, checkpoints, fitted[-1])
            afterwards.do(_log, fitted[-1], writer, len(context.dataset.cameras))
        for index in stragglers([frame.train_psnr for frame in fitted]):
            data, start = read(index)
            again = _refitted(context, data, start, rest.quats, fitted[index])
            afterwards.do(_log, again, writer, len(data.views))
            fitted[index] = again
    _name_odd_cameras(expression, fitted)
    return fitted


def _warm_up(context: FitContext) -> None:
    """Load all GPU kernels while the first photographs are decoded."""
    if context.device.type == "cuda":
        warm_up_kernels(context)


def _keep(checkpoints: Checkpoints, fitted: Fitted) -> None:
    """Save a finished frame, and delete the state inside its fit."""
    checkpoints.write(fitted.frame, fitted.as_arrays())
    checkpoints.drop(f"{fitted.frame}.partial")


def warm_up_kernels(context: FitContext) -> pd.DataFrame:
    """Fit and measure a gray patch, which loads all kernels while the first photographs are decoded."""
    vertices = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    colors = np.full((3, 3), 0.5, np.float32)
    start = gaussians_on_mesh(vertices, np.tile(np.eye(3), (3, 1, 1)), np.ones(3), colors)
    K = np.array([[32.0, 0.0, 16.0], [0.0, 32.0, 16.0], [0.0, 0.0, 1.0]])
    viewmat = np.eye(4)
    viewmat[2, 3] = 4.0
    camera = Cameras(("warm-up",), viewmat[None], K[None], 32, 32, np.zeros(1, dtype=bool))
    gray = np.full((32, 32, 4), 128, np.uint8)
    photograph = Photograph.of(gray, (0, 32, 0, 32), camera, 0, cropped=False)
    view = photograph.view(context.device, torch.full((32, 32, 3), 128, dtype=torch.uint8, device=context.device))
    data = FrameData("warm-up", "0", Path(), camera, vertices, (view,))
    plan = replace(context.plan, steps=1)
    result = fit(start, data, np.ones(3), plan, context.seed)
    return measure_frame(result.gaussians, data, plan.render)


def stragglers(psnrs: Sequence[float], below_db: float = REFIT_BELOW_DB) -> list[int]:
    """Return the indices of values more than `below_db` below the median of all others."""
    if len(psnrs) < 2:
        return []
    others = [float(np.median([*psnrs[:index], *psnrs[index + 1 :]])) for index in range(len(psnrs))]
    return [index for index, psnr in enumerate(psnrs) if psnr < others[index] - below_db]


def _refitted(
    context: FitContext, data: FrameData, start: Gaussians, reference: NDArray[np.float32], first: Fitted
) -> Fitted:
    """Fit a frame that ended far worse than its neighbors with more steps; return the better of the two fits."""
    longer = replace(context.plan, steps=round(context.plan.steps * REFIT_STEPS_FACTOR))
    second = _fitted(replace(context, plan=longer), data, start, reference, None)
    better = second if second.train_psnr > first.train_psnr else first
    _LOG.warning(
        "%s: %.2f dB on training cameras, far below the expression's other frames; %d steps instead of %d gave "
        "%.2f dB, so the %s fit is kept: check this frame's tracked mesh and photographs",
        data.name,
        first.train_psnr,
        longer.steps,
        context.plan.steps,
        second.train_psnr,
        "second" if better is second else "first",
    )
    return better


def _fitted(
    context: FitContext,
    data: FrameData,
    start: Gaussians,
    reference: NDArray[np.float32],  # [N, 4]
    checkpoints: Checkpoints | None,
) -> Fitted:
    """Fit and measure one frame whose photographs are on the device."""
    plan = context.plan
    slot = None if checkpoints is None else checkpoints.slot(f"{data.frame}.partial", context.checkpoint_steps)
    result = fit(start, data, context.edge_lengths, plan, context.seed, reference_quats=reference, slot=slot)
    begin = time.perf_counter()
    fitted = Fitted(
        frame=data.frame,
        gaussians=result.gaussians,
        metrics=measure_frame(result.gaussians, data, plan.render),
        strip=comparison(result.gaussians, data, plan.render, measuring_camera(data)),
        losses=result.losses,
    )
    _LOG.info(
        "%s: %d steps in %.2f s (%.1f steps/s), measured in %.2f s",
        data.name,
        len(result.losses),
        result.seconds,
        len(result.losses) / result.seconds,
        time.perf_counter() - begin,
    )
    return fitted


def _log(fitted: Fitted, writer: TensorBoardWriter, epoch: int) -> None:
    """Write one fitted frame to TensorBoard and its metrics to the log."""
    means = summary(fitted.metrics)
    writer.curve(f"loss/{fitted.frame}", fitted.losses, every=epoch)
    number = int(fitted.frame) if fitted.frame.isdigit() else 0
    writer.scalars(number, {f"held_out/{name}": value for name, value in means.items()})
    writer.picture(len(fitted.losses), f"fitted, photographed, error/{fitted.frame}", fitted.strip)
    _LOG.info(
        "%s: %.2f dB, SSIM %.4f on held-out cameras in the mask, %.2f dB on training cameras",
        fitted.frame,
        means["psnr"],
        means["ssim"],
        fitted.train_psnr,
    )


def _name_odd_cameras(expression: str, fitted: Sequence[Fitted]) -> None:
    for camera, below in odd_cameras(pd.concat([frame.metrics for frame in fitted])).items():
        _LOG.warning(
            "%s: training camera %s is matched %.1f dB worse than the others; check its calibration and photographs "
            "(exposure, focus), or leave it out (capture.cameras)",
            *(expression, camera, below),
        )


def as_stored(context: FitContext, expression: str, fitted: Sequence[Fitted]) -> FittedFrames:
    """Return fitted frames with their provenance, as `splatrig.gaussians.store` writes them."""
    attributes: dict[str, str | int | float] = {
        "recipe": json.dumps(asdict(context.plan), sort_keys=True),
        "seed": context.seed,
        "steps": json.dumps([len(frame.losses) for frame in fitted]),
        "device": platform.machine(),
        "torch": str(torch.__version__),
    }
    if context.device.type == "cuda":
        peak = {"allocated": torch.cuda.max_memory_allocated(), "reserved": torch.cuda.max_memory_reserved()}
        attributes["device"] = torch.cuda.get_device_name()
        attributes["gpu_memory_gib"] = json.dumps({kind: round(size / 2**30, 3) for kind, size in peak.items()})
    return FittedFrames(
        expression=expression,
        frames=tuple(frame.frame for frame in fitted),
        gaussians=tuple(frame.gaussians for frame in fitted),
        metrics=pd.concat([frame.metrics for frame in fitted], ignore_index=True),
        attributes=attributes,
    )
