"""Gaussians and cameras become pictures."""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray

from splatrig.capture.cameras import Cameras
from splatrig.gaussians.activation import activate_gaussians
from splatrig.gaussians.gaussians import Gaussians
from splatrig.rasterize import rasterize

SH_DEGREE = 3
"""Spherical-harmonic degree that stored Gaussians hold."""


def render(
    gaussians: Gaussians,
    cameras: Cameras,  # viewmats from head space
    *,
    background: NDArray | None = None,  # [C, 3] or [3] in [0, 1]; black when None
    device: str | torch.device = "cpu",
    backend: str = "auto",
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return pictures [C, H, W, 3], clipped to [0, 1], and their opacity [C, H, W, 1]."""
    activated = activate_gaussians(gaussians, device)
    backgrounds = None
    if background is not None:
        filled = np.array(np.broadcast_to(background, (len(cameras), 3)), dtype=np.float32)
        backgrounds = torch.as_tensor(filled, device=device)
    with torch.no_grad():
        images, alphas = rasterize(
            activated.means,
            activated.quats,
            activated.scales,
            activated.opacities,
            activated.sh,
            torch.as_tensor(cameras.viewmats, dtype=torch.float32, device=device),
            torch.as_tensor(cameras.Ks, dtype=torch.float32, device=device),
            cameras.width,
            cameras.height,
            sh_degree=SH_DEGREE,
            backgrounds=backgrounds,
            backend=backend,
        )
    return images.clamp(0.0, 1.0).cpu().numpy(), alphas.cpu().numpy()


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
