"""Pairs that a loss or a metric compares: renderings and photographs of the same cameras, over the same backdrop."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from splatrig.dataset.photographs import View
from splatrig.fitting.camera_colors import CameraColors, recolored
from splatrig.fitting.losses import composite
from splatrig.rasterize import Splats, Views, rasterize, rasterize_each


@dataclass(frozen=True)
class RenderOptions:
    """Options for rendering and for comparing with photographs."""

    backdrop: str
    """`black` or `random`: photograph and rendering are composited over it; `leak`: the original project's, a random
    color behind the rendering of an unmasked photograph; `plate`: the rendering is composited over the photographed
    empty stage."""
    lambda_dssim: float
    """Weight of the structural dissimilarity in the loss, relative to that of absolute differences."""
    sh_degree: int
    rasterizer: str
    """Back end of `splatrig.rasterize`."""

    @property
    def measuring(self) -> "RenderOptions":
        """Options for measuring, equal for all recipes: over black, or over the plate where the capture has one."""
        return self if self.backdrop == "plate" else replace(self, backdrop="black")


def render_view(
    splats: Splats,  # [N, *]
    view: View,
    options: RenderOptions,
    background: Tensor,  # [3]
) -> tuple[Tensor, Tensor]:  # [h, w, 3] each
    """Return rendering and photograph of a view, both over the backdrop (`background` or the view's plate)."""
    views = Views(view.viewmats, view.Ks, view.width, view.height, behind(options, background)[None])
    images, alphas = rasterize(replace(splats, sh_degree=options.sh_degree), views, options.rasterizer)
    return compared(images.squeeze(0), alphas.squeeze(0), view, options, background)


def render_views(
    poses: Splats,  # [S, N, *]
    views: Sequence[View],  # S
    viewmats: Tensor,  # [S, 4, 4] world-to-camera matrices of the views
    options: RenderOptions,
    background: Tensor,  # [3]
    colors: CameraColors | None = None,
) -> list[tuple[Tensor, Tensor]]:  # S of [h, w, 3] each
    """Return the result of `render_view` for several poses with one view each, in the `colors` of their cameras."""
    sizes = [(view.width, view.height) for view in views]
    largest = Views(
        viewmats[:, None],
        torch.cat([view.Ks for view in views])[:, None],
        width=max(width for width, _ in sizes),
        height=max(height for _, height in sizes),
        backgrounds=behind(options, background).expand(len(views), 1, 3),
    )
    rendered = rasterize_each(replace(poses, sh_degree=options.sh_degree), largest, sizes, options.rasterizer)
    return [
        compared(image, alpha, view, options, background, None if colors is None else colors.of(view.camera))
        for (image, alpha), view in zip(rendered, views, strict=True)
    ]


def behind(options: RenderOptions, background: Tensor) -> Tensor:  # [3]
    """Return the color that the rasterizer composites behind the Gaussians: black if a plate is added later."""
    return torch.zeros_like(background) if options.backdrop == "plate" else background


def compared(
    image: Tensor,  # [h, w, 3], over `behind`
    alpha: Tensor,  # [h, w, 1]
    view: View,
    options: RenderOptions,
    background: Tensor,  # [3]
    matrix: Tensor | None = None,  # [3, 4]
) -> tuple[Tensor, Tensor]:  # [h, w, 3] each
    """Return a rendering, its colors mapped by `matrix`, and its photograph over the backdrop, in [0, 1]."""
    if matrix is not None:
        image = recolored(image, alpha, behind(options, background), matrix)
    if options.backdrop in ("plate", "leak"):
        photographed = view.image[..., :3].to(torch.float32) * (1.0 / 255.0)
        if options.backdrop == "leak":
            return image, photographed
        assert view.plate is not None  # options with a plate imply a capture with plates
        return image + (1.0 - alpha) * (view.plate.to(torch.float32) * (1.0 / 255.0)), photographed
    return image, composite(view.image, background)
