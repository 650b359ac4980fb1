"""The template face: the skin of the CC0 MakeHuman head, with ARKit's 52 blendshapes and landmarks."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.blendshapes.arkit import NAMES
from splatrig.capture.demo.head import FACE, NECK, load_head, refine
from splatrig.landmarks.canonical import read_canonical

SUBDIVISIONS = 1
"""Number of subdivisions of the head's quads. Vertices are then 1.5 mm apart; twice as many change the transferred
shapes by 0.1 %."""


@dataclass(frozen=True)
class TemplateFace:
    """A neutral face, open at eyes and mouth, in head space: millimeters, y up, nose toward +z."""

    vertices: NDArray[np.float64]  # [P, 3]
    faces: NDArray[np.int64]  # [Q, 3]
    shapes: NDArray[np.float64]  # [52, P, 3]
    """Displacements at weight 1, in the order of ARKit's names; zeros for a blendshape that does not move skin."""
    landmarks: NDArray[np.float64]  # [L, 3]
    """Positions on this head of the landmark network's points (`splatrig.landmarks.points`)."""


def read_template_face(head: str | Path, landmarks: str | Path) -> TemplateFace:
    """Return the template of the retrieved head (`makehuman_head.npz`) and its landmarks, `canonical.csv`."""
    model = load_head(head)
    fine = refine(model, SUBDIVISIONS)
    skin = fine.triangles[np.isin(fine.triangle_parts, (FACE, NECK))]
    used, faces = np.unique(skin, return_inverse=True)
    carried = fine.operator[used]
    still = np.zeros_like(model.neutral)
    return TemplateFace(
        vertices=carried @ model.neutral,
        faces=faces.reshape(-1, 3),
        shapes=np.stack([carried @ model.units.get(name, still) for name in NAMES]),
        landmarks=read_canonical(landmarks),
    )
