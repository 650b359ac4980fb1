"""Time and judge the fits: python benchmarks/fitting/training.py [--only PART …] [--budget SECONDS].

87,618 Gaussians, 38 cameras of 1334×2048, on a GPU with gsplat; with diff-gaussian-rasterization the original's own
step is timed as well. `benchmarks/capture/synthesize.py` synthesizes the photographs. `--smallest` goes through the
same parts on a small capture, on any machine.

Parts, in the order of their importance; one that would not fit into the budget is left out, and said to be:
  jobs      the real rules through Snakemake: the neutral; an expression of 2 frames and two of 5, one at a time; twice
            as many of 5 frames as run at a time; seconds with start-up, held-out PSNR, peak GPU memory
  speed     steps a second, warm and original, and of the original's own step (one call of its rasterizer, SSIM by full
            11×11 convolutions, Adam that is not fused), in this same process
  variants  the original recipe with initial opacity .1 as released or opacity fixed to 1, over the backdrops leak (as
            released: random behind the render alone), random and black; few steps each
  curves    held-out PSNR against steps, each a fit of its own to the end of its schedule
  original  the best variant, then (--original-fits 2) the released one, at the released number of steps; after jobs
Speed and curves fit a neutral of their own where no job has fitted one.
"""

import argparse
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import torch
from training_bench import Bench, Lengths
from training_jobs import add_performance, part_jobs, write_raw
from training_recipes import part_curves, part_speed, part_variants

from splatrig.config.models import Fitting
from splatrig.dataset.decoding import cores
from support.harness import Figures, machine, need_cuda, parsed, parser_of
from support.painted_head import FULL, SMALL, write_capture

FULL_LENGTHS = Lengths((50, 450), 2000, (100, 300, 600, 1000, 2000, 3000), (1, 25, 50, 100, 150, 250, 400))
SMALL_LENGTHS = Lengths((1, 4), 3, (3,), (1, 3))
PARTS = ("jobs", "speed", "variants", "curves", "original")


def measure_all(bench: Bench, options: argparse.Namespace) -> None:
    """Run the parts that fit into the budget (seconds); the estimates are for one H100."""
    parts: list[tuple[str, float, Callable[[], None]]] = [
        ("jobs", 150, lambda: part_jobs(bench, options.at_once)),
        ("speed", 40, lambda: part_speed(bench)),
        ("variants", 100, lambda: part_variants(bench, 0)),
        ("curves", 60, lambda: part_curves(bench)),
        ("original", 60 * options.original_fits, lambda: part_variants(bench, options.original_fits)),
    ]
    for name, estimate, part in parts:
        if name not in options.only:
            continue
        left = options.budget - (time.perf_counter() - bench.figures.begin)
        if not options.smallest and estimate > left:
            bench.figures.say(f"{name}: left out, it would take {estimate:.0f} s, {left:.0f} s of the budget are left")
            continue
        bench.figures.say(f"\n{name}:")
        part()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        bench.figures.save()


def arguments() -> argparse.Namespace:
    """Read the command line."""
    parser = parser_of(__doc__)
    parser.add_argument("--budget", type=float, default=540.0, help="seconds; parts that would not fit are left out")
    parser.add_argument("--capture", type=Path, help="keep the capture here, and use it if it is there")
    parser.add_argument("--expressions", type=int, help="of two frames, to synthesize; default 5")
    parser.add_argument(
        "--performed", type=int, default=6, help="expressions of five frames, made of those: twice the most at once"
    )
    parser.add_argument("--only", nargs="+", choices=PARTS, default=list(PARTS), help="parts to run")
    parser.add_argument(
        "--at-once", nargs="+", type=int, default=[1, 2], help="jobs at a time on all cards, one run each"
    )
    parser.add_argument("--original-fits", type=int, default=2, help="1: the best variant alone at full length")
    parser.add_argument("--steps-neutral", type=int, help="default: the configuration's")
    parser.add_argument("--steps-frame", type=int, help="default: the configuration's")
    return parsed(parser, expressions=1, performed=1, at_once=[1], original_fits=1, steps_neutral=4, steps_frame=2)


def main() -> None:
    """Synthesize the capture, measure, print the table."""
    options = arguments()
    if not options.smallest:
        need_cuda()
    figures = Figures(options, machine("torch", "gsplat", "triton", "numpy", "numba", "pillow", "snakemake"))
    given = {"neutral_steps": options.steps_neutral, "frame_steps": options.steps_frame}
    fitting = Fitting(**{name: steps for name, steps in given.items() if steps})
    size, lengths = FULL, FULL_LENGTHS
    if options.smallest:
        size, lengths = SMALL, SMALL_LENGTHS
        fitting = fitting.model_copy(update={"original_steps": 4})
    size = replace(size, expressions=options.expressions or size.expressions)
    with tempfile.TemporaryDirectory() as scratch:
        work = (options.capture or Path(scratch) / "capture").resolve()
        bench = Bench(work, fitting, lengths, figures, "cuda" if torch.cuda.is_available() else "cpu")
        if not bench.performed:
            figures.say(f"capture: {size}")
            begin = time.perf_counter()
            expressions = write_capture(bench.folder, size, cores(), bench.device)
            add_performance(bench.folder, expressions[1:], options.performed)
            write_raw(bench.folder, work / "raw")
            figures.add("capture written", time.perf_counter() - begin, "s")
            megabytes = sum(path.stat().st_size for path in bench.folder.glob("dataset/E0*/*/*.png")) / 1e6
            figures.add("photographs", megabytes, "MB")
        measure_all(bench, options)
    figures.save()


if __name__ == "__main__":
    main()
