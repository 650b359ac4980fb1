"""Agreement of a rendering with a photograph, in a region of the image."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import torch
from torch import Tensor

from splatrig.fitting.ssim import measured_ssim

REGIONS = ("mask", "image")
"""`mask`: pixels whose photograph is more than half covered by the silhouette; `image`: the whole image."""


@dataclass(frozen=True)
class ImageMetrics:
    """Agreement of one rendering with one photograph in one region."""

    psnr: float
    """Peak signal-to-noise ratio in dB for peak 1; infinite for equal images."""
    ssim: float
    """Mean of the SSIM map (`splatrig.fitting.ssim`) over the region."""
    lpips: float
    """LPIPS (AlexNet) of the images, black outside the region; NaN if its network weights are not installed."""


def psnr(
    rendered: Tensor,  # [H, W, 3] in [0, 1]
    photographed: Tensor,  # [H, W, 3]
    region: Tensor | None = None,  # [H, W] bool
) -> float:
    """Return the PSNR in dB over the pixels of `region` (None: all); NaN without pixels, infinite for equal images."""
    everywhere = torch.ones_like(rendered[..., 0], dtype=torch.bool)
    return float(_decibels(_mean((rendered - photographed).square(), everywhere if region is None else region)))


def measure(
    rendered: Tensor,  # [H, W, 3] over the same background as the photograph
    photographed: Tensor,  # [H, W, 3]
    inside: Tensor,  # [H, W] bool, the region `mask`
) -> dict[str, ImageMetrics]:
    """Return the metrics of each of `REGIONS`; NaN in a region without pixels. Waits once for the device."""
    return as_metrics(measured(rendered, photographed, inside).tolist())


def as_metrics(values: list[list[float]]) -> dict[str, ImageMetrics]:
    """Return the metrics by region from the result of `measured`."""
    return {name: ImageMetrics(*row) for name, row in zip(REGIONS, values, strict=True)}


def measured(
    rendered: Tensor,  # [H, W, 3] over the same background as the photograph
    photographed: Tensor,  # [H, W, 3]
    inside: Tensor,  # [H, W] bool, the region `mask`
) -> Tensor:  # [R, 3] float64
    """Return PSNR, SSIM and LPIPS in each of `REGIONS`; waits for the device only if LPIPS is available.

    NaN in a region without pixels.
    """
    rendered = rendered.clamp(0.0, 1.0)
    squared = (rendered - photographed).square()
    similarity = measured_ssim(rendered, photographed)
    masks = {"mask": inside, "image": torch.ones_like(inside)}
    rows = []
    for name in REGIONS:
        decibels, mean = _decibels(_mean(squared, masks[name])), _mean(similarity, masks[name])
        perceptual = lpips(rendered, photographed, masks[name])
        rows.append(torch.stack([decibels, mean, torch.full_like(mean, perceptual)]))
    return torch.stack(rows)


def _mean(
    values: Tensor,  # [H, W, 3]
    region: Tensor,  # [H, W] bool
) -> Tensor:  # [] float64
    """Return the mean over a region without copying its size from the device; NaN for an empty one."""
    return torch.where(region[..., None], values, 0.0).sum(dtype=torch.float64) / (values.shape[-1] * region.sum())


def _decibels(squared_error: Tensor) -> Tensor:
    return -10.0 * torch.log10(squared_error)


def lpips(
    rendered: Tensor,  # [H, W, 3]
    photographed: Tensor,  # [H, W, 3]
    region: Tensor,  # [H, W] bool
) -> float:
    """Return LPIPS with both images black outside `region`, or NaN if its network weights are not on disk."""
    network = _lpips_network(str(rendered.device))
    if network is None or not bool(region.any()):
        return float("nan")
    first, second = (torch.where(region[..., None], image, 0.0) for image in (rendered, photographed))
    with torch.no_grad():
        return float(network(first.permute(2, 0, 1)[None], second.permute(2, 0, 1)[None]))


def lpips_available() -> bool:
    """Return whether LPIPS can be computed here; nothing is ever downloaded for it."""
    weights = Path(torch.hub.get_dir()) / "checkpoints"
    return any(weights.glob("alexnet-*.pth")) and find_spec("torchvision") is not None


@cache
def _lpips_network(device: str) -> Callable[[Tensor, Tensor], Tensor] | None:
    if not lpips_available():
        return None
    from torchmetrics.image.lpip import LearnedPerceptualImagePatchSimilarity

    return LearnedPerceptualImagePatchSimilarity(net_type="alex", normalize=True).eval().to(device)
