"""The numerical back end of SLDC in torch, for CUDA: the functions of `sldc_cpu.CpuEngine` on whole arrays.

A GPU needs no blocks for its cache, so all Gaussians iterate and stop together. X is [F, d, N], components Z and scaled
duals U are [K, d, N], in the dtype of the given rows.
"""

from collections.abc import Iterable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from splatrig.components.sldc_cpu import AdmmOptions, Floats, Products

SUMMED_COLUMNS = 32768
"""Columns of a product that are summed in the precision of the rows; these partial sums are added in float64."""


class TorchEngine:
    """X, the components and their duals on one device."""

    def __init__(self, blocks: Iterable[Floats], k: int, device: str) -> None:
        """Take rows X minus the rest shape as blocks [F, d, B] in Gaussian order; start from `k` zero components."""
        self._X = torch.cat([torch.as_tensor(block, device=device) for block in blocks], dim=2)
        self.frames, self.width, self.count = self._X.shape
        self.k = k
        self._Z = self._X.new_zeros(k, self.width, self.count)
        self._U = torch.zeros_like(self._Z)
        self._limits = self._X.new_zeros(k, self.count)

    def energies(self) -> NDArray[np.float64]:
        """Return the sum of squares [N] of each Gaussian's column."""
        total = torch.zeros(self.count, dtype=torch.float64, device=self._X.device)
        for frame in self._X:
            total += frame.square().sum(dim=0)
        return total.cpu().numpy()

    def residual_at(self, gaussian: int, W: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the residual X - W C at one Gaussian, [F, d]."""
        X, Z = (part[:, :, gaussian].double().cpu().numpy() for part in (self._X, self._Z))
        return X - W @ Z

    def seed(
        self, k: int, w: NDArray[np.float64], W: NDArray[np.float64], reach: NDArray[np.float32]
    ) -> NDArray[np.float64]:
        """Set component `k` to the least-squares fit of `w` [F] to the residual X - W C, times `reach` [N].

        Returns the decrease [N] of each Gaussian's residual energy.
        """
        squared = float(w @ w)
        residual = torch.tensordot(self._as_tensor(w), self._X, 1)
        residual -= torch.tensordot(self._as_tensor(w @ W), self._Z, 1)
        self._Z[k] = residual * self._as_tensor(reach) / squared
        self._U[k] = 0
        return (self._Z[k] * (2 * residual - squared * self._Z[k])).sum(dim=0).double().cpu().numpy()

    def clear(self, k: int) -> None:
        """Set component `k` to zero."""
        self._Z[k], self._U[k] = 0, 0

    def residual_energies(self, W: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the sum of squares [N] of each Gaussian's residual X - W C."""
        total = torch.zeros(self.count, dtype=torch.float64, device=self._X.device)
        for frame, weights in zip(self._X, self._as_tensor(W), strict=True):
            total += (frame - torch.tensordot(weights, self._Z, 1)).square().sum(dim=0)
        return total.cpu().numpy()

    def products(self) -> Products:
        """Return the products of the current components."""
        return self._products(0)

    def limit(self, which: NDArray[np.int64], thresholds: NDArray[np.float32]) -> None:
        """Set the thresholds λ·s of the components `which` [M] to `thresholds` [M, N]; initially they are 0."""
        self._limits[torch.as_tensor(which, device=self._X.device)] = self._as_tensor(thresholds)

    def improve(self, W: NDArray[np.float64], rho: float, options: AdmmOptions) -> Products:
        """Update the components toward argmin ‖X - W C‖² + Σ λ·s·‖c‖ by ADMM."""
        inverse = self._as_tensor(np.linalg.inv(2 * W.T @ W + rho * np.eye(self.k)))
        base = inverse @ (self._as_tensor(2 * W.T) @ self._X.reshape(self.frames, -1))
        coupling, shrink = inverse * rho, self._limits / rho
        small = options.tolerance * torch.linalg.vector_norm(base)
        tiny = torch.finfo(self._Z.dtype).tiny
        steps = 0
        while steps < options.iterations:
            steps += 1
            difference = (self._Z - self._U).reshape(self.k, -1)
            A = torch.addmm(base, coupling, difference).reshape(self._Z.shape)
            V = torch.add(self._U, A, alpha=options.relaxation).add_(self._Z, alpha=1 - options.relaxation)
            norms = torch.linalg.vector_norm(V, dim=1)
            previous = self._Z
            self._Z = V * ((norms - shrink).clamp_min_(0) / norms.clamp_min(tiny))[:, None]
            self._U = V.sub_(self._Z)
            if options.tolerance > 0:
                residuals = torch.stack([torch.dist(A, self._Z), torch.dist(previous, self._Z)])
                if bool((residuals <= small).all()):
                    break
        return self._products(steps)

    def load(self, components: Floats) -> None:
        """Set the components [K, N, d] and reset the duals."""
        self._Z = self._as_tensor(components).transpose(1, 2).contiguous()
        self._U = torch.zeros_like(self._Z)

    def components(self) -> Floats:
        """Return the components [K, N, d]."""
        return self._Z.transpose(1, 2).contiguous().cpu().numpy()

    def _products(self, steps: int) -> Products:
        flat = self._Z.reshape(self.k, -1)
        norms = torch.linalg.vector_norm(self._Z, dim=1)
        heights, peaks = norms.max(dim=1)
        return Products(
            gram=_summed(flat, flat).cpu().numpy(),
            projection=_summed(self._X.reshape(self.frames, -1), flat).cpu().numpy(),
            penalty=float((norms * self._limits).sum(dtype=torch.float64)),
            peaks=peaks.cpu().numpy(),
            heights=heights.double().cpu().numpy(),
            steps=float(steps),
        )

    def _as_tensor(self, array: NDArray) -> Tensor:
        return torch.as_tensor(array, dtype=self._X.dtype, device=self._X.device)


def _summed(left: Tensor, right: Tensor) -> Tensor:  # [I, C], [J, C] to [I, J]
    """Return left @ rightᵀ in float64, summed in the given precision over `SUMMED_COLUMNS` at a time."""
    total = left.new_zeros(len(left), len(right), dtype=torch.float64)
    for a, b in zip(left.split(SUMMED_COLUMNS, dim=1), right.split(SUMMED_COLUMNS, dim=1), strict=True):
        total += a @ b.T
    return total
