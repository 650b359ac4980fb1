"""Gaussians that follow the skin, for batches of poses on one device: the formulas of `splatrig.components.skin`."""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from splatrig.components.skin import FLAT, MOST_STRETCH, Skin


@dataclass(frozen=True)
class DeviceSkin:
    """A `Skin` as float32 tensors."""

    shares: Tensor  # [2N, N] sparse: from displacements to changes of f1 (rows 0 to N-1) and f2 (rows N to 2N-1)
    rest: Tensor  # [N, 3, 2]
    frames: Tensor  # [N, 3, 3]
    inverses: Tensor  # [N, 3, 3]
    usable: Tensor  # [N] bool

    def follow(
        self,
        moves: Tensor,  # [..., N, 3] displacement of each vertex from rest, millimeters
        quats: Tensor,  # [..., N, 4] wxyz of any length, at rest
        log_scales: Tensor,  # [..., N, 3] at rest
    ) -> tuple[Tensor, Tensor]:  # [..., N, 4], [..., N, 3]
        """Return rotations and log scales in many poses, as `Skin.follow` does in one."""
        count = len(self.rest)
        if moves.shape[-2] > count:  # vertices come first; free Gaussians after them are unchanged
            turned, grown = self.follow(moves[..., :count, :], quats[..., :count, :], log_scales[..., :count, :])
            leading = moves.shape[:-2]
            others = [array[..., count:, :].expand(*leading, -1, array.shape[-1]) for array in (quats, log_scales)]
            return torch.cat([turned, others[0]], dim=-2), torch.cat([grown, others[1]], dim=-2)
        flat = moves.reshape(-1, count, 3)
        both = torch.sparse.mm(self.shares, flat.permute(1, 0, 2).reshape(count, -1)).reshape(2, count, len(flat), 3)
        added = both.permute(2, 1, 3, 0).reshape(*moves.shape, 2)  # [..., N, 3, 2]
        plane = self.rest + added
        turned, normals, usable = _without_stretch(plane)
        usable = usable & self.usable & (added != 0).any(dim=-1).any(dim=-1)
        turns = torch.cat([turned, normals], dim=-1) @ self.frames.transpose(-1, -2)
        unit = torch.nn.functional.normalize(quats, dim=-1)
        rotated = quat_product(quats_of(turns), unit)
        images = torch.cat([plane, normals], dim=-1)
        lengths = (images @ (self.inverses @ rotation_matrices(unit))).norm(dim=-2)
        grown = lengths.clamp(1.0, MOST_STRETCH).log()
        rotated = torch.where(usable[..., None], rotated, quats)
        return rotated, log_scales + torch.where(usable[..., None], grown, torch.zeros_like(grown))


def device_skin(skin: Skin, device: str | torch.device) -> DeviceSkin:
    """Return the skin as tensors on `device`."""
    count = len(skin.rest)
    rows = np.repeat(np.arange(count), np.diff(skin.starts))
    indices = np.stack([np.concatenate([rows, rows + count]), np.tile(skin.near, 2)])
    shares = torch.sparse_coo_tensor(
        torch.as_tensor(indices),
        torch.as_tensor(skin.shares.T.ravel()),
        (2 * count, count),
        check_invariants=True,
    ).coalesce()
    dense = {name: torch.as_tensor(getattr(skin, name)) for name in ("rest", "frames", "inverses", "usable")}
    return DeviceSkin(shares.to(device), **{name: tensor.to(device) for name, tensor in dense.items()})


def _without_stretch(plane: Tensor) -> tuple[Tensor, Tensor, Tensor]:  # [..., 3, 2], [..., 3, 1], [...] bool
    """Return `plane` [..., 3, 2] without its stretch, its normals, and the mask of planes with an area."""
    squared = plane.transpose(-1, -2) @ plane
    cross = torch.linalg.cross(plane[..., 0], plane[..., 1])
    area = cross.norm(dim=-1)
    spread = (squared[..., 0, 0] + squared[..., 1, 1] + 2.0 * area).clamp_min(1e-12).sqrt()
    root = squared + area[..., None, None] * torch.eye(2, dtype=plane.dtype, device=plane.device)
    usable = area > FLAT
    inverse_area = torch.where(usable, 1.0 / area.clamp_min(FLAT), torch.ones_like(area))
    # the inverse of root / spread; its determinant is the area
    adjugate = torch.stack([root[..., 1, 1], -root[..., 0, 1], -root[..., 1, 0], root[..., 0, 0]], dim=-1)
    inverse = (adjugate * (inverse_area / spread)[..., None]).reshape(squared.shape)
    return plane @ inverse, torch.nn.functional.normalize(cross, dim=-1)[..., None], usable


def rotation_matrices(quats: Tensor) -> Tensor:  # [..., 3, 3]
    """Return the rotation matrices [..., 3, 3] of unit `quats` wxyz [..., 4]."""
    w, x, y, z = quats.unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, dim=-1).reshape(*quats.shape[:-1], 3, 3)


def quats_of(matrices: Tensor) -> Tensor:  # [..., 4]
    """Return unit quaternions wxyz of rotation `matrices` [..., 3, 3], through their largest component."""
    m = [[matrices[..., row, column] for column in range(3)] for row in range(3)]
    signs = ((1, 1, 1), (1, -1, -1), (-1, 1, -1), (-1, -1, 1))
    squares = torch.stack([1 + a * m[0][0] + b * m[1][1] + c * m[2][2] for a, b, c in signs], dim=-1)  # 4 q²
    products = {
        (0, 1): m[2][1] - m[1][2], (0, 2): m[0][2] - m[2][0], (0, 3): m[1][0] - m[0][1],
        (1, 2): m[1][0] + m[0][1], (1, 3): m[0][2] + m[2][0], (2, 3): m[2][1] + m[1][2],
    }  # fmt: skip
    candidates = torch.stack(
        [
            torch.stack(
                [
                    squares[..., own] if own == other else products[(min(own, other), max(own, other))]
                    for other in range(4)
                ],
                dim=-1,
            )
            for own in range(4)
        ],
        dim=-2,
    )  # row q holds 4 q times the quaternion
    best = squares.argmax(dim=-1)[..., None, None].expand(*squares.shape[:-1], 1, 4)
    return torch.nn.functional.normalize(candidates.gather(-2, best)[..., 0, :], dim=-1)


def quat_product(left: Tensor, right: Tensor) -> Tensor:  # [..., 4]
    """Return the rotation `right` followed by `left`, both wxyz [..., 4]."""
    w, x, y, z = left.unbind(-1)
    v, i, j, k = right.unbind(-1)
    parts = [
        w * v - x * i - y * j - z * k,
        w * i + x * v + y * k - z * j,
        w * j - x * k + y * v + z * i,
        w * k + x * j - y * i + z * v,
    ]
    return torch.stack(parts, dim=-1)
