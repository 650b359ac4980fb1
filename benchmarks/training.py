"""Time and judge the fits: python benchmarks/training.py [--full] [--out FOLDER] [--budget SECONDS].

The default is a small capture that any machine fits in under a minute: it shows that every part runs, its numbers
mean nothing. `--full` is the measurement: 87,618 Gaussians, 38 cameras of 1334×2048, on a GPU with gsplat and
diff-gaussian-rasterization installed. `benchmarks/full_size_capture.py` synthesises the photographs.

Parts, in the order of their importance; one that would not fit into the budget is left out, and said to be:
  jobs      the real rules through Snakemake: the neutral; an expression of 2 frames and two of 5, one at a time; twice
            as many of 5 frames as run at a time; seconds with start-up, held-out PSNR, peak GPU memory
  speed     steps a second, warm and seed, and of the original's own step (one call of its rasteriser, SSIM by full
            11×11 convolutions, Adam that is not fused), in this same process
  variants  the seed recipe with initial opacity .1 as released or opacity fixed to 1, over the backdrops leak (as
            released: random behind the render alone), random and black; few steps each
  curves    held-out PSNR against steps, each a fit of its own to the end of its schedule
  seed      the best variant, then (--seed-fits 2) the released one, at the released number of steps
Results are printed as they come and written to FOLDER/training.json and FOLDER/training.md after every part.
"""

import argparse
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from full_size_capture import FULL, SMALL, write_capture
from training_bench import Bench, Lengths, Report, machine, schema_defaults
from training_jobs import add_performance, part_jobs
from training_recipes import part_curves, part_speed, part_variants

from splatrig.dataset.decoding import cores

FULL_LENGTHS = Lengths((50, 450), 2000, (100, 300, 600, 1000, 2000, 3000), (1, 25, 50, 100, 150, 250, 400))
SMALL_LENGTHS = Lengths((2, 12), 12, (10, 20), (1, 10))


def measure_all(bench: Bench, options: argparse.Namespace) -> None:
    """Run the parts that fit into the budget (seconds); the estimates are for one H100."""
    parts: list[tuple[str, float, Callable[[], None]]] = [
        ("jobs", 150, lambda: part_jobs(bench, options.at_once)),
        ("speed", 40, lambda: part_speed(bench)),
        ("variants", 100, lambda: part_variants(bench, 0)),
        ("curves", 60, lambda: part_curves(bench)),
        ("seed", 60 * options.seed_fits, lambda: part_variants(bench, options.seed_fits)),
    ]
    for name, estimate, part in parts:
        if options.only and name not in options.only:
            continue
        left = options.budget - (time.perf_counter() - bench.report.begin)
        if options.full and estimate > left:
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
    parser.add_argument("--expressions", type=int, help="of two frames, to synthesise; default 5")
    parser.add_argument(
        "--performed", type=int, default=6, help="expressions of five frames, made of those: twice the most at once"
    )
    parser.add_argument("--only", nargs="+", default=[], help="names of parts (all need the jobs' neutral.h5)")
    parser.add_argument(
        "--at-once", nargs="+", type=int, default=[1, 2], help="jobs at a time on all cards, one run each"
    )
    parser.add_argument("--seed-fits", type=int, default=2, help="1: the best variant alone at full length")
    parser.add_argument("--steps-neutral", type=int, help="default: that of the configuration's schema")
    parser.add_argument("--steps-frame", type=int, help="default: that of the configuration's schema")
    options = parser.parse_args()
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
        work = (options.capture or Path(scratch) / "capture").resolve()
        lengths = FULL_LENGTHS if options.full else SMALL_LENGTHS
        bench = Bench(work, training, lengths, report, "cuda" if torch.cuda.is_available() else "cpu")
        size = FULL if options.full else SMALL
        size = replace(size, expressions=options.expressions or size.expressions)
        if not bench.performed:
            report.say(f"— capture: {size}")
            begin = time.perf_counter()
            expressions = write_capture(bench.folder, size, cores(), bench.device)
            add_performance(bench.folder, expressions[1:], options.performed)
            report.add("capture", "written", time.perf_counter() - begin, "s")
            megabytes = sum(path.stat().st_size for path in bench.folder.glob("dataset/E0*/*/*.png")) / 1e6
            report.add("capture", "photographs", megabytes, "MB")
        measure_all(bench, options)
    print("\n" + (options.out / "training.md").read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
