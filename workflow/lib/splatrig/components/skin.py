"""Rotate and scale Gaussians with the skin they sit on, for components that move only centers.

Around vertex i the moved mesh is the rest mesh under a linear map: f1, f2, the images of the tangents t1, t2, are the
least-squares fit over the edges at i, and the normal maps to n' = f1 × f2 / |f1 × f2|; all is relative to the same
three vectors at rest. The Gaussian takes the rotation that remains of [f1 f2] without its stretch (polar decomposition,
in closed form for two columns), and each of its axes grows as the map stretches it. Axes only grow, because the frames'
own Gaussians shrink little: on the demo's held-out photographs letting axes shrink as well was worse by 0.1 dB.

f1 and f2 are linear in the vertices. Where nothing near a vertex moves, nothing changes, bit for bit. This module poses
one frame on one core; `splatrig.components.skin_torch` poses batches on a GPU.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array

from splatrig.jobs.kernels import cached_njit
from splatrig.mesh.normals import tangent_frames
from splatrig.mesh.topology import unique_edges

MOST_STRETCH = 2.0
"""Maximum stretch per axis; edge lengths are unreliable in folds."""

FLAT = 1e-3
"""Fraction of a vertex's rest area below which its moved neighborhood counts as flat, and its Gaussian is left
unchanged."""


@dataclass(frozen=True)
class Skin:
    """Skin at rest, with N vertices."""

    starts: NDArray[np.int64]  # [N + 1] index into `near` of the first neighbor of each vertex
    near: NDArray[np.int64]  # [M] neighbors of every vertex, itself among them
    shares: NDArray[np.float32]  # [M, 2] contribution to f1 and f2 per millimeter that each neighbor moves
    rest: NDArray[np.float32]  # [N, 3, 2] f1 and f2 at rest
    frames: NDArray[np.float32]  # [N, 3, 3] f1, f2 and n' at rest without their stretch; nearly t1, t2 and n
    inverses: NDArray[np.float32]  # [N, 3, 3] of f1, f2 and n' at rest
    usable: NDArray[np.bool_]  # [N] True where the neighborhood has an area at rest

    def follow(
        self,
        moves: NDArray[np.float32],  # [..., N, 3] displacement of each vertex from rest, millimeters
        quats: NDArray[np.float32],  # [..., N, 4] wxyz of any length, at rest
        log_scales: NDArray[np.float32],  # [..., N, 3] at rest
    ) -> tuple[NDArray[np.float32], NDArray[np.float32]]:  # [..., N, 4], [..., N, 3]
        """Return rotations and log scales of Gaussians whose centers moved; axes grow and never shrink.

        Quaternions are of unit length where the skin moved, and unchanged elsewhere.
        """
        turned = np.array(np.broadcast_to(quats, (*moves.shape[:-1], 4)), dtype=np.float32)
        grown = np.array(np.broadcast_to(log_scales, moves.shape), dtype=np.float32)
        count = len(self.rest)
        skin = self.starts, self.near, self.shares, self.rest, self.frames, self.inverses, self.usable
        for pose in np.ndindex(moves.shape[:-2]):  # vertices come first; free Gaussians after them are unchanged
            _follow(*skin, np.ascontiguousarray(moves[pose][:count], dtype=np.float32), turned[pose], grown[pose])
        return turned, grown


def skin_of(vertices: NDArray, faces: NDArray[np.int64]) -> Skin:
    """Return the skin of a mesh at rest: `vertices` [N, 3] in millimeters, `faces` [T, 3]."""
    vertices = np.asarray(vertices, dtype=np.float64)
    tangents = tangent_frames(vertices, faces)
    ends = unique_edges(faces).ends
    start, end = np.concatenate([ends, ends[:, ::-1]]).T
    flat = np.einsum(
        "ex,exc->ec", vertices[end] - vertices[start], tangents[start][:, :, :2]
    )  # edges in the basis of the tangents
    moment = np.zeros((len(vertices), 2, 2))
    np.add.at(moment, start, flat[:, :, None] * flat[:, None, :])
    weights = np.einsum("eab,eb->ea", np.linalg.pinv(moment, rcond=1e-6, hermitian=True)[start], flat)  # [2E, 2]
    place = np.concatenate([start, start]), np.concatenate([end, start])
    shape = (len(vertices), len(vertices))
    first, second = (coo_array((np.concatenate([w, -w]), place), shape=shape).tocsr() for w in weights.T)
    rest = np.stack([first @ vertices, second @ vertices], axis=-1)
    frames = np.tile(np.eye(3), (len(vertices), 1, 1))
    stretched = frames.copy()
    usable = _frames_at_rest(rest, frames, stretched)
    return Skin(
        starts=first.indptr.astype(np.int64),
        near=first.indices.astype(np.int64),
        shares=np.stack([first.data, second.data], axis=-1).astype(np.float32),
        rest=rest.astype(np.float32),
        frames=frames.astype(np.float32),
        inverses=np.linalg.inv(stretched).astype(np.float32),
        usable=usable,
    )


@cached_njit()
def _unstretched(f1, f2):  # type: ignore[no-untyped-def]
    """Return [f1 f2] without its stretch, n', and the area of f1 and f2, each vector a tuple; zeros where it is flat.

    M (MᵀM)^(-1/2) for M = [f1 f2]: the root of a 2 × 2 matrix A is (A + √|A| I) / √(tr A + 2 √|A|).
    """
    nx, ny, nz = f1[1] * f2[2] - f1[2] * f2[1], f1[2] * f2[0] - f1[0] * f2[2], f1[0] * f2[1] - f1[1] * f2[0]
    area = np.sqrt(nx * nx + ny * ny + nz * nz)
    if not area > FLAT:
        nothing = (0.0, 0.0, 0.0)
        return nothing, nothing, nothing, 0.0
    aa = f1[0] * f1[0] + f1[1] * f1[1] + f1[2] * f1[2]
    bb = f2[0] * f2[0] + f2[1] * f2[1] + f2[2] * f2[2]
    ab = f1[0] * f2[0] + f1[1] * f2[1] + f1[2] * f2[2]
    below = 1.0 / (area * np.sqrt(aa + bb + 2.0 * area))  # the root's determinant is the area
    p, q, r = (bb + area) * below, -ab * below, (aa + area) * below
    t1 = (f1[0] * p + f2[0] * q, f1[1] * p + f2[1] * q, f1[2] * p + f2[2] * q)
    t2 = (f1[0] * q + f2[0] * r, f1[1] * q + f2[1] * r, f1[2] * q + f2[2] * r)
    return t1, t2, (nx / area, ny / area, nz / area), area


@cached_njit()
def _frames_at_rest(rest, frames, stretched):  # type: ignore[no-untyped-def]
    """Fill `frames` and `stretched` [N, 3, 3] where f1 and f2 [N, 3, 2] have an area; return that mask."""
    usable = np.zeros(len(rest), dtype=np.bool_)
    for i in range(len(rest)):
        f1, f2 = (rest[i, 0, 0], rest[i, 1, 0], rest[i, 2, 0]), (rest[i, 0, 1], rest[i, 1, 1], rest[i, 2, 1])
        t1, t2, normal, area = _unstretched(f1, f2)
        usable[i] = area > 0.0
        if usable[i]:
            for x in range(3):
                frames[i, x, 0], frames[i, x, 1], frames[i, x, 2] = t1[x], t2[x], normal[x]
                stretched[i, x, 0], stretched[i, x, 1], stretched[i, x, 2] = f1[x], f2[x], normal[x]
    return usable


@cached_njit()
def _quaternion(t1, t2, normal, frame):  # type: ignore[no-untyped-def]
    """Return the unit quaternion wxyz that rotates `frame` [3, 3] to (t1, t2, normal), by its largest entry."""
    a, b, c = t1, t2, normal
    xx = a[0] * frame[0, 0] + b[0] * frame[0, 1] + c[0] * frame[0, 2]
    yy = a[1] * frame[1, 0] + b[1] * frame[1, 1] + c[1] * frame[1, 2]
    zz = a[2] * frame[2, 0] + b[2] * frame[2, 1] + c[2] * frame[2, 2]
    xy = a[0] * frame[1, 0] + b[0] * frame[1, 1] + c[0] * frame[1, 2]
    yx = a[1] * frame[0, 0] + b[1] * frame[0, 1] + c[1] * frame[0, 2]
    xz = a[0] * frame[2, 0] + b[0] * frame[2, 1] + c[0] * frame[2, 2]
    zx = a[2] * frame[0, 0] + b[2] * frame[0, 1] + c[2] * frame[0, 2]
    yz = a[1] * frame[2, 0] + b[1] * frame[2, 1] + c[1] * frame[2, 2]
    zy = a[2] * frame[1, 0] + b[2] * frame[1, 1] + c[2] * frame[1, 2]
    squares = 1.0 + xx + yy + zz, 1.0 + xx - yy - zz, 1.0 - xx + yy - zz, 1.0 - xx - yy + zz
    largest = max(squares[0], squares[1], squares[2], squares[3])
    if largest == squares[0]:
        w, x, y, z = squares[0], zy - yz, xz - zx, yx - xy
    elif largest == squares[1]:
        w, x, y, z = zy - yz, squares[1], yx + xy, xz + zx
    elif largest == squares[2]:
        w, x, y, z = xz - zx, yx + xy, squares[2], zy + yz
    else:
        w, x, y, z = yx - xy, xz + zx, zy + yz, squares[3]
    length = 1.0 / np.sqrt(w * w + x * x + y * y + z * z)
    return w * length, x * length, y * length, z * length


@cached_njit()
def _follow(starts, near, shares, rest, frames, inverses, usable, moves, quats, log_scales):  # type: ignore[no-untyped-def]
    """Rotate `quats` and grow `log_scales` in place with a skin displaced by `moves`; see `Skin`."""
    for i in range(len(moves)):
        ax = ay = az = bx = by = bz = 0.0
        for at in range(starts[i], starts[i + 1]):
            x, y, z = moves[near[at], 0], moves[near[at], 1], moves[near[at], 2]
            a, b = shares[at, 0], shares[at, 1]
            ax, ay, az = ax + a * x, ay + a * y, az + a * z
            bx, by, bz = bx + b * x, by + b * y, bz + b * z
        still = ax == 0.0 and ay == 0.0 and az == 0.0 and bx == 0.0 and by == 0.0 and bz == 0.0
        if still or not usable[i]:
            continue
        f1 = (rest[i, 0, 0] + ax, rest[i, 1, 0] + ay, rest[i, 2, 0] + az)
        f2 = (rest[i, 0, 1] + bx, rest[i, 1, 1] + by, rest[i, 2, 1] + bz)
        t1, t2, normal, area = _unstretched(f1, f2)
        if area == 0.0:
            continue
        w, x, y, z = quats[i, 0], quats[i, 1], quats[i, 2], quats[i, 3]
        length = 1.0 / np.sqrt(float(w) * w + float(x) * x + float(y) * y + float(z) * z)
        w, x, y, z = w * length, x * length, y * length, z * length
        for axis in range(3):  # axis of the Gaussian: a column of its rotation
            if axis == 0:
                c = (1 - 2 * (y * y + z * z), 2 * (x * y + w * z), 2 * (x * z - w * y))
            elif axis == 1:
                c = (2 * (x * y - w * z), 1 - 2 * (x * x + z * z), 2 * (y * z + w * x))
            else:
                c = (2 * (x * z + w * y), 2 * (y * z - w * x), 1 - 2 * (x * x + y * y))
            u = inverses[i, 0, 0] * c[0] + inverses[i, 0, 1] * c[1] + inverses[i, 0, 2] * c[2]
            v = inverses[i, 1, 0] * c[0] + inverses[i, 1, 1] * c[1] + inverses[i, 1, 2] * c[2]
            s = inverses[i, 2, 0] * c[0] + inverses[i, 2, 1] * c[1] + inverses[i, 2, 2] * c[2]
            gx, gy, gz = (
                f1[0] * u + f2[0] * v + normal[0] * s,
                f1[1] * u + f2[1] * v + normal[1] * s,
                f1[2] * u + f2[2] * v + normal[2] * s,
            )
            squared = gx * gx + gy * gy + gz * gz
            if squared > 1.0:
                log_scales[i, axis] += 0.5 * np.log(min(squared, MOST_STRETCH * MOST_STRETCH))
        tw, tx, ty, tz = _quaternion(t1, t2, normal, frames[i])
        quats[i, 0] = tw * w - tx * x - ty * y - tz * z
        quats[i, 1] = tw * x + tx * w + ty * z - tz * y
        quats[i, 2] = tw * y - tx * z + ty * w + tz * x
        quats[i, 3] = tw * z + tx * y - ty * x + tz * w
