"""Initial Gaussians: those of the neutral from mesh and photographs, those of other frames from the neutral."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.gaussians.gaussians import SH_C0, SHAPES, Gaussians


@dataclass(frozen=True)
class InitialShape:
    """Size, flatness and opacity of the initial Gaussians of a frame without a neutral."""

    tangent_scale: float
    """Standard deviation along the surface, in mean edge lengths."""
    normal_scale: float
    """Standard deviation along the normal, in mean edge lengths."""
    opacity: float
    """Initial opacity in (0, 1)."""


INITIAL_SHAPE = InitialShape(tangent_scale=0.6, normal_scale=0.05, opacity=0.97)
"""Flat discs that just cover the surface between them, almost opaque, so that nothing shines through at the first
step."""
ORIGINAL_SHAPE = InitialShape(tangent_scale=1.0, normal_scale=1.0, opacity=0.1)
"""Isotropic and nearly transparent Gaussians, as in the original recipe."""


def gaussians_on_mesh(
    vertices: NDArray[np.float64],  # [N, 3]
    frames: NDArray[np.float64],  # [N, 3, 3] columns: tangent, bitangent, normal
    edge_lengths: NDArray[np.float64],  # [N] millimeters
    colors: NDArray[np.float32],  # [N, 3] in [0, 1]
    shape: InitialShape = INITIAL_SHAPE,
) -> Gaussians:
    """Return one Gaussian per vertex: discs in the tangent planes, in the given colors."""
    count = len(vertices)
    extents = edge_lengths[:, None] * [shape.tangent_scale, shape.tangent_scale, shape.normal_scale]
    arrays = {
        "means": vertices,
        "quats": Rotation.from_matrix(frames).as_quat(canonical=True, scalar_first=True),
        "log_scales": np.log(np.maximum(extents, 1e-6)),
        "logit_opacities": np.full(count, np.log(shape.opacity / (1.0 - shape.opacity))),
        "sh0": (colors[:, None, :] - 0.5) / SH_C0,
        "shN": np.zeros((count, *SHAPES["shN"])),
    }
    return Gaussians(**{name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()})


def moved_by_mesh(
    neutral: Gaussians,
    neutral_vertices: NDArray[np.float64],  # [N, 3]
    vertices: NDArray[np.float64],  # [N, 3]
    rotations: NDArray[np.float64],  # [N, 4] wxyz
) -> Gaussians:
    """Return the neutral's Gaussians moved by the tracked mesh from the neutral to another frame.

    A center keeps its offset from its vertex in the vertex's local frame, and the Gaussian rotates with that local
    frame (`rotations`, neutral to frame); everything else is copied. A rigid motion of the mesh moves the Gaussians
    rigidly.
    """
    turns = Rotation.from_quat(rotations, scalar_first=True)
    means = vertices + turns.apply(neutral.means - neutral_vertices)
    quats = (turns * Rotation.from_quat(neutral.quats, scalar_first=True)).as_quat(scalar_first=True)
    opposite = (quats * neutral.quats).sum(axis=1, keepdims=True) < 0
    fields = dict(neutral.items()) | {
        "means": means.astype(np.float32),
        "quats": np.where(opposite, -quats, quats).astype(np.float32),
    }
    return Gaussians(**fields)
