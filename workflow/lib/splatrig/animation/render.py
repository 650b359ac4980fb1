"""Render Gaussians from cameras as images."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.dataset.cameras import Cameras
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.tensors import on_device
from splatrig.rasterize import Views, activate, rasterize
from splatrig.rasterize.scene import EPS_2D


@dataclass(frozen=True)
class Renderer:
    """Settings for rendering rigs: device, background and blur."""

    device: str | torch.device = "cpu"
    widen_mm2: float = 0.0
    """Variance added to every axis of the Gaussians; see `lens_blur`."""

    def views(self, cameras: Cameras) -> Views:
        """Return the cameras on the device, with a black background."""
        return Views.of(cameras, self.device)

    def tensors(self, gaussians: Gaussians[Any], views: Views) -> Tensor:  # [..., C, H, W, 3] uint8
        """Return 8-bit images of Gaussians [..., N, *], still on the device and without synchronization."""
        splats = activate(widened(on_device(gaussians, views.viewmats.device), self.widen_mm2))
        images, _ = rasterize(splats, views)
        return images.clamp_(0.0, 1.0).mul_(255.0).add_(0.5).to(torch.uint8)

    @torch.no_grad()
    def images(self, gaussians: Gaussians, cameras: Cameras) -> NDArray[np.uint8]:  # [C, H, W, 3]
        """Return 8-bit images from every camera."""
        return self.tensors(gaussians, self.views(cameras)).cpu().numpy()


def render(
    gaussians: Gaussians,
    cameras: Cameras,  # viewmats from head space
    *,
    background: NDArray | None = None,  # [C, 3] or [3] in [0, 1]; None: black
    device: str | torch.device = "cpu",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return images [C, H, W, 3], clipped to [0, 1], and their opacity [C, H, W, 1]."""
    backgrounds = None
    if background is not None:
        filled = np.array(np.broadcast_to(background, (len(cameras), 3)), dtype=np.float32)
        backgrounds = torch.as_tensor(filled, device=device)
    with torch.no_grad():
        views = Views.of(cameras, device, backgrounds)
        images, alphas = rasterize(activate(on_device(gaussians, device)), views)
    return images.clamp(0.0, 1.0).cpu().numpy(), alphas.cpu().numpy()


def lens_blur(photographed: Cameras, center: NDArray, shown: Cameras | None = None) -> float:
    """Return the variance (mm²) to add to Gaussians that are shown nearer than they were photographed.

    A rig was learned in images where the rasterizer adds `EPS_2D` to the variance of every Gaussian: around `center`
    [3], `EPS_2D` · (distance / focal length)² in mm². In a nearer view the rasterizer's own blur is smaller than that,
    and Gaussians smaller than a pixel of the photographs, which no photograph resolved, would appear as dots (compare
    the 3D smoothing filter of Yu et al., Mip-Splatting, 2024). The rasterizer's own blur in `shown` is subtracted.
    """
    distance = float(np.median(np.linalg.norm(photographed.centers - center, axis=1)))
    there = float(np.median(photographed.Ks[:, 1, 1]))
    here = np.inf if shown is None else float(np.median(shown.Ks[:, 1, 1]))
    return max(0.0, EPS_2D * distance**2 * (there**-2 - here**-2))


def widened(gaussians: Gaussians[Any], variance_mm2: float) -> Gaussians[Any]:
    """Return Gaussians (arrays or tensors) with `variance_mm2` added to the variance of each axis; opacities stay."""
    if variance_mm2 == 0.0:
        return gaussians
    log_scales = gaussians.log_scales
    if isinstance(log_scales, Tensor):
        return replace(gaussians, log_scales=0.5 * (log_scales.mul(2.0).exp() + variance_mm2).log())
    variances = np.exp(2.0 * log_scales.astype(np.float64)) + variance_mm2
    return replace(gaussians, log_scales=(0.5 * np.log(variances)).astype(np.float32))


def to_bytes(image: NDArray) -> NDArray[np.uint8]:
    """Return an image in [0, 1] (any shape) as 8-bit values, rounded and clipped."""
    return (np.clip(image, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def picture_cameras(cameras: Cameras, height: int) -> Cameras:
    """Return `cameras` scaled so that their images are `height` pixels high."""
    return cameras.scaled(height / cameras.height)
