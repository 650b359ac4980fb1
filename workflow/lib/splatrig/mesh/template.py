"""The template: neutral mesh and operators of every subdivision level, and the face mask."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.config.names import LEVEL_NAMES
from splatrig.io.errors import InputError
from splatrig.io.hdf5 import Format
from splatrig.mesh.marks import FaceMarks, read_marks, write_marks
from splatrig.mesh.mask import faces_inside, mask_center, nearest_vertices, refine_mask
from splatrig.mesh.subdivision import identity_step, subdivide
from splatrig.mesh.topology import checked_faces

FORMAT = Format("template", 1, "millimeters, head space")


@dataclass(frozen=True)
class Level:
    """One subdivision level of the template, in head space."""

    vertices: NDArray[np.float64]  # [V, 3] neutral positions, millimeters
    faces: NDArray[np.int64]  # [T, 3]
    step: csr_array  # [V, V_previous] midpoint operator from the previous level; identity [V, V] for the base
    mask: NDArray[np.bool_]  # [V] True on the face
    marks: FaceMarks | None = None
    """Positions of the face's features, the same at every level; None for a capture without landmarks."""


@dataclass(frozen=True)
class Template:
    """All levels of the template, coarsest first."""

    levels: dict[str, Level]
    """Levels by name, in the order of LEVEL_NAMES."""

    @property
    def base(self) -> Level:
        """Level of the tracked mesh."""
        return next(iter(self.levels.values()))

    @property
    def finest(self) -> str:
        """Name of the finest level, whose vertices carry the Gaussians."""
        return list(self.levels)[-1]

    @property
    def finest_level(self) -> Level:
        """Finest level."""
        return self.levels[self.finest]

    @property
    def up(self) -> csr_array:  # [N, V]
        """Midpoint operator from the tracked mesh to the finest level."""
        return self.between(next(iter(self.levels)), self.finest)

    def level_of(self, count: int) -> str:
        """Return the name of the level with `count` vertices; raise InputError when there is none."""
        sizes = {len(level.vertices): name for name, level in self.levels.items()}
        if count not in sizes:
            raise InputError(
                f"template: expected a level of {count} vertices, got levels of {', '.join(map(str, sizes))}."
            )
        return sizes[count]

    def between(self, coarse: str, fine: str) -> csr_array:
        """Return the midpoint operator [V_fine, V_coarse] from one level to a finer one (or to itself).

        Coarse vertices are the first rows of every finer level, so the operator is the product of the steps.
        Raises InputError when a level is missing or `fine` is the coarser one.
        """
        names = list(self.levels)
        for name in (coarse, fine):
            if name not in names:
                raise InputError(f"template: expected a level among {', '.join(names)}, got {name}.")
        first, last = names.index(coarse), names.index(fine)
        if last < first:
            raise InputError(f"template: expected a level finer than {coarse}, got {fine}; swap the two.")
        operator = identity_step(len(self.levels[coarse].vertices))
        for name in names[first + 1 : last + 1]:
            operator = self.levels[name].step @ operator
        return csr_array(operator)


def build_template(
    vertices: NDArray[np.float64],  # [V, 3] neutral, head space, millimeters, no unreferenced vertices
    faces: NDArray[np.int64],  # [T, 3]
    subdivisions: int,
    *,
    center_vertex: int | str = "auto",
    fraction: float = 0.57,
    marks: FaceMarks | None = None,
) -> Template:
    """Return the template of a neutral mesh: `subdivisions` midpoint levels above it, each with its face mask.

    Args:
        vertices: Neutral positions [V, 3] in head space, millimeters, all referenced by a face.
        faces: Triangles [T, 3].
        subdivisions: Number of midpoint levels.
        center_vertex: Center of the face mask; `auto`: the tip of the nose.
        fraction: Fraction of the base vertices in the mask, those nearest to its center.
        marks: Positions of the face's features, if known.

    Raises:
        InputError: The center is not a vertex, or the mask has no face.
    """
    faces = checked_faces(faces, len(vertices))
    mask = nearest_vertices(vertices, mask_center(vertices, faces, center_vertex), fraction)
    if not len(faces_inside(faces, mask)):
        raise InputError(
            f"mesh.mask_fraction: {fraction:g} of {len(vertices)} vertices is {mask.sum()}, which hold no "
            "triangle; give a larger fraction."
        )
    levels = {LEVEL_NAMES[0]: Level(vertices, faces, identity_step(len(vertices)), mask, marks)}
    for name in LEVEL_NAMES[1 : subdivisions + 1]:
        subdivision = subdivide(faces, len(vertices))
        vertices, faces = subdivision.step @ vertices, subdivision.faces
        mask = refine_mask(mask, subdivision.step)
        levels[name] = Level(vertices, faces, subdivision.step, mask, marks)
    return Template(levels)


def write_template(path: str | Path, template: Template) -> None:
    """Write the template as HDF5 (vertices, faces, mask and the operator's CSR arrays of each level)."""
    with FORMAT.writing(path) as file:
        file.attrs["levels"] = list(template.levels)
        if template.base.marks is not None:
            write_marks(file, template.base.marks)
        for name, level in template.levels.items():
            group = file.create_group(name)
            group["vertices"] = level.vertices
            group["faces"] = level.faces
            group["mask"] = level.mask
            step = group.create_group("step")
            step.attrs["layout"] = "CSR"
            step.attrs["shape"] = level.step.shape
            for part in ("data", "indices", "indptr"):
                step[part] = getattr(level.step, part)


def read_template(path: str | Path) -> Template:
    """Read a template; raise InputError naming the file when it is not one.

    Example:
        >>> template = read_template(Path("results/demo/template/template.h5"))
        >>> template.finest_level.vertices  # [V, 3], millimeters
    """
    with FORMAT.reading(path) as file:
        marks = read_marks(file)
        return Template({name: _read_level(file[name], marks) for name in file.attrs["levels"]})


def _read_level(group: h5py.Group, marks: FaceMarks | None) -> Level:
    """Read one level of the template."""
    step = group["step"]
    rows, columns = (int(size) for size in step.attrs["shape"])
    parts = tuple(step[part][:] for part in ("data", "indices", "indptr"))
    return Level(
        vertices=group["vertices"][:],
        faces=group["faces"][:],
        step=csr_array(parts, shape=(rows, columns)),
        mask=group["mask"][:],
        marks=marks,
    )
