"""The learned jobs of the pipeline: from configuration and files to the value that is fitted, and back."""

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from splatrig.components.component_file import Components, Origin, Solver
from splatrig.components.support import Locality
from splatrig.config.choices import Role
from splatrig.config.models import LearnedConfig, TrainingConfig
from splatrig.config.support_maps import SupportMap
from splatrig.dataset.cameras import Cameras
from splatrig.dataset.dataset import Dataset
from splatrig.dataset.decoding import cores
from splatrig.dataset.frames import names_of, neutral_name, read_frames
from splatrig.dataset.photographs import Pair, Photographs, pairs_in_memory
from splatrig.fitting.checkpoint import Slot
from splatrig.fitting.occlusion import Occlusion
from splatrig.fitting.recipe import in_millimetres, render_options, scaled
from splatrig.fitting.schedule import Schedule
from splatrig.fitting.trainable_rig import RigStart, TrainableRig
from splatrig.fitting.world import World
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.io.errors import InputError
from splatrig.learned.export import TrainedOn, export_rig
from splatrig.learned.fit import FitReport, LearnedFit, Surroundings, segment_laplacian
from splatrig.learned.plan import LearnedPlan
from splatrig.learned.start import Placement, moved_gaussians, random_start, start_from_components, with_extra
from splatrig.mesh.geodesic import GeodesicSolver
from splatrig.mesh.normals import vertex_normals
from splatrig.mesh.template import Template, read_template
from splatrig.mesh.topology import mean_edge_lengths

_LOG = logging.getLogger(__name__)


@dataclass(frozen=True)
class Subject:
    """What all learned jobs of one subject read."""

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
        """In the capture's world space."""
        return self.dataset.cameras

    def names(self, role: Role) -> list[str]:
        """Return `expression/frame` of the rows whose role is `train` or `held_out`, in order."""
        return names_of(self.frames, role)

    @property
    def neutral_name(self) -> str:
        """`expression/frame` of the neutral."""
        return neutral_name(self.frames)

    def neutral_row(self, names: Sequence[str]) -> int:
        """Return where the neutral is among the training frames; raise InputError when it is not among them."""
        if self.neutral_name not in names:
            raise InputError(f"frames.csv: the neutral {self.neutral_name} is not a training frame; it must be one.")
        return list(names).index(self.neutral_name)

    def photographs(
        self, names: Sequence[str], device: torch.device, *, cropped: bool = True, sharing: int = 1
    ) -> Photographs:
        """Return the photographs of frames as they are needed on a device, by one of `sharing` processes."""
        workers = max(1, min(16, cores() // sharing))
        frames = self.dataset.frames(names)
        return Photographs(frames, device, plates=self.dataset.plates, cropped=cropped, workers=workers)

    @property
    def edge_lengths(self) -> NDArray[np.float64]:  # [N]
        """Mean edge length at each Gaussian of the neutral, millimetres."""
        return mean_edge_lengths(self.template.finest_level.vertices, self.template.finest_level.faces)

    @property
    def pixel_size(self) -> float:
        """Millimetres that a pixel of a training camera spans at the neutral's centre."""
        neutral = self.dataset.frame(self.neutral_name).cameras.train
        return neutral.pixel_size(self.template.finest_level.vertices.mean(axis=0))

    @property
    def normals(self) -> NDArray[np.float64]:  # [N, 3]
        """Unit normals of the neutral mesh at each Gaussian."""
        return vertex_normals(self.template.finest_level.vertices, self.template.finest_level.faces)


def learned_plan(
    config: LearnedConfig, training: TrainingConfig, background: str, family: str, start: RigStart, pixel_size: float
) -> LearnedPlan:
    """Return the plan of a family (`global` or `local`) that starts from `start`; `pixel_size` is the subject's.

    The components that reach a Gaussian share `rate_factor`: were n of them to go one step in independent directions,
    the Gaussian would move by the root of n steps.
    """
    render, rates = render_options(training, background), in_millimetres(training.rates, pixel_size)
    return LearnedPlan(
        steps=config.steps,
        rates=scaled(rates, config.rate_factor / np.sqrt(start.components_a_gaussian)),
        base_rates=scaled(rates, config.base_rate_factor),
        weight_rate=config.weight_rate,
        final_rate=config.final_rate,
        bounded=family == "local",
        ridge=config.ridge,
        smoothness=config.smoothness,
        sparsity=config.local.sparsity if family == "local" else 0.0,
        occlusion=Occlusion(config.back_faces, config.dropout),
        check_every=config.check_every,
        render=replace(render, backdrop="black") if render.backdrop == "leak" else render,
        size_weight=training.size_weight,
    )


def rig_start(
    config: LearnedConfig,
    support_map: SupportMap | None,
    subject: Subject,
    components: Components | None,
    family: str,
    seed: int,
) -> RigStart:
    """Return the rig that a family starts from.

    `components` is None for a random start, `support_map` for global rigs.
    """
    names = subject.names("train")
    neutral_row, bounded = subject.neutral_row(names), family == "local"
    attributes, template = tuple(config.attributes), subject.template
    level = config.level or template.finest
    if components is None:
        carry = Placement.on(template, level).carry
        generator = np.random.default_rng([seed, 3])
        start = random_start(subject.neutral, attributes, (len(names), config.k), neutral_row, generator, carry)
    else:
        if components.frames != tuple(names):
            raise InputError(
                "learned rig: the components to start from are of other training frames; compute them again."
            )
        support, penalty = _locality(config, support_map, subject, components) if bounded else (None, None)
        start = start_from_components(
            components,
            subject.neutral,
            attributes,
            neutral_row,
            bounded=bounded,
            support=support,
            penalty=penalty,
            placement=Placement.on(template, level, len(components.face_mask)),
        )
    if config.appearance.attributes:
        start = with_extra(start, config.appearance, np.random.default_rng([seed, 4]), bounded=bounded)
    return start


def _locality(
    config: LearnedConfig, support_map: SupportMap | None, subject: Subject, components: Components
) -> tuple[NDArray[np.bool_], NDArray[np.float32] | None]:  # [K, M] each
    """Return where local components of M vertices may act, and how much they are penalised there.

    Hard: inside the supports that they start with. Soft: wherever their support map is below 1, penalised by it.
    """
    if config.local.support == "hard":
        return moved_gaussians(components), None
    assert support_map is not None  # local rigs have it
    level = subject.template.levels[subject.template.level_of(len(components.face_mask))]
    solver = GeodesicSolver(level.vertices, level.faces)
    locality = Locality(solver, support_map, components.distance_unit_mm or 1.0)
    assert components.centers is not None  # SLDC has them
    penalty = locality.rows(components.centers)
    return penalty < 1.0, penalty


def validation_pairs(subject: Subject, names: Sequence[str], count: int, seed: int) -> tuple[Pair, ...]:
    """Return up to `count` random pairs of a training frame and a held-out camera."""
    held_out = np.flatnonzero(subject.cameras.held_out)
    pairs = [(frame, int(camera)) for frame in range(len(names)) for camera in held_out]
    chosen = np.random.default_rng([seed, 5]).permutation(len(pairs))[:count]
    return tuple(pairs[index] for index in sorted(chosen))


def training_schedule(config: LearnedConfig, subject: Subject, frames: int, seed: int, world: World) -> Schedule:
    """Return the order of all pairs of a training frame and a training camera, in windows when memory is short."""
    train = np.flatnonzero(~subject.cameras.held_out)
    pairs = [(frame, int(camera)) for frame in range(frames) for camera in train]
    capacity, lanes = pairs_in_memory(subject.cameras, config.memory_gib), len(world.lanes(config.batch.frames))
    fits = len(pairs) <= capacity * world.size
    return Schedule(
        pairs,
        config.batch,
        seed,
        window_pairs=None if fits else max(1, capacity // (2 * lanes)),
        passes=1 if fits else config.passes,
    )


@dataclass(frozen=True)
class Learned:
    """A learned rig and what happened."""

    rig: TrainableRig
    report: FitReport


def learn(
    start: RigStart,
    subject: Subject,
    config: LearnedConfig,
    plan: LearnedPlan,
    seed: int,
    device: torch.device,
    slot: Slot | None = None,
) -> Learned:
    """Learn a rig from all training frames and cameras, alone or with the other processes of the world."""
    world = World.current()
    names = subject.names("train")
    # first: its processes are forked before the GPU is used
    with subject.photographs(names, device, sharing=world.size) as photographs:
        rig = TrainableRig(start, plan.rates, device)
        fit = LearnedFit(
            rig,
            photographs,
            training_schedule(config, subject, len(names), seed, world),
            Surroundings(
                subject.edge_lengths,
                subject.normals,
                segment_laplacian(names),
                validation_pairs(subject, names, config.validation_pairs, seed),
            ),
            plan,
            world,
        )
        report = fit.run(slot)
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


def as_components(learned: Learned, subject: Subject, family: str, parameters: Mapping[str, Any]) -> Components:
    """Return a learned rig as the component file holds it."""
    level = subject.template.finest_level
    bounded = family == "local"
    moving = sum(int(block.dense().any(dim=2).sum()) for block in learned.rig.blocks)
    rows = max(1, learned.rig.count * len(learned.rig))
    origin = Origin(
        subject=subject.dataset.folder.parent.name,
        level=subject.template.finest,
        parameters=json.dumps(dict(parameters), sort_keys=True),
        source="photographs",
    )
    solver = Solver(
        history=learned.report.history[["step", "loss", "psnr"]].to_numpy(np.float64),
        bad_steps=learned.report.bad_steps,
    )
    trained = TrainedOn(tuple(subject.names("train")), level.faces, level.mask)
    components = export_rig(learned.rig, trained, bounded=bounded)
    return replace(components, origin=origin, solver=solver, zero_rows=1.0 - moving / rows)
