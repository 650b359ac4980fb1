"""Inputs of every back end: Gaussians ready for rendering, and the views to render them from.

The projection is EWA splatting (Zwicker et al. 2002) with gsplat's conventions: a Gaussian with center m and covariance
Σ becomes a splat at the projection of m with covariance J W Σ Wᵀ Jᵀ + EPS_2D I, where W is the camera's rotation and J
the Jacobian of the perspective division at m.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from splatrig.dataset.cameras import Cameras
from splatrig.io.errors import InputError

EPS_2D = 0.3
"""Variance (pixels²) added to both axes of a splat, so that none is thinner than about a pixel."""
NEAR = 0.01
"""Minimum depth in millimeters; nearer Gaussians are not drawn."""
FRUSTUM_MARGIN = 0.15
"""Margin as a fraction of the image size. If m lies farther outside the image, J is evaluated at this margin, since it
grows without bound."""


@dataclass(frozen=True)
class Splats:
    """N activated Gaussians in head space; with leading axes, several poses of them: [B, N, *] are B poses."""

    means: Tensor  # [..., N, 3]
    """Centers in millimeters."""
    quats: Tensor  # [..., N, 4]
    """Rotations, wxyz, of any nonzero length; back ends normalize them."""
    scales: Tensor  # [..., N, 3]
    """Standard deviations along the rotated axes, millimeters."""
    opacities: Tensor  # [..., N]
    """Opacities in [0, 1]."""
    colors: Tensor  # [..., N, 3] or [..., N, K, 3]
    """RGB, or spherical-harmonic coefficients when `sh_degree` is given."""
    sh_degree: int | None = None
    """Degree to evaluate, 0 to 3, with (sh_degree + 1)² <= K: the color is max(0, value + 0.5) along the view
    direction. None: `colors` are RGB."""

    def __post_init__(self) -> None:
        leading, like = self.means.shape[:-1], self.means
        if not leading:
            raise InputError(f"rasterize: expected means of shape [..., N, 3], got {list(self.means.shape)}.")
        _check("means", self.means, (*leading, 3), like)
        _check("quats", self.quats, (*leading, 4), like)
        _check("scales", self.scales, (*leading, 3), like)
        _check("opacities", self.opacities, leading, like)
        if like.dtype not in (torch.float32, torch.float64):
            raise InputError(f"rasterize: means are {like.dtype}; convert the Gaussians to float32 or float64.")
        if self.sh_degree is None:
            _check("colors", self.colors, (*leading, 3), like, "; spherical harmonics need sh_degree")
            return
        if not 0 <= self.sh_degree <= 3:
            raise InputError(f"rasterize: sh_degree is {self.sh_degree}; expected 0, 1, 2 or 3.")
        bases = self.colors.shape[-2] if self.colors.ndim == like.ndim + 1 else 0
        _check("colors", self.colors, (*leading, bases, 3), like, f" (sh_degree is {self.sh_degree})")
        if bases < (self.sh_degree + 1) ** 2:
            raise InputError(
                f"rasterize: sh_degree {self.sh_degree} needs {(self.sh_degree + 1) ** 2} coefficients per channel, "
                f"colors have {bases}; lower sh_degree or pass more coefficients."
            )

    def __len__(self) -> int:
        """Return the number of Gaussians N, whatever the leading axes."""
        return self.means.shape[-2]

    @property
    def batch(self) -> torch.Size:
        """Leading axes: the shape of the array of poses; empty for a single pose without an axis."""
        return self.means.shape[:-2]

    def items(self) -> Iterator[tuple[str, Tensor]]:
        """Iterate over (name, tensor), in the order of the fields."""
        return ((name, getattr(self, name)) for name in ("means", "quats", "scales", "opacities", "colors"))

    def map(self, change: Callable[[Tensor], Tensor]) -> "Splats":
        """Return the Gaussians with every tensor changed by `change`."""
        means, quats, scales, opacities, colors = (change(tensor) for _, tensor in self.items())
        return Splats(means, quats, scales, opacities, colors, self.sh_degree)

    def separate(self) -> list["Splats"]:
        """Return each pose on its own, [N, *]; a single pose is returned without a copy of its gradients."""
        axes = len(self.batch)
        if self.batch.numel() == 1:
            return [self.map(lambda tensor: tensor.reshape(tensor.shape[axes:]))]
        names, tensors = zip(*self.items(), strict=True)
        poses = zip(*(tensor.flatten(0, axes - 1).unbind() for tensor in tensors), strict=True)
        return [replace(self, **dict(zip(names, pose, strict=True))) for pose in poses]


@dataclass(frozen=True)
class Views:
    """C pinhole cameras of one image size (OpenCV axes; not differentiated); with leading axes, C for each pose."""

    viewmats: Tensor  # [..., C, 4, 4]
    """Rigid transforms from head space to camera, millimeters."""
    Ks: Tensor  # [..., C, 3, 3]
    """Intrinsics in pixels, any principal point, no skew; the center of pixel (row i, column j) is (j+.5, i+.5)."""
    width: int
    """Image width in pixels."""
    height: int
    """Image height in pixels."""
    backgrounds: Tensor | None = None  # [..., C, 3]
    """RGB of the background; None is black."""

    def __post_init__(self) -> None:
        leading, like = self.viewmats.shape[:-2], self.viewmats
        if not leading:
            raise InputError(f"rasterize: expected viewmats of shape [..., C, 4, 4], got {list(like.shape)}.")
        _check("viewmats", self.viewmats, (*leading, 4, 4), like)
        _check("Ks", self.Ks, (*leading, 3, 3), like)
        if self.backgrounds is not None:
            _check("backgrounds", self.backgrounds, (*leading, 3), like)
        if self.width < 1 or self.height < 1:
            raise InputError(
                f"rasterize: the image is {self.width}x{self.height}; both sides must be at least 1 pixel."
            )
        if self.viewmats.requires_grad or self.Ks.requires_grad:
            raise InputError("rasterize: viewmats or Ks require gradients, which no back end computes; detach them.")

    @classmethod
    def of(
        cls,
        cameras: Cameras,  # C cameras, viewmats from head space
        device: str | torch.device = "cpu",
        backgrounds: Tensor | None = None,  # [C, 3]
    ) -> "Views":
        """Return calibrated cameras as float32 tensors on `device`."""
        viewmats, Ks = (
            torch.as_tensor(array, dtype=torch.float32, device=device) for array in (cameras.viewmats, cameras.Ks)
        )
        return cls(viewmats, Ks, cameras.width, cameras.height, backgrounds)

    def __len__(self) -> int:
        """Return the number of cameras C of each pose."""
        return self.viewmats.shape[-3]

    @property
    def batch(self) -> torch.Size:
        """Leading axes, equal to those of the `Splats` that are rendered."""
        return self.viewmats.shape[:-3]

    def separate(self) -> list["Views"]:
        """Return the cameras of each pose on their own, [C, *]."""
        poses = (self.batch.numel(), len(self))
        viewmats, Ks = self.viewmats.reshape(*poses, 4, 4), self.Ks.reshape(*poses, 3, 3)
        behind = [None] * poses[0] if self.backgrounds is None else self.backgrounds.reshape(*poses, 3)
        return [
            Views(viewmat, K, self.width, self.height, colors)
            for viewmat, K, colors in zip(viewmats, Ks, behind, strict=True)
        ]


Render = Callable[[Splats, Views], tuple[Tensor, Tensor]]
"""Function from splats and views to images [..., C, H, W, 3] and alphas [..., C, H, W, 1]."""


def one_by_one(render: Render, splats: Splats, views: Views) -> tuple[Tensor, Tensor]:
    """Render poses with a back end that supports no leading axes, one call per pose."""
    pairs = zip(splats.separate(), views.separate(), strict=True)
    rendered = [render(pose, cameras) for pose, cameras in pairs]
    if not rendered:
        return blank(splats, views)
    images, alphas = stacked(rendered)
    return images.reshape(*splats.batch, *images.shape[1:]), alphas.reshape(*splats.batch, *alphas.shape[1:])


def stacked(rendered: Sequence[tuple[Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Stack images and their alphas along a new first axis; a single one, as in fits, is not copied."""
    images, alphas = (part[0][None] if len(part) == 1 else torch.stack(part) for part in zip(*rendered, strict=True))
    return images, alphas


def blank(splats: Splats, views: Views) -> tuple[Tensor, Tensor]:
    """Return images and alphas of the views without any Gaussian, for back ends that do not accept zero Gaussians."""
    nothing = splats.means.sum() * 0  # keeps gradients defined, although they are empty
    alphas = nothing.expand(*views.batch, len(views), views.height, views.width, 1)
    if views.backgrounds is None:
        return alphas.expand(*alphas.shape[:-1], 3), alphas
    return alphas + views.backgrounds[..., None, None, :], alphas


def check_float32(backend: str, splats: Splats) -> None:
    """Raise InputError unless the Gaussians are float32."""
    if splats.means.dtype != torch.float32:
        raise InputError(f"rasterizer: {backend} computes in float32, got {splats.means.dtype}; convert the Gaussians.")


def _check(name: str, tensor: Tensor, shape: tuple[int, ...], like: Tensor, hint: str = "") -> None:
    """Raise InputError unless `tensor` has `shape` and the dtype and device of `like`."""
    if tensor.shape != shape:
        raise InputError(f"rasterize: expected {name} of shape {list(shape)}, got {list(tensor.shape)}{hint}.")
    if tensor.dtype != like.dtype or tensor.device != like.device:
        raise InputError(
            f"rasterize: {name} are {tensor.dtype} on {tensor.device}, others {like.dtype} on {like.device}; "
            "convert them to one dtype and device."
        )
