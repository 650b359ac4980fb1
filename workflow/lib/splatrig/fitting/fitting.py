"""The jobs of this stage: fit the neutral frame, then the frames of an expression one after another from it."""

import json
import logging
import platform
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property
from io import StringIO
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from splatrig.config.models import InitialShape, TrainingConfig, from_mapping, to_mapping
from splatrig.dataset.cameras import Cameras, read_cameras
from splatrig.fitting.checkpoint import Arrays, Checkpoints, key_of
from splatrig.fitting.dataset import FrameData, FrameSource
from splatrig.fitting.initialize import gaussians_on_mesh, moved_by_mesh
from splatrig.fitting.logbook import Logbook
from splatrig.fitting.measurement import comparison, measure_frame, measuring_camera, odd_cameras, summary
from splatrig.fitting.recipe import SEED_OPACITY, Plan, plan_for
from splatrig.fitting.trainer import Surface, fit
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.gaussians.store import FittedFrames
from splatrig.jobs.device import choose_device
from splatrig.jobs.progress import track
from splatrig.mesh.normals import tangent_frames, vertex_rotations
from splatrig.mesh.template import read_template
from splatrig.mesh.topology import mean_edge_lengths

_LOG = logging.getLogger(__name__)

P = TypeVar("P")
T = TypeVar("T")

Placed = tuple[NDArray[np.float32], NDArray[np.float32]]
"""Means [N, 3] and quats [N, 4] of Gaussians that the tracked mesh has carried to a frame."""


@dataclass(frozen=True)
class Studio:
    """What all fits of one job share."""

    source: FrameSource
    config: TrainingConfig
    background: str
    """`capture.background`."""
    seed: int
    device: torch.device
    progress: Path | None = None
    """Folder for what a killed job goes on from; None: nothing is kept."""
    library: str = ""
    """Digest of the code that fits, so that an edited library starts over."""
    checkpoint_steps: int = 0
    """Steps between two states of a fit that are kept; 0: only finished frames are. No result depends on it."""
    workers: int = 1
    """How many photographs are decoded at a time."""

    @property
    def faces(self) -> NDArray[np.int64]:  # [T, 3]
        """Faces of the finest level."""
        return self.source.template.levels[self.source.template.finest].faces

    @property
    def neutral_vertices(self) -> NDArray[np.float64]:  # [N, 3]
        """The neutral mesh at the finest level, millimetres."""
        return self.source.template.levels[self.source.template.finest].vertices

    def surface(self, frame: FrameData) -> Surface:
        """Return the tracked mesh of a frame with the neutral's edge lengths."""
        return Surface(frame.vertices, self.edge_lengths)

    @cached_property
    def edge_lengths(self) -> NDArray[np.float64]:  # [N]
        """Mean edge length at each vertex of the neutral, millimetres."""
        return mean_edge_lengths(self.neutral_vertices, self.faces)

    def plan(self, kind: str) -> Plan:
        """Return the plan of the `neutral` or of any other `frame`."""
        return plan_for(self.config, kind, self.background)

    def checkpoints(self, expression: str, start: Mapping[str, NDArray[Any]]) -> Checkpoints | None:
        """Return what this job has kept so far; nothing that was kept for another input is ever read."""
        if self.progress is None:
            return None
        folders = [self.source.dataset / expression, *([self.source.plates] if self.source.plates else [])]
        settings = {
            "training": to_mapping(self.config),
            "background": self.background,
            "seed": self.seed,
            "device": self.device.type,
            "library": self.library,
            "cameras": self.source.cameras.names,
        }
        cameras = self.source.cameras
        arrays = dict(start) | {"viewmats": cameras.viewmats, "Ks": cameras.Ks, "held_out": cameras.held_out}
        return Checkpoints(self.progress, key_of(settings, arrays | {"neutral": self.neutral_vertices}, folders))


@dataclass(frozen=True)
class Fitted:
    """One fitted frame, how well, and its picture beside the photograph."""

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
        """Return the frame that `as_arrays` kept."""
        metrics = pd.read_csv(StringIO(str(arrays["metrics"])), dtype={"frame": str, "camera": str})
        gaussians = Gaussians(**{name: arrays[name] for name in SHAPES})
        return cls(frame, gaussians, metrics, arrays["strip"], arrays["losses"])


def open_studio(
    inputs: Any, params: Any, threads: int, progress: str | Path | None = None, checkpoint_steps: int = 0
) -> Studio:
    """Return the studio of a job from the named inputs and params of its rule (see `workflow/rules/training.smk`).

    `progress` is the folder of what a killed job goes on from, `checkpoint_steps` how often a fit leaves its state.
    """
    source = FrameSource(
        dataset=Path(inputs.photographs).parent,
        cameras=read_cameras(inputs.cameras),
        template=read_template(inputs.template),
        plates=Path(inputs.plates[0] if isinstance(inputs.plates, list) else inputs.plates) if inputs.plates else None,
    )
    config = from_mapping(TrainingConfig, params.training)
    device = choose_device(params.device, threads)
    keep = None if progress is None else Path(progress)
    return Studio(source, config, params.background, params.seed, device, keep, params.lib, checkpoint_steps, threads)


def first_gaussians(studio: Studio, frame: FrameData) -> Gaussians:
    """Return the Gaussians that a frame fitted on its own starts from: on its mesh, coloured by its photographs."""
    from splatrig.fitting.visibility import vertex_colors  # compiled kernels, which no other fit needs

    vertices, faces = frame.vertices, studio.faces
    frames = tangent_frames(vertices, faces)
    train = np.flatnonzero(~frame.cameras.held_out)
    images = frame.images[torch.as_tensor(train)].cpu().numpy()
    colors, seen = vertex_colors(vertices, frames[:, :, 2], faces, frame.cameras.train, images)
    _LOG.info("%s: %d of %d vertices are seen by a training camera", frame.name, seen.sum(), len(seen))
    lengths = mean_edge_lengths(vertices, faces)
    if studio.config.recipe != "seed":
        return gaussians_on_mesh(vertices, frames, lengths, colors, studio.config.initial)
    from scipy.spatial import cKDTree

    distances = np.asarray(cKDTree(vertices).query(vertices, k=4)[0])
    spacing = np.sqrt(np.square(distances[:, 1:]).mean(axis=1))
    round_shape = InitialShape(tangent_scale=1.0, normal_scale=1.0, opacity=SEED_OPACITY)
    return gaussians_on_mesh(vertices, frames, spacing, colors, round_shape)


def warm_gaussians(studio: Studio, vertices: NDArray[np.float64], neutral: Gaussians) -> Gaussians:
    """Return the neutral's Gaussians carried by the tracked mesh to a frame whose finest vertices [N, 3] are given."""
    rotations = vertex_rotations(studio.neutral_vertices, vertices, studio.faces)
    return moved_by_mesh(neutral, studio.neutral_vertices, vertices, rotations)


def fit_neutral(studio: Studio, expression: str, frame: str, events: str | Path) -> Fitted:
    """Fit the neutral frame from the mesh and its photographs."""
    checkpoints = studio.checkpoints(expression, {})

    def prepare(data: FrameData, _: None) -> tuple[FrameData, Gaussians]:
        start = first_gaussians(studio, data)
        return data.to(studio.device), start

    ahead = _read_ahead(studio, expression, [frame], lambda _: None, prepare)
    data, start = next(ahead)
    with Logbook(events) as logbook:
        fitted = _fitted(studio, data, start, start.quats, studio.plan("neutral"), checkpoints)
        _log(fitted, logbook, len(data.cameras))
    _name_odd_cameras(expression, [fitted])
    return fitted


def fit_expression(
    studio: Studio, expression: str, frames: Sequence[str], neutral: FittedFrames, events: str | Path
) -> list[Fitted]:
    """Fit the frames of an expression in order. While one is fitted, the next one is read and its start computed.

    The neutral frame is fitted again like any other: its row must have gone as far from the common start as the rest,
    or the way that all frames but one have gone would be the first component. A frame that ends far worse than the
    others (`training.refit`) is fitted once more with more steps. A killed job keeps its finished frames.
    """
    rest = neutral.gaussians[0]
    checkpoints = studio.checkpoints(expression, dict(rest.items()))
    kept = {frame: arrays for frame in frames if checkpoints and (arrays := checkpoints.read(frame)) is not None}

    def place(vertices: NDArray[np.float64]) -> Placed | None:
        if studio.config.recipe == "seed":
            return None
        moved = warm_gaussians(studio, vertices, rest)
        return moved.means, moved.quats

    def prepare(data: FrameData, placed: Placed | None) -> tuple[FrameData, Gaussians]:
        if placed is None:
            return data.to(studio.device), first_gaussians(studio, data)
        means, quats = placed
        return data.to(studio.device), replace(rest, means=means, quats=quats)

    plan = studio.plan("frame")
    ahead = _read_ahead(studio, expression, [frame for frame in frames if frame not in kept], place, prepare)
    fitted = []
    with Logbook(events) as logbook, _Afterwards() as afterwards:
        for frame in track(frames, expression, unit="frame"):
            if frame in kept:
                fitted.append(Fitted.from_arrays(frame, kept[frame]))
            else:
                begin = time.perf_counter()
                data, start = next(ahead)
                _LOG.info("%s/%s: waited %.2f s for its photographs", expression, frame, time.perf_counter() - begin)
                fitted.append(_fitted(studio, data, start, rest.quats, plan, checkpoints))
                if checkpoints:
                    afterwards.do(_keep, checkpoints, fitted[-1])
            afterwards.do(_log, fitted[-1], logbook, len(studio.source.cameras))
        for index in stragglers([frame.train_psnr for frame in fitted], studio.config.refit.below_db):
            read = studio.source.load(expression, frames[index])
            data, start = prepare(read, place(read.vertices))
            again = _refitted(studio, data, start, rest.quats, fitted[index])
            afterwards.do(_log, again, logbook, len(data.cameras))
            fitted[index] = again
    _name_odd_cameras(expression, fitted)
    return fitted


class _Afterwards:
    """One thread for what is left to do with a frame, in order, while the next one is fitted."""

    def __init__(self) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._tasks: list[Future[None]] = []

    def do(self, task: Callable[..., None], *arguments: Any) -> None:
        """Call `task` when all before it are done; raise what one that is done has raised."""
        for done in [other for other in self._tasks if other.done()]:
            done.result()
        self._tasks.append(self._thread.submit(task, *arguments))

    def __enter__(self) -> "_Afterwards":
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._thread.shutdown(wait=True)
        if kind is None:
            for task in self._tasks:
                task.result()


def _read_ahead(
    studio: Studio,
    expression: str,
    frames: Sequence[str],
    place: Callable[[NDArray[np.float64]], P],
    prepare: Callable[[FrameData, P], T],
) -> Iterator[T]:
    """Return an iterator over prepared frames; on a GPU all kernels are loaded while the first one is read."""
    on_gpu = studio.device.type == "cuda"
    ahead = studio.source.stream(expression, frames, place, prepare, workers=studio.workers, processes=on_gpu)
    if on_gpu:
        rehearse(studio)
    return ahead


def _keep(checkpoints: Checkpoints, fitted: Fitted) -> None:
    """Keep a finished frame, and no longer the state inside its fit."""
    checkpoints.write(fitted.frame, fitted.as_arrays())
    checkpoints.drop(f"{fitted.frame}.partial")


def rehearse(studio: Studio) -> pd.DataFrame:
    """Fit and measure a patch of grey, which loads all kernels while the first photographs are decoded."""
    vertices = np.array([[0.0, 0.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    colors = np.full((3, 3), 0.5, np.float32)
    start = gaussians_on_mesh(vertices, np.tile(np.eye(3), (3, 1, 1)), np.ones(3), colors, studio.config.initial)
    K = np.array([[32.0, 0.0, 16.0], [0.0, 32.0, 16.0], [0.0, 0.0, 1.0]])
    viewmat = np.eye(4)
    viewmat[2, 3] = 4.0
    camera = Cameras(("rehearsal",), viewmat[None], K[None], 32, 32, np.zeros(1, dtype=bool))
    images = torch.full((1, 32, 32, 4), 128, dtype=torch.uint8)
    crops = np.array([[0, 32, 0, 32]])
    data = FrameData("rehearsal", "0", vertices, camera, images, crops, images[..., :3]).to(studio.device)
    plan = replace(studio.plan("frame"), steps=1)
    result = fit(start, data, Surface(vertices, np.ones(3)), plan, studio.seed)
    return measure_frame(result.gaussians, data, plan)


def stragglers(psnrs: Sequence[float], below_db: float) -> list[int]:
    """Return which values lie more than `below_db` (0: none do) below the median of all others."""
    if below_db == 0 or len(psnrs) < 2:
        return []
    others = [float(np.median([*psnrs[:index], *psnrs[index + 1 :]])) for index in range(len(psnrs))]
    return [index for index, psnr in enumerate(psnrs) if psnr < others[index] - below_db]


def _refitted(
    studio: Studio, data: FrameData, start: Gaussians, reference: NDArray[np.float32], first: Fitted
) -> Fitted:
    """Fit a frame that ended far worse than its neighbours with more steps; return the better of the two fits."""
    plan = studio.plan("frame")
    longer = replace(plan, steps=round(plan.steps * studio.config.refit.steps_factor), plateau=0.0)
    second = _fitted(studio, data, start, reference, longer, None)
    better = second if second.train_psnr > first.train_psnr else first
    _LOG.warning(
        "%s: %.2f dB on training cameras, far below the expression's other frames; %d steps instead of %d gave "
        "%.2f dB, so the %s fit is kept: look at this frame's tracked mesh and photographs",
        data.name,
        first.train_psnr,
        longer.steps,
        plan.steps,
        second.train_psnr,
        "second" if better is second else "first",
    )
    return better


def _fitted(
    studio: Studio,
    data: FrameData,
    start: Gaussians,
    reference: NDArray[np.float32],  # [N, 4]
    plan: Plan,
    checkpoints: Checkpoints | None,
) -> Fitted:
    """Fit and measure one frame whose photographs are on the device."""
    slot = None if checkpoints is None else checkpoints.slot(f"{data.frame}.partial", studio.checkpoint_steps)
    result = fit(start, data, studio.surface(data), plan, studio.seed, reference_quats=reference, slot=slot)
    begin = time.perf_counter()
    fitted = Fitted(
        frame=data.frame,
        gaussians=result.gaussians,
        metrics=measure_frame(result.gaussians, data, plan),
        strip=comparison(result.gaussians, data, plan, measuring_camera(data)),
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


def _log(fitted: Fitted, logbook: Logbook, epoch: int) -> None:
    """Write one fitted frame to TensorBoard and its figures to the log."""
    means = summary(fitted.metrics)
    logbook.curve(f"loss/{fitted.frame}", fitted.losses, every=epoch)
    number = int(fitted.frame) if fitted.frame.isdigit() else 0
    logbook.scalars(number, {f"held_out/{name}": value for name, value in means.items()})
    logbook.picture(len(fitted.losses), f"fitted, photographed, error/{fitted.frame}", fitted.strip)
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
            "%s: training camera %s is matched %.1f dB worse than the others; look at its calibration and photographs "
            "(exposure, focus), or leave it out (capture.cameras)",
            *(expression, camera, below),
        )


def as_stored(studio: Studio, expression: str, fitted: Sequence[Fitted]) -> FittedFrames:
    """Return fitted frames with their provenance, as `splatrig.gaussians.store` writes them."""
    attributes: dict[str, str | int | float] = {
        "recipe": json.dumps(to_mapping(studio.config), sort_keys=True),
        "seed": studio.seed,
        "steps": json.dumps([len(frame.losses) for frame in fitted]),
        "device": platform.machine(),
        "torch": str(torch.__version__),
    }
    if studio.device.type == "cuda":
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
