"""Measure rigs learned through the rasterizer: `python benchmarks/learned/learned.py FOLDER --out OUT`.

FOLDER holds what the rules before the fits leave (`results/{subject}`: frames/, dataset/, template/). Instead of it,
`--synthesize small|medium|half|full` makes one with benchmarks/capture/synthesize.py: full is 87,618 Gaussians, 26
frames in 6 expressions, 38 cameras of 1334×2048; half has photographs of half the size; medium is 11,170 Gaussians, 26
frames, 20 cameras of 200×307; small is `--smallest`'s.

Parts, by `--parts` (default: bars):
  rigs      learned global and learned local, from the tracked meshes
  fits      every frame fitted on its own
  bars      both, and PCA of the fits, in held-out cameras: training frames, and frames of expressions that were held
            out (`--held-out`), whose weights are found through the rasterizer; with the verdicts of the bars
  ablation  rigs with one setting changed at a time: the table is benchmarks/learned/learned_ablation.py
  cameras   PSNR of unseen frames against the number of cameras that their weights are found from
  step      what a step costs when its photographs are decoded: milliseconds, of which the GPU works; kernels
  scaling   milliseconds per step and peak memory against K, frames and Gaussians
  stream    decoding alone, and what whole fits cost when all photographs fit into memory and when few do
  cards     one rig on one and on two GPUs: pairs per second, and how far the two end apart (processes without GPUs)

Results are printed as they come and written to OUT/learned_*.csv. What takes long is kept in `--keep` and read from
there by the next call: empty it when options change. PSNR in dB inside the silhouette, mean over pictures.
`--smallest` goes through nearly all of it in seconds.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from learned_ablation import part_ablation
from learned_gpus import part_cards
from learned_steps import part_scaling, part_step, part_stream

from splatrig.jobs.device import visible_cards
from splatrig.learned.compare import compare, measured_rig, summary, unseen
from support.harness import Figures, machine, parsed, parser_of
from support.learned_bench import Bench, kept_rig, open_bench, pca_of_fits, report, single_fits, synthesized

BARS = {
    ("learned_global", "pca", "train"): 1.5,
    ("learned_global", "fits", "train"): 1.0,
    ("learned_global", "pca", "held_out"): 1.0,
    ("learned_local", "learned_global", "train"): -1.0,
}
"""(method, compared with, split): wanted difference of the mean PSNR in the mask, dB."""

FULL_SIZE_BARS = {
    ("learned_global", "pca", "train"): 1.0,
    ("learned_local", "learned_global", "train"): -1.0,
}
"""The same for `--synthesize full` and `half`, where many photographs leave single fits less to overfit."""


def part_rigs(bench: Bench) -> None:
    """Learn both families."""
    for family in ("global", "local"):
        kept_rig(bench, family)


def part_fits(bench: Bench) -> None:
    """Fit every frame on its own."""
    single_fits(bench)


def part_bars(bench: Bench) -> None:
    """Compare at convergence, and say which bars are met."""
    k = bench.k
    fits = single_fits(bench)
    files = {"pca": pca_of_fits(bench, fits, k)}
    files |= {f"learned_{family}": kept_rig(bench, family) for family in ("global", "local")}
    table = compare(bench.comparison(), files, fits, k)
    bench.save("pictures", table, shown=False)
    means = summary(table)
    bench.save("bars", means)
    for row in means.to_dict("records"):
        bench.figure(f"bars: {row['method']}, {row['split']}, {row['region']}", row["psnr"], "dB")
    psnr = means[means["region"] == "mask"].set_index(["method", "split"])["psnr"]
    bars = FULL_SIZE_BARS if bench.options.synthesize in ("half", "full") else BARS
    for (method, other, split), wanted in bars.items():
        if (method, split) in psnr and (other, split) in psnr:
            gain = psnr[method, split] - psnr[other, split]
            bench.figure(f"bars: {split}: {method} less {other}", gain, "dB more")
            verdict = "met" if gain >= wanted else "MISSED"
            report(f"{split}: {method} - {other} = {gain:+.2f} dB, wanted {wanted:+.1f} or more: {verdict}")


def part_cameras(bench: Bench) -> None:
    """Find weights of unseen frames from few cameras."""
    names = bench.subject.names("held_out")
    if not names:
        sys.exit("the part `cameras` needs --held-out expressions")
    comparison = bench.comparison()
    rig = kept_rig(bench, "global").first(bench.k)
    total = int((~bench.subject.cameras.held_out).sum())
    mesh_only = replace(comparison, solve_steps=0)
    for cameras in [0, *(count for count in (1, 2, 3, 4, 6, 8) if count < total), total]:
        begin = time.perf_counter()
        posing = unseen(comparison if cameras else mesh_only, rig, names, cameras or 1)
        seconds = (time.perf_counter() - begin) / len(names)
        table = measured_rig(comparison, names, "held_out", "learned_global", rig, posing)
        psnr = table.loc[table["region"] == "mask", "psnr"].mean()
        label = "photographs" if cameras else "tracked mesh alone"
        bench.record("cameras", {"from": label, "cameras": cameras, "psnr": psnr, "seconds_per_frame": seconds})


PARTS: dict[str, Callable[[Bench], None]] = {
    "rigs": part_rigs,
    "fits": part_fits,
    "bars": part_bars,
    "step": part_step,
    "stream": part_stream,
    "cards": part_cards,
    "ablation": part_ablation,
    "cameras": part_cameras,
    "scaling": part_scaling,
}


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument("folder", type=Path, nargs="?", help="results/{subject} of a run")
    parser.add_argument("--synthesize", choices=["small", "medium", "half", "full"], help="make the capture instead")
    parser.add_argument("--out", type=Path, help="folder that gets the tables, learned_*.csv")
    parser.add_argument("--keep", type=Path, help="folder for what takes long; default: it is not kept")
    parser.add_argument("--parts", nargs="+", choices=list(PARTS), default=["bars"])
    parser.add_argument("--held-out", nargs="*", default=[], help="expressions that are not learned from")
    parser.add_argument("--config", type=Path, help="a configuration; without it the defaults")
    parser.add_argument("--fits", type=Path, help="folder of neutral.h5 and fitted frames to take, results/…/gaussians")
    parser.add_argument("--k", type=int)
    parser.add_argument("--steps", type=int, help="of a learned rig")
    parser.add_argument("--batch", type=int, help="photographs per step")
    parser.add_argument("--photographs", type=int, nargs="+", default=[1, 2, 4, 8], help="step: per step, one row each")
    parser.add_argument("--fit-steps", type=int, help="of every single fit")
    parser.add_argument("--neutral-steps", type=int)
    parser.add_argument("--solve-steps", type=int, help="of the weights of an unseen frame")
    parser.add_argument("--stream-steps", type=int, default=500)
    parser.add_argument("--local-lambda", type=float)
    parser.add_argument("--memory-gib", type=float, help="for decoded photographs")
    parser.add_argument("--gpu-gib", type=float, help="GPU memory that may be used; more ends the run")
    parser.add_argument("--frames", type=int, default=5, help="of an expression that is synthesized")
    parser.add_argument("--only", default="", help="ablation: rows whose label this regular expression finds")
    parser.add_argument("--jobs", type=int, default=1, help="ablation: processes side by side")
    return parsed(
        parser,
        synthesize="small",
        parts=["bars", "step", "stream", "cards", "ablation", "cameras", "scaling"],
        held_out=["E002_Moved"],
        k=2,
        steps=3,
        photographs=[2],
        fit_steps=2,
        neutral_steps=4,
        solve_steps=1,
        stream_steps=3,
        frames=2,
        only="^global: default$",
    )


def main() -> None:
    """Run the parts that were asked for."""
    options = arguments()
    if (options.folder is None) == (options.synthesize is None):
        sys.exit("give either FOLDER or --synthesize")
    options.cards = visible_cards()
    figures = Figures(options, machine("torch", "gsplat", "numba"))
    with tempfile.TemporaryDirectory() as temporary:
        keep = options.keep or Path(temporary)
        folder, making = options.folder, None
        if folder is None:
            folder = options.folder = keep / "capture"
            making = synthesized(options.synthesize, options.frames, folder)
        bench = open_bench(options, folder, keep, making, figures)
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
    figures.save()


if __name__ == "__main__":
    main()
