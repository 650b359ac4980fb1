"""Parts of benchmarks of learned rigs: a capture, fits of single frames, their PCA, learned rigs, their cost."""

import gc
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from itertools import repeat
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

from splatrig.components.component_file import Components, read_components, write_components
from splatrig.components.fields import field_of, field_size
from splatrig.components.matrix import in_memory
from splatrig.components.pca import principal_components
from splatrig.components.sldc import SldcOptions
from splatrig.config.choices import LearnedFamily
from splatrig.config.load import load_config, merged
from splatrig.config.models import Config
from splatrig.config.support_maps import SUPPORT_MAPS
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.dataset import Dataset
from splatrig.fitting.background import one_ahead
from splatrig.fitting.compare_view import RenderOptions
from splatrig.fitting.fitting import FitContext, first_gaussians, warm_gaussians
from splatrig.fitting.frame_data import FrameData, FrameReader
from splatrig.fitting.frame_fit import fit
from splatrig.fitting.recipe import plan_for, render_options
from splatrig.fitting.schedule import stream
from splatrig.fitting.trainable_rig import BasisStart, RigStart, TrainableRig
from splatrig.fitting.world import World
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import FittedFrames, write_fitted_frames
from splatrig.jobs.device import choose_device
from splatrig.learned.compare import Comparison, read_fits
from splatrig.learned.fit import LearnedFit, Surroundings
from splatrig.learned.mesh_components import carried_by_meshes, mesh_pca, mesh_sldc, read_meshes
from splatrig.learned.plan import LearnedPlan, LearningOptions, learned_plan
from splatrig.learned.stage import (
    Learned,
    Subject,
    as_components,
    learn,
    rig_start,
    training_schedule,
    validation_pairs,
)
from splatrig.mesh.template import read_template
from support.harness import ROOT, Figures, checkout, machine
from support.painted_head import MESHES_WRITTEN


def report(text: str) -> None:
    """Print a line at once."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


@dataclass(frozen=True)
class Run:
    """One learned rig and what it cost."""

    components: Components
    learned: Learned
    costs: dict[str, float]
    """Seconds in all, in steps, of waiting for photographs and of the processor; GiB of the GPU; percent of the time in
    which it had work (nvidia-smi, every 0.2 s), where there is one; share of zero rows."""


@dataclass(frozen=True)
class Bench:
    """The capture, the configuration and where results go."""

    folder: Path
    out: Path | None
    keep: Path
    """What takes long is kept here and read by later calls: neutral.h5, fits/, mesh_*.h5, learned_*.h5."""
    config: Config
    subject: Subject
    device: torch.device
    options: Any
    """The command line: processes that help open the same."""
    seed: int = 0
    making: subprocess.Popen[str] | None = None
    """The process that still writes photographs, if any."""
    figures: Figures | None = None
    """Where figures go; None in a helping process."""
    rows: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    """Tables that grow row by row."""

    @property
    def k(self) -> int:
        """Number of components."""
        return self.config.components.k

    @property
    def render(self) -> RenderOptions:
        """How renderings are made and compared with photographs."""
        fitting = self.config.fitting
        return render_options("silhouette", fitting.sh_degree, fitting.rasterizer)

    def options_of(self, family: LearnedFamily) -> LearningOptions:
        """Return how the rig of a family is learned."""
        learned = self.config.learned
        return LearningOptions(
            family,
            tuple(self.config.components.attributes),
            self.subject.template.finest if learned.level == "finest" else learned.level,
            learned.steps,
            learned.photographs_per_step,
            learned.back_faces,
            learned.dropout,
            learned.memory_gib,
        )

    def comparison(self) -> Comparison:
        """Return what all measurements share."""
        return Comparison(self.subject, self.render, self.config.learned.solve_steps, self.device)

    def arrived(self, names: list[str]) -> None:
        """Wait until the photographs of the frames `expression/frame` are there."""
        wait_for(self.making, [self.folder / "dataset" / name for name in names], self.subject.cameras.names)

    def kept(self, name: str, make: Callable[[], Components]) -> Components:
        """Return components that an earlier call kept, or make and keep them."""
        path = self.keep / f"{name}.h5"
        if not path.exists():
            write_components(path, make())
        return read_components(path)

    def record(self, name: str, row: dict[str, Any]) -> None:
        """Add a row to a table, write the table and print the row; what is a float in it is a figure."""
        rows = self.rows.setdefault(name, [])
        rows.append(row)
        self.save(name, pd.DataFrame(rows), shown=False)
        shown = [f"{key} {value:.4g}" if isinstance(value, float) else f"{key} {value}" for key, value in row.items()]
        report("  ".join(shown))
        labels = ", ".join(str(value) for value in row.values() if not isinstance(value, float))
        for key, value in row.items():
            if isinstance(value, float):
                self.figure(f"{name}: {labels}: {key.replace('_', ' ')}", value, unit_of(key))

    def figure(self, what: str, value: float, unit: str) -> None:
        """Keep a figure that is printed otherwise."""
        if self.figures is not None:
            self.figures.add(what, value, unit, shown=False)

    def save(self, name: str, table: pd.DataFrame, *, shown: bool = True) -> None:
        """Write a table, where there is a folder for them, and print it."""
        if self.out is not None:
            self.out.mkdir(parents=True, exist_ok=True)
            named = table.assign(machine=machine("torch"))
            named.to_csv(self.out / f"learned_{name}.csv", index=False, float_format="%.5g")
        if shown:
            print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"), flush=True)


UNITS = {
    "psnr": "dB",
    "seconds": "s",
    "ms": "ms",
    "gib": "GiB",
    "percent": "%",
    "zero_rows": "fraction",
    "degrees": "°",
    "mm": "mm",
}
"""Units by what names of columns begin or end with."""


def unit_of(column: str) -> str:
    """Return the unit of a column, "" where its name says none."""
    return next((unit for word, unit in UNITS.items() if column.startswith(word) or column.endswith(word)), "")


def configuration(options: Any) -> Config:
    """Return a configuration with what the command line changes; without `--config` the defaults.

    Those are meant for captures of full size.
    """
    changes = {
        "components": {"k": options.k},
        "learned": {
            "steps": options.steps,
            "photographs_per_step": options.batch,
            "memory_gib": options.memory_gib,
            "sparsity": options.local_lambda,
            "solve_steps": options.solve_steps,
        },
        "fitting": {"neutral_steps": options.neutral_steps, "frame_steps": options.fit_steps},
    }
    given = {
        name: {key: value for key, value in section.items() if value is not None} for name, section in changes.items()
    }
    bare = {"subject": "benchmark", "capture": {"root": "none"}, "neutral": "none"}
    raw = bare if options.config is None else yaml.safe_load(options.config.read_text(encoding="utf-8"))
    return load_config(merged(raw, given), checkout() / "workflow" / "presets")


def wait_for(making: subprocess.Popen[str] | None, folders: list[Path], cameras: Sequence[str]) -> None:
    """Wait until every camera's photograph is in every folder, as long as the process that makes them runs."""
    for path in (folder / f"{camera}.png" for folder in folders for camera in cameras):
        while making is not None and not path.exists():
            if making.poll():
                sys.exit(f"synthesize.py ended with {making.returncode}")
            time.sleep(0.05)


def open_bench(
    options: Any,
    folder: Path,
    keep: Path,
    making: subprocess.Popen[str] | None = None,
    figures: Figures | None = None,
) -> Bench:
    """Read the capture, with the roles of frames decided here; fit its neutral unless it was fitted before."""
    config, device = configuration(options), choose_device("auto", 1)
    if options.gpu_gib is not None:
        total = torch.cuda.get_device_properties(device).total_memory / 2**30
        torch.cuda.set_per_process_memory_fraction(options.gpu_gib / total)
    frames = pd.concat([pd.read_csv(path, dtype={"frame": str}) for path in sorted((folder / "frames").glob("*.csv"))])
    unknown = set(options.held_out) - set(frames["expression"])
    if unknown:
        sys.exit(f"--held-out: {', '.join(sorted(unknown))} is not in {folder}")
    frames["role"] = np.where(frames["expression"].isin(options.held_out), "held_out", "train")
    neutral = (options.fits or keep) / "neutral.h5"
    cameras = read_cameras(folder / "dataset" / "cameras.json")
    if not neutral.exists():
        row = frames[frames["neutral"]].iloc[0]
        wait_for(making, [folder / "dataset" / row["expression"] / row["frame"]], cameras.names)
        begin = time.perf_counter()
        fitted = fit_first(
            context_of(folder, config, device, config.fitting.neutral_steps), f"{row['expression']}/{row['frame']}"
        )
        keep.mkdir(parents=True, exist_ok=True)
        write_fitted_frames(neutral, as_store(row["expression"], {row["frame"]: fitted}))
        report(f"neutral: {config.fitting.neutral_steps} steps, {time.perf_counter() - begin:.1f} s with decoding")
    with tempfile.NamedTemporaryFile("w", suffix=".csv") as table:
        frames.to_csv(table.name, index=False)
        subject = Subject.open(
            cameras=folder / "dataset" / "cameras.json",
            template=folder / "template" / "template.h5",
            neutral=neutral,
            frames=table.name,
        )
    return Bench(folder, options.out, keep, config, subject, device, options, making=making, figures=figures)


def as_store(expression: str, fits: dict[str, Gaussians]) -> FittedFrames:
    """Return fits by frame as a file holds them, without metrics."""
    empty = pd.DataFrame(columns=["frame", "camera", "split", "region", "psnr", "ssim", "lpips"])
    return FittedFrames(expression, tuple(fits), tuple(fits.values()), empty, {})


def context_of(folder: Path, config: Config, device: torch.device, steps: int) -> FitContext:
    """Return what the fits of single frames share."""
    fitting = config.fitting
    return FitContext(
        dataset=Dataset.open(folder / "dataset" / "cameras.json"),
        template=read_template(folder / "template" / "template.h5"),
        plan=plan_for("warm", steps, "silhouette", fitting.sh_degree, fitting.rasterizer),
        seed=0,
        device=device,
        workers=8,
    )


def reader_of(context: FitContext, names: Sequence[str]) -> FrameReader:
    """Return the reader of the frames `expression/frame`."""
    return FrameReader(context.dataset, names, context.template, context.device, workers=context.workers)


def read_ahead(context: FitContext, names: Sequence[str]) -> Iterator[FrameData]:
    """Yield the frames `expression/frame`, each read while its predecessor is used."""
    with reader_of(context, names) as reader:
        for data, _ in one_ahead(reader.read, range(len(names))):
            yield data


def fit_first(context: FitContext, name: str) -> Gaussians:
    """Fit the neutral, `expression/frame`."""
    with reader_of(context, [name]) as reader:
        data, _ = reader.read(0)
    start = first_gaussians(context, data)
    return fit(start, data, context.edge_lengths, context.plan, 0).gaussians


def mesh_start(
    bench: Bench,
    family: LearnedFamily,
    k: int | None = None,
    lambda_: float | None = None,
    support: str = "gauss",
) -> Components:
    """Return the components of the tracked meshes that a family starts from; by default those of the configuration."""
    subject, names = bench.subject, bench.subject.names("train")
    meshes = read_meshes(subject.dataset.folder, names, subject.template)
    row, threads = subject.neutral_row(names), os.cpu_count() or 1
    rows = carried_by_meshes(subject.neutral, meshes, subject.template, names, row)
    level, k = subject.template.base, min(k or bench.k, len(names) - 1)
    if family == "global":
        return mesh_pca(rows, k, level, threads)
    asked = SldcOptions(k, bench.config.learned.sparsity if lambda_ is None else lambda_)
    return mesh_sldc(rows, asked, SUPPORT_MAPS[support](), level, threads)


def still_start(subject: Subject, options: LearningOptions, k: int, seed: int = 0) -> RigStart:
    """Return a rig of any number of components that do nothing yet, for what a step costs: its weights are random."""
    names, template = subject.names("train"), subject.template
    count = len(template.levels[options.level].vertices)
    fields = tuple(map(field_of, options.attributes))
    deltas = {field: np.zeros((k, count, field_size(field)), np.float32) for field in fields}
    carry = None if options.level == template.finest else template.between(options.level, template.finest)
    weights = np.random.default_rng([seed, 3]).standard_normal((len(names), k), dtype=np.float32)
    return RigStart(subject.neutral, weights, BasisStart(fields, deltas, carry=carry), subject.neutral_row(names))


def kept_start(bench: Bench, family: LearnedFamily) -> Components:
    """Return the components that the configured rig of a family starts from."""

    def make() -> Components:
        begin = time.perf_counter()
        start = mesh_start(bench, family)
        report(f"mesh components, {family}: {time.perf_counter() - begin:.1f} s")
        return start

    return bench.kept(f"mesh_{family}", make)


def kept_rig(bench: Bench, family: LearnedFamily) -> Components:
    """Return the configured rig of a family; when it is learned now, record what it costs."""

    def make() -> Components:
        options, components = bench.options_of(family), kept_start(bench, family)
        bench.arrived(bench.subject.names("train"))
        run = learned_rig(bench, options, rig_start(options, bench.subject, components))
        print(run.learned.report.history.to_string(index=False), flush=True)
        bench.record("costs", {"rig": family, "steps": options.steps} | run.costs)
        return run.components

    return bench.kept(f"learned_{family}", make)


def learned_rig(
    bench: Bench,
    options: LearningOptions,
    start: RigStart,
    seed: int = 0,
    adjusted: Callable[[LearnedPlan], LearnedPlan] = lambda plan: plan,
) -> Run:
    """Learn one rig, by the pipeline's plan or by what `adjusted` makes of it."""
    plan = adjusted(learned_plan(options, bench.render, start, bench.subject.pixel_size))
    forget_peak()
    begin, cpu = time.perf_counter(), time.process_time()
    with gpu_utilisation() as samples:
        learned = learn(start, bench.subject, options, plan, seed, bench.device)
    costs = {
        "seconds": time.perf_counter() - begin,
        "step_seconds": learned.report.seconds,
        "waited_seconds": learned.report.waited_seconds,
        "cpu_seconds": time.process_time() - cpu,
        **({"gpu_percent": float(np.mean(samples))} if samples else {}),
        **peak_gib(),
    }
    components = as_components(learned, bench.subject, options)
    return Run(components, learned, costs | {"zero_rows": components.zero_rows})


@contextmanager
def begun(
    bench: Bench, subject: Subject, options: LearningOptions, start: RigStart
) -> Iterator[tuple[LearnedFit, Callable[[int], None]]]:
    """Give a rig before its first step, and what takes the step with a number, on the next photographs."""
    names, world = subject.names("train"), World.current()
    plan = learned_plan(options, bench.render, start, subject.pixel_size)
    schedule = training_schedule(options, subject, names, bench.seed, world)
    around = Surroundings(subject.edge_lengths, subject.normals, validation_pairs(subject, names, bench.seed))
    with subject.photographs(names, bench.device, sharing=world.size) as photographs:
        fit = LearnedFit(TrainableRig(start, plan.rates, bench.device), photographs, schedule, around, plan, world)
        fit.optimizer.constrain()
        shots = stream(photographs, schedule, world.lanes(options.photographs_per_step))
        seen = schedule.frames(0) if world.size > 1 else repeat(None)
        yield fit, lambda step: fit.fit.step(step, next(shots), seen=next(seen))


def now() -> float:
    """Return the time at which the device has done all it was asked to, in seconds."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def forget_peak() -> None:
    """Give back the GPU memory that nothing uses, and begin to watch its peak."""
    if torch.cuda.is_available():
        gc.collect()
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()


def peak_gib() -> dict[str, float]:
    """Return as `peak_gib` the most GPU memory that torch had reserved since `forget_peak`; nothing without a GPU.

    The context's 0.5 GiB are not in it.
    """
    return {"peak_gib": torch.cuda.max_memory_reserved() / 2**30} if torch.cuda.is_available() else {}


@contextmanager
def gpu_utilisation() -> Iterator[list[float]]:
    """Sample how busy this process's GPU is while the block runs, in percent."""
    samples: list[float] = []
    if not torch.cuda.is_available():
        yield samples
        return
    card = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[torch.cuda.current_device()]
    query = ["--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200", "-i", card]
    process = subprocess.Popen(["nvidia-smi", *query], stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    lines = process.stdout
    reader = threading.Thread(target=lambda: samples.extend(float(line) for line in lines), daemon=True)
    reader.start()
    try:
        yield samples
    finally:
        process.terminate()
        process.wait()
        reader.join(timeout=5)


def with_cameras(subject: Subject, chosen: np.ndarray) -> Subject:
    """Return the subject with the cameras at these indices alone."""
    return replace(subject, dataset=replace(subject.dataset, cameras=subject.cameras.select(chosen)))


def at_level(bench: Bench, level: str) -> Subject:
    """Return the subject with its Gaussians and template cut to a coarser level: the first rows of everything."""
    subject = bench.subject
    names = list(subject.template.levels)
    levels = {name: subject.template.levels[name] for name in names[: names.index(level) + 1]}
    neutral = subject.neutral.first(len(levels[level].vertices))
    return replace(subject, template=type(subject.template)(levels), neutral=neutral)


def synthesized(size: str, frames: int, folder: Path) -> subprocess.Popen[str]:
    """Start to write a synthetic capture; return the process when only photographs are missing."""
    script = ROOT / "benchmarks" / "capture" / "synthesize.py"
    device = "cuda" if torch.cuda.is_available() else "cpu"
    command = [sys.executable, str(script), str(folder), "--size", size, "--frames", str(frames), "--device", device]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert process.stdout is not None
    lines = process.stdout
    for line in lines:
        if line.rstrip() == MESHES_WRITTEN:
            break
    else:
        sys.exit(f"synthesize.py ended with {process.wait()}")
    threading.Thread(target=lambda: [report(line.strip()) for line in lines], daemon=True).start()
    return process


ATTRIBUTES_OF_FITS = ("xyz", "f_dc", "rotation", "scale")


def single_fits(bench: Bench) -> dict[str, Gaussians]:
    """Return every frame fitted on its own from the neutral, as the rules do, by `expression/frame`."""
    folder = bench.options.fits or bench.keep / "fits"
    context = context_of(bench.folder, bench.config, bench.device, bench.config.fitting.frame_steps)
    plan, neutral, seconds = context.plan, bench.subject.neutral, 0.0
    for expression, group in bench.subject.frames.groupby("expression", sort=False):
        path = folder / f"{expression}.h5"
        if path.exists():
            continue
        names = [f"{expression}/{frame}" for frame in group["frame"]]
        bench.arrived(names)
        fits = dict.fromkeys(group["frame"], neutral)  # which the neutral frame keeps
        for data in read_ahead(context, [name for name in names if name != bench.subject.neutral_name]):
            start = warm_gaussians(context, data.vertices, neutral)
            done = fit(start, data, context.edge_lengths, plan, 0, reference_quats=neutral.quats)
            fits[data.frame], seconds = done.gaussians, seconds + done.seconds
        folder.mkdir(parents=True, exist_ok=True)
        write_fitted_frames(path, as_store(str(expression), fits))
        bench.record("fits", {"fitted": str(expression), "steps": plan.steps, "step_seconds_until_here": seconds})
    return read_fits(
        bench.subject, sorted(folder / f"{name}.h5" for name in bench.subject.frames["expression"].unique())
    )


def pca_of_fits(bench: Bench, fits: dict[str, Gaussians], k: int) -> Components:
    """Return the PCA of all attributes of the fitted training frames about the neutral."""
    names = bench.subject.names("train")
    rows = {
        name: np.stack([getattr(fits[frame], field_of(name)).reshape(-1) for frame in names])
        for name in ATTRIBUTES_OF_FITS
    }
    matrix = in_memory(rows, bench.subject.neutral_row(names))
    found = principal_components(matrix, min(k, len(names) - 1), "neutral", threads=os.cpu_count() or 1)
    level = bench.subject.template.levels[bench.subject.template.finest]
    return found.components(faces=level.faces, face_mask=level.mask, frames=names)
