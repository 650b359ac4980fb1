"""Attributes of component files and fields of Gaussians, and the base that a learned rig carries in its file."""

import numpy as np

from splatrig.components.component_file import Components
from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.io.errors import InputError

NUMBERS = {name: int(np.prod(shape, dtype=int)) for name, shape in SHAPES.items()}
"""Numbers a Gaussian of each field."""

ATTRIBUTES = {
    "xyz": "means",
    "f_dc": "sh0",
    "rotation": "quats",
    "scale": "log_scales",
    "opacity": "logit_opacities",
    "f_rest": "shN",
}
"""Attribute of component files to field of `Gaussians`."""

FIELDS = {field: attribute for attribute, field in ATTRIBUTES.items()}
"""The inverse of `ATTRIBUTES`."""


def base_of(components: Components, neutral: Gaussians) -> Gaussians:
    """Return the Gaussians that components of any family move: a learned rig's own base, else the `neutral`."""
    return base_gaussians(components) if components.family == "joint" else neutral


def base_gaussians(components: Components) -> Gaussians:
    """Return the base of a joint component file, raw; raise InputError for another family."""
    if components.family != "joint":
        raise InputError(f"components of family {components.family}: only joint components carry their own base.")
    count = len(components.face_mask)
    columns = {ATTRIBUTES[name]: slice(first, end) for name, first, end in components.dim_info}
    fields = {
        name: components.extras["joint_base"][columns[name]].reshape(count, *shape)
        if name in columns
        else components.extras[f"joint_{FIELDS[name]}"]
        for name, shape in SHAPES.items()
    }
    return Gaussians(**{name: np.asarray(fields[name], dtype=np.float32) for name in SHAPES})
