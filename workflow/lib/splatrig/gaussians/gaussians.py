"""The Gaussians of one frame as raw (unactivated) arrays."""

from collections.abc import Iterator
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.io.errors import InputError

FloatArray = NDArray[np.float32]

SHAPES: dict[str, tuple[int, ...]] = {
    "means": (3,),
    "quats": (4,),
    "log_scales": (3,),
    "logit_opacities": (),
    "sh0": (1, 3),
    "shN": (15, 3),
}
"""Trailing shape of each raw parameter, after the Gaussian axis; the order of files and optimisers.

shN has (degree + 1)² - 1 rows; 15 is degree 3, the degree that files hold."""

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic, 1 / (2 sqrt(pi)): a colour is 0.5 + SH_C0 sh0 where shN is zero."""


@dataclass(frozen=True)
class Gaussians:
    """N Gaussians in head space; every field is raw, as stored (activation: `splatrig.gaussians.activation`)."""

    means: FloatArray  # [N, 3]
    """Centres in millimetres."""
    quats: FloatArray  # [N, 4]
    """Rotations, wxyz, unit length, on the hemisphere of the neutral's."""
    log_scales: FloatArray  # [N, 3]
    """Natural logarithm of the standard deviations in millimetres."""
    logit_opacities: FloatArray  # [N]
    """Logit of the opacities."""
    sh0: FloatArray  # [N, 1, 3]
    """Degree-0 spherical-harmonic coefficients; rgb = 0.5 + 0.28209479 sh0."""
    shN: FloatArray  # [N, 15, 3]
    """Spherical-harmonic coefficients of degrees 1 to 3."""

    def __post_init__(self) -> None:
        count = len(self.means)
        for name, array in self.items():
            if array.shape != (count, *SHAPES[name]):
                raise InputError(f"Gaussians.{name}: expected shape {(count, *SHAPES[name])}, got {array.shape}.")

    def __len__(self) -> int:
        return len(self.means)

    def check_finite(self, where: str | Path) -> None:
        """Raise InputError naming `where` and the parameter when a number is NaN or infinite."""
        for name, array in self.items():
            bad = np.argwhere(~np.isfinite(array))
            if bad.size:
                raise InputError(f"{where}: {name} are not all finite, first of Gaussian {bad[0, 0]}; make it again.")

    def first(self, count: int) -> "Gaussians":
        """Return the first `count` Gaussians: those of a coarser level."""
        return Gaussians(**{name: array[:count] for name, array in self.items()})

    def items(self) -> Iterator[tuple[str, FloatArray]]:
        """Iterate over (name, raw array) in the order of `SHAPES`."""
        return ((field.name, getattr(self, field.name)) for field in fields(self))
