"""Makes resources/landmarks/responses.csv: the CC0 head shows each blendshape to the network, turned three ways.

PYTHONPATH=workflow/lib:tests python -m support.network_responses resources/landmarks/responses.csv

takes a quarter of an hour on one core.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import cache

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.blendshapes.arkit import NAMES, mirrored
from splatrig.capture.color import correction_table
from splatrig.capture.demo.head import load_head, refine
from splatrig.capture.demo.identity import PEOPLE
from splatrig.capture.demo.lighting import stage_lights
from splatrig.capture.demo.raw import to_raw
from splatrig.capture.demo.render import develop, pose_head, render
from splatrig.capture.demo.rig import REST_POSE
from splatrig.capture.demo.synthesize import build_rig
from splatrig.config.models import Demo
from splatrig.landmarks.canonical import similarity_to
from splatrig.landmarks.points import MIRRORED, POINTS
from splatrig.landmarks.responses import STABLE, write_responses
from support.demo_head import head_path
from support.face_networks import face_finder
from support.face_scene import CANONICAL

TURNS_DEG = ((0.0, 0.0, 0.0), (-8.0, 12.0, 0.0), (8.0, -12.0, 0.0))
LEVELS = (0.5, 1.0)
"""Weights at which a blendshape is shown; its response is the line through them."""
SEEN = tuple(name for name in NAMES if not name.startswith(("eyeLook", "tongue")))
"""The blendshapes that points of the network can tell: it has none of the irises or of the tongue."""
STABLE_ROWS = [POINTS.index(point) for point in STABLE]


class Photographer:
    """Takes photographs of one of the demo's people with the camera in front."""

    def __init__(self, person: str = "first", image_height: int = 512, seed: int = 0) -> None:
        config = Demo(image_height=image_height, frames=1, tracking_noise_mm=0.0, person=person)
        self.head = load_head(head_path(), PEOPLE[person])
        self.fine = refine(self.head)
        self.rig = build_rig(self.head, self.fine, load_head(head_path()), config, seed)
        self.lights, self.samples = stage_lights(), config.samples
        turned = np.abs(self.rig.cameras.viewmats[:, :3, :3] - np.eye(3)).max(axis=(1, 2))
        self.front = int(turned.argmin())

    def photograph(
        self,
        weights: Mapping[str, float],
        head_to_world: NDArray[np.float64] = REST_POSE,  # [3, 4]
    ) -> NDArray[np.uint8]:  # [H, W, 3]
        """Return the head with weights of blendshapes, as the workflow sees it."""
        vertices = self.fine.operator @ self.head.posed(weights)
        posed = pose_head(self.fine, vertices, self.lights, head_to_world, self.rig.hair, self.rig.lashes)
        cameras = self.rig.cameras.in_head_space(head_to_world)
        seen, _, _ = render(posed, self.rig.atlas, cameras, self.front, self.samples)
        raw = to_raw(develop(seen[..., :3] + (1.0 - seen[..., 3:]) * self.rig.backgrounds[self.front]))
        pixels, table = np.clip(np.round(255 * raw), 0, 255).astype(np.uint8), correction_table("multiface_gamma")
        return np.ascontiguousarray(np.stack([table[pixels[..., channel], channel] for channel in range(3)], axis=-1))


@cache
def photographer() -> Photographer:
    """Return who photographs the first person."""
    return Photographer()


def seen_points(weights: Mapping[str, float], turn_deg: Sequence[float]) -> NDArray[np.float64]:  # [L, 3]
    """Return the points of a photograph: pixels, x to the head's left, y up, z out of the face."""
    pose = REST_POSE.copy()
    pose[:, :3] = REST_POSE[:, :3] @ Rotation.from_euler("xyz", turn_deg, degrees=True).as_matrix()
    points = face_finder().find_in_depth(photographer().photograph(weights, pose))
    assert points is not None
    return points[list(POINTS)] * [1.0, -1.0, -1.0]


def laid_over(points: NDArray[np.float64], other: NDArray[np.float64]) -> NDArray[np.float64]:  # [L, 3] all
    """Return points carried to where those that are stable lie best on those of another face."""
    return similarity_to(other[STABLE_ROWS], points[STABLE_ROWS]).of(points)


def response(name: str, turn_deg: Sequence[float]) -> NDArray[np.float64]:  # [L, 3]
    """Return how the points move with a blendshape at weight 1, on a head turned so, millimetres."""
    neutral = laid_over(seen_points({}, turn_deg), CANONICAL)
    moved = [laid_over(seen_points({name: level}, turn_deg), neutral) - neutral for level in LEVELS]
    return np.tensordot(LEVELS, moved, 1) / np.dot(LEVELS, LEVELS)


def responses() -> NDArray[np.float64]:  # [K, L, 3]
    """Return the responses to the blendshapes of `SEEN`, averaged over turns and with their mirror images."""
    shapes = np.stack([np.mean([response(name, turn) for turn in TURNS_DEG], axis=0) for name in SEEN])
    return symmetric(shapes)


def symmetric(shapes: NDArray[np.float64]) -> NDArray[np.float64]:  # [K, L, 3] both
    """Return shapes averaged with those of the mirrored blendshapes, mirrored."""
    others = [SEEN.index(mirrored(name)) for name in SEEN]
    return 0.5 * (shapes + shapes[others][:, MIRRORED] * [-1.0, 1.0, 1.0])


if __name__ == "__main__":
    write_responses(sys.argv[1], SEEN, responses())
