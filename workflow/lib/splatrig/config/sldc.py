"""`components.sldc`: sparse localized components, and how far from its centre such a component may reach.

A support map s(d) in [0, 1] is a section of the configuration with its parameters, and a function of the geodesic
distance d. The sparsity penalty of a component at Gaussian i is λ·s(d_i): free near the centre, full far away. All maps
are normalised, so the same λ means the same sparsity:

- trapezoid (Neumann et al. 2013): clip((d - d_min) / (d_max - d_min), 0, 1);
- Gaussian (smooth sparsity): 1 - exp(-d² / 2σ²).
"""

from abc import ABC, abstractmethod
from dataclasses import dataclass, fields
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splatrig.config.choices import Distance, LevelName, SldcWeights
from splatrig.io.errors import InputError


@dataclass(frozen=True)
class SupportMap(ABC):
    """A function of distances in the unit of its parameters; infinity maps to 1."""

    @abstractmethod
    def __call__(self, distances: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the support map at `distances`."""


@dataclass(frozen=True)
class GaussMap(SupportMap):
    """1 - exp(-d² / 2σ²), in the unit of σ."""

    sigma: float

    def __post_init__(self) -> None:
        if not self.sigma > 0:
            raise InputError(f"components.sldc.gauss.sigma: expected a number above 0, got {self.sigma}.")

    def __call__(self, distances: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the support map at `distances`."""
        return -np.expm1(-0.5 * (distances / self.sigma) ** 2)


@dataclass(frozen=True)
class TrapezoidMap(SupportMap):
    """clip((d - d_min) / (d_max - d_min), 0, 1), in the unit of d_min and d_max."""

    d_min: float
    d_max: float

    def __post_init__(self) -> None:
        if not 0 <= self.d_min < self.d_max:
            raise InputError(
                f"components.sldc.trapezoid: expected 0 <= d_min < d_max, got d_min {self.d_min}, d_max {self.d_max}."
            )

    def __call__(self, distances: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the support map at `distances`."""
        return ((distances - self.d_min) / (self.d_max - self.d_min)).clip(0.0, 1.0)


@dataclass(frozen=True)
class AdmmConfig:
    """`components.sldc.admm`: how the components are updated for given weights."""

    rho: Literal["auto"] | float
    """Penalty of the splitting, or `auto`."""
    iterations: int
    tolerance: float


@dataclass(frozen=True)
class SldcConfig:
    """`components.sldc`."""

    k: int
    lambda_: float
    attribute: str
    supports: list[str]
    """Names of `SUPPORT_MAPS`."""
    distance: Distance
    gauss: GaussMap
    trapezoid: TrapezoidMap
    weights: SldcWeights
    centers: list[int]
    symmetric: bool
    start_level: LevelName | None
    max_iterations: int
    tolerance: float
    admm: AdmmConfig


SUPPORT_MAPS: tuple[str, ...] = tuple(
    field.name for field in fields(SldcConfig) if isinstance(field.type, type) and issubclass(field.type, SupportMap)
)
"""Names of the support maps: in `components.sldc.supports` and in file names."""
