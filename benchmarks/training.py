"""Time and judge the fits: python benchmarks/training.py [--full] [--out FOLDER] [--budget SECONDS].

The default is a small capture that any machine fits in under a minute: it shows that every part runs, its numbers
mean nothing. `--full` is the measurement: 87,618 Gaussians, 38 cameras of 1334×2048, on a GPU with gsplat and
diff-gaussian-rasterization installed. `benchmarks/full_size_capture.py` synthesises the photographs.

Parts, in the order of their importance; one that would not fit into the budget is left out, and said to be:
  jobs      the real scripts of the rules, each in a process of its own, one after another: neutral, five expressions
            of 2 frames, one of 5 frames; seconds with start-up, held-out PSNR, peak GPU memory
  speed     steps a second, warm and seed, and of the original's own step (one call of its rasteriser, SSIM by full
            11×11 convolutions, Adam that is not fused), in this same process
  variants  the seed recipe with initial opacity .1 as released or opacity fixed to 1, over the backdrops leak (as
            released: random behind the render alone), random and black; few steps each
  curves    held-out PSNR against steps, each a fit of its own to the end of its schedule
  seed      the best variant, then the released one, at the released number of steps
Results are printed as they come and written to FOLDER/training.json and FOLDER/training.md after every part.
"""

import argparse
import json
import os
import platform
import runpy
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
import yaml

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "lib"))

from full_size_capture import FULL, NEUTRAL, SMALL, write_capture
from original_step import original_steps

from splatrig.capture.frames import FrameRow, read_frames, write_frames
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.mesh.normals import vertex_rotations
from splatrig.training.dataset import FrameData
from splatrig.training.fitting import Studio, first_gaussians, open_studio
from splatrig.training.initialize import moved_by_mesh
from splatrig.training.measurement import measure_frame, summary
from splatrig.training.recipe import Plan
from splatrig.training.trainer import fit

ROOT = Path(__file__).parents[1]
LONG = "E900_All"
"""An expression of five frames, those of others: it tells start-up from the time of a frame."""
OPAQUE_LOGIT = 9.0
"""Opacity 0.9999: what `fixed to 1` means where opacities are logits."""
PERFORMANCE = (66, 5)
"""Expressions and frames of each of a whole performance, to which times are extrapolated."""


@dataclass(frozen=True)
class Lengths:
    """How many steps each part takes."""

    timed: tuple[int, int]
    """Steps a second are taken from the difference of two fits of these lengths."""
    variants: int
    neutral_curve: tuple[int, ...]
    frame_curve: tuple[int, ...]


FULL_LENGTHS = Lengths((50, 450), 2000, (100, 300, 600, 1000, 2000, 3000), (1, 25, 50, 100, 150, 250, 400))
SMALL_LENGTHS = Lengths((2, 12), 12, (10, 20), (1, 10))


@dataclass
class Report:
    """What was measured so far."""

    out: Path
    machine: dict[str, str]
    begin: float = field(default_factory=time.perf_counter)
    rows: list[tuple[str, str, float | None, str]] = field(default_factory=list)
    """Part, what, value, unit or remark."""

    def say(self, text: str) -> None:
        """Print a line with the time since the start."""
        print(f"[{time.perf_counter() - self.begin:6.1f} s] {text}", flush=True)

    def add(self, part: str, what: str, value: float | None, unit: str) -> None:
        """Keep a number and print it."""
        self.rows.append((part, what, value, unit))
        self.say(f"{part}: {what}: {'' if value is None else f'{value:.4g} '}{unit}")

    def value(self, what: str) -> float | None:
        """Return the number of a row, None when it was not measured."""
        return next((value for _, name, value, _ in self.rows if name == what), None)

    def save(self) -> None:
        """Write JSON and a table."""
        self.out.mkdir(parents=True, exist_ok=True)
        rows = [dict(zip(("part", "what", "value", "unit"), row, strict=True)) for row in self.rows]
        (self.out / "training.json").write_text(json.dumps({"machine": self.machine, "rows": rows}, indent=1) + "\n")
        lines = ["; ".join(f"{key} {value}" for key, value in self.machine.items()), ""]
        lines += ["| part | what | value | unit |", "|---|---|---|---|"]
        for part, what, value, unit in self.rows:
            lines.append(f"| {part} | {what} | {'' if value is None else f'{value:.4g}'} | {unit} |")
        (self.out / "training.md").write_text("\n".join(lines) + "\n", encoding="utf-8")


def machine() -> dict[str, str]:
    """Return what the numbers depend on."""
    facts = {
        "device": torch.cuda.get_device_name() if torch.cuda.is_available() else platform.processor() or "CPU",
        "cores": str(len(os.sched_getaffinity(0))),
        "Python": platform.python_version(),
        "torch": str(torch.__version__),
        "CUDA": str(torch.version.cuda),
    }
    for package in ("gsplat", "triton", "numpy", "numba", "pillow"):
        try:
            facts[package] = version(package)
        except PackageNotFoundError:
            try:
                facts[package] = str(__import__(package).__version__)
            except (ImportError, AttributeError):
                facts[package] = "absent"
    return facts


def schema_defaults() -> dict[str, Any]:
    """Return the training section that the schema's defaults make: that of a capture of full size."""
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))

    def defaults(node: dict[str, Any]) -> Any:
        if node.get("type") == "object" and "properties" in node:
            return {name: defaults(child) for name, child in node["properties"].items()}
        return node["default"]

    return defaults(schema["properties"]["training"])


@dataclass(frozen=True)
class Bench:
    """The capture and how it is fitted."""

    folder: Path
    expressions: list[str]
    training: dict[str, Any]
    lengths: Lengths
    report: Report

    def frames(self, expression: str) -> list[str]:
        """Return the frames of an expression."""
        return read_frames(self.folder / "frames" / f"{expression}.csv")["frame"].tolist()

    def inputs(self, expression: str) -> dict[str, Any]:
        """Return the named inputs of the rules that fit."""
        return {
            "template": str(self.folder / "template" / "template.h5"),
            "cameras": str(self.folder / "dataset" / "cameras.json"),
            "frames": str(self.folder / "frames" / f"{expression}.csv"),
            "photographs": str(self.folder / "dataset" / expression),
            "plates": [],
            "neutral": str(self.folder / "gaussians" / "neutral.h5"),
        }

    def params(self, expression: str, **training: Any) -> dict[str, Any]:
        """Return the params of the rules that fit."""
        return {
            "training": {**self.training, **training},
            "background": "mask",
            "expression": expression,
            "seed": 0,
            "device": "auto",
            "progress": str(self.folder / "progress" / expression),
            "lib": "",
        }

    def studio(self, **training: Any) -> Studio:
        """Return the studio of this process."""
        params = SimpleNamespace(**self.params(NEUTRAL, **training))
        return open_studio(SimpleNamespace(**self.inputs(NEUTRAL)), params, 2)


def run_job(specification: str) -> None:
    """Run one script of a rule as Snakemake would, in this process; note its peak memory."""
    spec = json.loads(Path(specification).read_text())
    job = SimpleNamespace(
        input=SimpleNamespace(**spec["input"]),
        output=SimpleNamespace(**spec["output"]),
        params=SimpleNamespace(**spec["params"]),
        log=[spec["log"]],
        threads=spec["threads"],
    )
    runpy.run_path(spec["script"], init_globals={"snakemake": job})
    peak = {"allocated": 0, "reserved": 0}
    if torch.cuda.is_available():
        peak = {"allocated": torch.cuda.max_memory_allocated(), "reserved": torch.cuda.max_memory_reserved()}
    Path(spec["peak"]).write_text(json.dumps(peak))


def timed_job(bench: Bench, expression: str) -> float:
    """Run the rule's script for an expression in a fresh process; return its wall seconds, report its peak memory."""
    name = "neutral" if expression == NEUTRAL else expression
    folder = bench.folder
    spec = {
        "script": str(ROOT / "workflow" / "scripts" / f"fit_{'neutral' if expression == NEUTRAL else 'expression'}.py"),
        "input": bench.inputs(expression),
        "params": bench.params(expression),
        "output": {
            "gaussians": str(folder / "gaussians" / f"{name}.h5"),
            "picture": str(folder / "renders" / f"{name}.png"),
            "events": str(folder / "tensorboard" / name),
        },
        "log": str(folder / "logs" / f"{name}.log"),
        "threads": 2 if expression == NEUTRAL else 1,
        "peak": str(folder / "logs" / f"{name}.peak.json"),
    }
    (folder / "logs").mkdir(exist_ok=True)
    path = folder / "logs" / f"{name}.job.json"
    path.write_text(json.dumps(spec))
    begin = time.perf_counter()
    code = subprocess.run([sys.executable, __file__, "--job", str(path)], check=False).returncode
    seconds = time.perf_counter() - begin
    log = Path(spec["log"]).read_text(encoding="utf-8").splitlines()
    for line in log if code else [line for line in log if "steps in" in line]:
        bench.report.say(f"    {line}")
    if code:
        sys.exit(f"the job of {expression} failed with exit status {code}")
    fitted = read_fitted_frames(spec["output"]["gaussians"])
    bench.report.add("jobs", f"{name}: held-out PSNR in the mask", summary(fitted.metrics)["psnr"], "dB")
    peak = json.loads(Path(spec["peak"]).read_text())
    for kind, size in peak.items():
        bench.report.add("jobs", f"{name}: peak GPU memory {kind}", size / 2**30, "GiB")
    return seconds


def part_jobs(bench: Bench) -> None:
    """Run every job of the capture as Snakemake would on one GPU, and extrapolate."""
    report = bench.report
    report.add("jobs", "neutral job, start-up included", timed_job(bench, NEUTRAL), "s")
    short = []
    for expression in bench.expressions:
        short.append(timed_job(bench, expression))
        report.add("jobs", f"{expression} job, {len(bench.frames(expression))} frames", short[-1], "s")
    long = timed_job(bench, LONG)
    report.add("jobs", f"job of {len(bench.frames(LONG))} frames", long, "s")
    few, many = len(bench.frames(bench.expressions[0])), len(bench.frames(LONG))
    frame = (long - float(np.mean(short))) / (many - few)
    start = float(np.mean(short)) - few * frame
    report.add("jobs", "a warm frame, everything included", frame, "s")
    report.add("jobs", "start-up of a job, its first decoding included", start, "s")
    expressions, frames = PERFORMANCE
    minutes = (report.value("neutral job, start-up included") or 0) + expressions * (start + frames * frame)
    report.add(
        "jobs", f"{expressions} × {frames} frames extrapolated, Snakemake's own time left out", minutes / 60, "min"
    )


@dataclass(frozen=True)
class Sitting:
    """A moved frame on the device and what its fits start from."""

    data: FrameData
    held_out: FrameData
    """The same with its held-out cameras alone."""
    studio: Studio
    warm_start: Gaussians


def load_frame(studio: Studio, expression: str, frame: str) -> tuple[FrameData, FrameData]:
    """Return a frame on the device, and its held-out cameras alone."""
    data = studio.source.load(expression, frame).to(studio.device)
    rows = np.flatnonzero(data.cameras.held_out)
    images = data.images[torch.as_tensor(rows, device=data.images.device)]
    held_out = replace(data, cameras=data.cameras.select(rows), images=images, crops=data.crops[rows])
    return data, held_out


def seat(bench: Bench, **training: Any) -> Sitting:
    """Load the strongest frame of the first expression and carry the neutral there."""
    studio = bench.studio(**training)
    expression = bench.expressions[0]
    data, held_out = load_frame(studio, expression, bench.frames(expression)[-1])
    rest = read_fitted_frames(bench.folder / "gaussians" / "neutral.h5").gaussians[0]
    turns = vertex_rotations(studio.neutral_vertices, data.vertices, studio.faces)
    return Sitting(data, held_out, studio, moved_by_mesh(rest, studio.neutral_vertices, data.vertices, turns))


def psnr_of(gaussians: Gaussians, held_out: FrameData, plan: Plan) -> float:
    """Return the held-out PSNR in the mask, dB."""
    return summary(measure_frame(gaussians, held_out, plan))["psnr"]


def steps_a_second(fitted: Callable[[int], None], lengths: tuple[int, int]) -> float:
    """Return the rate of steps from the difference of two runs; a first short run compiles."""
    fitted(lengths[0])
    seconds = []
    for steps in lengths:
        _wait()
        begin = time.perf_counter()
        fitted(steps)
        _wait()
        seconds.append(time.perf_counter() - begin)
    return (lengths[1] - lengths[0]) / (seconds[1] - seconds[0])


def _wait() -> None:
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def peak_of(call: Callable[[], float]) -> tuple[float, float]:
    """Return the value of `call` and the GiB of GPU memory that it brought the allocator to at most."""
    if not torch.cuda.is_available():
        return call(), 0.0
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    value = call()
    return value, torch.cuda.max_memory_allocated() / 2**30


def part_speed(bench: Bench) -> None:
    """Time the steps of both recipes, and of the original's own step, in one process."""
    report, lengths = bench.report, bench.lengths
    sitting = seat(bench)
    data, surface = sitting.data, sitting.studio.surface(sitting.data)

    def rate(what: str, start: Gaussians, plan: Plan) -> None:
        def fitted(steps: int) -> None:
            fit(start, data, surface, replace(plan, steps=steps), 0)

        value, peak = peak_of(lambda: steps_a_second(fitted, lengths.timed))
        report.add("speed", what, value, f"steps/s ({plan.rasterizer}, peak {peak:.2f} GiB)")

    rate("warm", sitting.warm_start, sitting.studio.plan("frame"))
    seed = bench.studio(recipe="seed", rasterizer=original_rasterizer())
    start = first_gaussians(seed, data)
    rate("seed recipe in splatrig", start, seed.plan("frame"))
    if not torch.cuda.is_available():
        report.add("speed", "the original's own step", None, "needs a GPU and diff_gaussian_rasterization")
        return
    value, peak = peak_of(lambda: steps_a_second(lambda steps: original_steps(start, data, steps), lengths.timed))
    report.add("speed", "the original's own step", value, f"steps/s (peak {peak:.2f} GiB, images as uint8)")
    frames = PERFORMANCE[0] * PERFORMANCE[1]
    minutes = frames * 10_000 / value / 60
    report.add("speed", f"{frames} frames by the original, 10,000 steps each, steps alone", minutes, "min")
    ours = next((row[2] for row in report.rows if "extrapolated" in row[1]), None)
    if ours:
        report.add("speed", "ratio to the warm recipe with everything", minutes / ours, "times")


def original_rasterizer() -> str:
    """Return the seed's back end on a GPU; on a CPU the only one there is."""
    return "diff_gaussian_rasterization" if torch.cuda.is_available() else "auto"


def seed_variants(start: Gaussians, plan: Plan) -> dict[str, tuple[Gaussians, Plan]]:
    """Return every variant of the seed recipe: what it starts from and its plan."""
    opaque = replace(start, logit_opacities=np.full_like(start.logit_opacities, OPAQUE_LOGIT))
    still = replace(plan, rates=replace(plan.rates, logit_opacities=0.0))
    variants = {}
    for name, gaussians, own in (("opacity as released", start, plan), ("opacity fixed to 1", opaque, still)):
        for backdrop in ("leak", "random", "black"):
            variants[f"{name}, {backdrop}"] = (gaussians, replace(own, backdrop=backdrop))
    return variants


def part_variants(bench: Bench, *, full: bool) -> None:
    """Fit one frame by every variant of the seed recipe, or (`full`) by the best and the released at full length."""
    report = bench.report
    studio = bench.studio(recipe="seed", rasterizer="auto")
    expression = bench.expressions[0]
    name = bench.frames(expression)[-1]
    data, held_out = load_frame(studio, expression, name)
    variants = seed_variants(first_gaussians(studio, data), studio.plan("frame"))
    warm = read_fitted_frames(bench.folder / "gaussians" / f"{expression}.h5").metrics
    mean = summary(warm[warm["frame"].astype(str).str.zfill(6) == name])["psnr"]
    measured = {what.rsplit(", ", 1)[0]: value for part, what, value, _ in report.rows if part == "variants"}
    jobs = [(what, bench.lengths.variants, "auto") for what in variants]
    if full:
        report.add("seed", f"warm on {expression}/{name}", mean, "dB")
        best = max(measured, key=lambda what: measured[what] or 0.0, default="opacity fixed to 1, black")
        steps = studio.plan("frame").steps
        jobs = [(best, steps, "auto"), (next(iter(variants)), steps, "auto")]
    for what, steps, rasterizer in jobs:
        start, plan = variants[what]
        plan = replace(plan, steps=steps, rasterizer=rasterizer)
        result = fit(start, data, studio.surface(data), plan, 0)
        unit = f"dB ({result.seconds:.1f} s, {steps / result.seconds:.0f} steps/s)"
        value = psnr_of(result.gaussians, held_out, plan)
        report.add("seed" if full else "variants", f"{what}, {steps} steps", value, unit)
        if full:
            report.add("seed", f"warm against {what}, {steps} steps", mean - value, "dB")


def part_curves(bench: Bench) -> None:
    """Fit the neutral and a warm frame with several numbers of steps."""
    report = bench.report
    sitting = seat(bench)
    plan = sitting.studio.plan("frame")
    for steps in bench.lengths.frame_curve:
        own = replace(plan, steps=steps)
        result = fit(sitting.warm_start, sitting.data, sitting.studio.surface(sitting.data), own, 0)
        value = psnr_of(result.gaussians, sitting.held_out, own)
        report.add("curves", f"warm frame, {steps} steps", value, f"dB ({result.seconds:.2f} s)")
    del sitting
    studio = bench.studio()
    data, held_out = load_frame(studio, NEUTRAL, bench.frames(NEUTRAL)[0])
    start = first_gaussians(studio, data)
    for steps in bench.lengths.neutral_curve:
        own = replace(studio.plan("neutral"), steps=steps)
        result = fit(start, data, studio.surface(data), own, 0)
        report.add(
            "curves",
            f"neutral, {steps} steps",
            psnr_of(result.gaussians, held_out, own),
            f"dB ({result.seconds:.2f} s)",
        )


def add_long_expression(folder: Path, expressions: list[str]) -> None:
    """Make an expression of five frames out of links to those of others."""
    rows = []
    for expression in expressions:
        for frame in read_frames(folder / "frames" / f"{expression}.csv")["frame"]:
            if len(rows) < PERFORMANCE[1]:
                target = folder / "dataset" / LONG / frame
                target.parent.mkdir(exist_ok=True)
                target.symlink_to(folder.resolve() / "dataset" / expression / frame)
                rows.append(FrameRow(LONG, frame, "train", 0, "", "", False))
    write_frames(folder / "frames" / f"{LONG}.csv", rows)


def measure_all(bench: Bench, budget: float, full: bool, only: list[str]) -> None:
    """Run the parts that fit into the budget (seconds); the estimates are for one H100."""
    parts: list[tuple[str, float, Callable[[], None]]] = [
        ("jobs", 90, lambda: part_jobs(bench)),
        ("speed", 40, lambda: part_speed(bench)),
        ("variants", 100, lambda: part_variants(bench, full=False)),
        ("curves", 60, lambda: part_curves(bench)),
        ("seed", 160, lambda: part_variants(bench, full=True)),
    ]
    for name, estimate, part in parts:
        if only and name not in only:
            continue
        left = budget - (time.perf_counter() - bench.report.begin)
        if full and estimate > left:
            bench.report.add(
                name, "left out", None, f"would take {estimate:.0f} s, {left:.0f} s of the budget are left"
            )
            continue
        bench.report.say(f"— {name}")
        part()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        bench.report.save()
    bench.report.save()


def main() -> None:
    """Synthesise the capture, measure, print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true", help="full size, on a GPU")
    parser.add_argument("--out", type=Path, default=Path("benchmarks-training"), help="gets training.json, training.md")
    parser.add_argument("--budget", type=float, default=540.0, help="seconds; parts that would not fit are left out")
    parser.add_argument("--capture", type=Path, help="keep the capture here, and use it if it is there")
    parser.add_argument("--only", nargs="+", default=[], help="names of parts (all need the jobs' neutral.h5)")
    parser.add_argument("--steps-neutral", type=int, help="default: that of the configuration's schema")
    parser.add_argument("--steps-frame", type=int, help="default: that of the configuration's schema")
    parser.add_argument("--job", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.job:
        run_job(options.job)
        return
    if options.full and not torch.cuda.is_available():
        sys.exit("benchmarks/training.py --full needs a CUDA device; torch finds none here")
    report = Report(options.out, machine())
    report.say("; ".join(f"{key} {value}" for key, value in report.machine.items()))
    training = schema_defaults()
    training["steps"] = {
        "neutral": options.steps_neutral or (training["steps"]["neutral"] if options.full else 30),
        "frame": options.steps_frame or (training["steps"]["frame"] if options.full else 10),
    }
    training["seed_steps"] = training["seed_steps"] if options.full else 20
    with tempfile.TemporaryDirectory() as scratch:
        folder = options.capture or Path(scratch) / "capture"
        size = FULL if options.full else SMALL
        if not (folder / "frames" / f"{LONG}.csv").exists():
            report.say(f"— capture: {size}")
            begin = time.perf_counter()
            expressions = write_capture(folder, size, len(os.sched_getaffinity(0)))
            add_long_expression(folder, expressions[1:])
            report.add("capture", "written", time.perf_counter() - begin, "s")
            megabytes = sum(path.stat().st_size for path in folder.glob("dataset/E0*/*/*.png")) / 1e6
            report.add("capture", "photographs", megabytes, "MB")
        names = sorted(path.stem for path in (folder / "frames").glob("E0*.csv") if path.stem != NEUTRAL)
        lengths = FULL_LENGTHS if options.full else SMALL_LENGTHS
        measure_all(Bench(folder, names, training, lengths, report), options.budget, options.full, options.only)
    print("\n" + (options.out / "training.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
