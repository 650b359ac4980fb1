"""Measure rigs learned through the rasteriser: `python benchmarks/joint.py FOLDER --out OUT`.

FOLDER holds what the rules before the fits leave (`results/{subject}`: frames/, dataset/, template/). Instead of it,
`--synthesise small|medium|full` makes a capture with benchmarks/full_size_capture.py: full is 87,618 Gaussians, 26
frames in 6 expressions, 38 cameras of 1334×2048; medium is 11,170 Gaussians, 26 frames, 20 cameras of 200×307.

Parts, by `--parts` (default: bars):
  bars      every frame fitted on its own to convergence, PCA of those fits, joint global and joint local, in held-out
            cameras: training frames, and frames of expressions that were held out (`--held-out`), whose weights are
            found through the rasteriser; with the verdicts of the bars
  ablation  joint rigs with one setting changed at a time: start, steps, batch, rates, base, appearance, support, K
  cameras   PSNR of unseen frames against the number of cameras that their weights are found from
  scaling   seconds a step and peak memory against K, frames and Gaussians
  stream    decoding alone, and how long steps wait for photographs when few of them fit into memory

Results are printed as they come and written to OUT/joint_*.csv. PSNR in dB inside the silhouette, mean over pictures.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import torch

sys.path.insert(0, str(Path(__file__).parent))

from joint_bench import (
    Bench,
    at_level,
    configuration,
    learned_rig,
    machine,
    mesh_start,
    open_subject,
    pca_of_fits,
    report,
    single_fits,
    synthesised,
)

from splatrig.components.file import Components
from splatrig.config_joint import JointAppearance, JointBatch, JointConfig, JointSolve
from splatrig.joint.compare import compare, measured_method, method_of, summary, unseen_weights
from splatrig.joint.stage import Subject, joint_plan, learn, rig_start
from splatrig.training.device import choose_device

BARS = {
    ("joint_global", "pca", "train"): 1.5,
    ("joint_global", "fits", "train"): 1.0,
    ("joint_global", "pca", "held_out"): 1.0,
    ("joint_local", "joint_global", "train"): -1.0,
}
"""(method, compared with, split): wanted difference of the mean PSNR in the mask, dB."""


def part_bars(bench: Bench) -> None:
    """Compare at convergence, and say which bars are met."""
    k = bench.joint.k
    starts = {}
    for family in ("global", "local"):
        begin = time.perf_counter()
        starts[family] = mesh_start(bench, family, k, bench.joint.local.lambda_)
        report(f"mesh components, {family}: {time.perf_counter() - begin:.1f} s")
    fits, fit_seconds = single_fits(bench)
    report(f"all {len(fits)} frames fitted: {fit_seconds:.1f} s of steps")
    files = {"pca": pca_of_fits(bench, fits, k)}
    costs = [("fits", fit_seconds, float("nan"), float("nan"), 0.0)]
    for family, start in starts.items():
        files[f"mesh_{family}"] = start
        run = bench.learned[family] = learned_rig(bench, bench.joint, family, start)
        files[f"joint_{family}"] = run.components
        zero = float(run.components.attributes["zero_rows"])
        waited = run.learned.report.waited_seconds
        costs.append((f"joint_{family}", run.seconds, run.peak_gib, run.utilisation, zero))
        report(f"joint {family}: {run.seconds:.1f} s, {waited:.1f} s waiting, {zero:.1%} zero rows")
        print(run.learned.report.history.to_string(index=False), flush=True)
    table = compare(bench.comparison(), files, fits, k)
    bench.save("pictures", table, shown=False)
    means = summary(table)
    bench.save("bars", means)
    bench.save("costs", pd.DataFrame(costs, columns=["method", "seconds", "peak_gib", "gpu_percent", "zero_rows"]))
    psnr = means[means["region"] == "mask"].set_index(["method", "split"])["psnr"]
    for (method, other, split), wanted in BARS.items():
        if (method, split) in psnr and (other, split) in psnr:
            gain = psnr[method, split] - psnr[other, split]
            verdict = "met" if gain >= wanted else "MISSED"
            report(f"{split}: {method} - {other} = {gain:+.2f} dB, wanted {wanted:+.1f} or more: {verdict}")


def part_ablation(bench: Bench) -> None:
    """Change one setting at a time."""
    base = bench.joint
    starts = {family: mesh_start(bench, family, base.k, base.local.lambda_) for family in ("global", "local")}
    rows = []

    def try_one(label: str, family: str, config: JointConfig, start: Components | None) -> None:
        run = learned_rig(bench, replace(config, validation_pairs=0), family, start)
        method = method_of(label, run.components, bench.subject.neutral, 10**6, bench.device)
        row: dict[str, Any] = {"setting": label, "family": family}
        for split in ("train", "held_out"):
            names = bench.subject.names(split)
            if names:
                weights = method.weights if split == "train" else unseen_weights(bench.comparison(), method, names)
                table = measured_method(bench.comparison(), names, split, method, weights)
                row[f"psnr_{split}"] = table.loc[table["region"] == "mask", "psnr"].mean()
        zero = float(run.components.attributes["zero_rows"])
        rows.append(row | {"zero_rows": zero, "seconds": run.seconds, "cpu_seconds": run.cpu_seconds})
        report(
            "  ".join(
                f"{key} {value:.3f}" if isinstance(value, float) else str(value) for key, value in rows[-1].items()
            )
        )

    for label, family, config, start in ablations(bench, base, starts):
        try_one(label, family, config, start() if callable(start) else start)
    bench.save("ablation", pd.DataFrame(rows))


Variant = tuple[str, str, JointConfig, Components | Callable[[], Components] | None]


def ablations(bench: Bench, base: JointConfig, starts: dict[str, Components]) -> Iterator[Variant]:
    """Yield (label, family, config, start) of every variant."""
    start = starts["global"]
    yield "default", "global", base, start
    yield "default", "local", base, starts["local"]
    yield "start: random", "global", base, None
    yield "start: rows (PCA of fits)", "global", base, lambda: pca_of_fits(bench, single_fits(bench)[0], base.k)
    for factor in (0.25, 0.5, 2.0):
        yield f"steps: x{factor:g}", "global", replace(base, steps=int(base.steps * factor)), start
    for frames, cameras in ((1, 1), (2, 1), (4, 1), (1, 2), (2, 2)):
        batch = JointBatch(frames, cameras)
        if batch != base.batch:
            steps = max(1, base.steps * base.batch.frames * base.batch.cameras // (frames * cameras))
            label = f"batch: {frames} frames x {cameras} cameras, same pairs"
            yield label, "global", replace(base, batch=batch, steps=steps), start
    for factor in (0.04, 0.4, 1.0):
        yield f"rate_factor: {factor}", "global", replace(base, rate_factor=factor), start
    for rate in (0.0, 0.005, 0.08):
        yield f"weight_rate: {rate}", "global", replace(base, weight_rate=rate), start
    for factor in (0.0, 0.1, 0.3, 2.0):
        yield f"base_rate_factor: {factor}", "global", replace(base, base_rate_factor=factor), start
    yield "attributes: xyz", "global", replace(base, attributes=["xyz"]), start
    yield "attributes: xyz, f_dc", "global", replace(base, attributes=["xyz", "f_dc"]), start
    for attributes in (["f_rest"], ["opacity"], ["opacity", "f_rest"]):
        extra = JointAppearance(attributes, 4)
        yield f"appearance: 4 of {', '.join(attributes)}", "global", replace(base, appearance=extra), start
    for k in (5, 10, 30):
        changed = replace(base, k=k)
        yield f"K: {k}", "global", changed, lambda k=k: mesh_start(bench, "global", k, base.local.lambda_)
    for lambda_ in (1.0, 4.0, 8.0):
        yield f"local lambda: {lambda_:g}", "local", base, lambda x=lambda_: mesh_start(bench, "local", base.k, x)
    for sparsity in (0.3, 1.0):
        soft = replace(base, local=replace(base.local, support="soft", sparsity=sparsity))
        yield f"local support: soft, sparsity {sparsity}", "local", soft, starts["local"]
        hard = replace(base, local=replace(base.local, sparsity=sparsity))
        yield f"local support: hard, sparsity {sparsity}", "local", hard, starts["local"]
    for weight in (0.001, 0.01):
        yield f"smoothness: {weight}", "global", replace(base, smoothness=weight), start


def part_cameras(bench: Bench) -> None:
    """Find weights of unseen frames from few cameras."""
    names = bench.subject.names("held_out")
    if not names:
        sys.exit("the part `cameras` needs --held-out expressions")
    run = bench.learned.get("global")
    if run is None:
        start = mesh_start(bench, "global", bench.joint.k, bench.joint.local.lambda_)
        run = learned_rig(bench, bench.joint, "global", start)
    comparison = bench.comparison()
    method = method_of("joint_global", run.components, bench.subject.neutral, bench.joint.k, bench.device)
    total = int((~bench.subject.cameras.held_out).sum())
    rows = []
    mesh_only = replace(comparison, solve=JointSolve(0, 0.0))
    for label, cameras in [
        ("tracked mesh alone", 0),
        *[("photographs", c) for c in (1, 2, 3, 4, 6, 8, total) if c <= total],
    ]:
        chosen = mesh_only if cameras == 0 else comparison
        begin = time.perf_counter()
        weights = unseen_weights(chosen, method, names, cameras or 1)
        seconds = (time.perf_counter() - begin) / len(names)
        table = measured_method(comparison, names, "held_out", method, weights)
        psnr = table.loc[table["region"] == "mask", "psnr"].mean()
        rows.append({"weights from": label, "cameras": cameras, "psnr": psnr, "seconds_a_frame": seconds})
        report(f"{label}, {cameras} cameras: {psnr:.3f} dB")
    bench.save("cameras", pd.DataFrame(rows))


def part_scaling(bench: Bench) -> None:
    """Measure seconds a step and memory against K, frames and Gaussians, in few steps each."""
    rows = []
    steps = 60

    def measure_one(what: str, value: int, subject: Subject, k: int) -> None:
        level = bench.joint.level if bench.joint.level in subject.template.levels else subject.template.finest
        config = replace(bench.joint, k=k, level=level, steps=steps, check_every=steps, validation_pairs=0)
        start = rig_start(config, bench.config.components.sldc, subject, None, "global", 0)
        plan = joint_plan(config, bench.config.training, "mask", "global", start)
        on_gpu = torch.cuda.is_available()
        seconds = []
        for count in (5, 5, steps):  # the first loads kernels
            if on_gpu:
                torch.cuda.reset_peak_memory_stats()
            begin = time.thread_time()
            learned = learn(start, subject, replace(config, steps=count), replace(plan, steps=count), 0, bench.device)
            own = time.thread_time() - begin  # on a CPU: not of decoding threads, nor of other jobs
            seconds.append(learned.report.seconds - learned.report.waited_seconds if on_gpu else own)
        per_step = 1e3 * (seconds[2] - seconds[1]) / (steps - 5)
        peak = torch.cuda.max_memory_reserved() / 2**30 if on_gpu else float("nan")
        rows.append({"against": what, "value": value, "ms_a_step": per_step, "peak_gib": peak})
        report(f"{what} {value}: {per_step:.2f} ms a step without waiting, {peak:.2f} GiB")

    names = bench.subject.names("train")
    for k in (10, 20, 50):
        measure_one("K", k, bench.subject, k)
    rows_of_frames = bench.subject.frames[bench.subject.frames["role"] == "train"]
    for frames in (25, 50, 100):
        # a frame that comes twice has weights and photographs of its own each time
        repeated = pd.concat([rows_of_frames] * -(-frames // len(names))).head(frames)
        measure_one("frames", frames, replace(bench.subject, frames=repeated), bench.joint.k)
    for level in bench.subject.template.levels:
        measure_one(
            "Gaussians", len(bench.subject.template.levels[level].vertices), at_level(bench, level), bench.joint.k
        )
    bench.save("scaling", pd.DataFrame(rows))


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
    report(f"decoding alone: {rate:.0f} photographs a second")
    rows = []
    for gib in (bench.joint.memory_gib, 1.5):
        config = replace(bench.joint, memory_gib=gib, steps=500, check_every=500, validation_pairs=0, k=bench.joint.k)
        run = learned_rig(bench, config, "global", None)
        waited = run.learned.report.waited_seconds
        row = {"memory_gib": gib, "seconds": run.learned.report.seconds, "waited": waited, "gpu_peak_gib": run.peak_gib}
        rows.append(row | {"gpu_percent": run.utilisation, "decoded_a_second": rate})
        report("  ".join(f"{key} {value:.2f}" for key, value in rows[-1].items()))
    bench.save("stream", pd.DataFrame(rows))


PARTS: dict[str, Callable[[Bench], None]] = {
    "bars": part_bars,
    "stream": part_stream,
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
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=["bars"])
    parser.add_argument("--held-out", nargs="*", default=[], help="expressions that are not learned from")
    parser.add_argument("--config", type=Path, help="a configuration; without it the schema's defaults")
    parser.add_argument("--fits", type=Path, help="folder of fitted frames to take, results/{subject}/gaussians")
    parser.add_argument("--k", type=int)
    parser.add_argument("--steps", type=int, help="of a joint rig")
    parser.add_argument("--batch", type=int, help="frames a step")
    parser.add_argument("--fit-steps", type=int, help="of every single fit")
    parser.add_argument("--neutral-steps", type=int)
    parser.add_argument("--solve-steps", type=int, help="of the weights of an unseen frame")
    parser.add_argument("--local-lambda", type=float)
    parser.add_argument("--memory-gib", type=float, help="for decoded photographs")
    parser.add_argument("--frames", type=int, default=5, help="of an expression that is synthesised")
    return parser.parse_args()


def main() -> None:
    """Run the parts that were asked for."""
    options = arguments()
    if (options.folder is None) == (options.synthesise is None):
        sys.exit("give either FOLDER or --synthesise")
    device = choose_device("auto", 1)
    config = configuration(options)
    report(machine())
    with tempfile.TemporaryDirectory() as temporary:
        folder, making = options.folder, None
        if folder is None:
            folder = Path(temporary) / "capture"
            making = synthesised(options.synthesise, options.frames, folder)
        subject = open_subject(folder, options.held_out, config, device, making=making, fits=options.fits)
        report(
            f"{len(subject.neutral)} Gaussians, {len(subject.names('train'))} training frames, "
            f"{len(subject.names('held_out'))} held out, {len(subject.cameras)} cameras of "
            f"{subject.cameras.width}×{subject.cameras.height}, {int(subject.cameras.held_out.sum())} held out"
        )
        bench = Bench(folder, options.out, config, subject, device, making, options.fits)
        for part in options.parts:
            report(f"part {part}")
            if part != "bars":  # which fits the first frames while the last are being made
                bench.arrived([*subject.names("train"), *subject.names("held_out")])
            PARTS[part](bench)


if __name__ == "__main__":
    main()
