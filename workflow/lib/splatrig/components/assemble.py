"""Combine the result of a decomposition with its provenance into `Components`, the content of a component file."""

import json
import logging
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from splatrig.components.attributes import AttributeReader
from splatrig.components.component_file import Components, DataMatrix, Origin
from splatrig.components.matrix import AttributeMatrix, Decomposition, Standardization, StandardizedRows
from splatrig.components.names import best_units, component_names
from splatrig.components.units import read_units
from splatrig.mesh.template import Template

logger = logging.getLogger(__name__)


def assemble(reader: AttributeReader, found: Decomposition, parameters: Mapping[str, Any]) -> Components:
    """Return a decomposition of the reader's training frames as `Components`; `parameters` are the method's own."""
    names, frames = ", ".join(found.standardization.columns.names), len(reader.train_frames)
    logger.info(
        "%s: %d components of %s at %s, of %d training frames", found.family, len(found.C), names, reader.level, frames
    )
    return found.components(
        faces=reader.faces,
        face_mask=reader.face_mask,
        frames=reader.train_frames,
        origin=Origin(
            subject=reader.subject,
            level=reader.level,
            parameters=json.dumps(dict(parameters), sort_keys=True),
            input_sha256=reader.sha256,
        ),
    )


def named(components: Components, template: Template, units_path: str | Path | None = None) -> Components:
    """Return the components with readable names and, where known units are given, the best-matching unit of each."""
    level = template.levels[components.origin.level]
    if units_path is None:
        return replace(components, names=component_names(components, level))
    units = read_units(units_path, components.frames, len(template.base.vertices))
    best = best_units(components, units, level)
    names = component_names(components, level, best)
    return replace(components, names=names, unit_best=np.array(best[0], dtype=object), unit_correlation=best[1])


def data_matrix(
    how: str, matrix: AttributeMatrix, standardization: Standardization, sibling: str | None = None
) -> DataMatrix | h5py.ExternalLink | None:
    """Return the content of `dataMat`. `how` is store, omit or link (to `sibling`; without a sibling, store)."""
    if how == "omit":
        return None
    if how == "link" and sibling is not None:
        return h5py.ExternalLink(sibling, "/dataMat")
    return StandardizedRows(matrix, standardization)
