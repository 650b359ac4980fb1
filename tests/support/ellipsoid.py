"""A small head to test on: an ellipsoid with a nose, y up, nose towards +z, millimeters."""

import numpy as np
import trimesh


def ellipsoid_head(subdivisions: int = 3) -> tuple[np.ndarray, np.ndarray]:
    """Return vertices [V, 3] and faces [T, 3] of a closed head 150 mm wide, 240 mm high, with a 20 mm nose."""
    sphere = trimesh.creation.icosphere(subdivisions=subdivisions)
    vertices = sphere.vertices * [75.0, 120.0, 95.0]
    front = vertices[:, 2] > 0
    bump = 20.0 * np.exp(-(vertices[:, 0] ** 2 + (vertices[:, 1] + 10.0) ** 2) / (2 * 15.0**2))
    vertices[:, 2] += np.where(front, bump, 0.0)
    return vertices, np.asarray(sphere.faces, dtype=np.int64)
