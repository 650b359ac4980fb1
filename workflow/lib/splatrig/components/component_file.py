"""The component file: deformation components of any family, with everything needed to use them.

Datasets: `dataMat` (F, D) standardised rows (or an external link to them, or absent), `MEAN` (D), `STD` (D), `dim_info`
(first and end column of each attribute, with the attribute `list_attrName`), `tris`, `faceMask`, `frames`, `names`,
`<family>_W` (F, K), `<family>_C` (K, D), `<family>_offset` (D; absent when zero) and the family's extras. `sldc_C` is
(K, N, numbers a Gaussian): a row of it is one Gaussian's share of a component.
"""

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Protocol

import h5py
import numpy as np
from numpy.typing import NDArray

from splatrig.io.errors import InputError
from splatrig.io.hdf5 import Format

FORMAT = Format(
    "components",
    1,
    "millimetres, log scales, quaternions wxyz, SH coefficients; W and C in standardised units; head space",
)

DimInfo = tuple[tuple[str, int, int], ...]
"""(attribute name, first column, end column) in column order; columns of one attribute are (N, d) row-major."""

_FIXED = ("dataMat", "MEAN", "STD", "dim_info", "tris", "faceMask", "frames", "names")


@dataclass(frozen=True)
class Components:
    """K components of F frames over D = N · (numbers a Gaussian) columns.

    The invariant: frame ≈ mean + std * (offset + W @ C).
    """

    family: str
    """pca, mbspca, sldc or joint."""
    W: NDArray[np.float32]  # [F, K]
    """Scores (weights) of the training frames."""
    C: NDArray[np.float32]  # [K, D]
    """Components in standardised units."""
    mean: NDArray[np.float32]  # [D]
    """Mean of the training rows, in the attribute's stored unit."""
    std: NDArray[np.float32]  # [D]
    """Standard deviation of the centred data, one number an attribute, repeated."""
    offset: NDArray[np.float32] | None  # [D]
    """The rest shape in standardised units; None when the rest shape is the mean."""
    dim_info: DimInfo
    """(attribute name, first column, end column) in column order; columns of one attribute are (N, d) row-major."""
    faces: NDArray[np.int64]  # [T, 3]
    """Triangles over the N Gaussians."""
    face_mask: NDArray[np.bool_]  # [N]
    """True on the face."""
    frames: tuple[str, ...]
    """F names `expression/frame`, row order of W."""
    attributes: dict[str, str | int | float] = field(default_factory=dict)
    """subject, level, rest, method parameters, input SHA-256, splatrig version."""
    extras: dict[str, NDArray] = field(default_factory=dict)
    """Family-specific arrays by dataset name: pca_explained_variance [K], sldc_objective [iterations], …"""
    names: tuple[str, ...] = ()
    """K readable names, `SLDC 04 · mouth left · E010_Smile_Stretched`; empty when nobody named them."""

    def __post_init__(self) -> None:
        if self.W.ndim != 2 or not self.dim_info:
            raise InputError(f"components ({self.family}): expected W [F, K] of some attributes, got {self.W.shape}.")
        frames, count = self.W.shape
        columns, gaussians = self.dim_info[-1][2], len(self.face_mask)
        starts, ends = [0, *(stop for *_, stop in self.dim_info[:-1])], [start for _, start, _ in self.dim_info]
        if starts != ends or any((stop - start) % max(gaussians, 1) for _, start, stop in self.dim_info):
            raise InputError(
                f"components ({self.family}): dim_info {self.dim_info} does not divide the columns among attributes "
                f"of {gaussians} Gaussians."
            )
        expected: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
            "C": (self.C.shape, (count, columns)),
            "mean": (self.mean.shape, (columns,)),
            "std": (self.std.shape, (columns,)),
            "offset": ((columns,) if self.offset is None else self.offset.shape, (columns,)),
            "frames": ((len(self.frames),), (frames,)),
            "names": ((len(self.names) or count,), (count,)),
        }
        for name, (shape, wanted) in expected.items():
            if shape != wanted:
                raise InputError(f"components ({self.family}): {name} has shape {shape}, expected {wanted}.")

    @cached_property
    def rest(self) -> NDArray[np.float32]:  # [D]
        """The rest shape in stored units: the row of weights zero."""
        return self.mean if self.offset is None else self.mean + self.std * self.offset

    def rows(self, W: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return frames [F, D] in stored units for weights `W` [F, K] (default: the training frames')."""
        made = (self.W if W is None else W) @ self.C
        made *= self.std
        made += self.rest
        return made

    def standardise(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return what `rows` [F, D] in stored units leave for `W @ C`: less the rest shape, standardised."""
        left = rows - self.rest
        left /= self.std
        return left

    def by_gaussian(self) -> NDArray[np.float32]:
        """Return C as [K, N, d]: for each Gaussian its d numbers, attributes in the order of `dim_info`."""
        return by_gaussian(self.C, self.dim_info, len(self.face_mask))


def by_gaussian(columns: NDArray[np.float32], dim_info: DimInfo, count: int) -> NDArray[np.float32]:
    """Return `columns` [..., D] as [..., N, d] for N = `count` Gaussians; inverse of `by_column`."""
    parts = [columns[..., start:stop].reshape(*columns.shape[:-1], count, -1) for _, start, stop in dim_info]
    return parts[0] if len(parts) == 1 else np.concatenate(parts, axis=-1)


def by_column(numbers: NDArray[np.float32], dim_info: DimInfo) -> NDArray[np.float32]:
    """Return `numbers` [..., N, d] in the column order [..., D] of `dim_info`; inverse of `by_gaussian`."""
    count = numbers.shape[-2]
    parts, first = [], 0
    for _, start, stop in dim_info:
        width = (stop - start) // count
        parts.append(numbers[..., first : first + width].reshape(*numbers.shape[:-2], stop - start))
        first += width
    return np.concatenate(parts, axis=-1)


class DataMatrix(Protocol):
    """The standardised rows (F, D) as a stream of column blocks."""

    @property
    def shape(self) -> tuple[int, int]:
        """(F, D)."""
        ...

    def blocks(self) -> Iterator[tuple[slice, NDArray[np.float32]]]:
        """Iterate over (columns, rows [F, width])."""
        ...


def write_components(
    path: str | Path, components: Components, data_matrix: DataMatrix | h5py.ExternalLink | None = None
) -> None:
    """Write a component file, in the layout of this module's description, in one step.

    `data_matrix` becomes `dataMat`: the standardised rows, streamed; a link to the rows in another file; or nothing.
    """
    family = components.family
    C = components.by_gaussian() if family == "sldc" else components.C
    with FORMAT.writing(path) as file:
        file.attrs["family"] = family
        for name, value in components.attributes.items():
            file.attrs[name] = value
        _write_data_matrix(file, data_matrix)
        file["MEAN"], file["STD"] = components.mean, components.std
        file["dim_info"] = np.array([columns for _, *columns in components.dim_info], dtype=np.int64)
        file["dim_info"].attrs["list_attrName"] = [name for name, *_ in components.dim_info]
        file["tris"], file["faceMask"] = components.faces, components.face_mask
        file.create_dataset("frames", data=list(components.frames), dtype=h5py.string_dtype())
        file.create_dataset("names", data=list(components.names), dtype=h5py.string_dtype())
        file[f"{family}_W"], file[f"{family}_C"] = components.W, C
        if components.offset is not None:
            file[f"{family}_offset"] = components.offset
        for name, array in components.extras.items():
            text = {"dtype": h5py.string_dtype()} if array.dtype == object else {}
            file.create_dataset(name, data=array, **text)


def _write_data_matrix(file: h5py.File, data_matrix: DataMatrix | h5py.ExternalLink | None) -> None:
    if data_matrix is None:
        return
    if isinstance(data_matrix, h5py.ExternalLink):
        file["dataMat"] = data_matrix
        return
    dataset = file.create_dataset("dataMat", shape=data_matrix.shape, dtype=np.float32)
    for columns, rows in data_matrix.blocks():
        dataset[:, columns] = rows


def read_components(path: str | Path) -> Components:
    """Read a component file; raise InputError naming the file when it is not one."""
    with FORMAT.reading(path) as file:
        components = _components(file)
        _check_numbers(components)
        return components


def check_triangles(faces: NDArray[np.int64], count: int) -> None:
    """Raise InputError unless `faces` are triangles [T, 3] over `count` Gaussians."""
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise InputError(f"triangles: expected three vertices each, [T, 3], got {faces.shape}; make the file anew.")
    if faces.size and not 0 <= faces.min() <= faces.max() < count:
        raise InputError(
            f"triangles: expected vertices 0 to {count - 1}, got {faces.min()} to {faces.max()}; make the file anew."
        )


def _check_numbers(components: Components) -> None:
    """Raise InputError where the numbers of a file cannot be components."""
    check_triangles(components.faces, len(components.face_mask))
    names, family = ("W", "C", "mean", "std", "offset"), components.family
    arrays = {name: getattr(components, name) for name in names} | {"base": components.extras.get(f"{family}_base")}
    for name, array in arrays.items():
        if array is not None and not np.isfinite(array).all():
            raise InputError(
                f"{name} of the components: expected finite numbers, got NaN or infinity; make the file anew."
            )
    if not (components.std > 0).all():
        raise InputError("std of the components: expected numbers above 0, got others; make the file anew.")


def _components(file: h5py.File) -> Components:
    family = str(file.attrs["family"])
    names = [str(name) for name in file["dim_info"].attrs["list_attrName"]]
    dim_info = tuple(
        (name, int(start), int(stop)) for name, (start, stop) in zip(names, file["dim_info"][:], strict=True)
    )
    C = file[f"{family}_C"][:]
    own = {*_FIXED, f"{family}_W", f"{family}_C", f"{family}_offset"}
    return Components(
        family=family,
        W=file[f"{family}_W"][:],
        C=by_column(C, dim_info) if C.ndim == 3 else C,
        mean=file["MEAN"][:],
        std=file["STD"][:],
        offset=file[f"{family}_offset"][:] if f"{family}_offset" in file else None,
        dim_info=dim_info,
        faces=file["tris"][:],
        face_mask=file["faceMask"][:],
        frames=tuple(file["frames"].asstr()[:]),
        attributes={key: _plain(value) for key, value in file.attrs.items()},
        extras={name: _array(file[name]) for name in file if name not in own},
        names=tuple(file["names"].asstr()[:]),
    )


def _array(dataset: h5py.Dataset) -> NDArray:
    """Return a dataset as an array, text as Python strings."""
    return dataset.asstr()[()] if h5py.check_string_dtype(dataset.dtype) else dataset[()]


def _plain(value: object) -> str | int | float:
    """Return an HDF5 attribute as a plain Python value."""
    plain = value.item() if isinstance(value, np.generic) else value
    return plain if isinstance(plain, str | int | float) else json.dumps(np.asarray(plain).tolist())
