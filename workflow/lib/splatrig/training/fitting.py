"""The jobs of this stage: fit the neutral frame, then the frames of an expression one after another from it."""

import json
import logging
import platform
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from splatrig.capture.cameras import read_cameras
from splatrig.config import InitialShape, TrainingConfig, from_mapping, to_mapping
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import FittedFrames
from splatrig.mesh.normals import tangent_frames, vertex_rotations
from splatrig.mesh.template import read_template
from splatrig.mesh.topology import mean_edge_lengths
from splatrig.training.dataset import FrameData, FrameSource
from splatrig.training.initialize import gaussians_on_mesh, moved_by_mesh
from splatrig.training.logbook import Logbook
from splatrig.training.measurement import comparison, measure_frame, measuring_camera, summary
from splatrig.training.recipe import SEED_OPACITY, Plan, plan_for
from splatrig.training.trainer import FitResult, Surface, fit
from splatrig.training.visibility import vertex_colors

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Studio:
    """What all fits of one job share."""

    source: FrameSource
    config: TrainingConfig
    background: str
    """`capture.background`."""
    seed: int
    device: torch.device

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
        return Surface(frame.vertices, mean_edge_lengths(self.neutral_vertices, self.faces))

    def plan(self, kind: str) -> Plan:
        """Return the plan of the `neutral` or of any other `frame`."""
        return plan_for(self.config, kind, self.background)


@dataclass(frozen=True)
class Fitted:
    """One fitted frame, how well, and its picture beside the photograph."""

    frame: str
    gaussians: Gaussians
    metrics: pd.DataFrame
    strip: NDArray[np.uint8]  # [h, 3w, 3]
    seconds: float


def open_studio(inputs: Any, params: Any, threads: int) -> Studio:
    """Return the studio of a job from the named inputs and params of its rule (see `workflow/rules/training.smk`)."""
    source = FrameSource(
        dataset=Path(inputs.photographs).parent,
        cameras=read_cameras(inputs.cameras),
        template=read_template(inputs.template),
        plates=Path(inputs.plates[0] if isinstance(inputs.plates, list) else inputs.plates) if inputs.plates else None,
    )
    config = from_mapping(TrainingConfig, params.training)
    return Studio(source, config, params.background, params.seed, choose_device(params.device, threads))


def choose_device(device: str, threads: int) -> torch.device:
    """Return the device of `auto`, `cuda` or `cpu`; on the CPU torch uses `threads` threads."""
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    if device == "cpu":
        torch.set_num_threads(threads)
    return torch.device(device)


def first_gaussians(studio: Studio, frame: FrameData) -> Gaussians:
    """Return the Gaussians that a frame fitted on its own starts from: on its mesh, coloured by its photographs."""
    vertices, faces = frame.vertices, studio.faces
    frames = tangent_frames(vertices, faces)
    train = np.flatnonzero(~frame.cameras.held_out)
    images = frame.images[torch.as_tensor(train)].cpu().numpy()
    colors, seen = vertex_colors(vertices, frames[:, :, 2], faces, frame.cameras.train, images)
    _LOG.info("%s: %d of %d vertices are seen by a training camera", frame.name, seen.sum(), len(seen))
    lengths = mean_edge_lengths(vertices, faces)
    if studio.config.recipe != "seed":
        return gaussians_on_mesh(vertices, frames, lengths, colors, studio.config.initial)
    distances = np.asarray(cKDTree(vertices).query(vertices, k=4)[0])
    spacing = np.sqrt(np.square(distances[:, 1:]).mean(axis=1))
    round_shape = InitialShape(tangent_scale=1.0, normal_scale=1.0, opacity=SEED_OPACITY)
    return gaussians_on_mesh(vertices, frames, spacing, colors, round_shape)


def fit_neutral(studio: Studio, expression: str, frame: str, events: str | Path) -> Fitted:
    """Fit the neutral frame from the mesh and its photographs."""
    with ThreadPoolExecutor(4) as pool:
        data = studio.source.load(expression, frame, pool)
    start = first_gaussians(studio, data)
    data = data.to(studio.device)
    with Logbook(events) as logbook:
        result = fit(start, data, studio.surface(data), studio.plan("neutral"), studio.seed)
        return _measured(data, result, studio.plan("neutral"), logbook)


def fit_expression(
    studio: Studio, expression: str, frames: Sequence[str], neutral: FittedFrames, events: str | Path
) -> Iterator[Fitted]:
    """Yield the fitted frames of an expression in order. While one is fitted, the next one's photographs are decoded.

    The neutral frame is fitted again like any other: its row must have gone as far from the common start as the rest,
    or the way that all frames but one have gone would be the first component.
    """
    rest = neutral.gaussians[0]
    with Logbook(events) as logbook:
        for data in studio.source.stream(expression, frames):
            if studio.config.recipe == "seed":
                start, reference = first_gaussians(studio, data), rest.quats
            else:
                rotations = vertex_rotations(studio.neutral_vertices, data.vertices, studio.faces)
                start = moved_by_mesh(rest, studio.neutral_vertices, data.vertices, rotations)
                reference = rest.quats
            data = data.to(studio.device)
            plan = studio.plan("frame")
            result = fit(start, data, studio.surface(data), plan, studio.seed, reference_quats=reference)
            yield _measured(data, result, plan, logbook)


def _measured(data: FrameData, result: FitResult, plan: Plan, logbook: Logbook) -> Fitted:
    """Measure one result, write it to TensorBoard and to the log."""
    begin = time.perf_counter()
    metrics = measure_frame(result.gaussians, data, plan)
    strip = comparison(result.gaussians, data, plan, measuring_camera(data))
    means = summary(metrics)
    logbook.curve(f"loss/{data.frame}", result.losses, every=len(data.cameras))
    logbook.scalars(int(data.frame) if data.frame.isdigit() else 0, {f"held_out/{k}": v for k, v in means.items()})
    logbook.picture(plan.steps, f"fitted, photographed, error/{data.frame}", strip)
    _LOG.info(
        "%s: %d steps in %.2f s (%.1f steps/s), measured in %.2f s: %.2f dB, SSIM %.4f on held-out cameras in the mask",
        data.name,
        len(result.losses),
        result.seconds,
        len(result.losses) / result.seconds,
        time.perf_counter() - begin,
        means["psnr"],
        means["ssim"],
    )
    return Fitted(data.frame, result.gaussians, metrics, strip, result.seconds)


def as_stored(studio: Studio, expression: str, fitted: Sequence[Fitted]) -> FittedFrames:
    """Return fitted frames with their provenance, as `splatrig.gaussians.store` writes them."""
    return FittedFrames(
        expression=expression,
        frames=tuple(frame.frame for frame in fitted),
        gaussians=tuple(frame.gaussians for frame in fitted),
        metrics=pd.concat([frame.metrics for frame in fitted], ignore_index=True),
        attributes={
            "recipe": json.dumps(to_mapping(studio.config), sort_keys=True),
            "seed": studio.seed,
            "device": torch.cuda.get_device_name() if studio.device.type == "cuda" else platform.machine(),
            "torch": str(torch.__version__),
        },
    )
