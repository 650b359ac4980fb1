"""Objective of a step: the loss on its photographs, the size and the drift of Gaussians."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.fitting.camera_colors import CameraColors
from splatrig.fitting.compare_view import RenderOptions, render_view, render_views
from splatrig.fitting.losses import drift_loss, photometric_loss, size_loss
from splatrig.fitting.occlusion import NOTHING, Occlusion
from splatrig.fitting.schedule import Shot
from splatrig.gaussians.gaussians import Gaussians
from splatrig.rasterize import Splats, activate

COLORS = 64
"""Number of random backdrops that are copied to the device at a time."""


class Backdrops:
    """Color behind the renderings of each step."""

    def __init__(self, device: torch.device, draw: Callable[[int], NDArray[np.float32]] | None = None) -> None:
        """Take the colors [3] that `draw` returns for each step; black without it."""
        self._device, self._draw = device, draw
        self._black = torch.zeros(3, device=device)
        self._colors: tuple[int, Tensor] | None = None

    def at(self, step: int) -> Tensor:  # [3]
        """Return the color of a step, on the device."""
        if self._draw is None:
            return self._black
        block, row = divmod(step, COLORS)
        if self._colors is None or self._colors[0] != block:
            drawn = np.stack([self._draw(number) for number in range(block * COLORS, (block + 1) * COLORS)])
            self._colors = block, torch.as_tensor(drawn, device=self._device)
        return self._colors[1][row]


@dataclass(frozen=True)
class Objective:
    """Loss of a step as a function of the Gaussians of its frames."""

    render: RenderOptions
    backdrops: Backdrops
    inverse_edges: Tensor  # [N, 1]
    """Inverse of the mean edge length at each Gaussian of the neutral, 1/mm; 1 where lengths count in millimeters."""
    size_weight: float
    """Weight of mean (|s| / edge length)⁴, the size loss."""
    drift_weight: float = 0.0
    """Weight of mean (|x - x0| / edge length)⁴, the drift loss."""
    anchors: Tensor | None = None  # [N, 3]
    """Anchors x0: vertices of the tracked mesh, millimeters."""
    occlusion: Occlusion = NOTHING
    normals: Tensor | None = None  # [N, 3]
    """Unit normals of the neutral, for `occlusion`."""
    seed: int = 0
    """Seed of the random hiding of Gaussians."""
    colors: CameraColors | None = None
    """Colors of the cameras, of fits that learn them."""
    opacity_weight: float = 0.0
    """Weight of the opacity of each free Gaussian; `structured` others come first."""
    structured: int = 0

    def value(
        self,
        base: Mapping[str, Tensor],  # [N, ...] by field
        rows: Mapping[str, Tensor],  # [B, N, ...] by field that components move
        shots: Sequence[Shot],  # B shots, one per frame
        step: int,
        fraction: float,
    ) -> Tensor:  # []
        """Return the loss of some frames of a step, of which each has the weight `fraction`."""
        background = self.backdrops.at(step)
        if not rows and len(shots) == 1 and self.occlusion == NOTHING and self.colors is None:  # no axis of poses
            posed = activate(Gaussians(**base), unit_quats=False)
            loss = self.photometric(render_view(posed, shots[0].view, self.render, background))
            loss = loss if fraction == 1.0 else loss * fraction
        else:
            posed = _posed(base, rows, len(shots))
            loss = self._mean_over_shots(posed, shots, step, fraction, background)
        return self.regularized(loss, posed, len(shots), fraction)

    def regularized(self, loss: Tensor, posed: Splats, shots: int, fraction: float) -> Tensor:  # []
        """Return `loss` plus the regularizers of the Gaussians of `shots`, each with the weight `fraction`."""
        weight = shots * fraction
        if self.drift_weight > 0:
            assert self.anchors is not None  # a drift weight implies anchors
            loss = loss + self.drift_weight * weight * drift_loss(posed.means, self.anchors, self.inverse_edges)
        if self.size_weight > 0:
            loss = loss + self.size_weight * weight * size_loss(posed.scales, self.inverse_edges)
        if self.opacity_weight > 0:
            loss = loss + self.opacity_weight * fraction * posed.opacities[..., self.structured :].sum()
        return loss

    def photometric(self, compared: tuple[Tensor, Tensor]) -> Tensor:  # []
        """Return the loss of a rendering next to its photograph, [h, w, 3] each."""
        return photometric_loss(*compared, self.render.lambda_dssim)

    def _mean_over_shots(
        self,
        poses: Splats,  # [B, N, *]
        shots: Sequence[Shot],
        step: int,
        fraction: float,
        background: Tensor,  # [3]
    ) -> Tensor:  # []
        views = [shot.view for shot in shots]
        viewmats = torch.cat([view.viewmats for view in views])
        if self.occlusion != NOTHING:
            assert self.normals is not None  # hiding Gaussians implies normals
            keys = [(self.seed, 6, step, shot.frame, 0) for shot in shots]
            shown = self.occlusion.shown(poses.means, self.normals, viewmats, keys)
            poses = poses if shown is None else replace(poses, opacities=poses.opacities * shown)
        compared = render_views(poses, views, viewmats, self.render, background, self.colors)
        losses = torch.stack([self.photometric(pair) for pair in compared])
        return torch.dot(losses, torch.full_like(losses, fraction))


def _posed(base: Mapping[str, Tensor], rows: Mapping[str, Tensor], frames: int) -> Splats:  # [B, N, *]
    """Return the Gaussians of B frames ready to render; fields that no component moves are not copied."""
    fields = {
        name: rows[name] if name in rows else shared[None].expand(frames, *shared.shape)
        for name, shared in base.items()
    }
    return activate(Gaussians(**fields), unit_quats=False)
