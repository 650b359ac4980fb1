"""Triangle meshes with normals and colors as binary PLY files."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.io.errors import InputError
from splatrig.io.files import File
from splatrig.io.ply import read_ply_table, write_ply_table


@dataclass(frozen=True)
class PlyMesh:
    """Content of a mesh PLY."""

    vertices: NDArray[np.float32]  # [V, 3]
    faces: NDArray[np.int64]  # [T, 3]
    normals: NDArray[np.float32] | None = None  # [V, 3] unit length
    colors: NDArray[np.uint8] | None = None  # [V, 3] sRGB


_POSITION, _NORMAL, _COLOR = ("x", "y", "z"), ("nx", "ny", "nz"), ("red", "green", "blue")


def write_ply(path: str | Path, mesh: PlyMesh) -> None:
    """Write `mesh` as binary little-endian PLY: x y z [nx ny nz] [red green blue], and triangles."""
    columns = [(_POSITION, mesh.vertices, "f4"), (_NORMAL, mesh.normals, "f4"), (_COLOR, mesh.colors, "u1")]
    present = [(names, values, kind) for names, values, kind in columns if values is not None]
    table = np.empty(len(mesh.vertices), dtype=[(name, kind) for names, _, kind in present for name in names])
    for names, values, _ in present:
        for column, name in enumerate(names):
            table[name] = values[:, column]
    write_ply_table(path, table, mesh.faces)


def read_ply(path: str | Path) -> PlyMesh:
    """Read a triangle mesh PLY by property names; raise InputError naming the file when it is not one."""
    table, faces = read_ply_table(path)
    if faces is None:
        raise InputError(f"{path}: expected a PLY of a triangle mesh, got one without faces; export it with faces.")
    vertices = _stacked(table, _POSITION, np.float32)
    if vertices is None:
        raise InputError(
            f"{path}: expected vertex properties x, y, z, got {', '.join(table.dtype.names or ())}; export it again."
        )
    return PlyMesh(
        vertices=vertices,
        faces=faces,
        normals=_stacked(table, _NORMAL, np.float32),
        colors=_stacked(table, _COLOR, np.uint8),
    )


def read_ply_vertices(path: str | File) -> NDArray[np.float64]:  # [V, 3]
    """Read the positions of a PLY with or without faces; raise InputError naming the file when it has none."""
    table, _ = read_ply_table(path)
    vertices = _stacked(table, _POSITION, np.float64)
    if vertices is None:
        raise InputError(
            f"{path}: expected vertex properties x, y, z, got {', '.join(table.dtype.names or ())}; export it again."
        )
    return vertices


def _stacked(table: NDArray, names: tuple[str, ...], kind: type) -> NDArray | None:
    """Return the named columns as one array [V, len(names)], or None when any is absent."""
    if not set(names) <= set(table.dtype.names or ()):
        return None
    return np.stack([table[name] for name in names], axis=1).astype(kind)
