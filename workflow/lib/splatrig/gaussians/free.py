"""Free Gaussians: those beyond the tracked mesh, of hair, lashes, teeth and tongue (`components/free.h5`).

They follow the structured Gaussians, the vertices of the mesh, as rows of a learned rig. Each has a parent among these,
with whose motion it starts, or stands still where the head does while the parent moves, as upper teeth behind lips do.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.io.errors import InputError
from splatrig.io.hdf5 import Format

FORMAT = Format("free Gaussians", 1, "millimetres in the head space of the neutral; opacities and colours in [0, 1]")

_FIELDS = {
    "means": (np.floating, (3,)),
    "parents": (np.integer, ()),
    "still": (np.bool_, ()),
    "colors": (np.floating, (3,)),
    "sizes": (np.floating, ()),
    "opacities": (np.floating, ()),
}
"""Kind of numbers and trailing shape of each data set of the file, which is named as the field."""


@dataclass(frozen=True)
class FreeGaussians:
    """M free Gaussians next to N structured ones; M may be 0."""

    structured: int
    """Number of structured Gaussians N."""
    means: NDArray[np.float32]  # [M, 3]
    """Centres in the neutral face, millimetres."""
    parents: NDArray[np.int64]  # [M]
    """The structured Gaussian whose motion each starts with."""
    still: NDArray[np.bool_]  # [M]
    """True where it stands still instead."""
    colors: NDArray[np.float32]  # [M, 3]
    """RGB in [0, 1], from all directions."""
    sizes: NDArray[np.float32]  # [M]
    """Standard deviation in millimetres, along all axes."""
    opacities: NDArray[np.float32]  # [M]
    """In (0, 1)."""

    def __post_init__(self) -> None:
        count = len(self.means)
        for name, (kind, trailing) in _FIELDS.items():
            array = getattr(self, name)
            if array.shape != (count, *trailing) or not np.issubdtype(array.dtype, kind):
                raise InputError(
                    f"free Gaussians: expected {name} as {kind.__name__} numbers of shape {(count, *trailing)}, got "
                    f"{array.dtype} {array.shape}; find them again."
                )
            if not np.isfinite(array).all():
                raise InputError(f"free Gaussians: expected finite {name}, got NaN or infinity; find them again.")
        bounds = {"parents": (0, self.structured - 1), "colors": (0.0, 1.0), "sizes": (0.0, np.inf)}
        for name, (low, high) in (bounds | {"opacities": (0.0, 1.0)}).items():
            array = getattr(self, name)
            outside = (array < low) | (array > high)
            if name in ("sizes", "opacities"):  # whose logarithm and logit are finite
                outside |= (array == low) | (array == high)
            if outside.any():
                raise InputError(
                    f"free Gaussians: expected {name} between {low} and {high}, got {array[outside].flat[0]}; find "
                    "them again."
                )

    def __len__(self) -> int:
        """Return the number of free Gaussians M."""
        return len(self.means)

    @classmethod
    def none(cls, structured: int) -> "FreeGaussians":
        """Return no free Gaussians next to `structured` structured ones."""
        empty = {name: np.zeros((0, *trailing), np.float32) for name, (_, trailing) in _FIELDS.items()}
        return cls(structured, **(empty | {"parents": np.zeros(0, np.int64), "still": np.zeros(0, np.bool_)}))


def write_free(path: str | Path, free: FreeGaussians) -> None:
    """Write free Gaussians in one step."""
    with FORMAT.writing(path) as file:
        file.attrs["structured"] = free.structured
        for name in _FIELDS:
            file[name] = getattr(free, name)


def read_free(path: str | Path) -> FreeGaussians:
    """Read free Gaussians; raise InputError naming the file when it is not of them or what it holds is not usable."""
    with FORMAT.reading(path) as file:
        return FreeGaussians(int(file.attrs["structured"]), **{name: file[name][:] for name in _FIELDS})
