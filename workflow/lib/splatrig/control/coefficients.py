"""One pose as a file: the weights of all families by name (JSON)."""

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.control.panel import Panel
from splatrig.errors import InputError
from splatrig.files import atomic_path

FORMAT = "splatrig coefficients"
FORMAT_VERSION = 1


def coefficients_text(subject: str, panels: Mapping[str, Panel], weights: Mapping[str, NDArray]) -> str:
    """Return the JSON text of a pose: per family an object of component names and `weights` [K]."""
    families = {
        family: dict(zip(panel.names, map(float, weights[family]), strict=True)) for family, panel in panels.items()
    }
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, "subject": subject, "families": families}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def write_coefficients(
    path: str | Path, subject: str, panels: Mapping[str, Panel], weights: Mapping[str, NDArray]
) -> None:
    """Write a pose as JSON."""
    with atomic_path(path) as temporary:
        temporary.write_text(coefficients_text(subject, panels, weights), encoding="utf-8")


def read_coefficients(path: str | Path, panels: Mapping[str, Panel]) -> dict[str, NDArray[np.float64]]:
    """Read a pose for the families of `panels`; see `parse_coefficients`."""
    try:
        text = Path(path).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise InputError(f"{path}: cannot be read as coefficients ({error}).") from error
    return parse_coefficients(text, panels, str(path))


def parse_coefficients(text: str, panels: Mapping[str, Panel], where: str) -> dict[str, NDArray[np.float64]]:
    """Return the weights [K] of each family that the text names; components that it leaves out are 0.

    Raises InputError that names `where` and the key for anything malformed, unknown or not finite.
    """
    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise InputError(f"{where} line {error.lineno}: expected JSON, got {error.msg}.") from error
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        found = document.get("format", "nothing") if isinstance(document, dict) else f"a {type(document).__name__}"
        raise InputError(f"{where}, key 'format': expected {FORMAT!r}, got {found!r}.")
    if document.get("format_version") != FORMAT_VERSION:
        raise InputError(
            f"{where}, key 'format_version': expected {FORMAT_VERSION}, got {document.get('format_version')!r}."
        )
    families = document.get("families")
    if not isinstance(families, dict):
        raise InputError(f"{where}, key 'families': expected an object of families, got {families!r:.60}.")
    pose = {}
    for family, values in families.items():
        if family not in panels:
            raise InputError(f"{where}, key {family!r}: this head has no such family, only {', '.join(panels)}.")
        if not isinstance(values, dict):
            raise InputError(f"{where}, key {family!r}: expected an object of components, got {values!r:.60}.")
        pose[family] = _weights(values, panels[family], f"{where}, key {family!r}")
    return pose


def _weights(values: Mapping[str, object], panel: Panel, where: str) -> NDArray[np.float64]:
    weights = np.zeros(panel.count)
    for name, value in values.items():
        if name not in panel.names:
            raise InputError(f"{where}: component {name!r} does not exist; there are {panel.names[0]!r} and others.")
        if not isinstance(value, int | float) or isinstance(value, bool) or not math.isfinite(value):
            raise InputError(f"{where}, component {name!r}: expected a finite number, got {value!r}.")
        weights[panel.names.index(name)] = float(value)
    return weights
