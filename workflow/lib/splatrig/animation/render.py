"""Gaussians and cameras become pictures."""

from collections.abc import Iterable
from dataclasses import replace

import numpy as np
import torch
from numpy.typing import NDArray

from splatrig.dataset.cameras import Cameras
from splatrig.gaussians.gaussians import Gaussians
from splatrig.rasterize import Views, activate, rasterize
from splatrig.rasterize.scene import EPS_2D


def render(
    gaussians: Gaussians,
    cameras: Cameras,  # viewmats from head space
    *,
    background: NDArray | None = None,  # [C, 3] or [3] in [0, 1]; black when None
    device: str | torch.device = "cpu",
    backend: str = "auto",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return pictures [C, H, W, 3], clipped to [0, 1], and their opacity [C, H, W, 1]."""
    backgrounds = None
    if background is not None:
        filled = np.array(np.broadcast_to(background, (len(cameras), 3)), dtype=np.float32)
        backgrounds = torch.as_tensor(filled, device=device)
    with torch.no_grad():
        views = Views.of(cameras, device, backgrounds)
        images, alphas = rasterize(activate(gaussians.to(device)), views, backend)
    return images.clamp(0.0, 1.0).cpu().numpy(), alphas.cpu().numpy()


def lens_blur(photographed: Cameras, center: NDArray, shown: Cameras | None = None) -> float:
    """Return by how much to widen Gaussians, in mm², that are shown nearer than they were photographed.

    A rig was learned as a picture in which every Gaussian has `EPS_2D` more variance: around `center` [3],
    `EPS_2D` · (distance / focal length)² in mm². Nearer, the rasteriser's own blur is less than that, and Gaussians
    smaller than a pixel of the photographs, which none of them could see alone, would show as dots (the
    three-dimensional filter of Yu et al., Mip-Splatting, 2024). The rasteriser's share in `shown` is taken off.
    """
    distance = float(np.median(np.linalg.norm(photographed.centers - center, axis=1)))
    there = float(np.median(photographed.Ks[:, 1, 1]))
    here = np.inf if shown is None else float(np.median(shown.Ks[:, 1, 1]))
    return max(0.0, EPS_2D * distance**2 * (there**-2 - here**-2))


def widened(gaussians: Gaussians, variance_mm2: float) -> Gaussians:
    """Return Gaussians with `variance_mm2` added to the variance of each of their axes; opacities stay."""
    if variance_mm2 == 0.0:
        return gaussians
    variances = np.exp(2.0 * gaussians.log_scales.astype(np.float64)) + variance_mm2
    return replace(gaussians, log_scales=(0.5 * np.log(variances)).astype(np.float32))


def render_sequence(
    frames: Iterable[Gaussians],
    cameras: Cameras,
    *,
    background: NDArray | None = None,
    device: str | torch.device = "cpu",
) -> NDArray[np.uint8]:  # [F, C, H, W, 3]
    """Render each of `frames` from every camera as 8-bit pictures."""
    return np.stack([to_bytes(render(frame, cameras, background=background, device=device)[0]) for frame in frames])


def to_bytes(image: NDArray) -> NDArray[np.uint8]:
    """Return an image in [0, 1] (any shape) as 8-bit values, rounded and clipped."""
    return (np.clip(image, 0.0, 1.0) * 255.0 + 0.5).astype(np.uint8)


def picture_cameras(cameras: Cameras, height: int) -> Cameras:
    """Return `cameras` scaled so that their pictures are `height` pixels high."""
    return cameras.scaled(height / cameras.height)


def pick_device(wanted: str) -> str:
    """Return `cuda` or `cpu` for the configuration's `device` (auto: a GPU if there is one)."""
    if wanted == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return wanted
