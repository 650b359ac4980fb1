"""Regularizers of fields over a mesh: bending, stretching and magnitude (Botsch and Sorkine 2008)."""

import numpy as np
import potpourri3d
import scipy.sparse as sp
from numpy.typing import NDArray

from splatrig.mesh.normals import vertex_areas


def smoothness(
    vertices: NDArray[np.float64],  # [V, 3]
    faces: NDArray[np.int64],  # [T, 3]
    bending: float,
    stretching: float,
    staying: float,
) -> sp.csc_matrix:  # [V, V]
    """Return the quadratic form of the three energies, each times its factor, integrated over the mesh.

    Vertices outside all faces get a form that keeps them in place.
    """
    areas = np.maximum(vertex_areas(vertices, faces), 1e-6)
    stiffness = potpourri3d.cotan_laplacian(vertices, faces).tocsr()
    bent = sp.diags_array(1.0 / np.sqrt(areas)) @ stiffness
    form = bending * (bent.T @ bent) + stretching * stiffness + sp.diags_array(staying * areas)
    return sp.csc_matrix(form)
