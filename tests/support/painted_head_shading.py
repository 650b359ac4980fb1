"""Renderer of the painted head, in torch: a z-buffer of 2×2 samples per pixel, lamps and highlights, sensor noise.

It shares no code with the splat rasterizers that are measured on its photographs.
"""

from threading import Semaphore
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

SHARPNESS = 24
"""Exponent of the highlight."""

AT_ONCE = Semaphore(3)
"""How many threads may use the device at a time: a picture of full size takes gigabytes of it."""
LAST = 2**31 - 1


def photographed(
    surface: tuple[Any, ...],  # faces, screen, inverse_depths, points, normals, rest, eye, lamps: see `shaded`
    texture: Tensor,  # [6, texels, texels, 3] on the device
    size: tuple[int, int],  # (H, W)
    noise_levels: float,
    seed: int,
) -> NDArray[np.uint8]:  # [H, W, 3]
    """Return the photograph of a surface, with the sensor's gamma and noise."""
    with AT_ONCE:
        owners = nearest_faces(*surface[:3], (2 * size[0], 2 * size[1]), texture.device)
        generator = torch.Generator(texture.device).manual_seed(seed)
        noise = torch.randn((*size, 3), generator=generator, device=texture.device)
        image = 255 * shaded(owners, *surface, texture).sqrt() + noise_levels * noise
        return image.round().clamp(0, 255).to(torch.uint8).cpu().numpy()


def nearest_faces(
    faces: NDArray[np.int64],  # [T, 3]
    screen: NDArray[np.float64],  # [N, 2] in samples
    inverse_depths: NDArray[np.float64],  # [N]
    shape: tuple[int, int],
    device: torch.device,
) -> Tensor:  # [2H, 2W] int64
    """Return the face in front at every sample, -1 for none: all faces' samples at once, then the largest of each."""
    corners = torch.as_tensor(faces).to(device)
    at = torch.as_tensor(screen).to(device)[corners]  # [T, 3, 2]
    last = torch.tensor([shape[1] - 1, shape[0] - 1], device=device)
    low = (at.amin(dim=1) - 0.5).ceil().long().clamp_min(0)
    extent = (torch.minimum((at.amax(dim=1) - 0.5).floor().long(), last) - low + 1).clamp_min(0)
    counts = extent.prod(dim=1)
    face = torch.repeat_interleave(torch.arange(len(corners), device=device), counts)
    number = torch.arange(len(face), device=device) - (counts.cumsum(0) - counts)[face]
    column = low[face, 0] + number % extent[face, 0]
    row = low[face, 1] + torch.div(number, extent[face, 0], rounding_mode="floor")
    (ax, ay), (bx, by), (cx, cy) = (at[:, k].unbind(-1) for k in range(3))
    area = ((bx - ax) * (cy - ay) - (by - ay) * (cx - ax))[face]
    x, y = column + 0.5, row + 0.5
    wa = ((bx[face] - x) * (cy[face] - y) - (by[face] - y) * (cx[face] - x)) / area
    wb = ((cx[face] - x) * (ay[face] - y) - (cy[face] - y) * (ax[face] - x)) / area
    inside = (wa >= 0) & (wb >= 0) & (wa + wb <= 1)
    face, place = face[inside], (row * shape[1] + column)[inside]
    shares = torch.stack([wa[inside], wb[inside], 1 - wa[inside] - wb[inside]], dim=1)
    inverse = (shares * torch.as_tensor(inverse_depths).to(device)[corners[face]]).sum(dim=1).float()
    # bits of positive floats are in their order; the first of equally near faces wins
    ranked = (inverse.view(torch.int32).long() << 32) | (LAST - face)
    best = torch.zeros(shape[0] * shape[1], dtype=torch.int64, device=device)
    best.scatter_reduce_(0, place, ranked, "amax")
    return torch.where(best == 0, -1, LAST - (best & LAST)).reshape(shape)


def shaded(
    owners: Tensor,  # [2H, 2W] face in front at every sample, -1: none
    faces: NDArray[np.int64],  # [T, 3]
    screen: NDArray[np.float64],  # [N, 2] in samples
    inverse_depths: NDArray[np.float64],  # [N]
    points: NDArray[np.float64],  # [N, 3]
    normals: NDArray[np.float64],  # [N, 3]
    rest: NDArray[np.float64],  # [N, 3]
    eye: NDArray[np.float64],  # [3]
    lamps: NDArray[np.float64],  # [L, 4]
    texture: Tensor,  # [6, texels, texels, 3] on the device
) -> Tensor:  # [H, W, 3] linear light
    """Return the picture over a dim stage, on the device of `texture`."""
    device = texture.device

    def there(array: NDArray) -> Tensor:
        return torch.as_tensor(array).to(device, torch.float32)

    height, width = owners.shape
    owner = owners.reshape(-1)
    stage = 0.03 + 0.02 * torch.arange(3, device=device) + 0.05 * torch.arange(height, device=device)[:, None] / height
    samples = stage[:, None, :].expand(height, width, 3).reshape(-1, 3).clone()
    covered = (owner >= 0).nonzero()[:, 0]
    corners = torch.as_tensor(faces).to(device)[owner[covered]]  # [S, 3]
    x, y = (covered % width) + 0.5, torch.div(covered, width, rounding_mode="floor") + 0.5
    at = torch.as_tensor(screen).to(device)  # float64: areas of small faces far from the origin
    (ax, ay), (bx, by), (cx, cy) = (at[corners[:, k]].unbind(-1) for k in range(3))
    area = (bx - ax) * (cy - ay) - (by - ay) * (cx - ax)
    wa = ((bx - x) * (cy - y) - (by - y) * (cx - x)) / area
    wb = ((cx - x) * (ay - y) - (cy - y) * (ax - x)) / area
    shares = torch.stack([wa, wb, 1.0 - wa - wb], dim=-1).float() * there(inverse_depths)[corners]
    shares = shares / shares.sum(dim=-1, keepdim=True)

    def mixed(rows: NDArray) -> Tensor:
        return (there(rows)[corners] * shares[..., None]).sum(dim=1)

    normal = torch.nn.functional.normalize(mixed(normals), dim=-1)
    to_eye = torch.nn.functional.normalize(there(eye) - mixed(points), dim=-1)
    light, gloss = torch.full_like(normal[:, 0], 0.28), torch.zeros_like(normal[:, 0])
    for lamp in there(lamps):
        facing = normal @ lamp[:3]
        half = torch.nn.functional.normalize(to_eye + lamp[:3], dim=-1)
        lit = facing > 0
        light += torch.where(lit, lamp[3] * facing, 0.0)
        aligned = (half * normal).sum(dim=-1).clamp_min(0.0)
        gloss += torch.where(lit, lamp[3] * 0.22 * aligned**SHARPNESS, 0.0)
    color = _looked_up(texture, mixed(rest))
    samples[covered] = (color * light[:, None] + gloss[:, None]).clamp_max(1.0)
    return samples.reshape(height // 2, 2, width // 2, 2, 3).mean(dim=(1, 3))


def _looked_up(texture: Tensor, directions: Tensor) -> Tensor:  # [S, 3]
    """Return the texture in `directions` [S, 3], bilinear within a face of the cube."""
    sizes = directions.abs()
    longest, axis = sizes.max(dim=-1)
    first = torch.where(axis == 0, 1, 0)
    second = torch.where(axis == 2, 1, 2)
    negative = directions.gather(1, axis[:, None])[:, 0] <= 0
    face = 2 * axis + negative
    side = texture.shape[1]

    def place(index: Tensor) -> Tensor:
        value = directions.gather(1, index[:, None])[:, 0] / longest
        return ((value + 1) * 0.5 * side - 0.5).clamp(0.0, side - 1.001)

    column, row = place(first), place(second)
    i, j = row.long(), column.long()
    f, g = (row - i)[:, None], (column - j)[:, None]
    top = (1 - g) * texture[face, i, j] + g * texture[face, i, j + 1]
    low = (1 - g) * texture[face, i + 1, j] + g * texture[face, i + 1, j + 1]
    return (1 - f) * top + f * low
