"""What every back end takes: Gaussians ready for rendering and the views to render them from.

The projection is EWA splatting (Zwicker et al. 2002) with gsplat's conventions: a Gaussian with centre m and covariance
Σ becomes a splat at the projection of m with covariance J W Σ Wᵀ Jᵀ + EPS_2D I, W the camera's rotation and J the
Jacobian of the perspective division at m.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from splatrig.gaussians.activation import Activated
from splatrig.io.errors import InputError

EPS_2D = 0.3
"""Pixels², added to both variances of a splat: none is thinner than about a pixel."""
NEAR = 0.01
"""Millimetres of depth; Gaussians nearer than this are not drawn."""
FRUSTUM_MARGIN = 0.15
"""Of the image size. Where m lies farther outside the image, J is taken at this distance: it grows without bound."""


@dataclass(frozen=True)
class Splats:
    """N activated Gaussians in head space."""

    means: Tensor  # [N, 3]
    """Centres in millimetres."""
    quats: Tensor  # [N, 4]
    """Rotations, wxyz; back ends normalise them."""
    scales: Tensor  # [N, 3]
    """Standard deviations along the rotated axes, millimetres."""
    opacities: Tensor  # [N]
    """In [0, 1]."""
    colors: Tensor  # [N, 3] or [N, K, 3]
    """RGB, or spherical-harmonic coefficients when `sh_degree` is given."""
    sh_degree: int | None = None
    """Degree to evaluate, (sh_degree + 1)² <= K; None: `colors` are RGB."""

    def __post_init__(self) -> None:
        count = len(self.means)
        _check("means", self.means, (count, 3), self.means)
        _check("quats", self.quats, (count, 4), self.means)
        _check("scales", self.scales, (count, 3), self.means)
        _check("opacities", self.opacities, (count,), self.means)
        if self.means.dtype not in (torch.float32, torch.float64):
            raise InputError(f"rasterize: means are {self.means.dtype}; convert the Gaussians to float32 or float64.")
        if self.sh_degree is None:
            _check("colors", self.colors, (count, 3), self.means, "; spherical harmonics need sh_degree")
            return
        if not 0 <= self.sh_degree <= 3:
            raise InputError(f"rasterize: sh_degree is {self.sh_degree}; expected 0, 1, 2 or 3.")
        bases = self.colors.shape[1] if self.colors.ndim == 3 else 0
        _check("colors", self.colors, (count, bases, 3), self.means, f" (sh_degree is {self.sh_degree})")
        if bases < (self.sh_degree + 1) ** 2:
            raise InputError(
                f"rasterize: sh_degree {self.sh_degree} needs {(self.sh_degree + 1) ** 2} coefficients a channel, "
                f"colors have {bases}; lower sh_degree or pass more coefficients."
            )

    def __len__(self) -> int:
        return len(self.means)


@dataclass(frozen=True)
class Views:
    """C pinhole cameras of one image size (OpenCV axes; not differentiated)."""

    viewmats: Tensor  # [C, 4, 4]
    """Head space to camera, rigid, millimetres."""
    Ks: Tensor  # [C, 3, 3]
    """Intrinsics in pixels; the centre of pixel (row i, column j) is (j+.5, i+.5)."""
    width: int
    """Pixels."""
    height: int
    """Pixels."""
    backgrounds: Tensor | None = None  # [C, 3]
    """RGB behind everything; None is black."""

    def __post_init__(self) -> None:
        count = len(self.viewmats)
        _check("viewmats", self.viewmats, (count, 4, 4), self.viewmats)
        _check("Ks", self.Ks, (count, 3, 3), self.viewmats)
        if self.backgrounds is not None:
            _check("backgrounds", self.backgrounds, (count, 3), self.viewmats)
        if self.width < 1 or self.height < 1:
            raise InputError(
                f"rasterize: the image is {self.width}x{self.height}; both sides must be at least 1 pixel."
            )
        if self.viewmats.requires_grad or self.Ks.requires_grad:
            raise InputError("rasterize: viewmats or Ks require gradients, which no back end computes; detach them.")

    def __len__(self) -> int:
        return len(self.viewmats)


@dataclass(frozen=True)
class Poses:
    """B poses of N activated Gaussians in head space."""

    means: Tensor  # [B, N, 3] millimetres
    quats: Tensor  # [B, N, 4] wxyz, of any length but zero
    scales: Tensor  # [B, N, 3] millimetres
    opacities: Tensor  # [B, N] in [0, 1]
    sh: Tensor  # [B, N, K, 3]

    def __len__(self) -> int:
        return len(self.means)

    def separate(self) -> list[Activated]:
        """Return each pose's Gaussians; one alone without a copy of its gradients."""
        fields = Activated(self.means, self.quats, self.scales, self.opacities, self.sh)
        if len(self) == 1:
            return [Activated(*(tensor.squeeze(0) for tensor in fields))]
        return [Activated(*pose) for pose in zip(*(tensor.unbind() for tensor in fields), strict=True)]


def blank(splats: Splats, views: Views) -> tuple[Tensor, Tensor]:
    """Return images and alphas of the views without any Gaussian, for back ends that refuse to draw nothing."""
    nothing = splats.means.sum() * 0  # so that gradients exist, and are empty
    alphas = nothing.expand(len(views), views.height, views.width, 1)
    if views.backgrounds is None:
        return alphas.expand(-1, -1, -1, 3), alphas
    return alphas + views.backgrounds[:, None, None, :], alphas


def check_float32(backend: str, splats: Splats) -> None:
    """Raise InputError unless the Gaussians are float32."""
    if splats.means.dtype != torch.float32:
        raise InputError(f"rasterizer: {backend} computes in float32, got {splats.means.dtype}; convert the Gaussians.")


def _check(name: str, tensor: Tensor, shape: Sequence[int], like: Tensor, hint: str = "") -> None:
    """Raise InputError unless `tensor` has `shape` and the dtype and device of `like`."""
    if tuple(tensor.shape) != tuple(shape):
        raise InputError(f"rasterize: expected {name} of shape {list(shape)}, got {list(tensor.shape)}{hint}.")
    if tensor.dtype != like.dtype or tensor.device != like.device:
        raise InputError(
            f"rasterize: {name} are {tensor.dtype} on {tensor.device}, others {like.dtype} on {like.device}; "
            "convert them to one dtype and device."
        )
