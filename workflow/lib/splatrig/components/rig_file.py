"""Rigs from the files of a run. Nothing here renders, so jobs that only move numbers start without PyTorch."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from splatrig.components.component_file import FORMAT, Components, read_components
from splatrig.components.fields import base_of
from splatrig.components.rig import Rig
from splatrig.components.skin import surface_of
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.io.errors import InputError
from splatrig.mesh.template import Template, read_template

_LOG = logging.getLogger(__name__)


def open_rig(
    components: str | Path, neutral: str | Path, template: str | Path, dataset: Path, *, follow: bool = True
) -> tuple[Rig, Path]:
    """Read a family, carried up when it was learned on a coarse level, and the neutral that it moves.

    With `follow`, Gaussians of families that move centres alone turn and grow with the skin. Returns the rig and where
    `dataset`, the restructured folder of the neutral's expression, has its head pose. Raises InputError naming the file
    of components when it is damaged, holds NaN, or does not fit the neutral and the template.
    """
    fitted = read_fitted_frames(neutral)
    rest = fitted.gaussians[0]
    parts = read_components(components)
    levels = read_template(template)
    finest = levels.levels[levels.finest]
    frame = fitted.frames[0]
    with FORMAT.named_in_errors(components):
        if len(parts.face_mask) < len(rest):
            parts = carry_xyz(parts, levels, rest)
        rig = Rig(parts, base_of(parts, rest), surface_of(finest.vertices, finest.faces) if follow else None)
    _LOG.info("%s: %d components that move %d Gaussians", parts.family, rig.count, len(rest))
    return rig, dataset / frame / f"{frame}_transform.txt"


def carry_xyz(components: Components, template: Template, rest: Gaussians) -> Components:
    """Return the displacements of coarse `components` on the finest level, around the face `rest`.

    Displacements go up through the midpoint operators; all that is not xyz stays the neutral's.
    """
    coarse = next(
        (name for name, level in template.levels.items() if len(level.vertices) == len(components.face_mask)), None
    )
    span = next(((first, end) for name, first, end in components.dim_info if name == "xyz"), None)
    if coarse is None or span is None:
        raise InputError(
            f"components of {len(components.face_mask)} Gaussians: expected xyz at a level of the template, which has "
            f"{', '.join(str(len(level.vertices)) for level in template.levels.values())} vertices."
        )
    finest = template.levels[template.finest]
    operator = template.between(coarse, template.finest)
    moved = components.C[:, slice(*span)] * components.std[slice(*span)]
    fine = np.stack([operator @ field.reshape(-1, 3) for field in moved])
    columns = len(rest) * 3
    return replace(
        components,
        C=fine.reshape(len(fine), columns).astype(np.float32),
        mean=rest.means.reshape(-1),
        std=np.ones(columns, dtype=np.float32),
        offset=None,
        dim_info=(("xyz", 0, columns),),
        faces=finest.faces,
        face_mask=finest.mask,
    )
