"""Learned colors of cameras: an affine map per training camera that matches its photographs to the others'.

Cameras of a rig differ in gain, offset and color response, and a rig without such maps averages them. The maps belong
to the photographs, not to the head: they are learned with the rig and dropped with the fit. Their mean over the cameras
is the identity, since a change shared by all cameras is a change of the head's colors.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from splatrig.fitting.ssim import has_kernels

CHANNELS = ("red", "green", "blue")


@dataclass(frozen=True)
class CameraColors:
    """Affine maps of RGB, one per training camera."""

    cameras: tuple[str, ...]
    """Names of C cameras."""
    values: Tensor  # [C, 3, 4], trained
    """Matrix and offset of each map; colors in [0, 1]."""

    @classmethod
    def alike(cls, cameras: Sequence[str], device: torch.device) -> "CameraColors":
        """Return identity maps."""
        values = torch.eye(3, 4, device=device).repeat(len(cameras), 1, 1)
        return cls(tuple(cameras), values.requires_grad_())

    def of(self, camera: str) -> Tensor:  # [3, 4]
        """Return the map of a camera, with its gradient."""
        return self.values[self.cameras.index(camera)]

    @torch.no_grad()
    def center_(self) -> None:
        """Make the mean of the maps the identity, in place."""
        self.values.sub_(self.values.mean(dim=0) - torch.eye(3, 4, device=self.values.device))

    def unlike(self, least: float) -> dict[str, str]:
        """Return the gains of the cameras with a gain that differs from 1 by `least` or more, by camera."""
        gains = self.values.detach()[:, :, :3].diagonal(dim1=1, dim2=2).cpu()  # [C, 3]
        return {
            camera: ", ".join(f"{channel} × {gain:.2f}" for channel, gain in zip(CHANNELS, row.tolist(), strict=True))
            for camera, row in zip(self.cameras, gains, strict=True)
            if float((row - 1.0).abs().max()) >= least
        }


def recolored(
    image: Tensor,  # [h, w, 3]
    alpha: Tensor,  # [h, w, 1]
    background: Tensor,  # [3]
    matrix: Tensor,  # [3, 4]
) -> Tensor:  # [h, w, 3]
    """Return a rendering over `background` whose foreground is mapped by `matrix`; the background is unchanged.

    Differentiable in all but the background.
    """
    if has_kernels(image):
        from splatrig.fitting.camera_colors_triton import recolored as fused

        return fused(image, alpha, background, matrix)
    # A (image - (1 - alpha) background) + b alpha + (1 - alpha) background, as one affine map of image and alpha
    linear, offset = matrix[:, :3], matrix[:, 3]
    unseen = background - linear @ background
    mapped = torch.cat([linear, (offset - unseen)[:, None]], dim=1)  # [3, 4]
    return torch.addmm(unseen, torch.cat([image, alpha], dim=-1).reshape(-1, 4), mapped.T).reshape(image.shape)
