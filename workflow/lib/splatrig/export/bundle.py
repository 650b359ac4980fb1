"""A rig in one file of plain arrays (safetensors), for programs in any language.

A pose is `rest.X + Σ_k w_k basis.X[k]` for each X that has a basis, with quaternions then normalized; all other fields
are `rest.X`. Values are raw, as everywhere in splatrig: log scales, logit opacities, quaternions wxyz, millimeters of
head space (y up, z out of the face). `docs/examples/load_rig.py` evaluates it in a few lines.
"""

import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors.numpy import save_file

from splatrig import __version__
from splatrig.components.rig import Rig
from splatrig.io.files import atomic_path

FORMAT = "splatrig rig"
FORMAT_VERSION = 1
KEY = "splatrig"
"""The only metadata entry of the file: a JSON object of `format, format_version, family, subject, structured, names,
presets, frames, formula, follows_skin, limits, attributes`. `structured` is the number of Gaussians, the first ones,
that are vertices of the mesh. `limits` are the least and greatest weight, or null (0 and 1 for components that rotate
eyes, which have ARKit's names). `attributes` say where the rig comes from."""
FORMULA = "pose.X = rest.X + sum_k w[k] * basis.X[k]; quats then unit length; raw values, millimeters, wxyz, head space"


@dataclass(frozen=True)
class Coefficients:
    """Names, ranges and presets of the coefficients of a rig of K components."""

    names: tuple[str, ...]
    """Readable names of the K components."""
    low: NDArray[np.float64]  # [K]
    """Lower ends of sliders."""
    high: NDArray[np.float64]  # [K]
    """Upper ends of sliders."""
    presets: dict[str, NDArray[np.float64]]
    """Weights [K] by name."""


def write_bundle(
    path: str | Path,
    rig: Rig,
    coefficients: Coefficients,
    *,
    family: str,
    subject: str,
) -> None:
    """Write a rig: rest face, basis, triangles, ranges, presets and the weights of the frames it was learned from."""
    parts = rig.components
    rest = replace(rig, skin=None).pose(np.zeros(rig.count))
    arrays: dict[str, NDArray[Any]] = {f"rest.{name}": array for name, array in rest.items()}
    for field, basis in parts.columns.by_field(parts.C * parts.std).items():
        arrays[f"basis.{field}"] = basis.astype(np.float32)
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
        "structured": parts.structured,
        "names": list(coefficients.names),
        "presets": list(coefficients.presets),
        "frames": list(parts.frames),
        "formula": FORMULA,
        "follows_skin": rig.follows,
        "limits": parts.limits,
        "attributes": {key: str(value) for key, value in sorted(vars(parts.origin).items())},
    }
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    with atomic_path(path) as temporary:
        save_file(contiguous, str(temporary), {KEY: json.dumps(description, ensure_ascii=False, sort_keys=True)})
