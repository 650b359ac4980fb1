"""The face mask: the fraction of a head's vertices nearest to the tip of its nose."""

from collections.abc import Mapping
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path
from splatrig.mesh.topology import unique_edges

_CENTRAL_WIDTH = 0.15
"""The nose lies within this fraction of the head's width from its middle."""
_CENTRAL_HEIGHT = (0.15, 0.85)
"""The nose lies between these fractions of the head's height; a chin, hair or a collar may protrude farther."""


def nose_tip(vertices: NDArray[np.float64], faces: NDArray[np.int64]) -> int:
    """Return the vertex at the tip of the nose of a head in head space (y up, nose toward +z).

    This is the foremost vertex of the head's central region. A vertex counts no farther than its foremost neighbor, so
    a single spike of the tracking is not taken for a nose. `vertices` is [V, 3], `faces` [T, 3].
    """
    ends = unique_edges(faces).ends
    z = vertices[:, 2]
    neighbor = np.full(len(vertices), -np.inf)
    np.maximum.at(neighbor, ends[:, 0], z[ends[:, 1]])
    np.maximum.at(neighbor, ends[:, 1], z[ends[:, 0]])
    used = np.isfinite(neighbor)
    low, high = np.percentile(vertices[used], [1, 99], axis=0)
    x_share = np.abs(vertices[:, 0] - 0.5 * (low[0] + high[0])) / max(high[0] - low[0], 1e-9)
    y_share = (vertices[:, 1] - low[1]) / max(high[1] - low[1], 1e-9)
    central = used & (x_share <= _CENTRAL_WIDTH) & (y_share >= _CENTRAL_HEIGHT[0]) & (y_share <= _CENTRAL_HEIGHT[1])
    candidates = np.flatnonzero(central if central.any() else used)
    reach = np.minimum(z, neighbor)[candidates]
    return int(candidates[np.lexsort((z[candidates], reach))[-1]])


def mask_center(vertices: NDArray[np.float64], faces: NDArray[np.int64], center_vertex: int | str) -> int:
    """Return the center vertex of the mask: the one given or, for `auto`, the tip of the nose."""
    return nose_tip(vertices, faces) if center_vertex == "auto" else int(center_vertex)


def nearest_vertices(vertices: NDArray[np.float64], center: int, fraction: float) -> NDArray[np.bool_]:
    """Return the mask [V] of the `fraction` of `vertices` [V, 3] nearest to vertex `center`, which is included.

    Raises InputError when the center is not a vertex.
    """
    if not 0 <= center < len(vertices):
        raise InputError(
            f"mesh.mask_center: vertex {center} does not exist, the pruned tracked mesh has {len(vertices)} "
            "vertices; give a smaller number or `auto`."
        )
    count = min(len(vertices), max(1, round(fraction * len(vertices))))
    nearest = np.argsort(np.linalg.norm(vertices - vertices[center], axis=1), kind="stable")[:count]
    mask = np.zeros(len(vertices), dtype=bool)
    mask[nearest] = True
    return mask


def refine_mask(mask: NDArray[np.bool_], step: csr_array) -> NDArray[np.bool_]:
    """Return the mask of the next level: the vertices whose operator row lies entirely inside `mask`.

    A new vertex is inside if both ends of its edge are, so the masked faces cover the same surface at every level.
    """
    return np.asarray(step @ mask.astype(np.float64)) > 1.0 - 1e-9


def faces_inside(faces: NDArray[np.int64], mask: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return the faces with all three corners in the mask."""
    return faces[mask[faces].all(axis=1)]


def write_mask(path: str | Path, masks: Mapping[str, NDArray[np.bool_]], center: int) -> None:
    """Write `mask.npz`: the mask [V] of every level under its name, and `center_vertex`."""
    with atomic_path(path) as temporary:
        np.savez_compressed(temporary, allow_pickle=False, center_vertex=np.int64(center), **masks)
