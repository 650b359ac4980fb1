"""Lists of the Gaussians of each tile, front to back, in memory of a fixed size: Triton kernels and torch's sort.

`gsplat.isect_tiles` makes the same lists in memory of the size that they need, and waits for the GPU to learn it. Here
nothing waits, so a whole rendering can be captured in a CUDA graph; what is left of the memory goes to tiles below the
image, of which no pixel is drawn.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

_BLOCK = 128
"""Gaussians per program."""


@triton.jit
def _box(
    means2d: tl.tensor,
    radii: tl.tensor,
    index: tl.tensor,
    mask: tl.tensor,
    columns: tl.tensor,
    rows: tl.tensor,
    TILE: tl.constexpr,
) -> tl.tuple:
    """Return the first tile and the number of tiles of each Gaussian, in x and y, as gsplat counts them."""
    size = TILE * 1.0
    radius_x = tl.load(radii + 2 * index, mask, 0).to(tl.float32)
    radius_y = tl.load(radii + 2 * index + 1, mask, 0).to(tl.float32)
    x, y = tl.load(means2d + 2 * index, mask, 0.0) / size, tl.load(means2d + 2 * index + 1, mask, 0.0) / size
    seen = mask & (radius_x > 0) & (radius_y > 0)
    reach_x, reach_y = radius_x / size, radius_y / size
    left = tl.minimum(tl.maximum(tl.floor(x - reach_x), 0.0), columns.to(tl.float32)).to(tl.int32)
    right = tl.minimum(tl.maximum(tl.ceil(x + reach_x), 0.0), columns.to(tl.float32)).to(tl.int32)
    top = tl.minimum(tl.maximum(tl.floor(y - reach_y), 0.0), rows.to(tl.float32)).to(tl.int32)
    bottom = tl.minimum(tl.maximum(tl.ceil(y + reach_y), 0.0), rows.to(tl.float32)).to(tl.int32)
    return left, top, tl.where(seen, right - left, 0), tl.where(seen, bottom - top, 0)


@triton.jit
def _count_kernel(
    means2d: tl.tensor,  # [N, 2]
    radii: tl.tensor,  # [N, 2]
    counts: tl.tensor,  # [N] written
    size: tl.tensor,
    columns: tl.tensor,
    rows: tl.tensor,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = index < size
    _, _, width, height = _box(means2d, radii, index, mask, columns, rows, TILE)
    tl.store(counts + index, width * height, mask)


@triton.jit
def _list_kernel(
    means2d: tl.tensor,  # [N, 2]
    radii: tl.tensor,  # [N, 2]
    depths: tl.tensor,  # [N]
    ends: tl.tensor,  # [N] running sum of the counts
    keys: tl.tensor,  # [M] written
    owners: tl.tensor,  # [M] written
    size: tl.tensor,
    capacity: tl.tensor,
    columns: tl.tensor,
    rows: tl.tensor,
    TILE: tl.constexpr,
    BLOCK: tl.constexpr,
) -> None:
    index = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    mask = index < size
    left, top, width, height = _box(means2d, radii, index, mask, columns, rows, TILE)
    count = width * height
    first = tl.load(ends + index, mask, 0) - count
    depth = tl.load(depths + index, mask, 0.0).to(tl.uint32, bitcast=True).to(tl.int64)
    across = tl.maximum(width, 1)
    for step in range(0, tl.max(count, axis=0)):
        written = (step < count) & (first + step < capacity)
        tile = (top + step // across) * columns + left + step % across
        tl.store(keys + first + step, (tile.to(tl.int64) << 32) | depth, written)
        tl.store(owners + first + step, index, written)


def tile_counts(means2d: Tensor, radii: Tensor, columns: int, rows: int, tile: int) -> Tensor:  # [N] int32
    """Return how many tiles each Gaussian (center [N, 2] and radii [N, 2] in pixels) may cover."""
    counts = torch.empty(len(means2d), dtype=torch.int32, device=means2d.device)
    grid = (triton.cdiv(len(means2d), _BLOCK),)
    with torch.cuda.device_of(means2d):
        _count_kernel[grid](means2d, radii, counts, len(means2d), columns, rows, tile, _BLOCK)
    return counts


def sorted_tiles(
    means2d: Tensor,  # [N, 2]
    radii: Tensor,  # [N, 2] int32
    depths: Tensor,  # [N]
    columns: int,
    rows: int,
    tile: int,
    capacity: int,
) -> tuple[Tensor, Tensor, Tensor]:
    """Return offsets [rows + 1, columns], Gaussians [capacity] int32 and their number [] int32, as gsplat takes them.

    Where the number exceeds `capacity`, the lists lack some Gaussians. The last row of tiles, below the image, has the
    places that are left.
    """
    import gsplat

    ends = tile_counts(means2d, radii, columns, rows, tile).cumsum(0, dtype=torch.int32)
    spare = torch.arange(capacity, device=means2d.device, dtype=torch.int64)
    keys = (rows * columns + spare % columns) << 32  # spread over the last row, so that no tile has many of them
    owners = torch.zeros(capacity, dtype=torch.int32, device=means2d.device)
    grid = (triton.cdiv(len(means2d), _BLOCK),)
    with torch.cuda.device_of(means2d):
        _list_kernel[grid](
            means2d, radii, depths, ends, keys, owners, len(means2d), capacity, columns, rows, tile, _BLOCK
        )
    keys, order = keys.sort()
    offsets = gsplat.isect_offset_encode(keys, 1, columns, rows + 1)
    return offsets.reshape(rows + 1, columns), owners[order], ends[-1]
