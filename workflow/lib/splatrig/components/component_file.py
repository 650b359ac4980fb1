"""The component file: deformation components of any family, with everything needed to use them.

Datasets: `dataMat` (F, D) standardized rows (or an external link to them, or absent), `MEAN` (D), `STD` (D), `dim_info`
(first and end column of each attribute, with the attribute `list_attrName`), `tris`, `faceMask`, `frames`, `names`,
`<family>_W` (F, K), `<family>_C` (K, D), `<family>_offset` (D; absent when zero), and datasets of single families: see
`FAMILY_DATASETS`. `sldc_C` is (K, N, values per Gaussian). A learned rig's base is `<family>_base` (D, the columns of
its components in stored units) and `<family>_<attribute>` for all other attributes.

The attribute `structured` is the number of Gaussians that are vertices of the mesh. They come first, and `tris` and
`faceMask` describe only them. Gaussians after them, in learned rigs only, are free (`splatrig.gaussians.free`).
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol, TypeVar

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.components.fields import ATTRIBUTE_OF, Columns
from splatrig.config.choices import Rest
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.io.errors import InputError
from splatrig.io.hdf5 import Format

FORMAT = Format(
    "components",
    4,
    "millimeters, log scales, quaternions wxyz, SH coefficients; W and C in standardized units; head space",
)

DENSE_FRACTION = 0.5
"""A basis with a smaller fraction of non-zero entries than this is kept sparse, so that only touched columns are
computed."""

Limits = tuple[float, float]
"""Least and greatest weight."""

Array = TypeVar("Array")


@dataclass(frozen=True)
class Origin:
    """Provenance of components: level, parameters and source data."""

    subject: str = ""
    level: str = ""
    """Subdivision level of the template."""
    rest: Rest = "neutral"
    parameters: str = "{}"
    """The method's parameters as a JSON object."""
    input_sha256: str = ""
    """SHA-256 of the rows that were decomposed."""
    source: str = "fitted frames"


@dataclass(frozen=True)
class Solver:
    """Summary of the run of an iterative solver."""

    converged: bool | None = None
    iterations: int | None = None
    objective: NDArray[np.float64] | None = None  # [iterations]
    reseeded: int | None = None
    """Number of restarts of components that had become zero."""
    history: NDArray[np.float64] | None = None  # [checks, 3]
    """Training history of learned rigs: step, loss, and PSNR (dB) inside the silhouette of held-out cameras."""
    bad_steps: int | None = None
    """Number of steps that were skipped because their loss was not finite, for learned rigs."""


NO_SOLVER = Solver()
"""Summary for methods that do not iterate."""

NOWHERE = Origin()
"""Provenance of components that were not computed from a store."""


@dataclass(frozen=True)
class Components:
    """K deformation components of F frames over D columns: G Gaussians times the values per Gaussian.

    Invariant: frame ≈ mean + std * (offset + W @ C). The first N Gaussians are the vertices of the mesh; in learned
    rigs G - N free ones may follow.

    Example:
        >>> rig = read_components(Path("learned_arkit.h5"))
        >>> rows = rig.rows(weights)  # [F, K] to [F, D], in stored units
    """

    family: str
    """Family of the method: pca, mbspca, sldc or learned."""
    W: NDArray[np.float32]  # [F, K]
    """Scores (weights) of the training frames."""
    C: NDArray[np.float32]  # [K, D]
    """Components in standardized units."""
    mean: NDArray[np.float32]  # [D]
    """Mean of the training rows, in the attribute's stored unit."""
    std: NDArray[np.float32]  # [D]
    """Standard deviation of the centered data: one value per attribute, repeated over its columns."""
    offset: NDArray[np.float32] | None  # [D]
    """The rest shape in standardized units; None when the rest shape is the mean."""
    columns: Columns
    """Assignment of columns to attributes."""
    faces: NDArray[np.int64]  # [T, 3]
    """Triangles over the N structured Gaussians."""
    face_mask: NDArray[np.bool_]  # [N]
    """True for vertices of the face."""
    frames: tuple[str, ...]
    """Names `expression/frame` of the F frames, in the row order of W."""
    names: tuple[str, ...] = ()
    """K readable names, such as `SLDC 04 · mouth left · E010_Smile_Stretched`; empty if no names were assigned.
    Blendshapes and components that rotate eyes have ARKit's names: `jawOpen`, `eyeLookInLeft`."""
    limits: Limits | None = None
    """Bounds that the model puts on weights; None: unbounded. Weights of `eyes` are in [0, 1] in any case."""
    eyes: NDArray[np.bool_] | None = None  # [K]
    """True for components that rotate an eyeball by a fixed angle per unit of weight. In blendshape families they move
    the lids as well; in other families they move free Gaussians only. None: there are none."""
    told: NDArray[np.bool_] | None = None  # [K]
    """True for blendshapes that the capture shows. The others keep the template's motion, and no training frame uses
    them. None: the components are not blendshapes, and a weight of 1 has no special meaning."""
    base: Gaussians | None = None
    """Base Gaussians of a learned rig; None: the rig moves the neutral fit."""
    head_motions: NDArray[np.float64] | None = None  # [F, 3, 4]
    """Rigid corrections by a learned rig of the tracked head poses of the training frames, in head space and
    millimeters: photographs show the rig at `head_to_world @ motion`. None: the tracked poses are used unchanged."""
    centers: NDArray[np.int64] | None = None  # [K]
    """Vertex around which each local component stays."""
    partners: NDArray[np.int64] | None = None  # [K]
    """Index of each component's mirror image, -1 for none."""
    explained_variance: NDArray[np.float64] | None = None  # [K]
    """Variance of each score about the rest shape, in standardized units."""
    explained_variance_ratio: NDArray[np.float64] | None = None  # [K]
    """Variance of each score as a fraction of the total variance of the rows."""
    distance_unit_mm: float | None = None
    """Millimeters per unit of the support map's distances."""
    zero_rows: float | None = None
    """Fraction of (component, Gaussian) pairs that a learned rig leaves at zero."""
    unit_best: NDArray | None = None  # [K] str
    """Name of the known face unit that each component resembles most, or an empty string."""
    unit_correlation: NDArray[np.float64] | None = None  # [K]
    """Correlation of each component with its `unit_best`."""
    solver: Solver = NO_SOLVER
    origin: Origin = NOWHERE

    def __post_init__(self) -> None:
        if self.W.ndim != 2:
            raise InputError(f"components ({self.family}): expected W [F, K] of some attributes, got {self.W.shape}.")
        frames, count = self.W.shape
        columns = len(self.columns)
        free = max(0, self.columns.count - len(self.face_mask)) if self.is_learned else 0
        expected: dict[str, tuple[tuple[int, ...], tuple[int, ...]]] = {
            "face_mask": (self.face_mask.shape, (self.columns.count - free,)),
            "C": (self.C.shape, (count, columns)),
            "mean": (self.mean.shape, (columns,)),
            "std": (self.std.shape, (columns,)),
            "offset": ((columns,) if self.offset is None else self.offset.shape, (columns,)),
            "frames": ((len(self.frames),), (frames,)),
            "names": ((len(self.names) or (0 if self.are_blendshapes else count),), (count,)),
            "eyes": ((count,) if self.eyes is None else self.eyes.shape, (count,)),
            "told": ((count,) if self.told is None else self.told.shape, (count,)),
            "head_motions": ((frames, 3, 4) if self.head_motions is None else self.head_motions.shape, (frames, 3, 4)),
        }
        for name, (shape, wanted) in expected.items():
            if shape != wanted:
                raise InputError(f"components ({self.family}): {name} has shape {shape}, expected {wanted}.")

    def __len__(self) -> int:
        """Return the number of components K."""
        return len(self.C)

    @property
    def structured(self) -> int:
        """Number of structured Gaussians N: those that are vertices of the mesh, which come first."""
        return len(self.face_mask)

    @cached_property
    def on_mesh(self) -> "Components":
        """The components restricted to structured Gaussians, for comparison with meshes and fitted frames."""
        if self.structured == self.columns.count:
            return self
        own = self.columns_on_mesh
        return replace(
            self,
            C=self.C[:, own],
            mean=self.mean[own],
            std=self.std[own],
            offset=None if self.offset is None else self.offset[own],
            columns=Columns(self.columns.names, self.structured),
            base=None if self.base is None else self.base.first(self.structured),
        )

    @property
    def columns_on_mesh(self) -> NDArray[np.bool_]:  # [D]
        """Mask [D] of the columns that belong to structured Gaussians."""
        return self.columns.of_gaussians(np.arange(self.columns.count) < self.structured)

    @property
    def turns_eye(self) -> NDArray[np.bool_]:  # [K]
        """Mask [K] of the components that rotate an eye."""
        return np.zeros(len(self), np.bool_) if self.eyes is None else self.eyes

    @property
    def are_blendshapes(self) -> bool:
        """Whether the components are named blendshapes whose weight of 1 has a meaning, such as a fully open jaw."""
        return self.told is not None

    @property
    def turns_eye_alone(self) -> NDArray[np.bool_]:  # [K]
        """Mask [K] of the components that rotate an eye and do not move structured Gaussians."""
        return self.turns_eye & (not self.are_blendshapes)

    @property
    def keeps_name(self) -> NDArray[np.bool_]:  # [K]
        """Mask [K] of the components whose names are given, not derived from their motion."""
        return self.turns_eye | self.are_blendshapes

    def without_eyes(self) -> "Components":
        """Return the components that move structured Gaussians; `self` if all do."""
        alone = self.turns_eye_alone
        return self.select(np.flatnonzero(~alone)) if alone.any() else self

    @property
    def is_learned(self) -> bool:
        """Whether base and weights were learned from photographs instead of from fitted rows."""
        return self.base is not None

    @property
    def head_motion_of(self) -> dict[str, NDArray[np.float64]]:  # of [3, 4]
        """Head motions by `expression/frame`, as a data set takes them; empty where there are none."""
        return {} if self.head_motions is None else dict(zip(self.frames, self.head_motions, strict=True))

    @cached_property
    def rest(self) -> NDArray[np.float32]:  # [D]
        """Rest shape in stored units: the row [D] at zero weights."""
        return self.mean if self.offset is None else self.mean + self.std * self.offset

    @cached_property
    def basis(self) -> NDArray[np.float32] | csr_array:  # [K, D]
        """Change of the row per unit of weight, [K, D] in stored units; sparse when most of it is zero."""
        dense = np.asarray(self.C * self.std, dtype=np.float32)
        return csr_array(dense) if np.count_nonzero(dense) < DENSE_FRACTION * dense.size else dense

    @property
    def displacements(self) -> NDArray[np.float32] | None:  # [K, N, 3]
        """Displacement of the structured centers per unit of weight, [K, N, 3] in mm; None if there is none."""
        return None if self.all_displacements is None else self.all_displacements[:, : self.structured]

    @cached_property
    def all_displacements(self) -> NDArray[np.float32] | None:  # [K, G, 3]
        """Displacement of all centers, free ones included, per unit of weight, [K, G, 3] in millimeters."""
        if "xyz" not in self.columns:
            return None
        xyz = self.columns["xyz"]
        return (self.C[:, xyz] * self.std[xyz]).reshape(len(self), -1, 3)

    def rows(self, W: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Return frames [F, D] in stored units for weights `W` [F, K] (default: the training frames')."""
        return blend(self.rest, self.W if W is None else W, self.basis)

    def standardize(self, rows: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return `rows` [F, D] from stored units as `W @ C` approximates them: standardized, minus the rest shape."""
        left = rows - self.rest
        left /= self.std
        return left

    def unstandardize(
        self, left: NDArray[np.float32], columns: slice = slice(None)
    ) -> NDArray[np.float32]:  # [F, D], or as wide as `columns`
        """Return rows in stored units from standardized residuals `left` of `columns`; the inverse of `standardize`."""
        return self.rest[columns] + self.std[columns] * left

    def by_gaussian(self) -> NDArray[np.float32]:
        """Return C as [K, G, d]: for each Gaussian its d values, attributes in the order of `columns`."""
        return self.columns.by_gaussian(self.C)

    def by_energy(self) -> NDArray[np.int64]:  # [K]
        """Return component indices in decreasing order of ‖w_k‖ ‖c_k‖, their motion of the training frames (stable)."""
        strength = np.linalg.norm(self.W, axis=0) * np.linalg.norm(self.C, axis=1)
        return np.argsort(-strength, kind="stable")

    def first(self, k: int) -> "Components":
        """Return the first `k` components and, in addition, those that only rotate eyes.

        Blendshapes are returned unchanged, since their order says nothing about their importance.
        """
        if self.are_blendshapes:
            return self
        return self.select(np.flatnonzero((np.arange(len(self)) < k) | self.turns_eye_alone))

    def select(self, order: NDArray[np.int64]) -> "Components":
        """Return the components `order`, in that order; a mirror partner that is not selected becomes -1."""
        one_each: dict[str, Any] = {
            name: None if (values := getattr(self, name)) is None else values[order] for name in _ONE_PER_COMPONENT
        }
        if self.partners is not None:
            place = np.full(len(self) + 1, -1, dtype=self.partners.dtype)  # the last entry is what index -1 reads
            place[order] = np.arange(len(order))
            one_each["partners"] = place[self.partners[order]]
        names = tuple(self.names[k] for k in order) if self.names else ()
        return replace(self, W=self.W[:, order], C=self.C[order], names=names, **one_each)


_ONE_PER_COMPONENT = (
    "eyes",
    "told",
    "centers",
    "explained_variance",
    "explained_variance_ratio",
    "unit_best",
    "unit_correlation",
)

FAMILY_DATASETS = {
    "explained_variance": "{family}_explained_variance",
    "explained_variance_ratio": "{family}_explained_variance_ratio",
    "centers": "{family}_centers",
    "partners": "{family}_partner",
    "distance_unit_mm": "{family}_distance_unit_mm",
    "eyes": "{family}_eyes",
    "told": "{family}_told",
    "head_motions": "{family}_head_motions",
    "unit_best": "unit_best",
    "unit_correlation": "unit_correlation",
    "solver.converged": "{family}_converged",
    "solver.iterations": "{family}_iterations",
    "solver.objective": "{family}_objective",
    "solver.reseeded": "{family}_reseeded",
    "solver.history": "{family}_history",
}
"""Fields of `Components` that only some families have, and the datasets that hold them."""

_FAMILY_ATTRIBUTES = {"zero_rows": "zero_rows", "solver.bad_steps": "bad_steps"}
"""Scalar fields of learned rigs, which are stored as attributes of the file."""


def blend(rest: Array | None, weights: Array, basis: Any) -> Array:
    """Return `rest` [D] + `weights` [..., K] @ `basis` [K, D], NumPy or torch; `rest` None: the change alone.

    The only evaluation of a linear rig. `weights @ basis` is the product of NumPy, of SciPy's sparse arrays, of torch,
    or of a basis that is being learned. The web head's `rig.js` mirrors it.
    """
    change = weights @ basis
    return change if rest is None else rest + change


class DataMatrix(Protocol):
    """Protocol of the standardized rows (F, D) as a stream of column blocks."""

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
    """Write a component file atomically, in the layout of this module's description.

    `data_matrix` becomes `dataMat`: the standardized rows, streamed; a link to the rows in another file; or None, to
    leave it out.
    """
    family = components.family
    C = components.by_gaussian() if family == "sldc" else components.C
    with FORMAT.writing(path) as file:
        file.attrs["family"] = family
        file.attrs["structured"] = components.structured
        for name, value in vars(components.origin).items():
            file.attrs[name] = value
        if components.limits is not None:
            file.attrs["limits"] = components.limits
        _write_data_matrix(file, data_matrix)
        file["MEAN"], file["STD"] = components.mean, components.std
        file["dim_info"] = np.array([[start, stop] for _, start, stop in components.columns.spans], dtype=np.int64)
        file["dim_info"].attrs["list_attrName"] = components.columns.names
        file["tris"], file["faceMask"] = components.faces, components.face_mask
        file.create_dataset("frames", data=list(components.frames), dtype=h5py.string_dtype())
        file.create_dataset("names", data=list(components.names), dtype=h5py.string_dtype())
        file[f"{family}_W"], file[f"{family}_C"] = components.W, C
        if components.offset is not None:
            file[f"{family}_offset"] = components.offset
        for field, dataset in FAMILY_DATASETS.items():
            value = _field(components, field)
            if value is not None:
                text = {"dtype": h5py.string_dtype()} if field == "unit_best" else {}
                file.create_dataset(dataset.format(family=family), data=value, **text)
        for field, attribute in _FAMILY_ATTRIBUTES.items():
            if (value := _field(components, field)) is not None:
                file.attrs[attribute] = value
        _write_base(file, components)


def _field(components: Components, dotted: str) -> object:
    """Return `field` or `solver.field` of components."""
    owner, _, name = dotted.rpartition(".")
    return getattr(getattr(components, owner) if owner else components, name)


def _write_base(file: h5py.File, components: Components) -> None:
    if components.base is None:
        return
    family, columns = components.family, components.columns
    fields = dict(components.base.items())
    file[f"{family}_base"] = np.concatenate([fields.pop(field).reshape(-1) for field in columns.fields])
    for field, values in fields.items():
        file[f"{family}_{ATTRIBUTE_OF[field]}"] = values


def _read_base(file: h5py.File, family: str, columns: Columns) -> Gaussians | None:
    if not {f"{family}_{name}" for name in ("base", *ATTRIBUTE_OF.values())} & set(file):
        return None
    driven = columns.by_field(file[f"{family}_base"][:])
    fields = {
        field: driven[field] if field in driven else file[f"{family}_{ATTRIBUTE_OF[field]}"][:] for field in SHAPES
    }
    return Gaussians(**{field: np.asarray(values, dtype=np.float32) for field, values in fields.items()})


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
    """Read a component file; raise InputError naming the file when it is not one.

    Example:
        >>> found = read_components(Path("results/demo/components/subd2/sldc_gauss_xyz.h5"))
        >>> found.names[0], found.displacements.shape  # [K, N, 3]
    """
    with FORMAT.reading(path) as file:
        components = _components(file)
        _check_numbers(components)
        return components


def check_triangles(faces: NDArray[np.int64], count: int) -> None:
    """Raise InputError unless `faces` are triangles [T, 3] over `count` Gaussians."""
    if faces.ndim != 2 or faces.shape[1] != 3:
        raise InputError(f"triangles: expected three vertices each, [T, 3], got {faces.shape}; make the file again.")
    if faces.size and not 0 <= faces.min() <= faces.max() < count:
        raise InputError(
            f"triangles: expected vertices 0 to {count - 1}, got {faces.min()} to {faces.max()}; make the file again."
        )


def _check_numbers(components: Components) -> None:
    """Raise InputError where the values of a file cannot be those of components."""
    check_triangles(components.faces, len(components.face_mask))
    arrays: dict[str, NDArray | None] = {
        name: getattr(components, name) for name in ("W", "C", "mean", "std", "offset", "head_motions")
    }
    if components.base is not None:
        arrays |= {f"base ({name})": values for name, values in components.base.items()}
    for name, array in arrays.items():
        if array is not None and not np.isfinite(array).all():
            raise InputError(
                f"{name} of the components: expected finite numbers, got NaN or infinity; make the file again."
            )
    if not (components.std > 0).all():
        raise InputError("std of the components: expected values above 0, got others; make the file again.")


def _columns(file: h5py.File, family: str) -> Columns:
    """Read the assignment of columns to attributes and Gaussians."""
    columns = Columns(tuple(str(name) for name in file["dim_info"].attrs["list_attrName"]), 1)
    count = int(file["dim_info"][:].max(initial=0)) // columns.width
    columns = replace(columns, count=count)
    spans = [(name, *span) for name, span in zip(columns.names, file["dim_info"][:].tolist(), strict=True)]
    if spans != columns.spans:
        raise InputError(
            f"components ({family}): dim_info {tuple(spans)} does not divide the columns among attributes of "
            f"{count} Gaussians."
        )
    return columns


def _components(file: h5py.File) -> Components:
    family = str(file.attrs["family"])
    face_mask = file["faceMask"][:]
    if len(face_mask) != file.attrs["structured"]:
        raise InputError(
            f"components ({family}): expected a faceMask of {file.attrs['structured']} structured Gaussians, got one "
            f"of {len(face_mask)}; make the file again."
        )
    columns = _columns(file, family)
    C = file[f"{family}_C"][:]
    found: dict[str, object] = {
        field: _plain(file[name])
        for field, dataset in FAMILY_DATASETS.items()
        if (name := dataset.format(family=family)) in file
    }
    found |= {field: file.attrs[name].item() for field, name in _FAMILY_ATTRIBUTES.items() if name in file.attrs}
    solver = {field.removeprefix("solver."): found.pop(field) for field in list(found) if field.startswith("solver.")}
    limits = file.attrs.get("limits")
    return Components(
        family=family,
        W=file[f"{family}_W"][:],
        C=columns.by_column(C) if C.ndim == 3 else C,
        mean=file["MEAN"][:],
        std=file["STD"][:],
        offset=file[f"{family}_offset"][:] if f"{family}_offset" in file else None,
        columns=columns,
        faces=file["tris"][:],
        face_mask=face_mask,
        frames=tuple(file["frames"].asstr()[:]),
        names=tuple(file["names"].asstr()[:]),
        limits=None if limits is None else (float(limits[0]), float(limits[1])),
        base=_read_base(file, family, columns),
        solver=Solver(**solver),  # type: ignore[arg-type]
        origin=Origin(**{name: str(file.attrs[name]) for name in vars(Origin()) if name in file.attrs}),  # type: ignore[arg-type]
        **found,  # type: ignore[arg-type]
    )


def _plain(dataset: h5py.Dataset) -> object:
    """Return a dataset as an array, text as Python strings, a scalar as a Python number."""
    if h5py.check_string_dtype(dataset.dtype):
        return dataset.asstr()[()]
    return dataset[()] if dataset.shape else dataset[()].item()
