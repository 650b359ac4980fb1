"""Blend components for a batch of frames: one matrix product, dense or inside supports only."""

import warnings
from dataclasses import dataclass, field

import torch
from scipy.sparse import csr_array
from torch import Tensor


@dataclass(frozen=True)
class Supports:
    """Supports of components as M (Gaussian, component) pairs, sorted by Gaussian, then component."""

    gaussians: Tensor  # [M] int64
    components: Tensor  # [M] int64
    starts: Tensor  # [N] int64, index of the first pair of each Gaussian
    count: int
    """Number of components K."""
    _bags: dict[int, tuple[Tensor, Tensor]] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_mask(cls, mask: Tensor) -> "Supports":  # [K, N] bool
        """Return the supports where `mask` [K, N] is True."""
        gaussians, components = mask.T.nonzero(as_tuple=True)
        sizes = mask.sum(dim=0)
        return cls(gaussians, components, sizes.cumsum(0) - sizes, len(mask))

    def bags(self, batch: int) -> tuple[Tensor, Tensor]:  # [B·M], [B·N] int64
        """Return the pairs of all Gaussians of each frame, and each Gaussian's first pair; cached per batch size."""
        if batch not in self._bags:
            pairs = torch.arange(len(self.gaussians), device=self.gaussians.device)
            frames = torch.arange(batch, device=self.gaussians.device)[:, None] * len(pairs)
            self._bags[batch] = pairs.repeat(batch), (self.starts + frames).reshape(-1)
        return self._bags[batch]

    def gather(self, dense: Tensor) -> Tensor:
        """Return the entries [M, A] of a dense basis [K, N, A] that lie inside the supports."""
        return dense[self.components, self.gaussians]

    def scatter(self, values: Tensor) -> Tensor:
        """Return the dense basis [K, N, A] of `values` [M, A], zero outside the supports."""
        dense = values.new_zeros((self.count, len(self.starts), values.shape[-1]))
        dense[self.components, self.gaussians] = values
        return dense


@dataclass(frozen=True)
class Carry:
    """Sparse linear map from the vertices of a coarser level to the Gaussians, and its transpose."""

    matrix: Tensor  # [N, V] sparse
    transposed: Tensor  # [V, N] sparse

    @classmethod
    def of(cls, matrix: csr_array, device: torch.device) -> "Carry":
        """Return the map of `matrix` [N, V] on a device."""
        return cls(_sparse(matrix, device), _sparse(csr_array(matrix.T), device))

    def up(self, rows: Tensor) -> Tensor:
        """Return `rows` [B, V, A] interpolated to the Gaussians [B, N, A]; differentiable."""
        return _mapped(self.matrix, rows)

    def down(self, rows: Tensor) -> Tensor:
        """Return the gradient [B, V, A] at the vertices from that of `rows` at the Gaussians [B, N, A]."""
        return _mapped(self.transposed, rows)


def _sparse(matrix: csr_array, device: torch.device) -> Tensor:
    matrix = matrix.copy()
    matrix.sum_duplicates()  # this also sorts the columns of every row
    first, columns = torch.as_tensor(matrix.indptr).long(), torch.as_tensor(matrix.indices).long()
    values = torch.as_tensor(matrix.data, dtype=torch.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # torch warns that its compressed rows are in beta
        return torch.sparse_csr_tensor(first, columns, values, matrix.shape, check_invariants=True).to(device)


def _mapped(matrix: Tensor, rows: Tensor) -> Tensor:
    """Return the product of a sparse matrix [P, Q] with every one of `rows` [B, Q, A]: [B, P, A]."""
    if len(rows) == 1:
        return (matrix @ rows[0])[None]
    batch, _, numbers = rows.shape
    product = matrix @ rows.transpose(0, 1).reshape(rows.shape[1], batch * numbers)
    return product.reshape(-1, batch, numbers).transpose(0, 1).contiguous()


def product(
    weights: Tensor,  # [B, K]
    values: Tensor,  # [K, N, A], or [M, A] inside supports
    supports: Supports | None,
) -> Tensor:  # [B, N, A]
    """Return `weights @ basis` for a batch of frames; differentiable in both."""
    if supports is None:
        count, gaussians, numbers = values.shape
        return (weights @ values.reshape(count, gaussians * numbers)).reshape(-1, gaussians, numbers)
    pairs, starts = supports.bags(len(weights))
    shares = weights.index_select(1, supports.components).reshape(-1)
    blended = torch.nn.functional.embedding_bag(pairs, values, starts, mode="sum", per_sample_weights=shares)
    return blended.reshape(len(weights), len(supports.starts), values.shape[-1])


def pull(
    weights: Tensor,  # [B, K]
    values: Tensor,  # [K, N, A], or [M, A] inside supports
    supports: Supports | None,
    upstream: Tensor,  # [B, N, A]
    to_values: Tensor,
) -> Tensor:  # [B, K]
    """Return the gradient of a blend with respect to `weights`; write that with respect to `values` to `to_values`.

    `upstream` is the gradient with respect to the blended rows. The large gradient is written to a tensor that is
    reused in every step, because allocating it costs as much as computing it.
    """
    if supports is None:
        count = len(values)
        flat = upstream.reshape(len(weights), -1)
        torch.mm(weights.T, flat, out=to_values.view(count, flat.shape[1]))
        return flat @ values.reshape(count, flat.shape[1]).T
    shares = weights.index_select(1, supports.components)
    arriving = upstream.index_select(1, supports.gaussians)  # [B, M, A]
    if len(weights) == 1:
        torch.mul(arriving[0], shares[0, :, None], out=to_values)
    else:
        torch.sum(arriving * shares[..., None], dim=0, out=to_values)
    along = (arriving * values).sum(dim=-1)  # [B, M]
    return torch.zeros_like(weights).index_add_(1, supports.components, along)
