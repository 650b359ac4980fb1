"""What a step minimises: the loss of its photographs, the size and the drift of Gaussians, priors of weights."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.fitting.compare_view import RenderOptions, render_view, render_views
from splatrig.fitting.losses import drift_loss, photometric_loss, size_loss
from splatrig.fitting.occlusion import NOTHING, Occlusion
from splatrig.fitting.schedule import Shot
from splatrig.gaussians.gaussians import Gaussians
from splatrig.rasterize import Splats, activate

COLORS = 64
"""Random backdrops that are copied to the device at a time."""


class Backdrops:
    """The colour behind the renderings of each step."""

    def __init__(self, device: torch.device, draw: Callable[[int], NDArray[np.float32]] | None = None) -> None:
        """Take the colours [3] that `draw` returns for each step; black without it."""
        self._device, self._draw = device, draw
        self._black = torch.zeros(3, device=device)
        self._colors: tuple[int, Tensor] | None = None

    def at(self, step: int) -> Tensor:  # [3]
        """Return the colour of a step, on the device."""
        if self._draw is None:
            return self._black
        block, row = divmod(step, COLORS)
        if self._colors is None or self._colors[0] != block:
            drawn = np.stack([self._draw(number) for number in range(block * COLORS, (block + 1) * COLORS)])
            self._colors = block, torch.as_tensor(drawn, device=self._device)
        return self._colors[1][row]


@dataclass(frozen=True)
class Objective:
    """The loss of a step as a function of the Gaussians of its frames."""

    render: RenderOptions
    backdrops: Backdrops
    inverse_edges: Tensor  # [N, 1]
    """One over the mean edge length at each Gaussian of the neutral: 1/mm, or 1 where lengths count in millimetres."""
    size_weight: float
    """Weight of mean (|s| / edge length)⁴."""
    drift_weight: float = 0.0
    """Weight of mean (|x - x0| / edge length)⁴."""
    anchors: Tensor | None = None  # [N, 3]
    """x0: vertices of the tracked mesh, millimetres."""
    occlusion: Occlusion = NOTHING
    normals: Tensor | None = None  # [N, 3]
    """Unit normals of the neutral, for `occlusion`."""
    seed: int = 0
    """Of what is hidden at random."""
    ridge: float = 0.0
    """Weight of the squared weights of components."""
    smoothness: float = 0.0
    """Weight of `w.T @ neighbours @ w`."""
    neighbors: Tensor | None = None  # [F, F]
    _fractions: dict[tuple[float, tuple[int, ...]], Tensor] = field(default_factory=dict, repr=False, compare=False)

    def value(
        self,
        base: Mapping[str, Tensor],  # field to [N, ...]
        rows: Mapping[str, Tensor],  # field that components move, to [B, N, ...]
        groups: Sequence[Sequence[Shot]],  # B frames with their cameras
        step: int,
        fraction: float,
    ) -> Tensor:  # []
        """Return the loss of some frames of a step, of which each counts for `fraction`."""
        background = self.backdrops.at(step)
        if not rows and len(groups) == len(groups[0]) == 1 and self.occlusion == NOTHING:  # no axis of poses
            posed = activate(Gaussians(**base), unit_quats=False)
            loss = self._photometric(render_view(posed, groups[0][0].view, self.render, background))
            loss = loss if fraction == 1.0 else loss * fraction
        else:
            posed = _posed(base, rows, len(groups))
            loss = self._mean_over_shots(posed, groups, step, fraction, background)
        weight = len(groups) * fraction
        if self.drift_weight > 0:
            assert self.anchors is not None  # who weighs the drift says from where
            loss = loss + self.drift_weight * weight * drift_loss(posed.means, self.anchors, self.inverse_edges)
        if self.size_weight > 0:
            loss = loss + self.size_weight * weight * size_loss(posed.scales, self.inverse_edges)
        return loss

    def _photometric(self, compared: tuple[Tensor, Tensor]) -> Tensor:
        return photometric_loss(*compared, self.render.lambda_dssim)

    def _mean_over_shots(
        self,
        frames: Splats,  # [B, N, *]
        groups: Sequence[Sequence[Shot]],
        step: int,
        fraction: float,
        background: Tensor,  # [3]
    ) -> Tensor:  # []
        sizes = tuple(len(group) for group in groups)
        views = [shot.view for group in groups for shot in group]
        viewmats = torch.cat([view.viewmats for view in views])
        poses = _repeated(frames, sizes)
        if self.occlusion != NOTHING:
            assert self.normals is not None  # who hides Gaussians says where they face
            keys = [(self.seed, 6, step, shot.frame, number) for group in groups for number, shot in enumerate(group)]
            shown = self.occlusion.shown(poses.means, self.normals, viewmats, keys)
            poses = poses if shown is None else replace(poses, opacities=poses.opacities * shown)
        compared = render_views(poses, views, viewmats, self.render, background)
        losses = torch.stack([self._photometric(pair) for pair in compared])
        return torch.dot(losses, self._fractions_of(fraction, sizes))

    def _fractions_of(self, fraction: float, sizes: tuple[int, ...]) -> Tensor:
        """Return what each shot's loss counts for when frames of so many shots count for `fraction` each."""
        if (fraction, sizes) not in self._fractions:
            fractions = [fraction / size for size in sizes for _ in range(size)]
            self._fractions[fraction, sizes] = torch.tensor(fractions, device=self.inverse_edges.device)
        return self._fractions[fraction, sizes]

    def add_prior_slopes(self, slopes: Tensor, weights: Tensor) -> None:  # [F, K] both
        """Add the gradient of ridge and smoothness with respect to the weights."""
        if self.ridge > 0:
            slopes.add_(weights, alpha=2.0 * self.ridge)
        if self.smoothness > 0:
            assert self.neighbors is not None  # who wants smooth weights says which frames are neighbours
            slopes.addmm_(self.neighbors, weights, alpha=2.0 * self.smoothness)


def _posed(base: Mapping[str, Tensor], rows: Mapping[str, Tensor], frames: int) -> Splats:  # [B, N, *]
    """Return the Gaussians of B frames ready to render; they share the fields that no component moves."""
    fields = {
        name: rows[name] if name in rows else shared[None].expand(frames, *shared.shape)
        for name, shared in base.items()
    }
    return activate(Gaussians(**fields), unit_quats=False)


def _repeated(poses: Splats, times: Sequence[int]) -> Splats:
    """Return pose b `times[b]` times, one after the other: one for each camera that looks at it."""
    if all(number == 1 for number in times):
        return poses

    def repeat(tensor: Tensor) -> Tensor:
        rows = zip(tensor.split(1), times, strict=True)
        return torch.cat([row.expand(number, *row.shape[1:]) for row, number in rows])

    return poses.map(repeat)
