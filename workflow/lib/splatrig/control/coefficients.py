"""A pose as a JSON file: the weights of all families by component name."""

import json
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from splatrig.control.documents import finite_number, parse_document
from splatrig.control.panel import Panel
from splatrig.io.errors import InputError

FORMAT = "splatrig coefficients"
FORMAT_VERSION = 1


def coefficients_text(subject: str, panels: Mapping[str, Panel], weights: Mapping[str, NDArray]) -> str:
    """Return the JSON text of a pose: one object per family, from component names to `weights` [K]."""
    families = {
        family: dict(zip(panel.names, map(float, weights[family]), strict=True)) for family, panel in panels.items()
    }
    document = {"format": FORMAT, "format_version": FORMAT_VERSION, "subject": subject, "families": families}
    return json.dumps(document, ensure_ascii=False, indent=1) + "\n"


def parse_coefficients(text: str, panels: Mapping[str, Panel], where: str) -> dict[str, NDArray[np.float64]]:
    """Return the weights [K] of each family in the text; components that it omits are 0.

    Raises InputError that names `where` and the key for anything malformed, unknown or not finite.
    """
    document = parse_document(text, where, FORMAT, FORMAT_VERSION)
    families = document.get("families")
    if not isinstance(families, dict):
        raise InputError(f"{where}, key 'families': expected an object of families, got {families!r:.60}.")
    pose = {}
    for family, values in families.items():
        if family not in panels:
            raise InputError(f"{where}, key {family!r}: expected a family of this head, {', '.join(panels)}.")
        if not isinstance(values, dict):
            raise InputError(f"{where}, key {family!r}: expected an object of components, got {values!r:.60}.")
        pose[family] = _weights(values, panels[family], f"{where}, key {family!r}")
    return pose


def _weights(values: Mapping[str, object], panel: Panel, where: str) -> NDArray[np.float64]:
    weights = np.zeros(panel.count)
    for name, value in values.items():
        if name not in panel.names:
            raise InputError(f"{where}: expected components such as {panel.names[0]!r}, got {name!r}.")
        weights[panel.names.index(name)] = finite_number(value, f"{where}, component {name!r}")
    return weights
