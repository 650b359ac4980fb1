"""Entry points of the rules `learn_rig` and `find_free_gaussians`: from files to a component file or free Gaussians.

A rig is learned, and free Gaussians are found, by one process or by several together.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numba
import torch

from splatrig.components.assemble import named
from splatrig.components.component_file import read_components, write_components
from splatrig.fitting.checkpoint import Checkpoints, Slot, key_of
from splatrig.fitting.recipe import render_options
from splatrig.fitting.trainable_rig import RigStart
from splatrig.fitting.world import World
from splatrig.gaussians.free import read_free, write_free
from splatrig.io.files import as_paths, first_path
from splatrig.jobs.device import choose_device, choose_places
from splatrig.jobs.launch import run_together
from splatrig.landmarks.gaze import read_gaze
from splatrig.landmarks.rims import Rims, find_rims
from splatrig.landmarks.table import read_landmarks
from splatrig.learned.eyes import Looking, turning_eyes
from splatrig.learned.find_free import find_free
from splatrig.learned.free_start import with_free
from splatrig.learned.plan import LearnedPlan, LearningOptions, learned_plan
from splatrig.learned.stage import Subject, as_components, learn, rig_start


@dataclass(frozen=True)
class LearnedJob:
    """Description of one job in plain values, which can be sent to other processes."""

    inputs: dict[str, str | list[str]]
    """Files and folders by the rule's names for them."""
    params: dict[str, Any]
    """Parameters by the rule's names for them."""
    output: str
    """Path of the component file, or of the file of free Gaussians."""
    threads: int
    """Number of threads over all processes."""

    @property
    def devices(self) -> int:
        """Number of processes that learn the rig."""
        return int(self.params["devices"])

    @property
    def files(self) -> list[str]:
        """All input paths, sorted."""
        return sorted(str(path) for given in self.inputs.values() for path in as_paths(given))


def run(job: LearnedJob) -> None:
    """Learn the rig of a job and write it, in this process or in `learned.devices` processes.

    Example:
        >>> run(LearnedJob(inputs, params, "components/learned_arkit.h5", threads=8))
    """
    _in_processes(learn_rig, learn_share, job)


def find(job: LearnedJob) -> None:
    """Find and write the free Gaussians of a job, in this process or in `learned.devices` processes.

    A rig of free weights is learned for that in fewer steps.
    """
    _in_processes(find_rows, find_share, job)


def _in_processes(
    task: Callable[["LearnedJob", torch.device], None], share: Callable[[dict[str, Any]], None], job: LearnedJob
) -> None:
    """Do a job here, or its `share` in each of several processes."""
    if job.devices == 1:
        task(job, choose_device(job.params["device"], 1))  # one torch thread: no result depends on the number of cores
        return
    places = choose_places(job.params["device"], job.devices)
    run_together(share, asdict(replace(job, threads=max(1, job.threads // job.devices))), places)


def learn_share(values: dict[str, Any]) -> None:
    """Learn the rig of a job, given by its fields, together with the other processes."""
    learn_rig(LearnedJob(**values), choose_device("auto", 1))


def find_share(values: dict[str, Any]) -> None:
    """Find the free Gaussians of a job, given by its fields, together with the other processes."""
    find_rows(LearnedJob(**values), choose_device("auto", 1))


def learn_rig(job: LearnedJob, device: torch.device) -> None:
    """Learn the rig of a job on a device; the first process writes it."""
    subject, options, start, plan = _prepared(job)
    found = first_path(job.inputs.get("free", []))
    if found is not None:
        free = read_free(found)
        start = turning_eyes(with_free(start, free), free, _looking(job, subject))
    with _kept(job) as slot:
        learned = learn(start, subject, options, plan, job.params["seed"], device, slot)
        if World.current().rank > 0:
            return
        components = as_components(learned, subject, options)
        units = first_path(job.inputs.get("units", []))
        write_components(job.output, named(components, subject.template, units))


def find_rows(job: LearnedJob, device: torch.device) -> None:
    """Find the free Gaussians of a job on a device; the first process writes them."""
    subject, options, start, plan = _prepared(job)
    with _kept(job) as slot:
        count, seed = round(job.params["free"] * len(start.base)), job.params["seed"]
        looking, rims = _looking(job, subject), _rims(job, subject)
        found = find_free(start, subject, count, options, plan, seed, device, slot, looking=looking, rims=rims)
        if World.current().rank == 0:
            write_free(job.output, found)


def _rims(job: LearnedJob, subject: Subject) -> Rims:
    """Return the rims of mouth and eyes from the landmarks of the job."""
    base = subject.template.base
    return find_rims(base.vertices, base.faces, read_landmarks(as_paths(job.inputs["landmarks"])[0], len(base.faces)))


def _looking(job: LearnedJob, subject: Subject) -> Looking | None:
    """Return the gaze in the training frames, if the job is given the gaze table."""
    table = first_path(job.inputs.get("gaze", []))
    return None if table is None else Looking.of(read_gaze(table), subject.names("train"), subject.neutral_name)


def _prepared(job: LearnedJob) -> tuple[Subject, LearningOptions, RigStart, LearnedPlan]:
    """Return the subject, the options, the start of the structured rig, and the plan."""
    numba.set_num_threads(min(job.threads, numba.get_num_threads()))  # results do not depend on the number of threads
    params, inputs = job.params, job.inputs
    options = LearningOptions(
        family=params["family"],
        attributes=tuple(params["attributes"]),
        level=params["level"],
        steps=params["steps"],
        photographs_per_step=params["photographs_per_step"],
        back_faces=params["back_faces"],
        dropout=params["dropout"],
        memory_gib=params["memory_gib"],
    )
    files = {name: as_paths(inputs[name])[0] for name in ("cameras", "template", "neutral", "frames")}
    subject = Subject.open(**files, plates=first_path(inputs["plates"]))
    start = rig_start(options, subject, read_components(as_paths(inputs["start"])[0]))
    render = render_options(params["background"], params["sh_degree"], params["rasterizer"])
    return subject, options, start, learned_plan(options, render, start, subject.pixel_size)


@contextmanager
def _kept(job: LearnedJob) -> Iterator[Slot]:
    """Yield the slot of a job's checkpoint, and delete the checkpoint when the job has succeeded."""
    output = Path(job.output)
    checkpoints, name = Checkpoints(output.parent, key_of(job.params, paths=job.files)), f".{output.stem}.checkpoint"
    yield checkpoints.slot(name, every_seconds=60.0)
    if World.current().rank == 0:
        checkpoints.drop(name)
