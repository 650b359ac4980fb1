"""Gaussians as raw (unactivated) arrays: those of one frame or, with leading axes, of many."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic

import numpy as np
from numpy.typing import NDArray

from splatrig.io.errors import InputError

FloatArray = NDArray[np.float32]

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    Array = TypeVar("Array", default=FloatArray)
else:
    from typing import TypeVar

    Array = TypeVar("Array")

SHAPES: dict[str, tuple[int, ...]] = {
    "means": (3,),
    "quats": (4,),
    "log_scales": (3,),
    "logit_opacities": (),
    "sh0": (1, 3),
    "shN": (15, 3),
}
"""Trailing shape of each raw parameter, after the Gaussian axis, in the order of files and optimizers.

shN has (degree + 1)² - 1 rows; 15 is degree 3, the degree that files hold."""

SH_C0 = 0.28209479177387814
"""The constant spherical harmonic, 1 / (2 sqrt(pi)): a color is 0.5 + SH_C0 sh0 where shN is zero."""


@dataclass(frozen=True)
class Gaussians(Generic[Array]):
    """N Gaussians in head space; every field is raw, as stored (activation: `splatrig.rasterize.activation`).

    Fields are NumPy arrays, or torch tensors (`Gaussians[Tensor]`). They may have leading axes, the same for all: [B,
    N, *] are B poses.
    """

    means: Array  # [..., N, 3]
    """Centers in millimeters."""
    quats: Array  # [..., N, 4]
    """Rotations, wxyz, unit length, on the hemisphere of the neutral's."""
    log_scales: Array  # [..., N, 3]
    """Natural logarithm of the standard deviations in millimeters."""
    logit_opacities: Array  # [..., N]
    """Logit of the opacities."""
    sh0: Array  # [..., N, 1, 3]
    """Degree-0 spherical-harmonic coefficients; rgb = 0.5 + 0.28209479 sh0."""
    shN: Array  # [..., N, 15, 3]
    """Spherical-harmonic coefficients of degrees 1 to 3."""

    def __post_init__(self) -> None:
        leading = tuple(self._means.shape[:-1])
        if not leading:
            raise InputError(f"Gaussians.means: expected shape (..., N, 3), got {tuple(self._means.shape)}.")
        for name, trailing in SHAPES.items():
            shape = getattr(self, name).shape
            if shape != leading + trailing:
                raise InputError(f"Gaussians.{name}: expected shape {leading + trailing}, got {tuple(shape)}.")

    def __len__(self) -> int:
        """Return the number of Gaussians N, whatever the leading axes."""
        return self._means.shape[-2]

    def check_finite(self, where: str | Path) -> None:
        """Raise InputError naming `where` and the parameter when a value is NaN or infinite."""
        for name, array in self.items():
            bad = np.argwhere(~np.isfinite(array))  # type: ignore[call-overload]  # arrays, not tensors
            if bad.size:
                index = bad[0, self._means.ndim - 2]
                raise InputError(
                    f"{where}: expected finite {name}, got NaN or infinity, first at Gaussian {index}; make it again."
                )

    def first(self, count: int) -> "Gaussians[Array]":
        """Return the first `count` Gaussians: those of a coarser level."""
        return self.select(slice(count))

    def select(self, chosen: slice | NDArray[np.int64] | NDArray[np.bool_]) -> "Gaussians[Array]":
        """Return the Gaussians `chosen`."""
        part = (slice(None),) * (self._means.ndim - 2) + (chosen,)
        return Gaussians(**{name: array[part] for name, array in self.items()})  # type: ignore[index]

    def items(self) -> Iterator[tuple[str, Array]]:
        """Iterate over (name, raw array) in the order of `SHAPES`."""
        return ((name, getattr(self, name)) for name in SHAPES)

    @property
    def _means(self) -> Any:
        """Centers, typed by what arrays and tensors have in common."""
        return self.means
