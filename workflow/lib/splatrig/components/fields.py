"""The one table of a Gaussian's attributes: their names in files and the matching fields of `Gaussians`.

Files of the original project's contract name attributes (xyz, f_dc, …); the library uses gsplat's field names (means,
…).
"""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.io.errors import InputError


@dataclass(frozen=True)
class Attribute:
    """One attribute of a Gaussian in the attribute store and in component files."""

    size: int
    """Values per Gaussian."""
    error_unit: str
    """Unit of errors in the evaluation: f_dc is compared as color, rotations as angles."""
    field: str | None = None
    """Field of `Gaussians` with the same values; None for derived attributes (normal, rgb)."""


ATTRIBUTES = {
    "xyz": Attribute(3, "mm", "means"),
    "normal": Attribute(3, "unit length"),
    "rgb": Attribute(3, "rgb"),
    "f_dc": Attribute(3, "rgb", "sh0"),
    "f_rest": Attribute(45, "SH", "shN"),
    "opacity": Attribute(1, "logit", "logit_opacities"),
    "scale": Attribute(3, "ln mm", "log_scales"),
    "rotation": Attribute(4, "degree", "quats"),
}
"""Attributes by name, in the order of the attribute store."""

ATTRIBUTE_OF = {attribute.field: name for name, attribute in ATTRIBUTES.items() if attribute.field is not None}
"""Attribute of files by field of `Gaussians`."""


def field_of(attribute: str) -> str:
    """Return the field of `Gaussians` that an attribute sets; raise InputError when there is none."""
    known = ATTRIBUTES.get(attribute)
    if known is None or known.field is None:
        raise InputError(
            f"components of {attribute}: cannot drive Gaussians; expected one of {', '.join(ATTRIBUTE_OF.values())}."
        )
    return known.field


def field_size(field: str) -> int:
    """Return the number of values per Gaussian of a field of `Gaussians`."""
    return ATTRIBUTES[ATTRIBUTE_OF[field]].size


@dataclass(frozen=True)
class Columns:
    """Assignment of the columns of a row to attributes: one attribute after the other, each (N, d) row-major."""

    names: tuple[str, ...]
    """Attribute names, in column order."""
    count: int
    """Number of Gaussians N."""

    def __post_init__(self) -> None:
        unknown = [name for name in self.names if name not in ATTRIBUTES]
        if unknown or not self.names or len(set(self.names)) != len(self.names):
            raise InputError(
                f"columns: expected different attributes among {', '.join(ATTRIBUTES)}, got {', '.join(self.names)}."
            )

    def __len__(self) -> int:
        """Return the number of columns D."""
        return self.count * self.width

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> slice:
        """Return the columns of an attribute; raise InputError when it is not among them."""
        if name not in self.names:
            raise InputError(f"components of {', '.join(self.names)}: expected {name} among them.")
        first = self.count * sum(ATTRIBUTES[other].size for other in self.names[: self.names.index(name)])
        return slice(first, first + self.count * ATTRIBUTES[name].size)

    @property
    def width(self) -> int:
        """Values per Gaussian, over all attributes."""
        return sum(ATTRIBUTES[name].size for name in self.names)

    @property
    def spans(self) -> list[tuple[str, int, int]]:
        """Tuples (attribute, first column, end column), in column order."""
        return [(name, self[name].start, self[name].stop) for name in self.names]

    @property
    def fields(self) -> tuple[str, ...]:
        """Fields of `Gaussians` that the rows hold; raise InputError for an attribute that sets none."""
        return tuple(field_of(name) for name in self.names)

    def by_attribute(self, rows: NDArray) -> dict[str, NDArray]:
        """Return each attribute of `rows` [..., D] as [..., N, d]."""
        return {name: rows[..., self[name]].reshape(*rows.shape[:-1], self.count, -1) for name in self.names}

    def by_field(self, rows: NDArray) -> dict[str, NDArray]:
        """Return each field of `Gaussians` that `rows` [..., D] hold, in its shape [..., N, *]; NumPy or torch."""
        return {
            field: rows[..., self[name]].reshape(*rows.shape[:-1], self.count, *SHAPES[field])
            for name, field in zip(self.names, self.fields, strict=True)
        }

    def row_of(self, gaussians: Gaussians) -> NDArray[np.float32]:  # [D]
        """Return Gaussians as a row [D] in stored units."""
        return np.concatenate([getattr(gaussians, field).reshape(-1) for field in self.fields])

    def by_gaussian(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `rows` [..., D] as [..., N, width]: all values of a Gaussian together; inverse of `by_column`."""
        parts = list(self.by_attribute(rows).values())
        return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)

    def by_column(self, values: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `values` [..., N, width] in column order [..., D]; inverse of `by_gaussian`."""
        ends = np.cumsum([ATTRIBUTES[name].size for name in self.names])[:-1]
        parts = np.split(values, ends, axis=-1)
        return np.concatenate([part.reshape(*part.shape[:-2], -1) for part in parts], axis=-1)

    def of_gaussians(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:  # [D]
        """Return the mask [D] of the columns of the Gaussians where `mask` [N] is True."""
        return np.concatenate([np.repeat(mask, ATTRIBUTES[name].size) for name in self.names])

    def select(self, names: Iterable[str]) -> "Columns":
        """Return the columns of the given attributes only."""
        return Columns(tuple(names), self.count)
