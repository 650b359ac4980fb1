"""Where the eyeballs of the demo's people are and look, from their geometry."""

from collections.abc import Mapping

import numpy as np
from scipy.spatial.transform import Rotation

from splatrig.capture.demo.head import EYES, HeadModel
from splatrig.capture.demo.skin import eye_centers
from splatrig.landmarks.gaze import angles_of


def true_centers(head: HeadModel) -> np.ndarray:  # [2, 3]
    """Return the centers of the eyeballs, the left one first."""
    return eye_centers(head)[::-1]


def true_turns(head: HeadModel, weights: Mapping[str, float]) -> np.ndarray:  # [2, 2]
    """Return yaw and pitch of the left and the right eye: of the rotation that fits the moved vertices best."""
    balls = np.unique(head.quads[head.parts == EYES])
    posed = head.posed(weights)
    turns = []
    for own in (balls[head.neutral[balls, 0] > 0], balls[head.neutral[balls, 0] < 0]):
        rest, moved = head.neutral[own], posed[own]
        turn, _ = Rotation.align_vectors(moved - moved.mean(axis=0), rest - rest.mean(axis=0))
        turns.append(angles_of(turn.apply([0.0, 0.0, 1.0])))
    return np.array(turns)
