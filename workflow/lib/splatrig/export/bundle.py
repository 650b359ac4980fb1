"""A rig in one file of plain arrays (safetensors), for programs in any language.

A pose is `rest.X + Σ_k w_k basis.X[k]` for each X that has a basis, quaternions then made unit length; all else is
`rest.X`. Values are raw, as everywhere in splatrig: log scales, logit opacities, quaternions wxyz, millimetres of head
space (y up, z out of the face). `docs/examples/load_rig.py` does it in a few lines.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file
from scipy.sparse import csr_array

from splatrig import __version__
from splatrig.components.fields import ATTRIBUTES
from splatrig.components.rig import Rig
from splatrig.gaussians.gaussians import SHAPES
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path

FORMAT = "splatrig rig"
FORMAT_VERSION = 1
KEY = "splatrig"
"""The one entry of the file's metadata: a JSON object of `format, format_version, family, subject, names, presets,
frames, formula, follows_skin, attributes`."""
FORMULA = "pose.X = rest.X + sum_k w[k] * basis.X[k]; quats then unit length; raw values, millimetres, wxyz, head space"


@dataclass(frozen=True)
class Coefficients:
    """Coefficients that go with a rig of K components."""

    names: tuple[str, ...]
    """K readable names."""
    low: NDArray[np.float64]  # [K]
    """Where a slider begins."""
    high: NDArray[np.float64]  # [K]
    """Where a slider ends."""
    presets: dict[str, NDArray[np.float64]]
    """Name to weights [K]."""


def write_bundle(
    path: str | Path,
    rig: Rig,
    coefficients: Coefficients,
    *,
    family: str,
    subject: str,
    basis_dtype: type[np.float16] | type[np.float32] = np.float32,
) -> None:
    """Write rest face, basis, triangles, ranges, presets and the weights of the frames that the rig was learned from.

    Half precision for the basis halves the file; a displacement of 10 mm is then right to 0.004 mm.
    """
    parts = rig.components
    rest = Rig(parts, rig.neutral).from_row(rig.rest)
    count = len(rest)
    basis = rig.basis.toarray() if isinstance(rig.basis, csr_array) else rig.basis
    arrays: dict[str, NDArray[Any]] = {f"rest.{name}": array for name, array in rest.items()}
    for name, first, end in parts.dim_info:
        field = ATTRIBUTES[name]
        arrays[f"basis.{field}"] = basis[:, first:end].reshape(rig.count, count, *SHAPES[field]).astype(basis_dtype)
    arrays |= {
        "faces": parts.faces.astype(np.int32),
        "face_mask": parts.face_mask.astype(np.uint8),
        "range.low": np.asarray(coefficients.low, np.float32),
        "range.high": np.asarray(coefficients.high, np.float32),
        "presets": np.array(list(coefficients.presets.values()), np.float32).reshape(-1, rig.count),
        "frames.weights": np.asarray(parts.W, np.float32),
    }
    description = {
        "format": FORMAT,
        "format_version": FORMAT_VERSION,
        "splatrig_version": __version__,
        "family": family,
        "subject": subject,
        "names": list(coefficients.names),
        "presets": list(coefficients.presets),
        "frames": list(parts.frames),
        "formula": FORMULA,
        "follows_skin": rig.follows,
        "attributes": {key: str(value) for key, value in sorted(parts.attributes.items())},
    }
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with atomic_path(path) as temporary:
        save_file(contiguous, str(temporary), {KEY: json.dumps(description, ensure_ascii=False, sort_keys=True)})


@dataclass(frozen=True)
class Bundle:
    """What `write_bundle` wrote."""

    arrays: dict[str, NDArray]
    description: dict[str, Any]

    def pose(self, weights: Sequence[float] | NDArray) -> dict[str, NDArray[np.float32]]:  # [K]
        """Return the raw fields of `Gaussians` for `weights`."""
        moved = {name.removeprefix("rest."): array for name, array in self.arrays.items() if name.startswith("rest.")}
        for name, array in self.arrays.items():
            if name.startswith("basis."):
                field = name.removeprefix("basis.")
                moved[field] = moved[field] + np.tensordot(np.asarray(weights, np.float32), array, axes=1)
        moved["quats"] = moved["quats"] / np.linalg.norm(moved["quats"], axis=-1, keepdims=True)
        return moved


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
