"""Solve the weights of one frame from its photographs, through the rasterizer."""

import numpy as np
from numpy.typing import NDArray

from splatrig.components.component_file import Components
from splatrig.io.errors import InputError
from splatrig.learned.compare import Comparison, unseen


def weights_from_frame_photographs(
    comparison: Comparison, components: Components, name: str
) -> NDArray[np.float64]:  # [K]
    """Return the weights of the frame `expression/frame`, solved from its photographs in the training cameras.

    They start from the frame's tracked mesh and are refined through the rasterizer (see `splatrig.learned.solve`).
    """
    known = [*comparison.subject.names("train"), *comparison.subject.names("held_out")]
    if name not in known:
        raise InputError(f"frame {name}: expected a frame of frames.csv, such as {known[0]}.")
    return unseen(comparison, components, [name]).weights[0]
