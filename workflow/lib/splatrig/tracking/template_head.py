"""The head that is tracked: the CC0 template with ARKit's blendshapes, bent to a person."""

from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.blendshapes.arkit import NAMES
from splatrig.blendshapes.template_face import TemplateFace
from splatrig.blendshapes.transfer import register
from splatrig.capture.demo.head import HeadModel, load_head
from splatrig.landmarks.canonical import read_canonical
from splatrig.landmarks.points import LIDS, POINTS
from splatrig.mesh.nearest import Surface

NOT_SEARCHED = tuple(f"eyeLook{way}{side}" for way in ("Down", "In", "Out") for side in ("Left", "Right"))
"""Blendshapes that move the lids with the gaze. Photographs do not tell them from blinks and widened eyes, which they
would take their motion from; where eyes look is found apart, by their irises."""


@dataclass(frozen=True)
class TemplateHead:
    """A neutral head in its head space (millimeters, y up, nose towards +z), with what moves it."""

    vertices: NDArray[np.float64]  # [n, 3]
    """All vertices of the template's cage, those of teeth, tongue and eyes among them."""
    faces: NDArray[np.int64]  # [T, 3]
    """The skin alone, which cameras see: open at eyes, mouth and neck."""
    names: tuple[str, ...]
    """Blendshapes that move the skin, K of ARKit's; not those of `NOT_SEARCHED`."""
    shapes: NDArray[np.float64]  # [K, n, 3]
    """Displacements at weight 1."""
    landmarks: NDArray[np.float64]  # [L, 3]
    """Where the network sees the points of the neutral face."""

    @cached_property
    def skin(self) -> NDArray[np.int64]:
        """The vertices of `faces`, increasing."""
        return np.unique(self.faces)

    def posed(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:  # [K] -> [n, 3]
        """Return the vertices with weighted blendshapes added."""
        return self.vertices + np.tensordot(weights, self.shapes, 1)

    def landmark_shapes(self) -> NDArray[np.float64]:  # [K, L, 3]
        """Return how the blendshapes move the landmarks: as the nearest places of the skin."""
        places, _ = Surface(self.vertices, self.faces).nearest(self.landmarks)
        return np.stack([places.on(shape, self.faces) for shape in self.shapes])

    @cached_property
    def lids(self) -> NDArray[np.float64]:  # [M, 3]
        """Return places along the openings of both eyes."""
        places, _ = Surface(self.vertices, self.faces).nearest(
            self.landmarks[[POINTS.index(point) for points in LIDS.values() for point in points]]
        )
        return places.on(self.vertices, self.faces)

    def with_vertices(self, vertices: NDArray[np.float64]) -> "TemplateHead":  # [n, 3]
        """Return the head with another neutral."""
        return replace(self, vertices=vertices)


def read_template_head(head: str | Path, landmarks: str | Path) -> tuple[TemplateHead, HeadModel]:
    """Return the template of the retrieved head (`makehuman_head.npz`) and landmarks (`canonical.csv`), and the model.

    The model says how a closed tracked mesh is read off the template's vertices.
    """
    model = load_head(head)
    quads = model.quads[model.outer]
    searched = [name for name in NAMES if name in model.units and name not in NOT_SEARCHED]
    names = tuple(name for name in searched if model.units[name][np.unique(quads)].any())
    return (
        TemplateHead(
            vertices=model.neutral,
            faces=np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]]),
            names=names,
            shapes=np.stack([model.units[name] for name in names]),
            landmarks=read_canonical(landmarks),
        ),
        model,
    )


def laid_over(template: TemplateHead, landmarks: NDArray[np.float64]) -> TemplateHead:  # [L, 3], NaN where not found
    """Return the template bent to a person by the landmarks of the neutral face, in their space.

    Landmarks move by the difference to where the network sees them on the template, so that its bias cancels. Raises
    InputError where too few of them were found.
    """
    bent = register(TemplateFace(template.vertices, template.faces, template.shapes, template.landmarks), landmarks)
    known = np.isfinite(landmarks)
    return replace(
        template,
        vertices=bent.vertices,
        shapes=bent.shapes,
        landmarks=np.where(known, landmarks, bent.landmarks),
    )
