"""Support maps: how far from its center a sparse localized component may reach.

A support map s(d) in [0, 1] is a section of the configuration with its parameters, and a function of the geodesic
distance d. The sparsity penalty of a component at Gaussian i is λ·s(d_i): zero near the center, full far away. All maps
are normalized, so the same λ gives the same sparsity.
"""

from abc import ABC, abstractmethod
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import Field, model_validator

from splatrig.config.section import Section
from splatrig.io.errors import InputError

Length = Annotated[float, Field(ge=0)]
Reach = Annotated[float, Field(gt=0)]


class SupportMap(Section, ABC):
    """A function of distance, in the unit of its parameters; infinity maps to 1."""

    @abstractmethod
    def __call__(self, distances: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the support map at `distances`, with the same shape."""


class GaussMap(SupportMap):
    """Smooth support map 1 - exp(-d² / 2σ²)."""

    sigma: Reach = 0.2
    """Standard deviation σ, in the unit of `components.sldc.distance`."""

    def __call__(self, distances: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the support map at `distances`, with the same shape."""
        return -np.expm1(-0.5 * (distances / self.sigma) ** 2)


class TrapezoidMap(SupportMap):
    """Support map clip((d - d_min) / (d_max - d_min), 0, 1) of Neumann et al. 2013."""

    d_min: Length = 0.1
    """Distance below which a component is free, in the unit of `components.sldc.distance`."""
    d_max: Reach = 0.6
    """Distance beyond which a component has the full penalty, in the same unit."""

    @model_validator(mode="after")
    def _ordered(self) -> "TrapezoidMap":
        if self.d_min >= self.d_max:
            raise InputError(
                "components.sldc.supports.trapezoid: expected d_min < d_max, "
                f"got d_min {self.d_min}, d_max {self.d_max}."
            )
        return self

    def __call__(self, distances: NDArray[np.floating]) -> NDArray[np.floating]:
        """Return the support map at `distances`, with the same shape."""
        return ((distances - self.d_min) / (self.d_max - self.d_min)).clip(0.0, 1.0)


class SupportMaps(Section):
    """Support maps to compare, each with its parameters; `null` omits one.

    To add one, write its class above and name it here. The field's name is the map's name in files and tables.
    """

    gauss: GaussMap | None = GaussMap()
    trapezoid: TrapezoidMap | None = TrapezoidMap()

    @property
    def used(self) -> dict[str, SupportMap]:
        """Maps to compare, by name."""
        return {name: value for name in SUPPORT_MAPS if (value := getattr(self, name)) is not None}


SUPPORT_MAPS: dict[str, type[SupportMap]] = {
    name: type(field.default) for name, field in SupportMaps.model_fields.items()
}
"""Class of each support map, by its name in the configuration and in file names."""
