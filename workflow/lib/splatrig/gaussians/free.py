"""Free Gaussians beyond the tracked mesh: hair, lashes, teeth, tongue and eyeballs (`components/free.h5`).

In a learned rig they follow the structured Gaussians, the vertices of the mesh. Each has a parent among these, with
whose motion it starts, unless it belongs to a part of the head that moves otherwise (`Motion`).
"""

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.io.errors import InputError
from splatrig.io.hdf5 import Format

FORMAT = Format("free Gaussians", 2, "millimeters in the head space of the neutral; opacities and colors in [0, 1]")


class Motion(IntEnum):
    """Part that a free Gaussian moves with, by its number in files."""

    PARENT = 0
    STILL = 1
    """No motion: upper teeth, and eyeballs of captures in which the gaze never changes."""
    JAW = 2
    """The jaw's rigid motion: lower teeth and the tongue."""
    LEFT_EYE = 3
    """The subject's own left eyeball, +x."""
    RIGHT_EYE = 4


EYES = (Motion.LEFT_EYE, Motion.RIGHT_EYE)
"""Both eyes, in the order of every array of eyes."""

_FIELDS = {
    "means": (np.floating, (3,)),
    "parents": (np.integer, ()),
    "motions": (np.integer, ()),
    "colors": (np.floating, (3,)),
    "sizes": (np.floating, ()),
    "opacities": (np.floating, ()),
}
"""Kind of values and trailing shape of each data set of the file, which has the name of the field."""


@dataclass(frozen=True)
class FreeGaussians:
    """M free Gaussians in addition to N structured ones; M may be 0."""

    structured: int
    """Number of structured Gaussians N."""
    means: NDArray[np.float32]  # [M, 3]
    """Centers in the neutral face, millimeters."""
    parents: NDArray[np.int64]  # [M]
    """Structured Gaussian whose initial motion each one inherits."""
    motions: NDArray[np.int64]  # [M]
    """Initial `Motion` of each one."""
    colors: NDArray[np.float32]  # [M, 3]
    """RGB in [0, 1], the same from all directions."""
    sizes: NDArray[np.float32]  # [M]
    """Standard deviation in millimeters, equal along all axes."""
    opacities: NDArray[np.float32]  # [M]
    """Opacities in (0, 1)."""
    jaw: NDArray[np.int64]  # [J]
    """Structured Gaussians of the chin, to whose motion the jaw is fitted; empty if none moves with the jaw."""

    def __post_init__(self) -> None:
        count = len(self.means)
        for name, (kind, trailing) in _FIELDS.items():
            array = getattr(self, name)
            if array.shape != (count, *trailing) or not np.issubdtype(array.dtype, kind):
                raise InputError(
                    f"free Gaussians: expected {name} as {kind.__name__} values of shape {(count, *trailing)}, got "
                    f"{array.dtype} {array.shape}; find them again."
                )
            if not np.isfinite(array).all():
                raise InputError(f"free Gaussians: expected finite {name}, got NaN or infinity; find them again.")
        bounds = {"colors": (0.0, 1.0), "sizes": (0.0, np.inf), "opacities": (0.0, 1.0)}
        bounds |= dict.fromkeys(("parents", "jaw"), (0, self.structured - 1))
        for name, (low, high) in (bounds | {"motions": (min(Motion), max(Motion))}).items():
            array = getattr(self, name)
            outside = (array < low) | (array > high)
            if name in ("sizes", "opacities"):  # whose logarithm and logit are finite
                outside |= (array == low) | (array == high)
            if outside.any():
                raise InputError(
                    f"free Gaussians: expected {name} between {low} and {high}, got {array[outside].flat[0]}; find "
                    "them again."
                )
        if (self.motions == Motion.JAW).any() and not len(self.jaw):
            raise InputError(
                "free Gaussians: expected a chin, since some move with the jaw, got none; find them again."
            )

    def __len__(self) -> int:
        """Return the number of free Gaussians M."""
        return len(self.means)

    @classmethod
    def none(cls, structured: int) -> "FreeGaussians":
        """Return zero free Gaussians for `structured` structured ones."""
        empty = {name: np.zeros((0, *trailing), np.float32) for name, (_, trailing) in _FIELDS.items()}
        whole = dict.fromkeys(("parents", "motions", "jaw"), np.zeros(0, np.int64))
        return cls(structured, **(empty | whole))  # type: ignore[arg-type]


def write_free(path: str | Path, free: FreeGaussians) -> None:
    """Write free Gaussians atomically."""
    with FORMAT.writing(path) as file:
        file.attrs["structured"] = free.structured
        for name in (*_FIELDS, "jaw"):
            file[name] = getattr(free, name)


def read_free(path: str | Path) -> FreeGaussians:
    """Read free Gaussians; raise InputError naming the file when it holds something else or invalid values."""
    with FORMAT.reading(path) as file:
        return FreeGaussians(int(file.attrs["structured"]), **{name: file[name][:] for name in (*_FIELDS, "jaw")})
