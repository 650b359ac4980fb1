"""Learning jobs of the pipeline: from files to the value that is fitted, and back."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from splatrig.components.component_file import Components, Origin, Solver
from splatrig.config.choices import Role
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Dataset, photographed_pairs
from splatrig.dataset.decoding import cores
from splatrig.dataset.frames import names_of, neutral_name, read_frames
from splatrig.dataset.photographs import Pair, Photographs, pairs_in_memory
from splatrig.fitting.checkpoint import Slot
from splatrig.fitting.schedule import Schedule
from splatrig.fitting.trainable_rig import RigStart, TrainableRig
from splatrig.fitting.world import World
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.io.errors import InputError
from splatrig.learned.export import TrainedOn, export_rig
from splatrig.learned.fit import FitReport, LearnedFit, Surroundings
from splatrig.learned.plan import LearnedPlan, LearningOptions
from splatrig.learned.start import Placement, start_from_components
from splatrig.mesh.normals import vertex_normals
from splatrig.mesh.template import Template, read_template
from splatrig.mesh.topology import mean_edge_lengths

_LOG = logging.getLogger(__name__)

VALIDATION_PAIRS = 12
"""Number of validation pairs of a training frame and a held-out camera: enough to see whether a fit still improves.
They are only reported and influence nothing."""
FREE_EDGE_MM = 2.0
"""Minimum length that the size of free Gaussians is measured against."""
UNLIKE_COLORS = 0.05
"""Gain of a camera's color that is logged, as a difference from 1."""
WINDOW_PASSES = 4
"""Passes over a window of photographs before the next window is decoded, if not all fit into memory."""


@dataclass(frozen=True)
class Subject:
    """Inputs that all learning jobs of one subject read."""

    dataset: Dataset
    template: Template
    neutral: Gaussians
    frames: pd.DataFrame
    """Rows of frames.csv."""

    @classmethod
    def open(
        cls,
        *,
        cameras: str | Path,
        template: str | Path,
        neutral: str | Path,
        frames: str | Path,
        plates: str | Path | None = None,
    ) -> "Subject":
        """Read `dataset/cameras.json`, `template.h5`, `neutral.h5` and `frames.csv`; `plates` is a folder."""
        return cls(
            dataset=Dataset.open(cameras, plates),
            template=read_template(template),
            neutral=read_fitted_frames(neutral).gaussians[0],
            frames=read_frames(frames),
        )

    @property
    def cameras(self) -> Cameras:
        """Cameras in the capture's world space."""
        return self.dataset.cameras

    def names(self, role: Role) -> list[str]:
        """Return `expression/frame` of the rows whose role is `train` or `held_out`, in order."""
        return names_of(self.frames, role)

    @property
    def neutral_name(self) -> str:
        """Name `expression/frame` of the neutral."""
        return neutral_name(self.frames)

    def neutral_row(self, names: Sequence[str]) -> int:
        """Return the index of the neutral among the training frames; raise InputError when it is not among them."""
        if self.neutral_name not in names:
            raise InputError(
                f"frames.csv: the neutral {self.neutral_name} is held out, expected a training frame; hold out others."
            )
        return list(names).index(self.neutral_name)

    def photographs(
        self, names: Sequence[str], device: torch.device, *, cropped: bool = True, sharing: int = 1
    ) -> Photographs:
        """Return the photographs of frames, loaded onto a device on demand, for one of `sharing` processes."""
        workers = max(1, min(16, cores() // sharing))
        frames = self.dataset.frames(names)
        return Photographs(frames, device, plates=self.dataset.plates, cropped=cropped, workers=workers)

    def corrected(self, motions: Mapping[str, NDArray[np.floating]]) -> "Subject":  # of [3, 4]
        """Return the subject with corrected head poses, see `Dataset.corrected`."""
        return replace(self, dataset=self.dataset.corrected(motions))

    @property
    def edge_lengths(self) -> NDArray[np.float64]:  # [N]
        """Mean edge length at each Gaussian of the neutral, millimeters."""
        return mean_edge_lengths(self.template.finest_level.vertices, self.template.finest_level.faces)

    @property
    def pixel_size(self) -> float:
        """Width of a training camera's pixel at the neutral's center, millimeters."""
        neutral = self.dataset.frame(self.neutral_name).cameras.train
        return neutral.pixel_size(self.template.finest_level.vertices.mean(axis=0))

    @property
    def normals(self) -> NDArray[np.float64]:  # [N, 3]
        """Unit normals of the neutral mesh at each Gaussian."""
        return vertex_normals(self.template.finest_level.vertices, self.template.finest_level.faces)


def rig_start(options: LearningOptions, subject: Subject, components: Components) -> RigStart:
    """Return the start of a rig from components of the tracked meshes.

    Raises InputError for components of other frames, and for a family that they cannot start.
    """
    names = tuple(subject.names("train"))
    if components.frames != names:
        raise InputError(
            "learned rig: expected initial components of this run's training frames, got others; compute them again."
        )
    if (options.family == "arkit") != components.are_blendshapes:
        what = ("components", "blendshapes")
        raise InputError(
            f"learned rig: expected {what[options.family == 'arkit']} of the tracked meshes to start the "
            f"{options.family} family from, got {what[components.are_blendshapes]}; compute them again."
        )
    return start_from_components(
        components,
        subject.neutral,
        options.attributes,
        subject.neutral_row(names),
        bounded=options.bounded,
        placement=Placement.on(subject.template, options.level, len(components.face_mask)),
    )


def validation_pairs(
    subject: Subject, names: Sequence[str], seed: int, count: int = VALIDATION_PAIRS
) -> tuple[Pair, ...]:
    """Return up to `count` random pairs of a training frame and a held-out camera."""
    pairs = photographed_pairs(subject.dataset.frames(names), np.flatnonzero(subject.cameras.held_out))
    chosen = np.random.default_rng([seed, 5]).permutation(len(pairs))[:count]
    return tuple(pairs[index] for index in sorted(chosen))


def training_schedule(
    options: LearningOptions, subject: Subject, names: Sequence[str], seed: int, world: World
) -> Schedule:
    """Return the order of all pairs of a training frame and a training camera, in windows when memory is short."""
    pairs = photographed_pairs(subject.dataset.frames(names), np.flatnonzero(~subject.cameras.held_out))
    capacity = pairs_in_memory(subject.cameras, options.memory_gib)
    lanes = len(world.lanes(options.photographs_per_step))
    fits = len(pairs) <= capacity * world.size
    return Schedule(
        pairs,
        options.photographs_per_step,
        seed,
        window_pairs=None if fits else max(1, capacity // (2 * lanes)),
        passes=1 if fits else WINDOW_PASSES,
    )


def surroundings(subject: Subject, gaussians: int, validation: tuple[Pair, ...]) -> Surroundings:
    """Return the inputs of a fit of these Gaussians in addition to photographs; free Gaussians come last.

    Free Gaussians have no normal; their size is measured against `FREE_EDGE_MM` or the median edge, whichever is
    longer.
    """
    edges, normals = subject.edge_lengths, subject.normals
    free = gaussians - len(edges)
    free_edges = np.full(free, max(FREE_EDGE_MM, float(np.median(edges))))
    return Surroundings(np.concatenate([edges, free_edges]), np.concatenate([normals, np.zeros((free, 3))]), validation)


@dataclass(frozen=True)
class Learned:
    """A learned rig and the report of its fit."""

    rig: TrainableRig
    report: FitReport


def learn(
    start: RigStart,
    subject: Subject,
    options: LearningOptions,
    plan: LearnedPlan,
    seed: int,
    device: torch.device,
    slot: Slot | None = None,
) -> Learned:
    """Learn a rig from all training frames and cameras, alone or together with other processes."""
    world = World.current()
    names = subject.names("train")
    # comes first, since its processes must be forked before the GPU is used
    with subject.photographs(names, device, sharing=world.size) as photographs:
        cameras = subject.cameras.train.names if plan.color_rate > 0 else ()
        rig = TrainableRig(start, plan.rates, device, moving=plan.pose_rate > 0, cameras=cameras)
        fit = LearnedFit(
            rig,
            photographs,
            training_schedule(options, subject, names, seed, world),
            surroundings(subject, len(rig), validation_pairs(subject, names, seed)),
            plan,
            world,
        )
        report = fit.run(slot)
    unlike = {} if rig.colors is None else rig.colors.unlike(UNLIKE_COLORS)
    if unlike:
        told = "; ".join(f"{camera}: {gains}" for camera, gains in unlike.items())
        _LOG.info("cameras whose colors differ from the mean of all, which the rig does not take over: %s", told)
    last = report.history["psnr"].iloc[-1] if len(report.history) else float("nan")
    _LOG.info(
        "%d components, %d Gaussians, %d frames: %s; %.1f s, %.1f s waiting for photographs",
        rig.count,
        len(rig),
        len(names),
        f"{last:.3f} dB in held-out cameras" if np.isfinite(last) else "nothing to measure by",
        report.seconds,
        report.waited_seconds,
    )
    return Learned(rig, report)


def as_components(learned: Learned, subject: Subject, options: LearningOptions) -> Components:
    """Return a learned rig as `Components`, the content of a component file."""
    level = subject.template.finest_level
    assert learned.rig.basis is not None  # learned rigs always start from components
    moving = int(
        learned.rig.basis.dense().any(dim=2).sum()
    )  # components that rotate eyes are not learned, and just as sparse
    rows = max(1, learned.rig.own * len(learned.rig))
    origin = Origin(
        subject=subject.dataset.folder.parent.name,
        level=subject.template.finest,
        parameters=json.dumps(asdict(options), sort_keys=True),
        source="photographs",
    )
    solver = Solver(
        history=learned.report.history[["step", "loss", "psnr"]].to_numpy(np.float64),
        bad_steps=learned.report.bad_steps,
    )
    trained = TrainedOn(tuple(subject.names("train")), level.faces, level.mask)
    components = export_rig(learned.rig, trained, bounded=options.bounded)
    return replace(components, origin=origin, solver=solver, zero_rows=1.0 - moving / rows)
