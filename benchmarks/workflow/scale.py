"""How splatrig scales to whole captures and to the whole Multiface release, by dry runs and by arithmetic.

    python benchmarks/workflow/scale.py

prints the table of docs/operations.md, and what a dry run takes to look at the photographs of a capture in a folder.
The graphs are real: `snakemake --dry-run` over docs/examples/multiface.yaml with more segments, over thirteen subjects
at once, and over a batch of a larger cohort (`--cohort 256 --batches 16`). Bytes follow from the formats of the files,
GPU time from what benchmarks/fitting/training.md and learned.md measured on one H200.

Hours and money of that cohort on several numbers of GPUs are simulated (`schedule.py`) with the same times; those of
other rules are read from the benchmark tables of a run (`--logs logs/6795937/benchmarks`), and `--price` is that of an
hour of one GPU with its cores.
"""

import json
import os
import re
import subprocess
import sys
import tempfile
from argparse import Namespace
from dataclasses import dataclass
from pathlib import Path

import yaml
from faults import copy_project
from schedule import LIST_JOBS, Demand, read_jobs, read_seconds, simulate

from splatrig.capture.krt import write_krt
from splatrig.config.load import merged
from support.harness import ROOT, Figures, machine, parsed, parser_of
from support.raw_capture import stage_cameras

ENTITY = "6795937"
SUBJECTS = 13
COHORT, BATCHES = 256, 16
"""Subjects of Ava-256, and in how many parts they are planned."""
FRAMES = 5
GAUSSIANS = {"base": 5_509, "subd1": 21_954, "subd2": 87_652}
CAMERAS = 38
FLOAT = 4  # bytes

PHOTOGRAPH = 1469e6 / (11 * CAMERAS)
"""Bytes of a restructured photograph of 1334×2048 with its silhouette (benchmarks/fitting/training.md, 11 frames)."""
MESHES = 30e6
"""Bytes of a frame's meshes: OBJ and three PLY files with 87,652 vertices at the finest level."""
PARAMETERS = 3 + 4 + 3 + 1 + 3 + 45
"""Numbers of a Gaussian."""
COLUMNS = PARAMETERS + 3 + 3
"""Numbers of a Gaussian in the attribute store: with normal and color."""
ALL_COLUMNS = 13
COMPONENTS = 50
JOB_START_S, FRAME_S, NEUTRAL_S = 3.4, 1.24, 43.0
"""Seconds of one H200, a job at a time: start-up of a job, a frame with everything (benchmarks/fitting/training.md).
The neutral's job is an H100's."""


PHOTOGRAPH_S, MESHES_S = 0.345, 0.35
"""Seconds of one thread to restructure a photograph, and the meshes of a frame (benchmarks/capture/restructure.md)."""
FULL_SIZE_S = {
    "fit_neutral": NEUTRAL_S,
    "fit_expression": JOB_START_S + FRAMES * FRAME_S,
    "find_free_gaussians": JOB_START_S + 134.0 / 3,
    "learn_rig": 134.0,
    "restructure_expression": JOB_START_S + FRAMES * (CAMERAS * PHOTOGRAPH_S + MESHES_S) / 4,
    "compute_pca": JOB_START_S + 2.7,
    "compute_sldc": JOB_START_S + 13.6,
    "compute_mbspca": JOB_START_S + 4.3,
    "capture_report": 40.0,
}
"""Seconds of a job at full size by rule, alone on an H200 or on its cores: training.md, learned.md (a second job on the
GPU), restructure.md (4 threads), components.md, capture_report.md of the benchmarks."""
NOT_COUNTED = ("all", "download", "retrieve")
"""How the names of rules begin that wait for the network or do nothing."""
OTHER_S = 30.0
"""Seconds of a job that neither was measured at full size nor has a benchmark table in `--logs`."""


@dataclass(frozen=True)
class Planned:
    """What a dry run says and costs."""

    jobs: int
    seconds: float
    processor_s: float
    memory_mib: float


def call(*arguments: str) -> list[str]:
    """Return the words of a call of snakemake that runs nothing."""
    return [sys.executable, "-m", "snakemake", "--cores", "64", *arguments]


def dry_run(folder: Path, *arguments: str) -> Planned:
    """Dry-run a workflow in `folder` and return its size and what that took."""
    command = call("--dry-run", "--quiet", "rules", *arguments)
    before = os.times().elapsed
    with subprocess.Popen(command, cwd=folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True) as process:
        assert process.stdout is not None
        words = process.stdout.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
    found = re.search(r"^total +(\d+)$", words, re.MULTILINE)
    if found is None:
        raise RuntimeError(words[-3000:])
    elapsed = os.times().elapsed - before
    return Planned(int(found[1]), elapsed, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


def configuration(subject: str, expressions: str | list[str]) -> dict[str, object]:
    """Return the configuration of a Multiface subject: the example with other expressions."""
    example = yaml.safe_load((ROOT / "docs" / "examples" / "multiface.yaml").read_text())
    chosen = {"subject": subject, "capture": {"expressions": expressions, "root": f"resources/captures/{subject}"}}
    return merged(example, chosen)


def folder_of_photographs(root: Path, segments: int, frames: int) -> None:
    """Write a capture as far as a dry run looks at it: names of files, and the cameras."""
    names = [f"{400000 + number}" for number in range(CAMERAS)]
    root.mkdir()
    write_krt(root / "KRT", stage_cameras(tuple(names)))
    for segment in range(segments):
        meshes = root / "tracked_mesh" / f"S{segment:02d}"
        meshes.mkdir(parents=True)
        folders = [root / "images" / meshes.name / name for name in names]
        for folder in folders:
            folder.mkdir(parents=True)
        for frame in range(frames):
            (meshes / f"{frame:06d}.obj").touch()
            for folder in folders:
                (folder / f"{frame:06d}.png").touch()


def time_looking(folder: Path, photographs: int, rounds: int, figures: Figures) -> None:
    """Time dry runs of a capture with so many photographs, and with few; the shortest of `rounds` counts."""
    frames = max(1, photographs // (CAMERAS * SEGMENTS))
    for name, count in (("few", 1), ("many", frames)):
        root = folder / name
        folder_of_photographs(root, SEGMENTS, frames)
        for path in (path for path in root.glob("images/*/*/*.png") if int(path.stem) >= count):
            path.unlink()
        capture = {"root": str(root), "held_out": {"cameras": "every 8th"}}
        values = {"preset": "local", "neutral": "S00", "subject": name, "capture": capture}
        (folder / f"{name}.yaml").write_text(yaml.safe_dump(values))
        shortest = min(dry_run(folder, "--configfile", f"{name}.yaml").processor_s for _ in range(rounds))
        figures.add(f"{CAMERAS * SEGMENTS * count} photographs in a folder: dry run, processor", shortest, "s")


def study(folder: Path, count: int, expressions: str | list[str]) -> Path:
    """Write the configuration of `count` subjects with the same expressions, and return its path."""
    raw = configuration("{subject}", expressions)
    del raw["subject"]
    raw["subjects"] = [f"person_{index:03d}" for index in range(count)]
    path = folder / f"study_{count}.yaml"
    path.write_text(yaml.safe_dump(raw))
    return path


def demands(occupied: dict[str, tuple[int, int]], logged: dict[str, float]) -> dict[str, Demand]:
    """Return what a job of each rule takes: measured at full size, else as in the tables of a run, else a guess."""
    made = {}
    for rule, (threads, gpus) in occupied.items():
        seconds = FULL_SIZE_S.get(rule, logged.get(rule, OTHER_S))
        made[rule] = Demand(0.0 if rule.startswith(NOT_COUNTED) else seconds, threads, gpus)
    return made


def simulate_cohort(folder: Path, expressions: str | list[str], subjects: int, options: Namespace) -> list[str]:
    """Print hours and money of a cohort on several numbers of GPUs; return the lines of the table."""
    path = folder / "one.yaml"
    path.write_text(yaml.safe_dump(configuration(ENTITY, expressions)))
    (folder / "list_jobs.smk").write_text(LIST_JOBS)
    words = [
        "--snakefile",
        "list_jobs.smk",
        "--configfile",
        str(path),
        "--config",
        "device=cuda",
        "--dry-run",
        "--quiet",
    ]
    subprocess.run(call(*words, "all", "--", "all"), cwd=folder, stdout=subprocess.DEVNULL, check=True)
    graph, occupied = read_jobs(json.loads((folder / "jobs.json").read_text()))
    wanted = demands(occupied, read_seconds(options.logs) if options.logs else {})
    own = [wanted[rule] for rule in graph.rules]
    on_gpu = sum(each.seconds for each in own if each.gpus)
    measured = sum(wanted[rule].seconds for rule in graph.rules if wanted[rule].gpus and rule in FULL_SIZE_S)
    on_cores = sum(each.seconds * each.threads for each in own if not each.gpus)
    lines = [
        f"{subjects} subjects of {len(graph.rules):,} jobs; each {on_gpu / 3600:.2f} GPU hours, "
        f"{100 * measured / on_gpu:.0f} % of them measured at full size, and {on_cores / 3600:.1f} core hours",
        "",
        "| GPUs | hours | GPUs busy | money |",
        "|---|---|---|---|",
    ]
    for gpus in options.gpus:
        found = simulate(graph, wanted, subjects, gpus, options.cores_per_gpu)
        busy = found.gpu_hours / (gpus * found.hours)
        lines.append(f"| {gpus} | {found.hours:.2f} | {100 * busy:.0f} % | {found.hours * gpus * options.price:,.0f} |")
    return lines


def gigabytes(segments: int) -> dict[str, float]:
    """Return the bytes on disk of a subject by stage, in GB."""
    frames, finest, all_levels = segments * FRAMES, GAUSSIANS["subd2"], sum(GAUSSIANS.values())
    rows = frames + COMPONENTS + 2  # standardized rows, components, MEAN and STD
    everything = rows * ALL_COLUMNS * FLOAT
    components = (
        everything * all_levels  # pca_all of every level
        + everything * finest  # pca of every attribute
        + everything * 2 * finest  # carried up from two levels
        + rows * 3 * FLOAT * 2 * finest  # SLDC with two support maps
        + rows * ALL_COLUMNS * FLOAT * GAUSSIANS["base"]  # sparse PCA
        + 2 * (COMPONENTS + 10) * ALL_COLUMNS * FLOAT * finest  # learned rigs
    )
    stages = {
        "dataset": frames * (CAMERAS * PHOTOGRAPH + MESHES),
        "gaussians": frames * PARAMETERS * FLOAT * finest,
        "attributes": frames * COLUMNS * FLOAT * all_levels,
        "components": components,
    }
    return {name: size / 1e9 for name, size in stages.items()}


def gpu_hours(segments: int) -> float:
    """Return the hours of one H200 that the fits of a subject take."""
    return (NEUTRAL_S + segments * (JOB_START_S + FRAMES * FRAME_S)) / 3600


SCALES: dict[str, tuple[str | list[str], int]] = {
    "the 66 of the script": ("multiface_v1", 66),
    "all segments": ("all", 185),
}
"""The expressions of a subject, and how many they are."""
FEWEST = 11
"""Segments with more frames than the configuration has components."""
SEGMENTS = 10
"""Of a capture in a folder whose photographs are looked at."""
ROUNDS = 5
"""Dry runs of that capture, of which the shortest counts."""


def fewest() -> dict[str, tuple[str | list[str], int]]:
    """Return what `--smallest` plans instead of `SCALES`."""
    preset = yaml.safe_load((ROOT / "resources" / "expressions" / "multiface_v1.yaml").read_text())
    return {"a few segments": (list(preset)[:FEWEST], FEWEST)}


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--subjects", type=int, default=SUBJECTS)
    parser.add_argument("--photographs", type=int, default=12_000, help="of a capture in a folder")
    parser.add_argument("--cohort", type=int, default=COHORT, help="subjects of the large cohort")
    parser.add_argument("--batches", type=int, default=BATCHES, help="in so many parts it is planned")
    parser.add_argument("--logs", type=Path, help="benchmark tables of a run, logs/SUBJECT/benchmarks")
    parser.add_argument("--gpus", type=int, nargs="+", default=[8, 64, 256], help="numbers of GPUs to simulate")
    parser.add_argument("--cores-per-gpu", type=int, default=16)
    parser.add_argument("--price", type=float, default=3.0, help="of an hour of a GPU with its cores")
    options = parsed(parser, subjects=0, photographs=800, cohort=2, batches=1, gpus=[1])
    scales = fewest() if options.smallest else SCALES
    figures = Figures(options, machine("snakemake"))
    rows = []
    with tempfile.TemporaryDirectory() as temporary:
        folder = Path(temporary) / "project"
        copy_project(folder)
        for name, (expressions, segments) in scales.items():
            path = folder / "one.yaml"
            path.write_text(yaml.safe_dump(configuration(ENTITY, expressions)))
            rows.append((f"{name}: {segments}", dry_run(folder, "--configfile", str(path)), segments, 1))
        time_looking(folder, options.photographs, 1 if options.smallest else ROUNDS, figures)
        if options.subjects:
            expressions, segments = list(scales.values())[-1]
            graph = dry_run(folder, "--configfile", str(study(folder, options.subjects, expressions)))
            what = f"{options.subjects} subjects × {segments} in one workflow"
            rows.append((what, graph, segments, options.subjects))
        expressions, segments = next(iter(scales.values()))
        batch = f"--batch=show_heads=1/{options.batches}"
        path = study(folder, options.cohort, expressions)
        graph = dry_run(folder, "--configfile", str(path), *([batch] if options.batches > 1 else []))
        members = -(-options.cohort // options.batches)
        what = f"a batch of {members} of {options.cohort} subjects × {segments}"
        rows.append((what, graph, segments, members))
        lines = simulate_cohort(folder, expressions, options.cohort, options)
    stages = gigabytes(1)
    print(
        "\n| segments | jobs | dry run, s of processor | memory, MiB |",
        *(f"{stage}, GB |" for stage in stages),
        "GPU hours |",
    )
    print("|---|" + "---|" * (4 + len(stages)))
    for name, graph, segments, subjects in rows:
        bytes_of = {stage: subjects * size for stage, size in gigabytes(segments).items()}
        hours = subjects * gpu_hours(segments)
        cost = f"{graph.jobs:,} | {graph.processor_s:.1f} | {graph.memory_mib:.0f}"
        print(f"| {name} | {cost} | {' | '.join(f'{size:,.0f}' for size in bytes_of.values())} | {hours:.1f} |")
        figures.add(f"{name}: jobs", graph.jobs, "", shown=False)
        figures.add(f"{name}: dry run, processor", graph.processor_s, "s", shown=False)
        figures.add(f"{name}: memory", graph.memory_mib / 1024, "GiB", shown=False)
        for stage, size in bytes_of.items():
            figures.add(f"{name}: {stage}", size, "GB", shown=False)
        figures.add(f"{name}: GPU", hours, "h", shown=False)
    print("", *lines, sep="\n")
    figures.save()


if __name__ == "__main__":
    main()
