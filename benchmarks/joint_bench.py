"""What benchmarks/joint.py measures with: a capture, fits of single frames, their PCA, learned rigs and their cost."""

# ruff: noqa: E402 (the library is found after the path is set)

import os
import platform
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pandas as pd
import torch
import yaml

ROOT = Path(__file__).parents[1]
sys.path[:0] = [str(ROOT / "workflow" / "lib"), str(Path(__file__).parent)]

from splatrig.capture.cameras import read_cameras
from splatrig.components.file import Components
from splatrig.components.matrix import in_memory
from splatrig.components.pca import principal_components
from splatrig.config import Config
from splatrig.config_checks import load_config
from splatrig.config_joint import JointConfig
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.gaussians.store import FittedFrames, read_fitted_frames, write_fitted_frames
from splatrig.joint.base import ATTRIBUTES
from splatrig.joint.compare import Comparison, read_fits
from splatrig.joint.mesh_components import carried_by_meshes, mesh_pca, mesh_sldc, read_meshes, with_k
from splatrig.joint.stage import Learned, Subject, as_components, joint_plan, learn, rig_start
from splatrig.mesh.normals import vertex_rotations
from splatrig.mesh.template import read_template
from splatrig.mesh.topology import mean_edge_lengths
from splatrig.training.dataset import FrameSource
from splatrig.training.fitting import Studio, first_gaussians
from splatrig.training.initialize import moved_by_mesh
from splatrig.training.recipe import Plan, plan_for
from splatrig.training.trainer import Surface, fit

ATTRIBUTES_OF_FITS = ("xyz", "f_dc", "rotation", "scale")


def report(text: str) -> None:
    """Print a line at once."""
    print(f"[{time.strftime('%H:%M:%S')}] {text}", flush=True)


def machine() -> str:
    """Name what the numbers depend on."""
    device = torch.cuda.get_device_name() if torch.cuda.is_available() else f"{os.cpu_count()} CPU cores"
    return f"{device}, torch {torch.__version__}, Python {platform.python_version()}"


@dataclass(frozen=True)
class Run:
    """One learned rig and what it cost."""

    components: Components
    learned: Learned
    seconds: float
    cpu_seconds: float
    peak_gib: float
    utilisation: float
    """Percent of the time in which the GPU had work (nvidia-smi, every 0.2 s); NaN without one."""


@dataclass(frozen=True)
class Bench:
    """The capture, the configuration and where results go."""

    folder: Path
    out: Path
    config: Config
    subject: Subject
    device: torch.device
    making: subprocess.Popen[str] | None = None
    """The process that still writes photographs, if any."""
    fits: Path | None = None
    """Folder of fitted frames that are taken as they are, `neutral.h5` and `{expression}.h5`."""
    seed: int = 0
    learned: dict[str, Run] = field(default_factory=dict)
    """Rigs that an earlier part learned, by family."""

    @property
    def joint(self) -> JointConfig:
        """The joint section."""
        return self.config.joint

    def comparison(self) -> Comparison:
        """Return what all measurements share."""
        return Comparison(self.subject, self.view, self.joint.solve, self.device)

    def arrived(self, names: list[str]) -> None:
        """Wait until the photographs of the frames `expression/frame` are there."""
        wait_for(self.making, [self.folder / "dataset" / name for name in names], self.subject.cameras.names)

    @property
    def view(self) -> Plan:
        """How pictures are rendered and compared."""
        return plan_for(self.config.training, "frame", "mask")

    def save(self, name: str, table: pd.DataFrame, *, shown: bool = True) -> None:
        """Write a table and print it."""
        self.out.mkdir(parents=True, exist_ok=True)
        table.assign(machine=machine()).to_csv(self.out / f"joint_{name}.csv", index=False, float_format="%.5g")
        if shown:
            print(table.to_string(index=False, float_format=lambda value: f"{value:.3f}"), flush=True)


def configuration(options: Any) -> Config:
    """Return a configuration with what the command line changes; without `--config` the schema's defaults.

    Those are meant for captures of full size.
    """
    schema = yaml.safe_load((ROOT / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    raw: dict[str, Any] = {"subject": "benchmark", "capture": {"root": "none"}}
    if options.config is not None:
        raw = yaml.safe_load(options.config.read_text(encoding="utf-8"))
    changes = {
        "joint.k": options.k,
        "components.pca.k": options.k,
        "joint.steps": options.steps,
        "joint.batch.frames": options.batch,
        "joint.memory_gib": options.memory_gib,
        "joint.local.lambda": options.local_lambda,
        "joint.solve.steps": options.solve_steps,
        "joint.patience": 0,
        "training.steps.neutral": options.neutral_steps,
        "training.steps.frame": options.fit_steps,
    }
    for key, value in changes.items():
        place, *path = raw, *key.split(".")
        for name in path[:-1]:
            place = place.setdefault(name, {})
        if value is not None:
            place[path[-1]] = value
    raw.setdefault("evaluation", {}).setdefault("ks", [1])
    config = load_config(raw, schema)
    checks = replace(config.joint, check_every=max(1, config.joint.steps // 8))
    return replace(config, joint=checks)


def wait_for(making: subprocess.Popen[str] | None, folders: list[Path], cameras: Sequence[str]) -> None:
    """Wait until every camera's photograph is in every folder, as long as the process that makes them runs."""
    for path in (folder / f"{camera}.png" for folder in folders for camera in cameras):
        while making is not None and not path.exists():
            if making.poll():
                sys.exit(f"full_size_capture.py ended with {making.returncode}")
            time.sleep(0.05)


def open_subject(
    folder: Path,
    held_out: list[str],
    config: Config,
    device: torch.device,
    *,
    making: subprocess.Popen[str] | None = None,
    fits: Path | None = None,
) -> Subject:
    """Read the capture, with the roles of frames decided here, and fit its neutral anew or read it from `fits`."""
    frames = pd.concat([pd.read_csv(path, dtype={"frame": str}) for path in sorted((folder / "frames").glob("*.csv"))])
    unknown = set(held_out) - set(frames["expression"])
    if unknown:
        sys.exit(f"--held-out: {', '.join(sorted(unknown))} is not in {folder}")
    frames["role"] = np.where(frames["expression"].isin(held_out), "held_out", "train")
    with tempfile.NamedTemporaryFile("w", suffix=".csv", delete=False) as stream:
        frames.to_csv(stream, index=False)
    neutral = Path(stream.name).with_suffix(".h5")
    row = frames[frames["neutral"]].iloc[0]
    cameras = read_cameras(folder / "dataset" / "cameras.json").names
    wait_for(making, [folder / "dataset" / row["expression"] / row["frame"]], cameras)
    begin = time.perf_counter()
    if fits is None:
        fitted = fit_first(studio_of(folder, config, device), row["expression"], row["frame"])
    else:
        fitted = read_fitted_frames(fits / "neutral.h5").gaussians[0]
    empty = pd.DataFrame(columns=["frame", "camera", "split", "region", "psnr", "ssim", "lpips"])
    write_fitted_frames(neutral, FittedFrames(row["expression"], (row["frame"],), (fitted,), empty, {}))
    report(f"neutral: {config.training.steps.neutral} steps, {time.perf_counter() - begin:.1f} s with decoding")
    paths = SimpleNamespace(
        cameras=str(folder / "dataset" / "cameras.json"),
        template=str(folder / "template" / "template.h5"),
        neutral=str(neutral),
        frames=stream.name,
        plates=[],
    )
    return Subject.open(paths)


def studio_of(folder: Path, config: Config, device: torch.device) -> Studio:
    """Return what the trainer of single frames needs."""
    source = FrameSource(
        dataset=folder / "dataset",
        cameras=read_cameras(folder / "dataset" / "cameras.json"),
        template=read_template(folder / "template" / "template.h5"),
    )
    return Studio(source, config.training, "mask", 0, device)


def fit_first(studio: Studio, expression: str, frame: str) -> Gaussians:
    """Fit the neutral."""
    data = studio.source.load(expression, frame)
    start = first_gaussians(studio, data)
    return fit(start, data.to(studio.device), studio.surface(data), studio.plan("neutral"), 0).gaussians


def single_fits(bench: Bench) -> tuple[dict[str, Gaussians], float]:
    """Fit every frame on its own from the neutral, as the rules do; return the fits and the seconds of their steps."""
    if bench.fits is not None:
        stores = sorted(path for path in bench.fits.glob("*.h5") if path.name != "neutral.h5")
        return read_fits(bench.subject, stores), float("nan")
    studio = studio_of(bench.folder, bench.config, bench.device)
    level = bench.subject.template.levels[bench.subject.template.finest]
    edges = mean_edge_lengths(level.vertices, level.faces)
    plan, neutral = studio.plan("frame"), bench.subject.neutral
    fits, seconds = {bench.subject.neutral_name: neutral}, 0.0
    rows = bench.subject.frames
    for expression, group in rows.groupby("expression", sort=False):
        wanted = [frame for frame in group["frame"] if f"{expression}/{frame}" not in fits]
        bench.arrived([f"{expression}/{frame}" for frame in wanted])
        for data in studio.source.stream(str(expression), wanted, lambda _: None, lambda data, _: data, workers=8):
            turns = vertex_rotations(level.vertices, data.vertices, level.faces)
            start = moved_by_mesh(neutral, level.vertices, data.vertices, turns)
            moved = data.to(bench.device)
            done = fit(start, moved, Surface(data.vertices, edges), plan, 0, reference_quats=neutral.quats)
            fits[data.name], seconds = done.gaussians, seconds + done.seconds
        report(f"fitted {expression}: {plan.steps} steps a frame, {seconds:.1f} s until here")
    return fits, seconds


def pca_of_fits(bench: Bench, fits: dict[str, Gaussians], k: int) -> Components:
    """Return the joint PCA of the fitted training frames about the neutral."""
    names = bench.subject.names("train")
    rows = {
        name: np.stack([getattr(fits[frame], ATTRIBUTES[name]).reshape(-1) for frame in names])
        for name in ATTRIBUTES_OF_FITS
    }
    matrix = in_memory(rows, bench.subject.neutral_row(names))
    found = principal_components(matrix, min(k, len(names) - 1), "neutral", threads=os.cpu_count() or 1)
    level = bench.subject.template.levels[bench.subject.template.finest]
    parts = found.standardisation
    return Components(
        family="pca",
        W=found.W,
        C=found.C,
        mean=parts.mean,
        std=parts.std,
        offset=parts.offset,
        dim_info=parts.dim_info,
        faces=level.faces,
        face_mask=level.mask,
        frames=tuple(names),
    )


def mesh_start(bench: Bench, family: str, k: int, lambda_: float) -> Components:
    """Return the components of the tracked meshes."""
    subject, names = bench.subject, bench.subject.names("train")
    meshes = read_meshes(subject.dataset, names, subject.template)
    rows = carried_by_meshes(subject.neutral, meshes, subject.template, names, subject.neutral_row(names))
    level = subject.template.levels[subject.template.finest]
    if family == "global":
        return mesh_pca(rows, min(k, len(names) - 1), level, os.cpu_count() or 1)
    config = with_k(bench.config.components.sldc, min(k, len(names) - 1), lambda_)
    return mesh_sldc(rows, config, bench.joint.local.map, level, os.cpu_count() or 1)


def learned_rig(bench: Bench, config: JointConfig, family: str, start: Components | None) -> Run:
    """Learn one rig."""
    rig = rig_start(config, bench.config.components.sldc, bench.subject, start, family, bench.seed)
    plan = joint_plan(config, bench.config.training, "mask", family, rig)
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    begin, cpu = time.perf_counter(), time.process_time()
    with gpu_utilisation() as samples:
        learned = learn(rig, bench.subject, config, plan, bench.seed, bench.device)
    peak = torch.cuda.max_memory_reserved() / 2**30 if torch.cuda.is_available() else float("nan")
    return Run(
        as_components(learned, bench.subject, family, {}),
        learned,
        time.perf_counter() - begin,
        time.process_time() - cpu,
        peak,
        float(np.mean(samples)) if samples else float("nan"),
    )


@contextmanager
def gpu_utilisation() -> Iterator[list[float]]:
    """Sample how busy the GPU is while the block runs."""
    samples: list[float] = []
    if not torch.cuda.is_available():
        yield samples
        return
    command = ["nvidia-smi", "--query-gpu=utilization.gpu", "--format=csv,noheader,nounits", "-lms", "200"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
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


def at_level(bench: Bench, level: str) -> Subject:
    """Return the subject with its Gaussians and template cut to a coarser level: the first rows of everything."""
    subject = bench.subject
    levels = {}
    for name, value in subject.template.levels.items():
        levels[name] = value
        if name == level:
            break
    count = len(levels[level].vertices)
    neutral = Gaussians(**{name: getattr(subject.neutral, name)[:count] for name in SHAPES})
    return replace(subject, template=type(subject.template)(levels), neutral=neutral)


def synthesised(size: str, frames: int, folder: Path) -> subprocess.Popen[str]:
    """Start to write a synthetic capture; return the process when only photographs are missing."""
    from full_size_capture import MESHES_WRITTEN

    script = Path(__file__).with_name("full_size_capture.py")
    device = "cuda" if torch.cuda.is_available() else "cpu"
    command = [sys.executable, str(script), str(folder), "--size", size, "--frames", str(frames), "--device", device]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, bufsize=1)
    assert process.stdout is not None
    lines = process.stdout
    for line in lines:
        if line.rstrip() == MESHES_WRITTEN:
            break
    else:
        sys.exit(f"full_size_capture.py ended with {process.wait()}")
    threading.Thread(target=lambda: [report(line.strip()) for line in lines], daemon=True).start()
    return process
