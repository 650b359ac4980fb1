"""Random scenes for the tests of the rasterizers."""

from dataclasses import dataclass

import torch
from torch import Tensor

from splatrig.rasterize import Splats, Views


@dataclass(frozen=True)
class Scene:
    """Gaussians about the origin, seen by cameras a meter away with principal points off the center."""

    means: Tensor
    quats: Tensor
    scales: Tensor
    opacities: Tensor
    colors: Tensor
    viewmats: Tensor
    Ks: Tensor
    width: int
    height: int

    @property
    def gaussians(self) -> tuple[Tensor, ...]:
        return self.means, self.quats, self.scales, self.opacities, self.colors

    @property
    def arguments(self) -> tuple:
        return *self.gaussians, self.viewmats, self.Ks, self.width, self.height

    def splats(self, sh_degree: int | None = None) -> Splats:
        return Splats(*self.gaussians, sh_degree)

    def views(self, backgrounds: Tensor | None = None) -> Views:
        return Views(self.viewmats, self.Ks, self.width, self.height, backgrounds)

    def requiring_gradients(self) -> "Scene":
        leaves = [tensor.detach().clone().requires_grad_() for tensor in self.gaussians]
        return Scene(*leaves, self.viewmats, self.Ks, self.width, self.height)


def random_scene(
    count: int = 60,
    width: int = 41,
    height: int = 35,
    cameras: int = 1,
    sh_bases: int | None = None,
    dtype: torch.dtype = torch.float64,
    seed: int = 0,
    scale_mm: float = 9.0,
) -> Scene:
    """Make a scene whose Gaussians cover some tiles, overlap, stick out of the image and vary in opacity."""
    generator = torch.Generator().manual_seed(seed)

    def normal(*shape: int) -> Tensor:
        return torch.randn(*shape, generator=generator, dtype=torch.float64)

    viewmats = torch.eye(4, dtype=torch.float64).repeat(cameras, 1, 1)
    rotations, _ = torch.linalg.qr(torch.eye(3, dtype=torch.float64) + 0.2 * normal(cameras, 3, 3))
    viewmats[:, :3, :3] = rotations * torch.sign(torch.diagonal(rotations, dim1=1, dim2=2))[:, None, :]
    viewmats[:, :3, 3] = torch.tensor([0.0, 0.0, 1000.0], dtype=torch.float64) + 5 * normal(cameras, 3)
    Ks = torch.zeros(cameras, 3, 3, dtype=torch.float64)
    Ks[:, 0, 0], Ks[:, 1, 1], Ks[:, 2, 2] = 3.9 * height, 4.1 * height, 1
    Ks[:, 0, 2] = 0.5 * width + 3 * normal(cameras)
    Ks[:, 1, 2] = 0.5 * height + 3 * normal(cameras)
    colors = normal(count, sh_bases, 3) * 0.4 if sh_bases else torch.sigmoid(normal(count, 3))
    tensors = (
        normal(count, 3) * torch.tensor([70.0, 70.0, 40.0], dtype=torch.float64),
        normal(count, 4),
        scale_mm * torch.exp(0.6 * normal(count, 3)),
        torch.sigmoid(2 * normal(count)),
        colors,
        viewmats,
        Ks,
    )
    return Scene(*(tensor.to(dtype) for tensor in tensors), width, height)
