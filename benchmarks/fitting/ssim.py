"""Time the mean SSIM: python benchmarks/fitting/ssim.py [--repeats 100] [--device cpu].

One row per image size: milliseconds of one forward and backward pass by the compiled kernels (Triton's on a CUDA
device, numba's on a CPU) and by torch's convolutions, the median. On a GPU times are those between CUDA events around
each pass; it idles between passes of small images, whose times are those of launching from Python.
"""

import time
from collections.abc import Callable

import numpy as np
import torch
from torch import Tensor

from splatrig.fitting import ssim
from support.harness import Figures, machine, missing, need_cuda, parsed, parser_of

SIZES = [(1334, 2048), (167, 256)]
"""Image heights and widths: a fit's at full resolution, and the demo's."""
SMALLEST = [(32, 48)]


WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "kernels": ssim.mean_ssim,
    "torch": lambda first, second: ssim.ssim_map(first, second).mean(),
}


def images(device: str, height: int, width: int) -> tuple[Tensor, Tensor]:
    """Return two similar random images [H, W, 3], of which the first wants a gradient."""
    generator = torch.Generator(device).manual_seed(0)
    first = torch.rand((height, width, 3), generator=generator, device=device)
    second = (first + 0.1 * torch.randn(first.shape, generator=generator, device=device)).clamp(0, 1)
    return first.requires_grad_(), second


def median_ms(call: Callable[[], object], device: str, repeats: int) -> float:
    """Return the median milliseconds of `call`, after ten calls to warm up (fewer with few repeats)."""
    for _ in range(min(10, repeats)):
        call()
    if device == "cpu":
        times = []
        for _ in range(repeats):
            begin = time.perf_counter()
            call()
            times.append(1e3 * (time.perf_counter() - begin))
        return float(np.median(times))
    pairs = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
    for before, after in pairs:
        before.record()
        call()
        after.record()
    torch.cuda.synchronize()
    return float(np.median([before.elapsed_time(after) for before, after in pairs]))


def main() -> None:
    """Print the table."""
    parser = parser_of(__doc__)
    parser.add_argument("--repeats", type=int, default=100)
    parser.add_argument("--device", choices=["cpu", "cuda"], default="cuda", help="--smallest: cpu")
    options = parsed(parser, repeats=2, device="cpu")
    if options.device == "cuda":
        need_cuda()
    figures = Figures(options, machine("torch", "triton", "numba"))
    for height, width in SMALLEST if options.smallest else SIZES:
        first, second = images(options.device, height, width)
        if options.device == "cuda" and not ssim.has_kernels(first):
            missing("Triton, which does not start here")
        for name, way in WAYS.items():
            figures.add(f"{width}×{height}, {name}: mean SSIM", way(first, second).item(), "SSIM")

            def full_pass(way=way, first=first, second=second) -> None:
                torch.autograd.grad(way(first, second), first)

            passed = median_ms(full_pass, options.device, options.repeats)
            figures.add(f"{width}×{height}, {name}: forward and backward", passed, "ms")
    figures.save()


if __name__ == "__main__":
    main()
