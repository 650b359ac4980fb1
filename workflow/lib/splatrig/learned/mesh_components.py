"""Components of the tracked meshes, so that no frame has to be fitted before a rig is learned.

Positions follow the tracked vertices; finer levels add no information. Each Gaussian also rotates with its neighborhood
on the mesh: the rotations are not decomposed but regressed on the weights of the positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.blendshapes.arkit import NAMES
from splatrig.components.blendshape_fit import fit_blendshapes
from splatrig.components.component_file import Components, Origin
from splatrig.components.local import local_components
from splatrig.components.matrix import Decomposition, StandardizedRows, in_memory, standardize
from splatrig.components.pca import principal_components
from splatrig.components.sldc import SldcOptions
from splatrig.config.support_maps import SupportMap
from splatrig.dataset.dataset import read_tracked_mesh
from splatrig.fitting.initialize import moved_by_mesh
from splatrig.gaussians.gaussians import Gaussians
from splatrig.mesh.normals import vertex_areas, vertex_rotations
from splatrig.mesh.template import Level, Template

REGRESSION_RIDGE = 1e-6
"""Ridge relative to the mean diagonal of WᵀW; resolves components whose weights are linearly dependent."""


@dataclass(frozen=True)
class MeshRows:
    """The neutral's Gaussians at the tracked vertices, moved by the tracked mesh of every training frame."""

    frames: tuple[str, ...]
    """Names `expression/frame` of the F frames."""
    xyz: NDArray[np.float32]  # [F, N·3] millimeters
    rotation: NDArray[np.float32]  # [F, N·4] wxyz, on the neutral's hemisphere
    neutral_row: int


def read_meshes(dataset: Path, frames: Sequence[str], template: Template) -> NDArray[np.float64]:  # [F, V_base, 3]
    """Read the tracked meshes (head space, base level) of `expression/frame` names.

    Raises:
        InputError: A mesh is not finite, or its number of vertices is not the template's.
    """
    return np.stack([read_tracked_mesh(dataset / name, template) for name in frames])


def carried_by_meshes(
    neutral: Gaussians,
    meshes: NDArray[np.float64],  # [F, V_base, 3]
    template: Template,
    frames: Sequence[str],
    neutral_row: int,
) -> MeshRows:
    """Return the neutral's Gaussians at the tracked vertices, moved and rotated by each mesh.

    The neutral frame is left unchanged.
    """
    rest = template.base
    neutral = neutral.first(len(rest.vertices))
    xyz = np.empty((len(meshes), len(neutral) * 3), np.float32)
    rotation = np.empty((len(meshes), len(neutral) * 4), np.float32)
    for row, vertices in enumerate(meshes):
        if row == neutral_row:
            xyz[row], rotation[row] = neutral.means.reshape(-1), neutral.quats.reshape(-1)
            continue
        turns = vertex_rotations(rest.vertices, vertices, rest.faces)
        moved = moved_by_mesh(neutral, rest.vertices, vertices, turns)
        xyz[row], rotation[row] = moved.means.reshape(-1), moved.quats.reshape(-1)
    return MeshRows(tuple(frames), xyz, rotation, neutral_row)


def mesh_pca(rows: MeshRows, k: int, level: Level, threads: int = 1) -> Components:
    """Return the first `k` principal components of the positions about the neutral, with regressed rotations."""
    found = principal_components(in_memory({"xyz": rows.xyz}, rows.neutral_row), k, "neutral", threads=threads)
    return _with_turns(rows, found, level)


def mesh_sldc(rows: MeshRows, options: SldcOptions, support: SupportMap, level: Level, threads: int = 1) -> Components:
    """Return the sparse localized components of the positions about the neutral, with regressed rotations."""
    matrix = in_memory({"xyz": rows.xyz}, rows.neutral_row)
    found = local_components(matrix, level, options, support, "neutral", threads)
    return _with_turns(rows, found, level)


def mesh_blendshapes(
    neutral: Gaussians,
    meshes: NDArray[np.float64],  # [F, V_base, 3]
    shapes: NDArray[np.float64],  # [52, V_base, 3]
    promised: NDArray[np.bool_],  # [F, 52]
    template: Template,
    frames: Sequence[str],
) -> Components:
    """Return ARKit's blendshapes as components: the change of the neutral's Gaussians at weight 1, and frame weights.

    `shapes` are the template's shapes on this head, in millimeters; the meshes refine them. `promised` are the
    blendshapes that the names of the frames' segments announce.
    """
    base = template.base
    fitted = fit_blendshapes(shapes, meshes - base.vertices, vertex_areas(base.vertices, base.faces), promised)
    posed = base.vertices + np.concatenate([np.zeros_like(shapes[:1]), fitted.shapes])
    rows = carried_by_meshes(neutral, posed, template, ("rest", *NAMES), 0)
    both = in_memory({"xyz": rows.xyz, "rotation": rows.rotation}, rows.neutral_row)
    standardization = standardize(both, "neutral")
    C = StandardizedRows(both, standardization).less_rest()[1:]
    found = Decomposition("arkit", fitted.weights.astype(np.float32), C, standardization, limits=(0.0, 1.0))
    components = found.components(
        faces=base.faces, face_mask=base.mask, frames=frames, origin=Origin(source="tracked meshes")
    )
    return replace(components, names=NAMES, told=fitted.told)


def _with_turns(rows: MeshRows, found: Decomposition, level: Level) -> Components:
    """Return the components of the positions with the Gaussians' rotations regressed on the weights."""
    W, C = found.W, found.C
    both = in_memory({"xyz": rows.xyz, "rotation": rows.rotation}, rows.neutral_row)
    standardization = standardize(both, "neutral")
    turns = (rows.rotation - rows.rotation[rows.neutral_row]) / standardization.scales[1]
    count = len(level.vertices)
    support = np.any(C.reshape(len(C), count, 3) != 0, axis=2)
    C_turns = regressed(W, turns.reshape(len(W), count, 4), support)
    turned = replace(found, C=np.concatenate([C, C_turns.reshape(len(C), -1)], axis=1), standardization=standardization)
    return turned.components(
        faces=level.faces, face_mask=level.mask, frames=rows.frames, origin=Origin(source="tracked meshes")
    )


def regressed(
    W: NDArray[np.floating],  # [F, K]
    targets: NDArray[np.floating],  # [F, N, d]
    support: NDArray[np.bool_],  # [K, N]
) -> NDArray[np.float32]:  # [K, N, d]
    """Return C minimizing ‖targets - W C‖², Gaussian by Gaussian over the components whose `support` covers it."""
    W = np.asarray(W, dtype=np.float64)
    gram = W.T @ W
    gram[np.diag_indices_from(gram)] += REGRESSION_RIDGE * np.trace(gram) / max(1, len(gram))
    moments = np.einsum("fk,fnd->nkd", W, targets)
    if support.all():
        return np.linalg.solve(gram, moments).transpose(1, 0, 2).astype(np.float32)
    active = support.T.astype(np.float64)  # [N, K]
    systems = gram * active[:, :, None] * active[:, None, :]
    systems += np.eye(len(gram)) * (1.0 - active)[:, None, :]
    solved = np.linalg.solve(systems, moments * active[:, :, None])
    return solved.transpose(1, 0, 2).astype(np.float32)
