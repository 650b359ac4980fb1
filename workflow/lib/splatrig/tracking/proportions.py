"""The proportions of a head from a part of its surface: one affine map for all of it.

Landmarks give the size of a head, but width, height and depth differ between people. Where few cameras see the sides,
the map that takes the template's front to the points found there places them better than the template does.
"""

import numpy as np
from numpy.typing import NDArray

DISTORTION_MM = 4.4
"""Weight of the prior, as a miss of the whole surface in millimeters: the cost of a map that is neither a shift nor a
uniform scale is the square of its distance from these, 1 for a head that is twice as wide, times the square of this."""
OUTLIER_MM = 1.5
"""Miss at which a point counts half."""
ROUNDS = 4
_STAYING = 1e-6
"""Weight of the identity, so that nothing moves where there are no points."""


def affine_motion(
    points: NDArray[np.float64],  # [q, 3]
    normals: NDArray[np.float64],  # [q, 3]
    offsets: NDArray[np.float64],  # [q]
    areas: NDArray[np.float64],  # [q]
    certain: NDArray[np.float64],  # [q]
) -> NDArray[np.float64]:  # [3, 4]
    """Return the affine map that moves the points of a surface by given offsets along their normals.

    Lengths are in millimeters, areas in square millimeters, certainties from 0 to 1. The fit is robust: points that
    contradict the others count less. Rotations and changes of proportions are regularized, shifts and the size are not.
    """
    center = np.average(points, axis=0, weights=areas)
    local = np.column_stack([points - center, np.ones(len(points))])
    rows = (normals[:, :, None] * local[:, None]).reshape(-1, 12)
    uniform = np.eye(3, 4).ravel()
    linear = np.tile([1.0, 1.0, 1.0, 0.0], 3)
    prior = DISTORTION_MM**2 * (np.diag(linear) - np.outer(uniform, uniform) / 3.0) + _STAYING * np.eye(12)
    solved, count = np.zeros(12), certain
    for _ in range(ROUNDS):
        weighted = rows * (areas * count)[:, None]
        solved = np.linalg.solve(weighted.T @ rows + areas.sum() * prior, weighted.T @ offsets)
        count = certain / (1.0 + ((rows @ solved - offsets) / OUTLIER_MM) ** 2)
    motion = solved.reshape(3, 4)
    linear_part = np.eye(3) + motion[:, :3]
    return np.column_stack([linear_part, center + motion[:, 3] - linear_part @ center])
