"""Views of a rig during learning, next to the photographs of one frame, at a moderate resolution."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from splatrig.dataset.photographs import View
from splatrig.fitting.compare_view import RenderOptions
from splatrig.fitting.losses import composite
from splatrig.rasterize import Splats, Views, rasterize

LONGER_SIDE = 512
"""Larger photographs are reduced to this many pixels on the longer side; finer errors are not worth a Gaussian."""
COVERED = 0.3
"""Opacity of the rendering, or of a matte, above which a pixel counts as covered."""


@dataclass(frozen=True)
class Look:
    """C camera views of one frame of a rig."""

    means: Tensor  # [N, 3]
    """Structured centers in the pose of the frame, in head space and millimeters."""
    viewmats: Tensor  # [C, 4, 4]
    Ks: Tensor  # [C, 3, 3]
    photo: Tensor  # [C, H, W, 3]
    """Photographs composited over black."""
    matte: Tensor  # [C, H, W]
    error: Tensor  # [C, H, W]
    """Absolute difference of photograph and rendering, averaged over the channels and over 3×3 pixels."""
    depth: Tensor  # [C, H, W]
    """Depth of the rendering, millimeters."""
    alpha: Tensor  # [C, H, W]
    """Opacity of the rendering."""

    def project(self, points: Tensor) -> "Projected":
        """Return the projections of `points` [S, 3] into the images of all cameras."""
        count, height, width = self.error.shape
        seen = points @ self.viewmats[:, :3, :3].transpose(1, 2) + self.viewmats[:, None, :3, 3]  # [C, S, 3]
        depth = seen[..., 2]
        places = seen[..., :2] / depth[..., None].clamp_min(1e-3)
        focal, center = torch.diagonal(self.Ks, dim1=1, dim2=2)[:, None, :2], self.Ks[:, None, :2, 2]
        column, row = (places * focal + center).floor().clamp(-1, max(height, width)).long().unbind(dim=-1)
        inside = (column >= 0) & (column < width) & (row >= 0) & (row < height) & (depth > 0)
        camera = torch.arange(count, device=points.device)[:, None]
        pixel = camera * height * width + row.clamp(0, height - 1) * width + column.clamp(0, width - 1)
        return Projected(depth, pixel, inside)


@dataclass(frozen=True)
class Projected:
    """Projections of S points into the images of C cameras."""

    depth: Tensor  # [C, S]
    pixel: Tensor  # [C, S]
    """Index into the pixels of all images, one image after the other."""
    inside: Tensor  # [C, S] bool
    """True where the point is inside the image."""

    def read(self, maps: Tensor) -> Tensor:  # [C, S, *]
        """Return `maps` [C, H, W, *] at the points; values of points outside the image are arbitrary."""
        return maps.flatten(0, 2)[self.pixel]


def look_at(splats: Splats, structured: int, views: Sequence[View], options: RenderOptions) -> tuple[Look, Tensor]:
    """Return whole `views` of one frame by posed Gaussians, and the blending weight [G] of each Gaussian.

    The weight of a Gaussian is the sum over all pixels of all images. It is computed as the derivative of an image's
    sum with respect to the Gaussian's color. The first `structured` Gaussians are the vertices of the mesh.
    """
    reduced = [_reduced(view) for view in views]
    photos, mattes, intrinsics = (torch.stack(parts) for parts in zip(*reduced, strict=True))
    _, height, width = mattes.shape
    viewmats = torch.cat([view.viewmats for view in views])
    cameras = Views(viewmats, intrinsics, width, height)
    with torch.no_grad():
        images, alphas = rasterize(replace(splats, sh_degree=options.sh_degree), cameras, options.rasterizer)
        error = (images.clamp(0.0, 1.0) - photos).abs().mean(dim=-1)
        error = torch.nn.functional.avg_pool2d(error[:, None], 3, stride=1, padding=1)[:, 0]
    middle = splats.means.mean(dim=0)
    places = (
        (splats.means - middle).detach().requires_grad_()
    )  # positions rendered as colors: the blended position gives the depth in any camera
    shown = replace(splats.map(Tensor.detach), colors=places, sh_degree=None)
    blended, _ = rasterize(shown, cameras, options.rasterizer)
    (weights,) = torch.autograd.grad(blended[..., 0].sum(), places)
    alpha = alphas[..., 0]
    point = blended.detach() / alpha.clamp_min(1e-4)[..., None] + middle
    depth = (point * viewmats[:, None, None, 2, :3]).sum(dim=-1) + viewmats[:, None, None, 2, 3]
    means = splats.means[:structured].detach()
    return Look(means, viewmats, intrinsics, photos, mattes, error, depth, alpha), weights[:, 0]


def _reduced(view: View) -> tuple[Tensor, Tensor, Tensor]:  # [h, w, 3], [h, w], [3, 3]
    """Return a photograph over black, its matte and intrinsics, at most `LONGER_SIDE` pixels long."""
    photo = composite(view.image, torch.zeros(3, device=view.image.device))
    whole = torch.cat([photo, view.image[..., 3:].to(torch.float32) * (1.0 / 255.0)], dim=-1)
    height, width = view.height, view.width
    factor = min(1.0, LONGER_SIDE / max(height, width))
    size = (max(1, round(factor * height)), max(1, round(factor * width)))
    if size != (height, width):
        whole = torch.nn.functional.interpolate(whole.permute(2, 0, 1)[None], size, mode="area")[0].permute(1, 2, 0)
    scale = torch.tensor([[size[1] / width], [size[0] / height], [1.0]], device=whole.device)
    return whole[..., :3].contiguous(), whole[..., 3].contiguous(), view.Ks[0] * scale
