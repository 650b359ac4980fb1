"""The head that is tracked: the CC0 template with ARKit's blendshapes, deformed to a person."""

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
"""Names of the blendshapes by which lids follow the gaze, which are not fitted: photographs do not tell them from
blinks and widened eyes. The gaze itself is found from the irises."""


@dataclass(frozen=True)
class TemplateHead:
    """A neutral head in its head space (millimeters, y up, nose towards +z) with its blendshapes and landmarks."""

    vertices: NDArray[np.float64]  # [n, 3]
    """All vertices of the template's cage, including those of teeth, tongue and eyes."""
    faces: NDArray[np.int64]  # [T, 3]
    """Triangles of the skin, which cameras see; open at eyes, mouth and neck."""
    names: tuple[str, ...]
    """Names of the K blendshapes of ARKit that move the skin, without those of `NOT_SEARCHED`."""
    shapes: NDArray[np.float64]  # [K, n, 3]
    """Displacements at weight 1."""
    landmarks: NDArray[np.float64]  # [L, 3]
    """Points of the neutral face as the network sees them."""

    @cached_property
    def skin(self) -> NDArray[np.int64]:
        """The vertices of `faces`, increasing."""
        return np.unique(self.faces)

    def posed(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:  # [K] -> [n, 3]
        """Return the vertices with weighted blendshapes added."""
        return self.vertices + np.tensordot(weights, self.shapes, 1)

    def landmark_shapes(self) -> NDArray[np.float64]:  # [K, L, 3]
        """Return the displacements of the landmarks by the blendshapes: those of the nearest points of the skin."""
        places, _ = Surface(self.vertices, self.faces).nearest(self.landmarks)
        return np.stack([places.on(shape, self.faces) for shape in self.shapes])

    @cached_property
    def lids(self) -> NDArray[np.float64]:  # [M, 3]
        """Return points along the openings of both eyes."""
        places, _ = Surface(self.vertices, self.faces).nearest(
            self.landmarks[[POINTS.index(point) for points in LIDS.values() for point in points]]
        )
        return places.on(self.vertices, self.faces)

    def with_vertices(self, vertices: NDArray[np.float64]) -> "TemplateHead":  # [n, 3]
        """Return the head with another neutral."""
        return replace(self, vertices=vertices)

    def mapped(self, motion: NDArray[np.float64]) -> "TemplateHead":  # [3, 4]
        """Return the head after an affine map of its vertices and blendshapes; landmarks stay where they were seen."""
        linear = motion[:, :3]
        return replace(self, vertices=self.vertices @ linear.T + motion[:, 3], shapes=self.shapes @ linear.T)


def read_template_head(head: str | Path, landmarks: str | Path) -> tuple[TemplateHead, HeadModel]:
    """Read the template head and the model from which it is built.

    Args:
        head: The retrieved head (`makehuman_head.npz`).
        landmarks: Its landmarks (`canonical.csv`).

    Returns:
        The template, and the model, which maps the template's vertices to a closed tracked mesh.
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
    """Return the template deformed to a person by the landmarks of the neutral face, in their space.

    Landmarks move by the difference to those that the network sees on the template, so that its bias cancels. Raises
    InputError if too few of them were found.
    """
    bent = register(TemplateFace(template.vertices, template.faces, template.shapes, template.landmarks), landmarks)
    known = np.isfinite(landmarks)
    return replace(
        template,
        vertices=bent.vertices,
        shapes=bent.shapes,
        landmarks=np.where(known, landmarks, bent.landmarks),
    )
