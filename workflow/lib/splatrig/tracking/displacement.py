"""Residual displacement: a smooth free displacement of every frame beyond blendshapes, fitted to all photographs."""

from collections.abc import Mapping, Sequence

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray
from scipy.sparse.linalg import LinearOperator, cg, splu

from splatrig.dataset.cameras import Cameras
from splatrig.landmarks.triangulate import projections
from splatrig.mesh.normals import vertex_normals
from splatrig.tracking.landmark_pose import FaceState
from splatrig.tracking.lids import away_from_lids
from splatrig.tracking.photometric import Reference, Seen, trust
from splatrig.tracking.smoothing import smoothness
from splatrig.tracking.template_head import TemplateHead
from splatrig.tracking.views import Band

BENDING, STRETCHING, STAYING = 30.0, 0.02, 0.002
"""Weights of the regularizers relative to the data term, which is integrated over the skin in square millimeters."""
DATA = 6.0
STEPS = 3
"""Steps of Gauss-Newton at each scale."""
LONGEST_STEP_MM = 3.0
GRAZING, FACING = 0.15, 0.40
"""Cosines between which the weight of a point rises from 0 to 1."""
BORDER_PX = 2.0
TOLERANCE = 1e-3
"""Relative tolerance of conjugate gradients."""


class DisplacementSolver:
    """Solver of the displacements of the skin of one head."""

    def __init__(self, head: TemplateHead, cameras: Cameras) -> None:
        """Compute the smoothness regularizer of the skin."""
        self._head, self._cameras, self._skin, self._lids = head, cameras, head.skin, head.lids
        local = np.full(len(head.vertices), -1)
        local[self._skin] = np.arange(len(self._skin))
        self._faces = local[head.faces]
        self._neutral = head.vertices[self._skin]
        self._form = smoothness(self._neutral, self._faces, BENDING, STRETCHING, STAYING)

    def solve(
        self,
        state: FaceState,
        reference: Reference,
        bands: Mapping[float, Sequence[Band | None]],
        scales: Sequence[float],
    ) -> NDArray[np.float64]:  # [n, 3]
        """Return the displacement of a frame from the vertices of `state`, in head space and millimeters."""
        corners = self._faces[reference.faces]
        points = sp.csr_array(
            (reference.barycentric.ravel(), (np.repeat(np.arange(len(corners)), 3), corners.ravel())),
            shape=(len(corners), len(self._skin)),
        )
        clear = away_from_lids(np.asarray(points @ self._neutral), self._lids)
        counts = DATA * clear * reference.span_mm**2 / len(np.unique(reference.cameras))
        base = self._head.posed(state.weights)[self._skin]
        moved = np.zeros_like(base)
        for scale in scales:
            seen = Seen(bands[scale], projections(self._cameras), reference.cameras)
            for _ in range(STEPS):
                step = self._step(points, counts, base + moved, moved, state.pose, seen, reference.values[scale])
                lengths = np.linalg.norm(step, axis=1, keepdims=True)
                moved = moved + step * np.minimum(1.0, LONGEST_STEP_MM / np.maximum(lengths, 1e-9))
        result = np.zeros_like(self._head.vertices)
        result[self._skin] = moved
        return result

    def _step(
        self,
        points: sp.csr_array,
        density: NDArray[np.float64],
        vertices: NDArray[np.float64],
        moved: NDArray[np.float64],
        pose: NDArray[np.float64],
        seen: Seen,
        expected: NDArray[np.float64],
    ) -> NDArray[np.float64]:
        """Return one step of Gauss-Newton [q, 3], by conjugate gradients."""
        turn, shift = pose[:, :3], pose[:, 3]
        places = (points @ vertices) @ turn.T + shift
        normals = (points @ vertex_normals(vertices, self._faces)) @ turn.T
        view = self._cameras.centers[seen.cameras] - places
        cosines = (normals * view).sum(axis=1) / np.linalg.norm(view, axis=1)
        visible = np.clip((cosines - GRAZING) / (FACING - GRAZING), 0.0, 1.0)
        residuals, _, slopes = seen.residuals(places, expected)
        counts = density * visible * trust(residuals)
        local = slopes @ turn
        size = vertices.shape
        right = points.T @ (local * (counts * residuals)[:, None]) - self._form @ moved

        def curvature(flat: NDArray[np.float64]) -> NDArray[np.float64]:
            field = flat.reshape(size)
            along = ((points @ field) * local).sum(axis=1) * counts
            return np.asarray(points.T @ (local * along[:, None]) + self._form @ field).ravel()

        mean = sp.diags_array(points.power(2).T @ (counts * (local**2).sum(axis=1) / 3.0))
        guess = splu(sp.csc_matrix(self._form + mean), permc_spec="MMD_AT_PLUS_A", options={"SymmetricMode": True})
        square = (right.size, right.size)
        solved, _ = cg(
            LinearOperator(square, matvec=curvature, dtype=np.float64),
            right.ravel(),
            rtol=TOLERANCE,
            maxiter=60,
            M=LinearOperator(square, matvec=lambda flat: guess.solve(flat.reshape(size)).ravel(), dtype=np.float64),
        )
        return np.asarray(solved).reshape(size)
