"""Time the mean SSIM on a CUDA device: python benchmarks/ssim.py [--repeats 100].

One row per image size: milliseconds of one forward and backward pass by the Triton kernels and by torch's
convolutions, the median between CUDA events around each pass. The device idles between passes of small images, whose
times are those of launching from Python.
"""

import argparse
import platform
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch
import triton
from torch import Tensor

sys.path.insert(0, str(Path(__file__).parents[1] / "workflow" / "lib"))

from splatrig.fitting import ssim, ssim_triton

SIZES = [(1334, 2048), (167, 256)]
"""Image heights and widths: a fit's at full resolution, and the demo's."""

WAYS: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "Triton": ssim_triton.mean_ssim,
    "torch": lambda first, second: ssim.ssim_map(first, second).mean(),
}


def full_pass(way: Callable[[Tensor, Tensor], Tensor], height: int, width: int) -> Callable[[], None]:
    """Return a call that compares two similar random images [H, W, 3] and computes the gradient of the first."""
    generator = torch.Generator("cuda").manual_seed(0)
    first = torch.rand((height, width, 3), generator=generator, device="cuda")
    second = (first + 0.1 * torch.randn(first.shape, generator=generator, device="cuda")).clamp(0, 1)
    first.requires_grad_()

    def call() -> None:
        torch.autograd.grad(way(first, second), first)

    return call


def median_ms(call: Callable[[], object], repeats: int) -> float:
    """Return the median milliseconds of `call` between events on the device, after ten calls to warm up."""
    for _ in range(10):
        call()
    pairs = [(torch.cuda.Event(enable_timing=True), torch.cuda.Event(enable_timing=True)) for _ in range(repeats)]
    for before, after in pairs:
        before.record()
        call()
        after.record()
    torch.cuda.synchronize()
    return float(torch.tensor([before.elapsed_time(after) for before, after in pairs]).median())


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=100)
    options = parser.parse_args()
    if not torch.cuda.is_available():
        sys.exit("benchmarks/ssim.py times a CUDA device; torch finds none here")
    print(
        f"{torch.cuda.get_device_name()}; Python {platform.python_version()}, torch {torch.__version__}, "
        f"triton {triton.__version__}"
    )
    start = time.perf_counter()
    full_pass(ssim_triton.mean_ssim, 8, 8)()
    torch.cuda.synchronize()
    print(f"First Triton pass, compiled or read from Triton's cache: {time.perf_counter() - start:.2f} s\n")
    print(f"| image | {' | '.join(f'{name} ms' for name in WAYS)} |")
    print("|---" * (len(WAYS) + 1) + "|")
    for height, width in SIZES:
        times = [median_ms(full_pass(way, height, width), options.repeats) for way in WAYS.values()]
        print(f"| {width}×{height} | {' | '.join(f'{value:.3f}' for value in times)} |")


if __name__ == "__main__":
    main()
