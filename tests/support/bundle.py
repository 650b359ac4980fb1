"""Read rigs that were exported as plain arrays back, as a program of another project would."""

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file

from splatrig.components.component_file import Components
from splatrig.components.fields import ATTRIBUTE_OF, Columns
from splatrig.components.rig import Rig
from splatrig.export.bundle import FORMAT, FORMAT_VERSION, KEY
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.io.errors import InputError


@dataclass(frozen=True)
class Bundle:
    """What `write_bundle` wrote."""

    arrays: dict[str, NDArray]
    description: dict[str, Any]

    @cached_property
    def rig(self) -> Rig:
        """The rig that was written, without the skin."""
        rest = Gaussians(**{field: self.arrays[f"rest.{field}"] for field in SHAPES})
        moved = [field for field in SHAPES if f"basis.{field}" in self.arrays]
        columns = Columns(tuple(ATTRIBUTE_OF[field] for field in moved), len(rest))
        bases = [self.arrays[f"basis.{field}"] for field in moved]
        W = self.arrays["frames.weights"]
        components = Components(
            family=str(self.description["family"]),
            W=W,
            C=np.concatenate([basis.reshape(W.shape[1], -1) for basis in bases], axis=1),
            mean=columns.row_of(rest),
            std=np.ones(len(columns), np.float32),
            offset=None,
            columns=columns,
            faces=self.arrays["faces"].astype(np.int64),
            face_mask=self.arrays["face_mask"].astype(bool),
            frames=tuple(self.description["frames"]),
            names=tuple(self.description["names"]),
        )
        return Rig.of(components, rest)


def read_bundle(path: str | Path) -> Bundle:
    """Read a bundle; raise InputError naming the file when it is not one."""
    try:
        arrays = load_file(str(path))
        with open(path, "rb") as stream:
            header = json.loads(stream.read(int.from_bytes(stream.read(8), "little")))
        description = json.loads(header["__metadata__"][KEY])
    except (OSError, SafetensorError, KeyError, ValueError) as error:
        raise InputError(f"{path}: cannot be read as a rig of splatrig ({error}).") from error
    said = description if isinstance(description, dict) else {}
    found = said.get("format"), said.get("format_version")
    if found != (FORMAT, FORMAT_VERSION):
        raise InputError(f"{path}: expected {FORMAT} {FORMAT_VERSION}, got {found[0]} {found[1]}; export it again.")
    return Bundle(arrays, description)
