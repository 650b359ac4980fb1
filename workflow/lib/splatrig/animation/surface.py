"""Gaussians that turn and grow with the skin they sit on, for components that move nothing but centres.

Around vertex i the moved mesh is the rest mesh under a linear map: f1, f2, the images of the tangents t1, t2, are the
least-squares fit over the edges at i, and the normal goes to n' = f1 × f2 / |f1 × f2|; all is relative to the same
three at rest. The Gaussian takes the rotation that is left of [f1 f2] without its stretch (the polar decomposition, in
closed form for two columns), and each of its axes grows as the map stretches it. f1 and f2 are linear in the vertices:
one sparse product a pose, on CPU and GPU.
"""

from dataclasses import dataclass, fields

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import coo_array
from torch import Tensor

from splatrig.mesh.normals import tangent_frames
from splatrig.mesh.topology import unique_edges

MOST_STRETCH = 2.0
"""Axes grow at most this many times: in folds the edges at a vertex can say anything."""

FLAT = 1e-3
"""Where the moved surroundings of a vertex have less than this share of their area, nothing turns or grows."""


@dataclass(frozen=True)
class Surface:
    """The skin at rest, as float32 tensors on one device."""

    vertices: Tensor  # [N, 3] millimetres
    tangents: Tensor  # [2N, N] sparse: vertices to f1 (rows 0 to N-1) and f2 (rows N to 2N-1)
    frames: Tensor  # [N, 3, 3] f1, f2 and n' at rest without their stretch; on curved skin not quite t1, t2 and n
    inverses: Tensor  # [N, 3, 3] of f1, f2 and n' at rest
    usable: Tensor  # [N] bool: the surroundings have an area at rest

    def to(self, device: str | torch.device) -> "Surface":
        """Return the surface on `device`."""
        return Surface(**{field.name: getattr(self, field.name).to(device) for field in fields(self)})

    def follow(
        self,
        moves: Tensor,  # [B, N, 3] displacement of each vertex from rest, millimetres
        quats: Tensor,  # [N, 4] wxyz, at rest
        log_scales: Tensor,  # [N, 3] at rest
    ) -> tuple[Tensor, Tensor]:  # [B, N, 4], [B, N, 3]
        """Return rotations and log scales of Gaussians in B poses; axes grow and never shrink.

        Shrinking would be as natural, but the frames' own Gaussians do not: on the demo's held-out photographs growing
        alone was better by 0.1 dB.
        """
        images = self.images(moves)
        turned, usable = _without_stretch(images)
        usable = usable & self.usable
        turns = turned @ self.frames.transpose(-1, -2)
        rotated = quat_product(quats_of(turns), quats)
        lengths = (images @ (self.inverses @ rotation_matrices(quats))).norm(dim=-2)
        grown = lengths.clamp(1.0, MOST_STRETCH).log()
        rotated = torch.where(usable[..., None], rotated, quats)
        return rotated, log_scales + torch.where(usable[..., None], grown, torch.zeros_like(grown))

    def images(self, moves: Tensor) -> Tensor:  # [B, N, 3, 3]
        """Return where tangent, bitangent and normal of every vertex go: f1, f2 and n' as columns."""
        return _images(self.tangents, self.vertices + moves)


def surface_of(vertices: NDArray, faces: NDArray[np.int64]) -> Surface:
    """Return the surface of a mesh at rest: `vertices` [N, 3] in millimetres, `faces` [T, 3]."""
    frames = tangent_frames(np.asarray(vertices, dtype=np.float64), faces)
    ends = unique_edges(faces).ends
    start, end = np.concatenate([ends, ends[:, ::-1]]).T
    flat = np.einsum("ex,exc->ec", vertices[end] - vertices[start], frames[start][:, :, :2])  # edges in the tangents
    moment = np.zeros((len(vertices), 2, 2))
    np.add.at(moment, start, flat[:, :, None] * flat[:, None, :])
    weights = np.einsum("eab,eb->ae", np.linalg.pinv(moment, rcond=1e-6, hermitian=True)[start], flat)  # [2, E]
    count = len(vertices)
    rows = np.concatenate([start, start, start + count, start + count])
    columns = np.concatenate([end, start, end, start])
    values = np.concatenate([weights[0], -weights[0], weights[1], -weights[1]])
    summed = coo_array((values, (rows, columns)), shape=(2 * count, count)).tocsr().tocoo()
    indices = torch.as_tensor(np.stack([summed.row, summed.col]).astype(np.int64))
    tangents = torch.sparse_coo_tensor(
        indices, torch.as_tensor(summed.data, dtype=torch.float32), summed.shape, check_invariants=True
    ).coalesce()
    rest = torch.as_tensor(vertices, dtype=torch.float32)
    images = _images(tangents, rest[None])[0]
    turned, usable = _without_stretch(images)
    nothing = torch.eye(3).expand_as(images)
    inverses = torch.linalg.inv(torch.where(usable[:, None, None], images, nothing))
    return Surface(rest, tangents, turned, inverses, usable)


def _images(tangents: Tensor, moved: Tensor) -> Tensor:  # [B, N, 3, 3] from [2N, N] and [B, N, 3]
    batch, count = moved.shape[:2]
    both = torch.sparse.mm(tangents, moved.permute(1, 0, 2).reshape(count, -1)).reshape(2, count, batch, 3)
    first, second = both[0].transpose(0, 1), both[1].transpose(0, 1)
    normals = torch.nn.functional.normalize(torch.linalg.cross(first, second), dim=-1)
    return torch.stack([first, second, normals], dim=-1)


def _without_stretch(images: Tensor) -> tuple[Tensor, Tensor]:  # [..., 3, 3], [...] bool
    """Return `images` with the stretch of their first two columns taken out, and where that can be done.

    M (MᵀM)^(-1/2) for M = [f1 f2]: the root of a 2 × 2 matrix A is (A + √|A| I) / √(tr A + 2 √|A|).
    """
    plane = images[..., :2]
    squared = plane.transpose(-1, -2) @ plane
    area = torch.linalg.cross(plane[..., 0], plane[..., 1]).norm(dim=-1)
    spread = (squared[..., 0, 0] + squared[..., 1, 1] + 2.0 * area).clamp_min(1e-12).sqrt()
    root = squared + area[..., None, None] * torch.eye(2, dtype=images.dtype, device=images.device)
    usable = area > FLAT
    inverse_area = torch.where(usable, 1.0 / area.clamp_min(FLAT), torch.ones_like(area))
    # the inverse of root / spread; its determinant is the area
    adjugate = torch.stack([root[..., 1, 1], -root[..., 0, 1], -root[..., 1, 0], root[..., 0, 0]], dim=-1)
    inverse = (adjugate * (inverse_area / spread)[..., None]).reshape(squared.shape)
    return torch.cat([plane @ inverse, images[..., 2:]], dim=-1), usable


def rotation_matrices(quats: Tensor) -> Tensor:  # [..., 3, 3]
    """Return the matrices of unit `quats` wxyz [..., 4]."""
    w, x, y, z = quats.unbind(-1)
    rows = [
        *(1 - 2 * (y * y + z * z), 2 * (x * y - w * z), 2 * (x * z + w * y)),
        *(2 * (x * y + w * z), 1 - 2 * (x * x + z * z), 2 * (y * z - w * x)),
        *(2 * (x * z - w * y), 2 * (y * z + w * x), 1 - 2 * (x * x + y * y)),
    ]
    return torch.stack(rows, dim=-1).reshape(*quats.shape[:-1], 3, 3)


def quats_of(matrices: Tensor) -> Tensor:  # [..., 4]
    """Return unit quaternions wxyz of rotation `matrices` [..., 3, 3], through the largest of the four numbers."""
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
