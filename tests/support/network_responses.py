"""Makes resources/landmarks/responses.csv: the CC0 head shows each blendshape to the network, turned three ways.

PYTHONPATH=workflow/lib:tests python -m support.network_responses resources/landmarks/responses.csv

takes a quarter of an hour on one core.
"""

import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.blendshapes.arkit import NAMES, mirrored
from splatrig.capture.color import correction_table
from splatrig.capture.demo.atlas import build_atlas
from splatrig.capture.demo.hair import grow_hair
from splatrig.capture.demo.head import load_head, refine
from splatrig.capture.demo.identity import PEOPLE
from splatrig.capture.demo.lashes import root_lashes
from splatrig.capture.demo.lighting import stage_lights
from splatrig.capture.demo.raw import to_raw
from splatrig.capture.demo.render import develop, pose_head, render
from splatrig.capture.demo.rig import REST_POSE, build_cameras
from splatrig.capture.demo.skin import eye_centers
from splatrig.capture.demo.stage import background
from splatrig.config.models import Demo
from splatrig.landmarks.canonical import similarity_to
from splatrig.landmarks.points import MIRRORED, POINTS
from splatrig.landmarks.responses import STABLE, read_responses, write_responses
from support.demo_head import head_path
from support.face_networks import face_finder
from support.face_scene import CANONICAL

DEMO = Demo()
"""Whose cameras and samples per pixel are taken."""
TURNS_DEG = ((0.0, 0.0, 0.0), (-8.0, 12.0, 0.0), (8.0, -12.0, 0.0))
LEVELS = (0.5, 1.0)
"""Weights at which a blendshape is shown; its response is the line through them."""
SEEN = tuple(name for name in NAMES if not name.startswith(("eyeLook", "tongue")))
"""The blendshapes that points of the network can tell: it has none of the irises or of the tongue."""
TABLE = Path(__file__).resolve().parents[2] / "resources" / "landmarks" / "responses.csv"
RESPONSES = read_responses(TABLE, CANONICAL)
STABLE_ROWS = [POINTS.index(point) for point in STABLE]


class Photographer:
    """Takes photographs of one of the demo's people with the camera in front."""

    def __init__(self, person: str = "first", image_height: int = 512, seed: int = 0) -> None:
        self.head = load_head(head_path(), PEOPLE[person])
        self.fine = refine(self.head)
        self.lights, generator = stage_lights(), np.random.default_rng([seed, 7])
        self.hair = grow_hair(self.head, self.fine, PEOPLE[person].hair, generator)
        eyes = eye_centers(self.head)
        self.lashes = root_lashes(self.fine, self.fine.operator @ self.head.neutral, eyes, generator)
        self.atlas = build_atlas(self.head, self.fine, 4 * image_height, seed)
        cameras = build_cameras(DEMO.cameras, image_height, seed)
        front = int(np.abs(cameras.viewmats[:, :3, :3] - np.eye(3)).max(axis=(1, 2)).argmin())
        self.camera, self.background = cameras.select([front]), background(cameras, front, seed)

    def photograph(
        self,
        weights: Mapping[str, float],
        head_to_world: NDArray[np.float64] = REST_POSE,  # [3, 4]
    ) -> NDArray[np.uint8]:  # [H, W, 3]
        """Return the head with weights of blendshapes, as the workflow sees it."""
        vertices = self.fine.operator @ self.head.posed(weights)
        posed = pose_head(self.fine, vertices, self.lights, head_to_world, self.hair, self.lashes)
        seen, _, _ = render(posed, self.atlas, self.camera.in_head_space(head_to_world), 0, DEMO.samples)
        raw = to_raw(develop(seen[..., :3] + (1.0 - seen[..., 3:]) * self.background))
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
    """Return how the points move with a blendshape at weight 1, on a head turned so, millimeters."""
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
