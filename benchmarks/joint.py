"""Measure rigs learned through the rasteriser: `python benchmarks/joint.py FOLDER --out OUT`.

FOLDER holds what the rules before the fits leave (`results/{subject}`: frames/, dataset/, template/). Instead of it,
`--synthesise small|medium|full` makes a capture with benchmarks/full_size_capture.py: full is 87,618 Gaussians, 26
frames in 6 expressions, 38 cameras of 1334×2048; medium is 11,170 Gaussians, 26 frames, 20 cameras of 200×307; small
proves that everything runs.

Parts, by `--parts` (default: bars):
  rigs      joint global and joint local, from the tracked meshes
  fits      every frame fitted on its own
  bars      both, and PCA of the fits, in held-out cameras: training frames, and frames of expressions that were held
            out (`--held-out`), whose weights are found through the rasteriser; with the verdicts of the bars
  ablation  rigs with one setting changed at a time: the table is benchmarks/joint_ablation.py
  cameras   PSNR of unseen frames against the number of cameras that their weights are found from
  scaling   milliseconds a step and peak memory against K, frames and Gaussians
  stream    decoding alone, what the GPU does in a step, and how long steps wait when few photographs fit into memory
  cards     one rig on one and on two GPUs: pairs a second, and how far the two end apart (processes without GPUs)

Results are printed as they come and written to OUT/joint_*.csv. What takes long is kept in `--keep` and read from there
by the next call: empty it when options change. PSNR in dB inside the silhouette, mean over pictures.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parent))

from joint_ablation import part_ablation
from joint_bench import (
    Bench,
    at_level,
    begun,
    forget_peak,
    kept_rig,
    learned_rig,
    machine,
    now,
    open_bench,
    peak_gib,
    report,
    synthesised,
)
from joint_cards import part_cards
from joint_fits import pca_of_fits, single_fits

from splatrig.config_joint import JointConfig, JointSolve
from splatrig.joint.compare import compare, measured_method, method_of, summary, unseen_weights
from splatrig.joint.stage import Subject
from splatrig.training.device import visible_cards

BARS = {
    ("joint_global", "pca", "train"): 1.5,
    ("joint_global", "fits", "train"): 1.0,
    ("joint_global", "pca", "held_out"): 1.0,
    ("joint_local", "joint_global", "train"): -1.0,
}
"""(method, compared with, split): wanted difference of the mean PSNR in the mask, dB; at full size 1.0 against PCA."""


def part_rigs(bench: Bench) -> None:
    """Learn both families."""
    for family in ("global", "local"):
        kept_rig(bench, family)


def part_fits(bench: Bench) -> None:
    """Fit every frame on its own."""
    single_fits(bench)


def part_bars(bench: Bench) -> None:
    """Compare at convergence, and say which bars are met."""
    k = bench.joint.k
    fits = single_fits(bench)
    files = {"pca": pca_of_fits(bench, fits, k)}
    files |= {f"joint_{family}": kept_rig(bench, family) for family in ("global", "local")}
    table = compare(bench.comparison(), files, fits, k)
    bench.save("pictures", table, shown=False)
    means = summary(table)
    bench.save("bars", means)
    psnr = means[means["region"] == "mask"].set_index(["method", "split"])["psnr"]
    for (method, other, split), wanted in BARS.items():
        if (method, split) in psnr and (other, split) in psnr:
            gain = psnr[method, split] - psnr[other, split]
            verdict = "met" if gain >= wanted else "MISSED"
            report(f"{split}: {method} - {other} = {gain:+.2f} dB, wanted {wanted:+.1f} or more: {verdict}")


def part_cameras(bench: Bench) -> None:
    """Find weights of unseen frames from few cameras."""
    names = bench.subject.names("held_out")
    if not names:
        sys.exit("the part `cameras` needs --held-out expressions")
    comparison = bench.comparison()
    method = method_of("joint_global", kept_rig(bench, "global"), bench.subject.neutral, bench.joint.k, bench.device)
    total = int((~bench.subject.cameras.held_out).sum())
    mesh_only = replace(comparison, solve=JointSolve(0, 0.0))
    for cameras in [0, *(count for count in (1, 2, 3, 4, 6, 8) if count < total), total]:
        begin = time.perf_counter()
        weights = unseen_weights(comparison if cameras else mesh_only, method, names, cameras or 1)
        seconds = (time.perf_counter() - begin) / len(names)
        table = measured_method(comparison, names, "held_out", method, weights)
        psnr = table.loc[table["region"] == "mask", "psnr"].mean()
        label = "photographs" if cameras else "tracked mesh alone"
        bench.record("cameras", {"from": label, "cameras": cameras, "psnr": psnr, "seconds_a_frame": seconds})


def part_scaling(bench: Bench) -> None:
    """Measure milliseconds a step, when all photographs have been decoded, and memory."""
    timed, on_gpu = 60, torch.cuda.is_available()
    few = np.flatnonzero(np.arange(len(bench.subject.cameras)) % 4 == 1)  # photographs, not what a step costs

    def measure_one(what: str, value: int, subject: Subject, config: JointConfig) -> None:
        forget_peak()
        subject = replace(subject, cameras=subject.cameras.select(few))
        pairs = len(subject.names("train")) * int((~subject.cameras.held_out).sum())
        clock = now if on_gpu else time.thread_time  # on a CPU: not of decoding threads, nor of other jobs
        with begun(bench, subject, replace(config, validation_pairs=0), None) as (fit, shots):
            untimed = 1 + pairs // config.batch.frames if on_gpu else 5
            for step in range(untimed + timed):
                if step == untimed:
                    begin = clock()
                fit.step(step, next(shots))
            per_step = 1e3 * (clock() - begin) / timed
        bench.record("scaling", {"against": what, "value": value, "ms_a_step": per_step, "peak_gib": peak_gib()})

    joint, finest = bench.joint, bench.subject.template.finest
    for level in dict.fromkeys((joint.level, finest)):
        for k in (10, 20, 50):
            measure_one(f"K on {level}", k, bench.subject, replace(joint, k=k, level=level))
    rows_of_frames = bench.subject.frames[bench.subject.frames["role"] == "train"]
    for frames in (25, 50, 100):
        # a frame that comes twice has weights and photographs of its own each time
        repeated = pd.concat([rows_of_frames] * -(-frames // len(rows_of_frames))).head(frames)
        measure_one("frames", frames, replace(bench.subject, frames=repeated), joint)
    for level in list(bench.subject.template.levels):
        subject = at_level(bench, level)
        measure_one("Gaussians", len(subject.neutral), subject, joint)


def part_stream(bench: Bench) -> None:
    """Measure how fast photographs are decoded, and whether the GPU waits when few of them fit into memory."""
    names = bench.subject.names("train")
    train = np.flatnonzero(~bench.subject.cameras.held_out)
    pairs = [(frame, int(camera)) for frame in range(len(names)) for camera in train][:400]
    begin = time.perf_counter()
    with bench.subject.photographs(names, bench.device) as photographs:
        photographs.hold(pairs)
        for pair in pairs:
            photographs.view(pair)
            photographs.drop([pair])
    rate = len(pairs) / (time.perf_counter() - begin)
    short = replace(bench.joint, steps=bench.options.stream_steps, check_every=10**6, validation_pairs=0)
    if torch.cuda.is_available():
        bench.record("busy", {"gpu_busy_ms_a_step": busy_ms(bench, replace(short, steps=60))})
    for gib in (bench.joint.memory_gib, bench.joint.memory_gib / 8):
        run = learned_rig(bench, replace(short, memory_gib=gib), "global", None)
        bench.record("stream", {"memory_gib": gib, "decoded_a_second": rate, "steps": short.steps} | run.costs)


def busy_ms(bench: Bench, config: JointConfig) -> float:
    """Return for how many milliseconds a step the GPU computes or copies, by torch's profiler."""
    with torch.profiler.profile(activities=[torch.profiler.ProfilerActivity.CUDA]) as profile:
        learned_rig(bench, config, "global", None)
    return sum(event.self_device_time_total for event in profile.key_averages()) / 1e3 / config.steps


PARTS: dict[str, Callable[[Bench], None]] = {
    "rigs": part_rigs,
    "fits": part_fits,
    "bars": part_bars,
    "stream": part_stream,
    "cards": part_cards,
    "ablation": part_ablation,
    "cameras": part_cameras,
    "scaling": part_scaling,
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="results/{subject} of a run")
    parser.add_argument("--synthesise", choices=["small", "medium", "full"], help="make the capture instead")
    parser.add_argument("--out", type=Path, default=Path("benchmarks"))
    parser.add_argument("--keep", type=Path, help="folder for what takes long; default: it is not kept")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=["bars"])
    parser.add_argument("--held-out", nargs="*", default=[], help="expressions that are not learned from")
    parser.add_argument("--config", type=Path, help="a configuration; without it the schema's defaults")
    parser.add_argument("--fits", type=Path, help="folder of neutral.h5 and fitted frames to take, results/…/gaussians")
    parser.add_argument("--k", type=int)
    parser.add_argument("--steps", type=int, help="of a joint rig")
    parser.add_argument("--batch", type=int, help="frames a step")
    parser.add_argument("--fit-steps", type=int, help="of every single fit")
    parser.add_argument("--neutral-steps", type=int)
    parser.add_argument("--solve-steps", type=int, help="of the weights of an unseen frame")
    parser.add_argument("--stream-steps", type=int, default=500)
    parser.add_argument("--local-lambda", type=float)
    parser.add_argument("--memory-gib", type=float, help="for decoded photographs")
    parser.add_argument("--gpu-gib", type=float, help="GPU memory that may be used; more ends the run")
    parser.add_argument("--frames", type=int, default=5, help="of an expression that is synthesised")
    parser.add_argument("--only", default="", help="ablation: rows whose label this regular expression finds")
    parser.add_argument("--jobs", type=int, default=1, help="ablation: processes side by side")
    return parser.parse_args()


def main() -> None:
    """Run the parts that were asked for."""
    options = arguments()
    if (options.folder is None) == (options.synthesise is None):
        sys.exit("give either FOLDER or --synthesise")
    options.cards = visible_cards()
    report(machine())
    with tempfile.TemporaryDirectory() as temporary:
        keep = options.keep or Path(temporary)
        folder, making = options.folder, None
        if folder is None:
            folder = options.folder = keep / "capture"
            making = synthesised(options.synthesise, options.frames, folder)
        bench = open_bench(options, folder, keep, making)
        subject = bench.subject
        report(
            f"{len(subject.neutral)} Gaussians, {len(subject.names('train'))} training frames, "
            f"{len(subject.names('held_out'))} held out, {len(subject.cameras)} cameras of "
            f"{subject.cameras.width}×{subject.cameras.height}, {int(subject.cameras.held_out.sum())} held out"
        )
        for part in options.parts:
            report(f"part {part}")
            if part not in ("rigs", "fits", "bars"):  # which begin while the last photographs are being made
                bench.arrived([*subject.names("train"), *subject.names("held_out")])
            PARTS[part](bench)
        bench.arrived([*subject.names("train"), *subject.names("held_out")])


if __name__ == "__main__":
    main()
