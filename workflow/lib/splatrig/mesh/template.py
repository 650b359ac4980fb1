"""The template: neutral mesh and operators of every subdivision level, and the face mask."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.errors import InputError
from splatrig.files import atomic_path

LEVEL_NAMES = ("base", "subd1", "subd2", "subd3")
"""Subdivision levels by name; level l has the vertices of level l-1 first, then one per edge."""


@dataclass(frozen=True)
class Level:
    """One subdivision level of the template, in head space."""

    vertices: NDArray[np.float64]  # [V, 3] neutral positions, millimetres
    faces: NDArray[np.int64]  # [T, 3]
    step: csr_array  # [V, V_previous] midpoint operator from the level before; identity [V, V] for the base
    mask: NDArray[np.bool_]  # [V] True on the face


@dataclass(frozen=True)
class Template:
    """All levels of the template, coarsest first."""

    levels: dict[str, Level]
    """Level name to level, in the order of LEVEL_NAMES."""

    @property
    def finest(self) -> str:
        """Name of the finest level, the one that carries the Gaussians."""
        return list(self.levels)[-1]

    def between(self, coarse: str, fine: str) -> csr_array:
        """Return the midpoint operator [V_fine, V_coarse] from one level to a finer one.

        Coarse vertices are the first rows of every finer level, so the operator is the product of the steps.
        """
        raise NotImplementedError  # written by the mesh room


def write_template(path: str | Path, template: Template) -> None:
    """Write the template as HDF5 (vertices, faces, mask and the operator's CSR parts of each level)."""
    raise NotImplementedError


def read_template(path: str | Path) -> Template:
    """Read a template; raise InputError naming the file when it is not one."""
    raise NotImplementedError
