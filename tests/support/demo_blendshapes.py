"""ARKit's blendshapes on the demo's people as they are: what the transferred ones are compared with."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from splatrig.blendshapes.arkit import NAMES
from splatrig.capture.demo.head import load_head, refine
from splatrig.capture.demo.identity import PEOPLE
from splatrig.capture.demo.tracked import build_tracked_mesh
from splatrig.mesh.nearest import Surface
from splatrig.mesh.subdivision import subdivide
from splatrig.mesh.topology import prune_unreferenced
from support.demo_head import head_path

SHOWN = tuple(name for name in NAMES if name != "tongueOut")
"""The 51 blendshapes that skin shows."""


@dataclass(frozen=True)
class Tracked:
    """The neutral's tracked mesh of one of the demo's people."""

    vertices: NDArray[np.float64]  # [V, 3] head space, millimeters
    faces: NDArray[np.int64]  # [T, 3]
    shapes: NDArray[np.float64]  # [52, V, 3]
    """What each blendshape does to it at weight 1."""
    closing: NDArray[np.bool_]  # [V]
    """Vertices that close mouth, eyes and neck: means of others."""

    def opened(self) -> "Tracked":
        """Return the mesh without the faces that close mouth, eyes and neck."""
        pruning = prune_unreferenced(self.faces[~self.closing[self.faces].any(axis=1)], len(self.vertices))
        kept = pruning.kept
        return Tracked(self.vertices[kept], pruning.faces, self.shapes[:, kept], self.closing[kept])

    def finer(self) -> "Tracked":
        """Return the mesh with four times the vertices."""
        step = subdivide(self.faces, len(self.vertices))
        shapes = np.stack([step.step @ shape for shape in self.shapes])
        return Tracked(step.step @ self.vertices, step.faces, shapes, step.step @ self.closing.astype(float) > 0)

    def cosines(self, shapes: NDArray[np.float64]) -> NDArray[np.float64]:  # [51]
        """Return the cosines of `shapes` [52, V, 3] with the true ones, but for the tongue's."""
        pairs = zip(shapes[: len(SHOWN)], self.shapes[: len(SHOWN)], strict=True)
        return np.array([(own * true).sum() / (np.linalg.norm(own) * np.linalg.norm(true)) for own, true in pairs])


def tracked_person(person: str, vertices: int = 1000) -> Tracked:
    """Return the tracked mesh of a person with about so many vertices."""
    first, head = load_head(head_path()), load_head(head_path(), PEOPLE[person])
    fine = refine(head)
    mesh = build_tracked_mesh(first, (fine.operator @ first.neutral)[: len(first.neutral)], vertices)
    pruning = prune_unreferenced(mesh.faces, len(mesh.offsets))

    def tracked(cage: NDArray[np.float64]) -> NDArray[np.float64]:
        return mesh.positions(fine.operator @ cage)[pruning.kept]

    neutral = tracked(head.neutral)
    shapes = np.stack([tracked(head.neutral + head.units[name]) - neutral for name in NAMES])
    closing = np.diff(mesh.carrier.tocsr().indptr)[pruning.kept] > 1
    return Tracked(neutral, pruning.faces, shapes, closing)


def landmarks_of(person: str, canonical: NDArray[np.float64], noise_mm: float, seed: int = 0) -> NDArray[np.float64]:
    """Return the canonical landmarks [L, 3] on a person, by the topology that all of them share, with noise."""
    first, head = load_head(head_path()), load_head(head_path(), PEOPLE[person])
    fine = refine(head)
    places, _ = Surface(fine.operator @ first.neutral, fine.triangles).nearest(canonical)
    points = places.on(fine.operator @ head.neutral, fine.triangles)
    return points + np.random.default_rng(seed).normal(0.0, noise_mm, points.shape)
