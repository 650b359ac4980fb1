"""Pose and blendshape weights of a frame from triangulated landmarks, with which photometric alignment starts."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.components.weights import solve_weights
from splatrig.dataset.pose import to_head
from splatrig.landmarks.points import POINTS, REGION_OF

FEWEST = 30
"""Least number of landmarks that determine a pose and weights; with fewer the frame keeps those of the previous one."""
ROUNDS = 12
"""Rounds of alternating between pose and weights."""
POSE_SCALE_MM, WEIGHT_SCALE_MM = 3.0, 4.0
"""Scales of Cauchy weights: residuals of a landmark beyond which it counts less."""
SPARSITY = 0.03
"""Weight of the l1 penalty: the weight below which a single blendshape is set to zero."""
_OTHER = 0.1
"""Weight for the pose of a landmark that expressions move, relative to one that they do not."""
_REGION_WEIGHTS = {"nose": 0.8, "right brow": 0.6, "left brow": 0.6}
_CORNERS = (33, 133, 362, 263)
_NOSE_RIDGE = (168, 6, 197, 195, 5, 4)

REGION_WEIGHTS: NDArray[np.float64] = np.array([_REGION_WEIGHTS.get(REGION_OF[point], 1.0) for point in POINTS])
"""Weight of each landmark for blendshapes [L]."""
POSE_WEIGHTS: NDArray[np.float64] = np.where(np.isin(POINTS, [*_CORNERS, *_NOSE_RIDGE]), 1.0, _OTHER)
"""Weight of each landmark for the pose [L]: corners of the eyes and the ridge of the nose move with the skull."""


@dataclass(frozen=True)
class FaceState:
    """Pose and expression of a head in one frame."""

    pose: NDArray[np.float64]  # [3, 4]
    """Head space to world, millimeters."""
    weights: NDArray[np.float64]  # [K]


def rigid_motion_to(
    source: NDArray[np.float64],  # [L, 3]
    target: NDArray[np.float64],  # [L, 3]
    weights: NDArray[np.float64],  # [L]
) -> NDArray[np.float64]:  # [3, 4]
    """Return the rigid motion that aligns `source` with `target` in weighted least squares (Kabsch 1976)."""
    share = weights / weights.sum()
    before, after = share @ source, share @ target
    turn = Rotation.align_vectors(target - after, source - before, share)[0].as_matrix()
    return np.column_stack([turn, after - turn @ before])


def state_from_landmarks(
    found: NDArray[np.float64],  # [L, 3] world, NaN where not found
    neutral: NDArray[np.float64],  # [L, 3] head space
    shapes: NDArray[np.float64],  # [K, L, 3]
    before: FaceState,
) -> FaceState:
    """Return the state of a frame whose landmarks were found, else the state `before`.

    Pose and weights in [0, 1] are found alternately, by least squares with Cauchy weights and an l1 penalty on
    blendshapes.
    """
    there = np.isfinite(found).all(axis=1)
    if there.sum() < FEWEST:
        return before
    target, rest, moves = found[there], neutral[there], shapes[:, there]
    region, stable = REGION_WEIGHTS[there], POSE_WEIGHTS[there]
    state = FaceState(before.pose, np.zeros(len(shapes)))
    trust = np.ones(len(target))
    for _ in range(ROUNDS):
        shape = rest + np.tensordot(state.weights, moves, 1)
        pose = rigid_motion_to(shape, target, stable * trust)
        offsets = to_head(target, pose) - rest
        misses = np.linalg.norm(offsets - np.tensordot(state.weights, moves, 1), axis=1)
        count = region / (1.0 + (misses / WEIGHT_SCALE_MM) ** 2)
        root = np.sqrt(count / count.sum())[:, None]
        flat = (moves * root).reshape(len(moves), -1)
        gram = flat @ flat.T
        moments = flat @ (offsets * root).ravel() - SPARSITY * np.diag(gram)
        state = FaceState(pose, solve_weights(gram, moments[None], limits=(0.0, 1.0))[0])
        misses = np.linalg.norm(offsets - np.tensordot(state.weights, moves, 1), axis=1)
        trust = 1.0 / (1.0 + (misses / POSE_SCALE_MM) ** 2)
    return state
