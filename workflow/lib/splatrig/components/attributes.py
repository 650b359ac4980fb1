"""The attribute store `attributes/{level}.h5`: every frame as one row of raw values per attribute.

`xyz` millimeters, `normal` unit vectors, `rgb` linear in the degree-0 SH, `f_dc` and `f_rest` SH coefficients,
`opacity` logits, `scale` log millimeters, `rotation` unit quaternions wxyz. Each is (F, N·d) float32, Gaussian by
Gaussian; `f_rest` holds the (15, 3) coefficients of a Gaussian row-major (coefficient by coefficient, then color).
"""

from collections.abc import Sequence
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from splatrig.components.component_file import check_triangles
from splatrig.components.fields import ATTRIBUTES
from splatrig.components.matrix import AttributeMatrix
from splatrig.io.errors import InputError
from splatrig.io.hdf5 import Format

FORMAT = Format(
    "attributes",
    1,
    "xyz millimeters in head space; f_dc and f_rest SH coefficients, f_rest a row-major (15, 3) per Gaussian; "
    "opacity logits; scale log millimeters; rotation unit quaternions wxyz on the neutral's hemisphere; "
    "rgb = 0.5 + C0 f_dc",
)

SOFT_LINKS = {"normals": "normal", "rgbs": "rgb", "opacities": "opacity", "scales": "scale"}
"""Plural names that the original project's files use for the same data."""


class AttributeReader:
    """An open attribute store; rows are read from disk on request. Use as a context manager."""

    def __init__(self, path: str | Path) -> None:
        """Open `path`; raise InputError naming it when it is not an attribute store."""
        self.path = Path(path)
        with FORMAT.named_in_errors(path):
            self._file = FORMAT.open(path)
            self.frames: tuple[str, ...] = tuple(self._file["frames"].asstr()[:])
            """Name `expression/frame` of every row."""
            self.roles: tuple[str, ...] = tuple(self._file["role"].asstr()[:])
            """Role of every row: train or held_out."""
            self.neutral_row = int(self._file.attrs["neutral_row"])
            """Row of the neutral frame."""
            self.faces: NDArray[np.int64] = self._file["faces"][:]  # [T, 3]
            self.face_mask: NDArray[np.bool_] = self._file["face_mask"][:]  # [N]
            self.subject = str(self._file.attrs["subject"])
            self.level = str(self._file.attrs["level"])
            self.sha256 = str(self._file.attrs["content_sha256"])
            """SHA-256 of all rows of the fitted frames, computed when they were exported."""
            self._check()

    def _check(self) -> None:
        """Raise ValueError when the datasets of the file do not match each other."""
        frames = len(self.frames)
        if len(self.roles) != frames or not set(self.roles) <= {"train", "held_out"}:
            raise ValueError(f"expected a role, train or held_out, of each of {frames} frames")
        if not 0 <= self.neutral_row < frames:
            raise ValueError(f"the neutral is row {self.neutral_row} of {frames}")
        check_triangles(self.faces, self.count)
        for name in ATTRIBUTES.keys() & self._file.keys():
            expected, data = (frames, self.count * ATTRIBUTES[name].size), self._file[name]
            if data.shape != expected or data.dtype.kind != "f":
                raise ValueError(f"{name} is {data.dtype} {data.shape}, expected floats {expected}")

    def __enter__(self) -> "AttributeReader":
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()

    @property
    def count(self) -> int:
        """Number of Gaussians N."""
        return len(self.face_mask)

    @property
    def train_rows(self) -> NDArray[np.int64]:
        """Indices of the rows whose role is train, in file order: the only rows that components are computed from."""
        return np.flatnonzero(np.array(self.roles) == "train")

    @property
    def train_frames(self) -> tuple[str, ...]:
        """`expression/frame` of the training rows."""
        return tuple(self.frames[row] for row in self.train_rows)

    def leave_out(self, expression: str) -> None:
        """Treat every frame of an expression as held out, whatever its role in the file."""
        own = [name.split("/")[0] == expression for name in self.frames]
        self.roles = tuple("held_out" if out else role for out, role in zip(own, self.roles, strict=True))

    def rows(self, attribute: str, rows: NDArray[np.int64] | slice = slice(None)) -> NDArray[np.float32]:
        """Read whole rows [R, N·d] of one attribute; raise InputError when a value in them is not finite."""
        read = self._data(attribute)[rows]
        finite = np.isfinite(read).all(axis=-1)
        if not finite.all():
            frame = np.array(self.frames)[rows][~finite].flat[0]
            raise InputError(f"{self.path}: {attribute} of {frame} is not finite; delete the file and run again.")
        return read

    def _data(self, attribute: str) -> h5py.Dataset:
        """Return the dataset of one attribute for all frames; nothing is read yet."""
        if attribute not in self._file:
            known = ", ".join(name for name in ATTRIBUTES if name in self._file)
            raise InputError(f"{self.path}: expected the attribute {attribute}, got {known}; delete it and run again.")
        return self._file[attribute]

    def train_matrix(self, attributes: Sequence[str]) -> AttributeMatrix:
        """Return the training rows of `attributes` side by side, streamed from this open file."""
        rows = self.train_rows
        neutral = np.flatnonzero(rows == self.neutral_row)
        if len(neutral) != 1:
            raise InputError(
                f"{self.path}: the neutral frame {self.frames[self.neutral_row]} is held out, but it is the rest shape "
                "of components; hold out another expression."
            )
        return AttributeMatrix(
            names=tuple(attributes),
            sources=tuple(self._data(name) for name in attributes),
            rows=rows,
            neutral=int(neutral[0]),
            frames=self.train_frames,
        )
