"""Part of training.py that runs the rules through Snakemake: seconds, memory and quality of the jobs."""

import json
import re
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import yaml
from training_bench import PERFORMANCE, SUBJECT, Bench

from splatrig.capture.krt import as_krt, write_krt
from splatrig.dataset.cameras import read_cameras
from splatrig.dataset.decoding import cores
from splatrig.dataset.frames import ChosenFrame, read_chosen_frames, write_frames
from splatrig.fitting.measurement import summary
from splatrig.gaussians.store import read_fitted_frames
from support.harness import checkout
from support.painted_head import NEUTRAL


def add_performance(folder: Path, synthesized: list[str], count: int) -> None:
    """Make `count` expressions of five frames, from links to those of others, each in another order."""
    sources = [(name, frame) for name in synthesized for frame in _frames(folder, name)]
    for number in range(count):
        expression = f"P{number:03d}_Performed"
        rows = []
        for place in range(PERFORMANCE[1]):
            source, old = sources[(number + place) % len(sources)]
            new = f"{100 * number + place + 1:06d}"
            target = folder / "dataset" / expression / new
            target.mkdir(parents=True)
            for path in (folder / "dataset" / source / old).iterdir():
                (target / path.name.replace(old, new)).symlink_to(path.resolve())
            rows.append(ChosenFrame(expression, new, 0, "", "", False))
        write_frames(folder / "frames" / f"{expression}.csv", rows)


def _frames(folder: Path, expression: str) -> list[str]:
    return read_chosen_frames(folder / "frames" / f"{expression}.csv")["frame"].tolist()


def write_raw(folder: Path, raw: Path) -> None:
    """Write what the configuration is checked against: a raw capture of these cameras and tracked meshes.

    No job reads it: what would be made of it is there.
    """
    (raw / "images").mkdir(parents=True)
    write_krt(raw / "KRT", as_krt(read_cameras(folder / "dataset" / "cameras.json")))
    for path in sorted((folder / "dataset").glob("*/*/*.obj")):
        mesh = raw / "tracked_mesh" / path.parent.parent.name / path.name
        mesh.parent.mkdir(parents=True, exist_ok=True)
        mesh.symlink_to(path.resolve())


def snakemake(bench: Bench, names: list[str], at_once: int) -> float:
    """Fit the frames of `names` by the real rules, `at_once` jobs at a time; return the wall seconds of the call."""
    config = {
        "preset": "local",
        "subject": SUBJECT,
        "neutral": NEUTRAL,
        "device": bench.device,
        "capture": {
            "source": "local",
            "root": "raw",
            "expressions": [NEUTRAL, *bench.synthesized, *bench.performed],
            "background": "silhouette",
        },
        "fitting": bench.fitting.model_dump(),
    }
    for examination in ("landmarks/check", "capture_report"):  # fits wait for them; this head has no face to find
        admitted = bench.folder / f"{examination}.admitted"
        admitted.parent.mkdir(exist_ok=True)
        admitted.touch()
    path = bench.work / "bench.yaml"
    path.write_text(yaml.safe_dump(config))
    targets = [f"results/{SUBJECT}/gaussians/{name}.h5" for name in names]
    given = str(cores()) if bench.device == "cuda" else str(at_once)
    command = [sys.executable, "-m", "snakemake", *targets, "--force", "--snakefile", str(checkout() / "Snakefile")]
    command += ["--directory", str(bench.work), "--configfile", str(path), "--cores", given]
    command += ["--resources", f"gpu={at_once}", "--allowed-rules", "fit_neutral", "fit_expression"]
    begin = time.perf_counter()
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    seconds = time.perf_counter() - begin
    if done.returncode:
        sys.exit(f"snakemake ended with {done.returncode}:\n{done.stdout[-4000:]}{done.stderr[-8000:]}")
    return seconds


def _job(name: str) -> str:
    """Return the rule and wildcards of the job that fits `name`, as its log is named."""
    return "fit_neutral" if name == "neutral" else f"fit_expression/{name}"


def job_seconds(bench: Bench, name: str) -> float:
    """Return the wall seconds of the last job that fitted `name`, as Snakemake's benchmark has them."""
    table = pd.read_csv(bench.work / "logs" / SUBJECT / "benchmarks" / f"{_job(name)}.tsv", sep="\t")
    return float(table["s"].iloc[0])


def report_job(bench: Bench, name: str) -> None:
    """Report seconds, quality and memory of the last job that fitted `name`, and what its log says of each frame."""
    log = (bench.work / "logs" / SUBJECT / f"{_job(name)}.log").read_text(encoding="utf-8")
    for line in log.splitlines():
        if re.search(r"using GPU|waited|steps in", line):
            bench.figures.say(f"    {line[:200]}")
    fitted = read_fitted_frames(bench.folder / "gaussians" / f"{name}.h5")
    bench.figures.add(f"job {name}: {len(fitted.frames)} frames", job_seconds(bench, name), "s")
    bench.figures.add(f"job {name}: held-out PSNR in the mask", summary(fitted.metrics)["psnr"], "dB")
    for kind, gib in json.loads(str(fitted.attributes.get("gpu_memory_gib", "{}"))).items():
        bench.figures.add(f"job {name}: peak GPU memory {kind}", gib, "GiB")


def part_jobs(bench: Bench, at_once: tuple[int, ...]) -> None:
    """Run the jobs through Snakemake, one at a time and several at once in two waves each, and extrapolate."""
    figures = bench.figures
    if not (bench.folder / "gaussians" / "neutral.h5").exists():  # a kept capture may have it
        snakemake(bench, ["neutral"], 1)
    report_job(bench, "neutral")
    neutral = job_seconds(bench, "neutral")
    short, long = bench.synthesized[:1], bench.performed
    for number in at_once:
        names = [*short, *long[:2]] if number == 1 else long[: 2 * number]
        wall = snakemake(bench, names, number)
        jobs = {name: job_seconds(bench, name) for name in names}
        for name in names:
            report_job(bench, name)
        figures.add(f"{len(names)} expressions, {number} at once, Snakemake included", wall, "s")
        frames = len(bench.frames(long[0]))
        five = float(np.mean([jobs[name] for name in names if name in long]))
        if number == 1:
            few = len(bench.frames(short[0]))
            frame = (five - jobs[short[0]]) / (frames - few)
            figures.add("a warm frame, everything included", frame, "s")
            figures.add("start-up and end of a job", five - frames * frame, "s")
            figures.add("Snakemake's own time", wall - sum(jobs.values()), "s")
            an_expression = five + (wall - sum(jobs.values())) / len(names)
        else:
            an_expression = wall / len(names)
        minutes = (neutral + PERFORMANCE[0] * an_expression) / 60
        what = f"{PERFORMANCE[0]} × {PERFORMANCE[1]} frames extrapolated, {number} at once"
        figures.add(what, minutes, "min")
