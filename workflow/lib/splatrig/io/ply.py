"""PLY files as structured arrays: a `vertex` element of scalars, and optional triangles (Turk 1994).

The only PLY package that keeps arbitrary properties is under the GPL, which splatrig is not; tests compare this module
with it in both directions.
"""

from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.io.errors import InputError
from splatrig.io.files import File, atomic_path, opened

_KINDS = {
    **{"char": "i1", "uchar": "u1", "short": "i2", "ushort": "u2", "int": "i4", "uint": "u4"},
    **{"float": "f4", "double": "f8"},
    **{"int8": "i1", "uint8": "u1", "int16": "i2", "uint16": "u2", "int32": "i4", "uint32": "u4"},
    **{"float32": "f4", "float64": "f8"},
}
_NAMES = {"u1": "uchar", "i4": "int", "f4": "float", "f8": "double"}
_ORDERS = {"binary_little_endian": "<", "binary_big_endian": ">"}
_LONGEST_HEADER = 1000
"""Maximum number of header lines; a file without `end_header` before that is not a PLY file."""


def write_ply_table(path: str | Path, vertices: NDArray[np.void], faces: NDArray[np.integer] | None = None) -> None:
    """Write a structured array [V] of uint8, int32, float32 or float64 fields, and triangles [T, 3], little-endian."""
    header = ["ply", "format binary_little_endian 1.0", f"element vertex {len(vertices)}"]
    fields = [(name, vertices.dtype[name].str[1:]) for name in vertices.dtype.names or ()]
    header += [f"property {_NAMES[kind]} {name}" for name, kind in fields]
    if faces is not None:
        header += [f"element face {len(faces)}", "property list uchar int vertex_indices"]
    with atomic_path(path) as temporary, temporary.open("wb") as file:
        file.write(("\n".join([*header, "end_header"]) + "\n").encode("ascii"))
        file.write(vertices.astype([(name, f"<{kind}") for name, kind in fields]).tobytes())
        if faces is not None:
            rows = np.empty(len(faces), dtype=[("count", "u1"), ("corners", "<i4", (3,))])
            rows["count"], rows["corners"] = 3, faces
            file.write(rows.tobytes())


def read_ply_table(path: str | File) -> tuple[NDArray[np.void], NDArray[np.int64] | None]:
    """Return the vertices [V] of a binary PLY by property name, and its triangles [T, 3] if it has faces.

    Raises InputError naming the file when it is not a binary PLY, is cut short, or has faces of other than 3 corners or
    with a corner that is not a vertex.
    """
    try:
        with opened(path) as file:
            order, elements = _header(file, path)
            vertices, faces = None, None
            for name, count, properties in elements:
                if name == "face":
                    faces = _triangles(file, path, order, count, properties)
                    continue
                if any(kind.startswith("list") for _, kind in properties):
                    break  # its length is unknown, and so is the offset of the next element
                rows = _rows(file, path, np.dtype([(field, order + kind) for field, kind in properties]), count, name)
                vertices = rows if name == "vertex" else vertices
    except OSError as error:
        raise InputError(f"{path}: cannot be read ({error}); export it again.") from error
    if vertices is None:
        raise InputError(f"{path}: expected a PLY with an element `vertex` of numbers; export it again.")
    if faces is not None and faces.size and not 0 <= faces.min() <= faces.max() < len(vertices):
        raise InputError(f"{path}: a face names a vertex that is not among the {len(vertices)}; export it again.")
    return vertices, faces


_Element = tuple[str, int, list[tuple[str, str]]]


def _header(file: BytesIO, path: str | File) -> tuple[str, list[_Element]]:
    """Return the byte order and the elements (name, count, properties (name, kind)).

    Scalars have numpy's kinds (`f4`), lists `list` and the kinds of their length and items (`list u1 i4`).
    """
    if file.readline(8).strip() != b"ply":
        raise InputError(f"{path}: not a PLY file; its first line must be `ply`.")
    order, elements = "", list[_Element]()
    for number in range(2, _LONGEST_HEADER):
        words = file.readline(4096).decode("ascii", "replace").split()
        match words:
            case ["end_header"] if order:
                return order, elements
            case ["format", name, *_]:
                if name not in _ORDERS:
                    raise InputError(f"{path}: expected a binary PLY, got format {name}; export it as binary.")
                order = _ORDERS[name]
            case ["element", name, count] if count.isdigit():
                elements.append((name, int(count), []))
            case ["property", "list", length, kind, name] if {length, kind} <= _KINDS.keys() and elements:
                elements[-1][2].append((name, f"list {_KINDS[length]} {_KINDS[kind]}"))
            case ["property", kind, name] if kind in _KINDS and elements:
                if name in (other for other, _ in elements[-1][2]):
                    raise InputError(f"{path} line {number}: property {name} appeared before; export it again.")
                elements[-1][2].append((name, _KINDS[kind]))
            case ["comment" | "obj_info", *_]:
                pass
            case _:
                raise InputError(f"{path} line {number}: not a PLY header, got {' '.join(words)[:80]!r}.")
    raise InputError(f"{path}: not a PLY file; its header has no end.")


def _triangles(
    file: BytesIO, path: str | File, order: str, count: int, properties: list[tuple[str, str]]
) -> NDArray[np.int64]:
    """Return faces [T, 3]; they must be rows of one byte and three int32."""
    kinds = [kind for _, kind in properties]
    if kinds not in (["list u1 i4"], ["list u1 u4"]):
        raise InputError(
            f"{path}: expected faces of one list of vertex indices (uchar int), got {', '.join(kinds) or 'nothing'}; "
            "export it again."
        )
    rows = _rows(file, path, np.dtype([("count", "u1"), ("corners", f"{order}i4", (3,))]), count, "face")
    if not (rows["count"] == 3).all():
        raise InputError(f"{path}: expected triangles, got a face of {rows['count'].max()} corners; triangulate it.")
    return rows["corners"].astype(np.int64)


def _rows(file: BytesIO, path: str | File, dtype: np.dtype, count: int, name: str) -> NDArray[np.void]:
    left = file.getbuffer().nbytes - file.tell()
    if dtype.itemsize * count > left:  # before memory is allocated
        raise InputError(f"{path}: is cut short in element {name}; export it again.")
    return np.frombuffer(file.read(dtype.itemsize * count), dtype=dtype, count=count)
