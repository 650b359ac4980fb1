"""The rule `learn_rig`: one rig from files to a component file, by one process or by several that learn it together."""

from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import numba
import torch

from splatrig.components.assemble import named
from splatrig.components.component_file import read_components, write_components
from splatrig.fitting.checkpoint import Checkpoints, key_of
from splatrig.fitting.recipe import render_options
from splatrig.fitting.world import World
from splatrig.gaussians.free import read_free
from splatrig.io.files import as_paths, first_path
from splatrig.jobs.device import choose_device, choose_places
from splatrig.jobs.launch import run_together
from splatrig.learned.free_start import with_free
from splatrig.learned.plan import LearningOptions, learned_plan
from splatrig.learned.stage import Subject, as_components, learn, rig_start


@dataclass(frozen=True)
class LearnedJob:
    """One job, in plain values, so that other processes can be told of it."""

    inputs: dict[str, str | list[str]]
    """Files and folders by the rule's names."""
    params: dict[str, Any]
    """By the rule's names."""
    output: str
    """The component file."""
    threads: int
    """Over all processes."""

    @property
    def devices(self) -> int:
        """How many processes learn the rig."""
        return int(self.params["devices"])

    @property
    def files(self) -> list[str]:
        """All inputs, sorted."""
        return sorted(str(path) for given in self.inputs.values() for path in as_paths(given))


def run(job: LearnedJob) -> None:
    """Learn the rig of a job and write it: here, or by `learned.devices` processes together."""
    if job.devices == 1:
        learn_rig(job, choose_device(job.params["device"], 1))  # one torch thread: results do not depend on the cores
        return
    places = choose_places(job.params["device"], job.devices)
    run_together(learn_share, asdict(replace(job, threads=max(1, job.threads // job.devices))), places)


def learn_share(values: dict[str, Any]) -> None:
    """Learn the rig of a job, given by its fields, together with the other processes."""
    job = LearnedJob(**values)
    learn_rig(job, choose_device("auto", 1))


def learn_rig(job: LearnedJob, device: torch.device) -> None:
    """Learn the rig of a job on a device; the first process writes it."""
    numba.set_num_threads(min(job.threads, numba.get_num_threads()))  # results do not depend on their number
    params, inputs, seed = job.params, job.inputs, job.params["seed"]
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
    structured = rig_start(options, subject, read_components(as_paths(inputs["start"])[0]))
    found = first_path(inputs.get("free", []))
    start = structured if found is None else with_free(structured, read_free(found))
    render = render_options(params["background"], params["sh_degree"], params["rasterizer"])
    plan = learned_plan(options, render, structured, subject.pixel_size)
    output = Path(job.output)
    kept = Checkpoints(output.parent, key_of(params, paths=job.files))
    slot = kept.slot(f".{output.stem}.checkpoint", every_seconds=60.0)
    learned = learn(start, subject, options, plan, seed, device, slot)
    if World.current().rank == 0:
        components = as_components(learned, subject, options)
        write_components(output, named(components, subject.template, first_path(inputs.get("units", []))))
        kept.drop(f".{output.stem}.checkpoint")
