"""Read rigs from the files of a run. Nothing here renders, so jobs that only compute weights start without PyTorch."""

import logging
from dataclasses import replace
from pathlib import Path

import numpy as np

from splatrig.components.component_file import FORMAT, Components, read_components
from splatrig.components.fields import Columns
from splatrig.components.rig import Rig, moves_centers_alone
from splatrig.components.skin import Skin, skin_of
from splatrig.components.weights import positions
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.io.errors import InputError
from splatrig.mesh.template import Template, read_template

logger = logging.getLogger(__name__)


def open_rig(
    components: str | Path, neutral: str | Path, template: str | Path | Template, dataset: Path
) -> tuple[Rig, Path]:
    """Open the rig of a family: its components and the neutral that they move; see `read_rig`.

    Args:
        components: Component file.
        neutral: Frame store of the neutral.
        template: Template, or its file.
        dataset: Restructured folder of the neutral's expression.

    Returns:
        The rig, and the path of the neutral's head pose in `dataset`.

    Example:
        >>> rig, pose = open_rig(components, neutral, template, dataset)  # paths of a finished run
        >>> rig.pose(np.zeros(rig.count))
    """
    fitted = read_fitted_frames(neutral)
    levels = template if isinstance(template, Template) else read_template(template)
    rig = read_rig(components, fitted.gaussians[0], levels)
    frame = fitted.frames[0]
    return rig, dataset / frame / f"{frame}_transform.txt"


def skin_of_template(template: Template) -> Skin:
    """Return the skin at rest: the neutral mesh at the finest level."""
    finest = template.finest_level
    return skin_of(finest.vertices, finest.faces)


def read_rig(path: str | Path, neutral: Gaussians, template: Template) -> Rig:
    """Read the rig of a component file; components of a coarse level are interpolated to the finest.

    In a family that moves centers only, Gaussians rotate and scale with the skin. Raises InputError naming the file
    when it is damaged, holds NaN, or does not fit the neutral and the template.
    """
    components = read_components(path)
    with FORMAT.named_in_errors(path):
        if components.structured < len(neutral):
            components = carry_xyz(components, template, neutral)
        skin = skin_of_template(template) if moves_centers_alone(components) else None
        rig = Rig.of(components, neutral, skin)
    logger.info("%s: %d components that move %d Gaussians", components.family, rig.count, len(rig))
    return rig


def carry_xyz(components: Components, template: Template, rest: Gaussians) -> Components:
    """Return the displacements of coarse `components` on the finest level, around the face `rest`.

    Displacements are interpolated by the midpoint operators; everything but xyz stays the neutral's, in learned rigs
    too.
    """
    count = components.columns.count
    coarse = next((name for name, level in template.levels.items() if len(level.vertices) == count), None)
    if coarse is None or "xyz" not in components.columns:
        raise InputError(
            f"components of {count} Gaussians: expected xyz at a level of the template, which has "
            f"{', '.join(str(len(level.vertices)) for level in template.levels.values())} vertices."
        )
    finest = template.finest_level
    operator = template.between(coarse, template.finest)
    columns = Columns(("xyz",), len(rest))
    fine = np.stack([operator @ field for field in positions(components)])
    return replace(
        components,
        C=fine.reshape(len(fine), len(columns)).astype(np.float32),
        mean=rest.means.reshape(-1),
        std=np.ones(len(columns), dtype=np.float32),
        offset=None,
        columns=columns,
        faces=finest.faces,
        face_mask=finest.mask,
        base=None,
    )
