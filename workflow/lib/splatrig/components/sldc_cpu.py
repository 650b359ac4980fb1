"""The numerical back end of SLDC on the CPU: everything of size K × N and F × N, in blocks of Gaussians.

With fixed weights, the component update separates over Gaussians. So each block runs all its ADMM iterations while it
is in the cache, stops when it has converged itself, and returns the two small products that the weight update needs.
Blocks are [., d, B]: the d values of a Gaussian are the middle axis, which keeps the group norms vectorized. X is [F,
d, B], components Z and scaled duals U are [K, d, B].
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from splatrig.components.blocks import map_blocks
from splatrig.components.sldc_kernels import shrink_step

Floats = NDArray[np.floating]


@dataclass(frozen=True)
class AdmmOptions:
    """Parameters of the component update (ADMM)."""

    rho: float | None = None
    """Penalty of the splitting; None for a tenth of the mean diagonal of 2 WᵀW at the start."""
    relaxation: float = 1.6
    """Over-relaxation in [1, 1.8]; 1 is plain ADMM."""
    iterations: int = 10
    """Maximum number of iterations per update, warm-started from the previous one."""
    tolerance: float = 5e-3
    """Stop a block when primal and dual residuals fall below this fraction of its least-squares solution."""


class Products(NamedTuple):
    """Products of components and rows that the weight update and the objective need."""

    gram: NDArray[np.float64]  # [K, K] C Cᵀ
    projection: NDArray[np.float64]  # [F, K] X Cᵀ
    penalty: float
    """Sum of λ·s·‖c‖ over components and Gaussians."""
    peaks: NDArray[np.int64]  # [K] Gaussian that each component moves most
    heights: NDArray[np.float64]  # [K] how far it moves that Gaussian, in standardized units
    steps: float
    """Mean number of ADMM iterations per block."""


class _Block(NamedTuple):
    """Consecutive Gaussians with their rows, components and duals."""

    span: slice
    X: Floats  # [F, d, B]
    Z: Floats  # [K, d, B]
    U: Floats  # [K, d, B]
    limits: Floats  # [K, B] λ·s


class CpuEngine:
    """X, the components and their duals in blocks of Gaussians; dtype and block size are those of the given rows."""

    def __init__(self, blocks: Iterable[Floats], k: int, threads: int = 1) -> None:
        """Take rows X minus the rest shape as blocks [F, d, B] in Gaussian order; start with `k` zero components."""
        self._threads = threads
        self._blocks: list[_Block] = []
        first = 0
        for X in blocks:
            zeros = np.zeros((k, *X.shape[1:]), X.dtype)
            limits = np.zeros((k, X.shape[2]), X.dtype)
            self._blocks.append(_Block(slice(first, first + X.shape[2]), X, zeros, zeros.copy(), limits))
            first += X.shape[2]
        self.k, self.count = k, first
        self.frames, self.width = self._blocks[0].X.shape[:2]

    def energies(self) -> NDArray[np.float64]:
        """Return the sum of squares [N] of each Gaussian's column."""
        parts = map_blocks(lambda b: np.einsum("fdb,fdb->b", b.X, b.X, dtype=np.float64), self._blocks, self._threads)
        return np.concatenate(list(parts))

    def residual_at(self, gaussian: int, W: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the residual X - W C at one Gaussian, [F, d]."""
        block = self._blocks[gaussian // self._blocks[0].X.shape[2]]
        X, Z = (part[:, :, gaussian - block.span.start].astype(np.float64) for part in (block.X, block.Z))
        return X - W @ Z

    def seed(
        self, k: int, w: NDArray[np.float64], W: NDArray[np.float64], reach: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Set component `k` to the least-squares fit of `w` [F] to the residual X - W C, times `reach` [N].

        Returns the decrease [N] of each Gaussian's residual energy.
        """
        overlap = w @ W
        squared = float(w @ w)

        def fit(block: _Block) -> NDArray[np.float64]:
            frames, width, size = block.X.shape
            flat = w.astype(block.X.dtype) @ block.X.reshape(frames, -1)
            flat -= overlap.astype(block.X.dtype) @ block.Z.reshape(self.k, -1)
            residual = flat.reshape(width, size)
            block.Z[k] = residual * reach[block.span] / squared
            block.U[k] = 0
            return np.einsum("db,db->b", block.Z[k], 2 * residual - squared * block.Z[k], dtype=np.float64)

        return np.concatenate(list(map_blocks(fit, self._blocks, self._threads)))

    def clear(self, k: int) -> None:
        """Set component `k` to zero."""
        for block in self._blocks:
            block.Z[k], block.U[k] = 0, 0

    def residual_energies(self, W: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of squares [N] of each Gaussian's residual X - W C."""

        def measure(block: _Block) -> NDArray[np.float64]:
            residual = block.X - np.tensordot(W.astype(block.X.dtype), block.Z, 1)
            return np.einsum("fdb,fdb->b", residual, residual, dtype=np.float64)

        return np.concatenate(list(map_blocks(measure, self._blocks, self._threads)))

    def products(self) -> Products:
        """Return the products of the current components."""
        return self._gathered(lambda block: _products(block, 0))

    def limit(self, which: NDArray[np.int64], thresholds: NDArray[np.float32]) -> None:
        """Set the thresholds λ·s of the components `which` [M] to `thresholds` [M, N]; initially they are 0."""
        for block in self._blocks:
            block.limits[which] = thresholds[:, block.span]

    def improve(self, W: NDArray[np.float64], rho: float, options: AdmmOptions) -> Products:
        """Update the components toward argmin ‖X - W C‖² + Σ λ·s·‖c‖ by ADMM."""
        solver = np.linalg.inv(2 * W.T @ W + rho * np.eye(self.k))
        dtype = self._blocks[0].X.dtype
        inverse, double = solver.astype(dtype), (2 * W.T).astype(dtype)

        def update(block: _Block) -> Products:
            start = (double @ block.X.reshape(self.frames, -1)).reshape(block.Z.shape)
            return _products(block, _admm(block, start, (inverse, rho), options))

        return self._gathered(update)

    def _gathered(self, function: Callable[[_Block], Products]) -> Products:
        """Return the sum of the blocks' products, and their highest peaks."""
        gram, projection = np.zeros((self.k, self.k)), np.zeros((self.frames, self.k))
        penalty, steps = 0.0, 0.0
        peaks, heights = np.zeros(self.k, np.int64), np.full(self.k, -1.0)
        for part in map_blocks(function, self._blocks, self._threads):
            gram += part.gram
            projection += part.projection
            penalty += part.penalty
            steps += part.steps
            higher = part.heights > heights
            peaks[higher], heights[higher] = part.peaks[higher], part.heights[higher]
        return Products(gram, projection, penalty, peaks, heights, steps / len(self._blocks))

    def load(self, components: Floats) -> None:
        """Set the components [K, N, d] and reset the duals."""
        for block in self._blocks:
            block.Z[:] = components[:, block.span].swapaxes(1, 2)
            block.U[:] = 0

    def components(self) -> Floats:
        """Return the components [K, N, d]."""
        return np.concatenate([block.Z.swapaxes(1, 2) for block in self._blocks], axis=1)


def _products(block: _Block, steps: int) -> Products:
    """Return the products of one block, after `steps` ADMM iterations."""
    k, flat = len(block.Z), block.Z.reshape(len(block.Z), -1)
    norms = np.sqrt(np.einsum("kdb,kdb->kb", block.Z, block.Z))
    peaks = norms.argmax(axis=1)
    return Products(
        gram=(flat @ flat.T).astype(np.float64),
        projection=(block.X.reshape(len(block.X), -1) @ flat.T).astype(np.float64),
        penalty=float((norms * block.limits).sum(dtype=np.float64)),
        peaks=peaks + block.span.start,
        heights=norms[np.arange(k), peaks].astype(np.float64),
        steps=float(steps),
    )


def _admm(block: _Block, start: Floats, system: tuple[Floats, float], options: AdmmOptions) -> int:
    """Iterate the block's Z and U in place; return the number of iterations.

    `start` is 2 Wᵀ X [K, d, B], `system` is (2 WᵀW + ρ I)⁻¹ and ρ.
    """
    inverse, rho = system
    k, shape = len(inverse), block.Z.shape
    base = (inverse @ start.reshape(k, -1)).reshape(shape)
    coupling = inverse * rho
    shrink = block.limits / rho
    difference = block.Z - block.U
    A = np.empty_like(base)
    small = options.tolerance**2 * float(np.vdot(base, base))
    for step in range(1, options.iterations + 1):
        np.matmul(coupling, difference.reshape(k, -1), out=A.reshape(k, -1))
        residuals = shrink_step(A, base, block.Z, block.U, difference, shrink, options.relaxation)
        if options.tolerance > 0 and max(residuals) <= small:
            return step
    return options.iterations
