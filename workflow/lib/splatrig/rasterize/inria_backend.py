"""The CUDA back end of the original 3D Gaussian splatting: diff-gaussian-rasterization (Inria's research license).

https://github.com/graphdeco-inria/diff-gaussian-rasterization. It differs from gsplat, and so from the other back ends,
in ways that a caller cannot change: alpha is at most 0.99, Gaussians nearer than 0.2 mm are not drawn, splats end at 3
standard deviations of their longer axis (rounded up to tiles of 16 pixels), and the Jacobian is clamped symmetrically
about the optical axis.

Every view is a separate call. The extension returns no alpha, so alpha is a second rendering of the same Gaussians in
white on black, whose backward pass runs only if the loss uses alpha.
"""

import torch
from torch import Tensor

from splatrig.io.errors import InputError
from splatrig.rasterize.scene import Splats, Views, blank, check_float32, stacked


def render(splats: Splats, views: Views) -> tuple[Tensor, Tensor]:
    """Render on CUDA with diff-gaussian-rasterization; see `splatrig.rasterize.rasterize`."""
    check_float32("diff_gaussian_rasterization", splats)
    if views.backgrounds is not None and views.backgrounds.requires_grad:
        raise InputError(
            "rasterizer: diff_gaussian_rasterization computes no gradients of backgrounds; detach them or use gsplat."
        )
    if not len(splats) or not len(views):
        return blank(splats, views)
    return stacked([_render_view(splats, views, view) for view in range(len(views))])


def projection_matrix(K: Tensor, width: int, height: int) -> Tensor:
    """Return the [4, 4] matrix from camera space to clip space, whose w is depth.

    Normalized device coordinates run from -1 to 1 between the outer edges of the image; the principal point may be
    anywhere: x_ndc = 2 (fx x / z + cx) / width - 1. The extension does not use depth in clip space.
    """
    matrix = torch.zeros(4, 4, dtype=K.dtype, device=K.device)
    matrix[0, 0], matrix[0, 2] = 2 * K[0, 0] / width, (2 * K[0, 2] - width) / width
    matrix[1, 1], matrix[1, 2] = 2 * K[1, 1] / height, (2 * K[1, 2] - height) / height
    matrix[2, 2] = matrix[3, 2] = 1
    return matrix


def _render_view(splats: Splats, views: Views, view: int) -> tuple[Tensor, Tensor]:
    """Return image [H, W, 3] and alpha [H, W, 1] of one view."""
    from diff_gaussian_rasterization import GaussianRasterizationSettings, GaussianRasterizer

    viewmat, K = views.viewmats[view], views.Ks[view]
    background = None if views.backgrounds is None else views.backgrounds[view]
    black = torch.zeros(3, device=K.device)
    settings = GaussianRasterizationSettings(
        image_height=views.height,
        image_width=views.width,
        tanfovx=0.5 * views.width / K[0, 0].item(),
        tanfovy=0.5 * views.height / K[1, 1].item(),
        bg=black if background is None else background.contiguous(),
        scale_modifier=1.0,
        viewmatrix=viewmat.T.contiguous(),  # the extension expects column-major matrices
        projmatrix=(projection_matrix(K, views.width, views.height) @ viewmat).T.contiguous(),
        sh_degree=splats.sh_degree or 0,
        campos=-viewmat[:3, :3].T @ viewmat[:3, 3],
        prefiltered=False,
        debug=False,
    )
    shape = {
        "means3D": splats.means,
        "means2D": torch.zeros_like(
            splats.means, requires_grad=True
        ),  # receives screen-space gradients, which are not used
        "opacities": splats.opacities[:, None],
        "scales": splats.scales,
        "rotations": torch.nn.functional.normalize(splats.quats, dim=-1),
    }
    colors = {"colors_precomp" if splats.sh_degree is None else "shs": splats.colors.contiguous()}
    image = GaussianRasterizer(settings)(**shape, **colors)[0]
    white = torch.ones_like(splats.means)
    alpha = GaussianRasterizer(settings._replace(bg=black))(**shape, colors_precomp=white)[0][:1]
    return image.permute(1, 2, 0), alpha.permute(1, 2, 0)
