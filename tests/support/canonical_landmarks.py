"""Makes resources/landmarks/canonical.csv: the CC0 head, photographed, seen by the network, placed, made symmetric.

PYTHONPATH=workflow/lib:tests python -m support.canonical_landmarks resources/landmarks/canonical.csv
"""

import sys
from functools import cache

import numpy as np

from splatrig.capture.color import correction_table
from splatrig.capture.demo.head import load_head, refine
from splatrig.capture.demo.lighting import stage_lights
from splatrig.capture.demo.raw import to_raw
from splatrig.capture.demo.render import develop, pose_head, render
from splatrig.capture.demo.rig import REST_POSE
from splatrig.capture.demo.synthesize import build_rig
from splatrig.config.models import Demo
from splatrig.dataset.cameras import Cameras
from splatrig.landmarks.canonical import symmetrized, write_canonical
from splatrig.landmarks.locate import locate
from splatrig.landmarks.points import POINTS
from support.demo_head import head_path
from support.face_networks import face_finder

CONFIG = Demo(image_height=512, frames=1, tracking_noise_mm=0.0)


@cache
def photographs() -> tuple[Cameras, list[np.ndarray]]:
    """Return the demo's cameras in head space and what they see of the first person at rest."""
    head = load_head(head_path())
    fine = refine(head)
    rig = build_rig(head, fine, head, CONFIG, seed=0, tracked_vertices=1000)
    posed = pose_head(fine, fine.operator @ head.neutral, stage_lights(), REST_POSE)
    cameras = rig.cameras.in_head_space(REST_POSE)
    table = correction_table("multiface_gamma")
    images = []
    for camera in range(len(cameras)):
        seen, _, _ = render(posed, rig.atlas, cameras, camera, CONFIG.samples)
        raw = to_raw(develop(seen[..., :3] + (1.0 - seen[..., 3:]) * rig.backgrounds[camera]))
        pixels = np.clip(np.round(255 * raw), 0, 255).astype(np.uint8)
        images.append(np.stack([table[pixels[..., channel], channel] for channel in range(3)], axis=-1))
    return cameras, images


def canonical_positions(start: np.ndarray) -> np.ndarray:  # [L, 3]
    """Return the positions; `start`, from an earlier table, says only which cameras look into the face."""
    finder = face_finder()
    cameras, images = photographs()
    found = [finder.find(np.ascontiguousarray(image)) for image in images]
    nowhere = np.full((len(POINTS), 2), np.nan)
    seen = np.array([nowhere if points is None else points[list(POINTS)] for points in found])
    return symmetrized(locate(cameras, seen, start).positions)


if __name__ == "__main__":
    from splatrig.landmarks.canonical import read_canonical

    write_canonical(sys.argv[1], canonical_positions(read_canonical(sys.argv[1])))
