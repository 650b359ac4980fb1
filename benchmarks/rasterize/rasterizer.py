"""Time the CPU rasterizer: python benchmarks/rasterize/rasterizer.py [--threads 1 2] [--repeats 30].

One row per size, color model and number of threads: milliseconds of one forward and backward pass through
`splatrig.rasterize.rasterize`, from activated means, quaternions, scales, opacities and colors, with gradients to all
of them, projection included. Wall time is the median; where other programs share the machine the processor time,
smallest of all repeats, is the steadier number. The stages of one pass are timed below.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from splatrig.rasterize import Splats, Views, numba_backend, rasterize
from splatrig.rasterize import numba_compositing as compositing
from splatrig.rasterize import numba_projection as projection
from support.harness import Figures, machine, parsed, parser_of

SIZES = [(6_000, 96, 144), (25_000, 256, 384), (11_000, 256, 167), (16_000, 256, 167)]
"""Gaussians, image height, image width; the last two are the demo's."""
SMALLEST = [(300, 24, 36)]


def head_like_scene(count: int, height: int, width: int, opacity: float) -> tuple[list[Tensor], Tensor, Tensor]:
    """Return Gaussians (SH of degree 3) spread over an ellipsoid of a head's size a meter away, viewmats and Ks.

    Their size is 0.6 of their distance, as after a fit; `opacity` is the median.
    """
    generator = torch.Generator().manual_seed(0)
    directions = torch.nn.functional.normalize(torch.randn(count, 3, generator=generator), dim=1)
    means = directions * torch.tensor([80.0, 110.0, 90.0])
    spacing = (4 * np.pi * 93**2 / count) ** 0.5
    scales = 0.6 * spacing * torch.exp(0.2 * torch.randn(count, 3, generator=generator))
    logits = torch.randn(count, generator=generator) + np.log(opacity / (1 - opacity))
    gaussians = [
        means,
        torch.randn(count, 4, generator=generator),
        scales,
        torch.sigmoid(logits),
        0.2 * torch.randn(count, 16, 3, generator=generator),
    ]
    viewmat = torch.eye(4)
    viewmat[2, 3] = 1000
    focal = height / 260 * 1000
    K = torch.tensor([[focal, 0, width / 2 + 3.3], [0, 1.01 * focal, height / 2 - 2.2], [0, 0, 1]])
    return gaussians, viewmat[None], K[None]


def time_call(
    call: Callable[[], object], repeats: int, before: Callable[[], object] = lambda: None
) -> tuple[float, float]:
    """Return the median wall and the smallest processor milliseconds of `call`, after two calls to warm up.

    `before` runs before every call and is not timed.
    """
    walls, processors = [], []
    for repeat in range(repeats + 2):
        before()
        wall, processor = time.perf_counter(), time.process_time()
        call()
        if repeat >= 2:
            walls.append(time.perf_counter() - wall)
            processors.append(time.process_time() - processor)
    return 1e3 * float(np.median(walls)), 1e3 * min(processors)


def full_pass(size: tuple[int, int, int], sh_degree: int | None, opacity: float) -> Callable[[], None]:
    """Return a call that renders one view and computes all gradients."""
    count, height, width = size
    gaussians, viewmats, Ks = head_like_scene(count, height, width, opacity)
    if sh_degree is None:
        gaussians[4] = torch.sigmoid(gaussians[4][:, 0])
    for tensor in gaussians:
        tensor.requires_grad_()
    weight = torch.rand(1, height, width, 3, generator=torch.Generator().manual_seed(1))

    def call() -> None:
        image, alpha = rasterize(Splats(*gaussians, sh_degree), Views(viewmats, Ks, width, height), "numba")
        torch.autograd.grad([image, alpha], gaussians, [weight, weight[..., :1]])

    return call


def stages(size: tuple[int, int, int], opacity: float, repeats: int) -> tuple[dict[str, float], int, int]:
    """Return processor milliseconds by stage (SH of degree 3), pairs of splats and tiles, visits of blocks."""
    count, height, width = size
    gaussians, viewmats, Ks = head_like_scene(count, height, width, opacity)
    camera = numba_backend._camera(Views(viewmats, Ks, width, height), 0)
    arrays = projection.GaussianArrays(*(tensor.numpy() for tensor in gaussians))
    splats, depths = np.zeros(count, compositing.splat_dtype(np.float32)), np.zeros(count, np.float32)
    frame, frame_grad = (
        compositing.Frame(np.ones((height, width, 3), np.float32), np.ones((height, width), np.float32))
        for _ in range(2)
    )

    def project() -> None:
        projection.project(0, 1, arrays, camera, 3, splats, depths)

    def sort() -> compositing.Tiles:
        return numba_backend._sort_into_tiles(splats, depths, width, height)

    # sorting turns the deviations of the splats into their reach, in place: each sort needs splats just projected
    times = {"project": time_call(project, repeats)[1], "sort": time_call(sort, repeats, before=project)[1]}
    project()
    tiles = sort()
    records, black = np.zeros((len(tiles.pairs), compositing.RECORD_COLUMNS), np.float32), np.zeros(3, np.float32)
    splat_grads, grads = np.zeros_like(splats), projection.GaussianArrays(*(np.zeros_like(array) for array in arrays))
    calls = {
        "blend": lambda: compositing.composite_tiles(0, 1, tiles, splats, black, frame),
        "blend backward": lambda: compositing.composite_tiles_backward(
            0, 1, tiles, splats, black, frame, frame_grad, records
        ),
        "sum records": lambda: compositing.sum_records(0, 1, tiles.first_slots, records, splats, splat_grads),
        "project backward": lambda: projection.project_backward(0, 1, arrays, camera, 3, splats, splat_grads, grads),
    }
    times |= {name: time_call(call, repeats)[1] for name, call in calls.items()}
    return times, len(tiles.pairs), visits(splats, tiles)


def visits(splats: np.ndarray, tiles: compositing.Tiles) -> int:
    """Count the blocks within reach of the splats: what compositing visits when no pixel closes early."""
    drawn = np.diff(tiles.first_slots) > 0
    x, y, rx, ry = (splats[name][drawn].astype(float) for name in ("x", "y", "half_width", "half_height"))
    side = compositing.SIDE
    across = (np.floor(x + rx - 0.5) // side) - (np.ceil(x - rx - 0.5) // side) + 1
    down = (np.floor(y + ry - 0.5) // side) - (np.ceil(y - ry - 0.5) // side) + 1
    return int((across * down).sum())


def main() -> None:
    """Print the tables."""
    parser = parser_of(__doc__)
    parser.add_argument("--threads", type=int, nargs="+", default=[1, 2])
    parser.add_argument("--repeats", type=int, default=30)
    options = parsed(parser, threads=[1], repeats=1)
    sizes = SMALLEST if options.smallest else SIZES
    figures = Figures(options, machine("torch", "numba", "llvmlite", "numpy"))
    print("\n| Gaussians | image | colors | median opacity | threads | wall ms | processor ms |")
    print("|---|---|---|---|---|---|---|")
    for size in sizes:
        count, height, width = size
        for degree, opacity in ((None, 0.5), (3, 0.5), (3, 0.9)):
            for threads in options.threads:
                torch.set_num_threads(threads)
                wall, processor = time_call(full_pass(size, degree, opacity), options.repeats)
                colors = "rgb" if degree is None else f"SH {degree}"
                what = f"{count:,} | {width}×{height} | {colors} | {opacity}"
                print(f"| {what} | {threads} | {wall:.1f} | {processor:.1f} |", flush=True)
                figures.add(f"{what} | {threads} threads: wall", wall, "ms", shown=False)
                figures.add(f"{what} | {threads} threads: processor", processor, "ms", shown=False)
    torch.set_num_threads(1)
    print("\nStages, one thread, SH 3, median opacity 0.5, processor ms:\n")
    for index, size in enumerate(sizes):
        times, pairs, blocks = stages(size, 0.5, options.repeats)
        if index == 0:
            print("| Gaussians | image | " + " | ".join(times) + " | tile pairs | block visits | ns per visit |")
            print("|---" * (len(times) + 5) + "|")
        per_visit = 1e6 * (times["blend"] + times["blend backward"]) / blocks
        cells = [f"{size[0]:,}", f"{size[2]}×{size[1]}", *(f"{value:.2f}" for value in times.values())]
        print(f"| {' | '.join(cells)} | {pairs:,} | {blocks:,} | {per_visit:.1f} |")
        for name, value in times.items():
            figures.add(f"{size[0]:,}: {name}", value, "ms", shown=False)
        figures.add(f"{size[0]:,}: tile pairs per Gaussian", pairs / size[0], "", shown=False)
        figures.add(f"{size[0]:,}: block visits per Gaussian", blocks / size[0], "", shown=False)
    figures.save()


if __name__ == "__main__":
    main()
