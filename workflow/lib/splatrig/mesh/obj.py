"""Wavefront OBJ files, read without changes: vertex order and count are kept, nothing is merged or split.

Texture seams are kept apart from the vertices: each face has corners into `vertices` and corners into `uvs`.
"""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.io.errors import InputError
from splatrig.io.files import File, opened_text, write_text


@dataclass(frozen=True)
class ObjMesh:
    """The triangles of an OBJ file."""

    vertices: NDArray[np.float64]  # [V, 3]
    """Positions, in the order of the file's `v` lines."""
    faces: NDArray[np.int64]  # [T, 3]
    """Corners into `vertices`; polygons are triangulated as fans, and triangles that repeat a vertex are left out."""
    uvs: NDArray[np.float64]  # [U, 2]
    """Texture coordinates, in the order of the file's `vt` lines."""
    uv_faces: NDArray[np.int64] | None  # [T, 3]
    """Corners into `uvs`, -1 where a face has none; None when no face has any."""


class _Lines:
    """Content read so far, and the line for error messages."""

    def __init__(self, path: str | File) -> None:
        self.path = path
        self.number = 0
        self.vertices: list[tuple[float, ...]] = []
        self.uvs: list[tuple[float, ...]] = []
        self.corners: list[tuple[int, int, int]] = []
        self.uv_corners: list[tuple[int, int, int]] = []
        self.face_lines: list[int] = []

    def error(self, what: str) -> InputError:
        return InputError(f"{self.path} line {self.number}: {what}.")

    def numbers(self, words: list[str], count: int, kind: str) -> tuple[float, ...]:
        if len(words) < count:
            raise self.error(f"{kind}: expected {count} numbers, got {len(words)}")
        try:
            values = tuple(map(float, words[:count]))
        except ValueError:
            raise self.error(f"{kind}: expected {count} numbers, got {' '.join(words[:count])!r}") from None
        if not all(map(math.isfinite, values)):
            raise self.error(f"{kind}: expected finite numbers, got {' '.join(words[:count])!r}")
        return values

    def index(self, word: str, count: int, kind: str) -> int:
        try:
            value = int(word)
        except ValueError:
            raise self.error(f"face: expected a {kind} index, got {word!r}") from None
        if value == 0:
            raise self.error(f"face: {kind} indices begin with 1, got 0")
        resolved = value - 1 if value > 0 else count + value
        if resolved < 0:
            raise self.error(f"face: {kind} index {value} is before the first of the {count} read so far")
        return resolved

    def face(self, words: list[str]) -> None:
        if len(words) < 3:
            raise self.error(f"face: expected 3 corners or more, got {len(words)}")
        parts = [word.split("/") for word in words]
        corners = [self.index(part[0], len(self.vertices), "vertex") for part in parts]
        has_uv = [len(part) > 1 and part[1] != "" for part in parts]
        if any(has_uv) and not all(has_uv):
            raise self.error("face: expected texture indices at all of its corners or at none")
        uvs = [self.index(part[1], len(self.uvs), "texture") for part in parts] if has_uv[0] else [-1] * len(parts)
        for k in range(1, len(corners) - 1):
            if len({corners[0], corners[k], corners[k + 1]}) < 3:
                continue
            self.corners.append((corners[0], corners[k], corners[k + 1]))
            self.uv_corners.append((uvs[0], uvs[k], uvs[k + 1]))
            self.face_lines.append(self.number)


def read_obj(path: str | File) -> ObjMesh:
    """Read vertices, faces and texture coordinates of an OBJ file; other lines are skipped.

    Faces may be written `a`, `a/b`, `a//c` or `a/b/c`, with negative (relative) indices.

    Raises:
        InputError: A count is wrong, a word is not a finite number, or an index does not exist; the message names the
            line.

    Example:
        >>> mesh = read_obj(Path("tracked_mesh/E001_Neutral_Eyes_Open/000084.obj"))
    """
    lines = _Lines(path)
    with opened_text(path) as stream:
        for number, line in enumerate(stream, start=1):
            words = line.split()
            if not words:
                continue
            lines.number = number
            if words[0] == "v":
                lines.vertices.append(lines.numbers(words[1:], 3, "vertex"))
            elif words[0] == "vt":
                lines.uvs.append(lines.numbers(words[1:], 2, "texture coordinate"))
            elif words[0] == "f":
                lines.face(words[1:])
    if not lines.vertices or not lines.corners:
        raise InputError(
            f"{path}: expected a mesh, got {len(lines.vertices)} vertices and {len(lines.corners)} faces; "
            "copy or export the file again."
        )
    faces = np.array(lines.corners, dtype=np.int64)
    uv_faces = np.array(lines.uv_corners, dtype=np.int64)
    _check_range(lines, faces, len(lines.vertices), "vertex")
    _check_range(lines, uv_faces, len(lines.uvs), "texture")
    return ObjMesh(
        vertices=np.array(lines.vertices, dtype=np.float64),
        faces=faces,
        uvs=np.array(lines.uvs, dtype=np.float64).reshape(-1, 2),
        uv_faces=uv_faces if (uv_faces >= 0).any() else None,
    )


def _check_range(lines: _Lines, faces: NDArray[np.int64], count: int, kind: str) -> None:
    """Raise InputError with the line of the first face that refers to something that the file lacks."""
    beyond = np.flatnonzero((faces >= count).any(axis=1))
    if beyond.size:
        lines.number = lines.face_lines[beyond[0]]
        raise lines.error(f"face: {kind} index {faces[beyond[0]].max() + 1} does not exist, the file has {count}")


def write_obj(
    path: str | Path,
    vertices: NDArray[np.floating],  # [V, 3]
    faces: NDArray[np.int64],  # [T, 3]
    uvs: NDArray[np.floating] | None = None,  # [U, 2]
    uv_faces: NDArray[np.int64] | None = None,  # [T, 3]
) -> None:
    """Write an OBJ file, in the given order, with coordinates to six decimals (a nanometer, for millimeters)."""
    lines = ["v {:.6f} {:.6f} {:.6f}".format(*row) for row in np.asarray(vertices).tolist()]
    if uvs is not None and uv_faces is not None:
        lines += ["vt {:.6f} {:.6f}".format(*row) for row in np.asarray(uvs).tolist()]
        for face, uv_face in zip((faces + 1).tolist(), (uv_faces + 1).tolist(), strict=True):
            corners = (f"{v}/{t}" if t > 0 else f"{v}" for v, t in zip(face, uv_face, strict=True))
            lines.append("f " + " ".join(corners))
    else:
        lines += ["f {} {} {}".format(*row) for row in (faces + 1).tolist()]
    write_text(path, "\n".join(lines) + "\n")
