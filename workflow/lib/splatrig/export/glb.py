"""Write and read binary glTF 2.0 (GLB) from and to arrays.

Khronos, glTF 2.0 specification (3.6 accessors, 3.6.2.3 sparse accessors, 4.4 the GLB container).
"""

import json
import struct
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from splatrig import __version__
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path

MAGIC, VERSION = 0x46546C67, 2
_JSON, _BIN = 0x4E4F534A, 0x004E4942
ARRAY_BUFFER, ELEMENT_ARRAY_BUFFER = 34962, 34963
_COMPONENTS = {"int8": 5120, "uint8": 5121, "int16": 5122, "uint16": 5123, "uint32": 5125, "float32": 5126}
_TYPES = {(): "SCALAR", (2,): "VEC2", (3,): "VEC3", (4,): "VEC4"}
_SHAPES = {name: shape for shape, name in _TYPES.items()}
_DTYPES = {code: np.dtype(name).newbyteorder("<") for name, code in _COMPONENTS.items()}

SPARSE_SHARE = 0.7
"""Morph targets that move a smaller fraction of the vertices are stored sparse: 16 bytes per moved vertex, not 12 for
all."""


@dataclass
class Glb:
    """A glTF document under construction."""

    document: dict[str, Any] = field(
        default_factory=lambda: {"asset": {"version": "2.0", "generator": f"splatrig {__version__}"}}
    )
    """Everything but accessors, buffer views and the buffer, which `add` and `add_sparse` create."""
    parts: list[bytes] = field(default_factory=list)
    views: list[dict[str, Any]] = field(default_factory=list)
    accessors: list[dict[str, Any]] = field(default_factory=list)

    def add(
        self,
        array: NDArray,  # [M] or [M, 2, 3 or 4]
        *,
        target: int | None = None,
        bounds: bool = False,
        normalized: bool = False,
    ) -> int:
        """Store an array as float32 or an integer type; return the index of its accessor.

        `target` is the kind of vertex data, `bounds` adds the least and greatest value of each column.
        """
        view = self._view(array, target)
        return self._accessor(array, {"bufferView": view}, bounds=bounds, normalized=normalized)

    def add_sparse(self, array: NDArray[np.float32]) -> int:  # [M, 3]
        """Store an array with few nonzero rows; return the index of its accessor."""
        rows = np.flatnonzero(array.any(axis=1))
        if len(rows) >= SPARSE_SHARE * len(array):
            return self.add(array, target=ARRAY_BUFFER, bounds=True)
        entry: dict[str, Any] = {}
        if len(rows):
            small = rows.astype(np.uint16 if len(array) <= 65536 else np.uint32)
            entry["sparse"] = {
                "count": len(rows),
                "indices": {"bufferView": self._view(small, None), "componentType": _COMPONENTS[small.dtype.name]},
                "values": {"bufferView": self._view(array[rows], None)},
            }
        return self._accessor(array, entry, bounds=True, normalized=False)

    def show(self, name: str, mesh: Mapping[str, Any], extension: str) -> None:
        """Make `mesh`, which requires an extension, the only node of the scene."""
        self.document |= {"extensionsUsed": [extension], "scene": 0, "scenes": [{"nodes": [0]}]}
        self.document |= {"nodes": [{"name": name, "mesh": 0}], "meshes": [mesh]}

    def write(self, path: str | Path) -> None:
        """Write the document and its arrays as a GLB file."""
        binary = b"".join(self.parts)
        document = self.document | {"accessors": self.accessors, "bufferViews": self.views}
        document["buffers"] = [{"byteLength": len(binary)}]
        text = json.dumps(document, ensure_ascii=False, separators=(",", ":")).encode()
        text += b" " * (-len(text) % 4)
        binary += b"\0" * (-len(binary) % 4)
        chunks = struct.pack("<II", len(text), _JSON) + text + struct.pack("<II", len(binary), _BIN) + binary
        with atomic_path(path) as temporary:
            temporary.write_bytes(struct.pack("<III", MAGIC, VERSION, 12 + len(chunks)) + chunks)

    def _view(self, array: NDArray, target: int | None) -> int:
        content = np.ascontiguousarray(array).astype(array.dtype.newbyteorder("<"), copy=False).tobytes()
        start = sum(map(len, self.parts))
        self.parts.append(content + b"\0" * (-len(content) % 4))
        self.views.append({"buffer": 0, "byteOffset": start, "byteLength": len(content)})
        if target is not None:
            self.views[-1]["target"] = target
        return len(self.views) - 1

    def _accessor(self, array: NDArray, entry: Mapping[str, Any], *, bounds: bool, normalized: bool) -> int:
        accessor = {
            **entry,
            "componentType": _COMPONENTS[array.dtype.name],
            "count": len(array),
            "type": _TYPES[array.shape[1:]],
        }
        if normalized:
            accessor["normalized"] = True
        if bounds:
            rows = array.reshape(len(array), -1)
            accessor["min"], accessor["max"] = rows.min(axis=0).tolist(), rows.max(axis=0).tolist()
        self.accessors.append(accessor)
        return len(self.accessors) - 1


@dataclass(frozen=True)
class OpenedGlb:
    """A GLB that was read: its document and its buffer."""

    document: dict[str, Any]
    binary: bytes

    def array(self, accessor: int) -> NDArray:
        """Return the array of an accessor; sparse ones are filled in, normalized ones are returned as stored."""
        entry = self.document["accessors"][accessor]
        dtype, shape = _DTYPES[entry["componentType"]], (entry["count"], *_SHAPES[entry["type"]])
        values = np.zeros(shape, dtype)
        if "bufferView" in entry:
            values = self._read(entry, dtype, shape)
        if "sparse" in entry:
            sparse = entry["sparse"]
            rows = self._read(sparse["indices"], _DTYPES[sparse["indices"]["componentType"]], (sparse["count"],))
            values = values.copy()
            values[rows] = self._read(sparse["values"], dtype, (sparse["count"], *shape[1:]))
        return values

    def _read(self, entry: Mapping[str, Any], dtype: np.dtype, shape: tuple[int, ...]) -> NDArray:
        view = self.document["bufferViews"][entry["bufferView"]]
        start = view.get("byteOffset", 0) + entry.get("byteOffset", 0)
        return np.frombuffer(self.binary, dtype, int(np.prod(shape)), start).reshape(shape)


def read_glb(path: str | Path) -> OpenedGlb:
    """Read a GLB with tightly packed arrays in one buffer; raise InputError naming the file when it is not one."""
    try:
        content = Path(path).read_bytes()
    except OSError as error:
        raise InputError(f"{path}: cannot be read as binary glTF ({error.strerror}).") from error
    if len(content) < 20 or struct.unpack_from("<II", content) != (MAGIC, VERSION):
        raise InputError(f"{path}: expected a binary glTF 2.0 file, got another; export it as .glb.")
    try:
        length, _ = struct.unpack_from("<II", content, 12)
        document = json.loads(content[20 : 20 + length])
        size, _ = struct.unpack_from("<II", content, 20 + length)
    except (struct.error, ValueError) as error:
        raise InputError(f"{path}: cannot be read as binary glTF ({error}).") from error
    binary = content[28 + length : 28 + length + size]
    if len(binary) < size:
        raise InputError(f"{path}: expected {size} bytes of arrays, got {len(binary)}; copy it again.")
    return OpenedGlb(document, binary)
