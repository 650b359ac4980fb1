"""The template on other heads: its own, turned and scaled; a person with other features; other topologies."""

from dataclasses import replace
from functools import cache
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.spatial.transform import Rotation

from splatrig.blendshapes.arkit import NAMES
from splatrig.blendshapes.template_face import TemplateFace, read_template_face
from splatrig.blendshapes.transfer import nearest_facing, register, transfer
from splatrig.capture.demo.head import load_head, refine
from splatrig.capture.demo.identity import SECOND
from splatrig.capture.demo.tracked import build_tracked_mesh
from splatrig.io.errors import InputError
from splatrig.mesh.nearest import Surface
from splatrig.mesh.subdivision import subdivide
from splatrig.mesh.topology import prune_unreferenced
from support.demo_head import head_path

CANONICAL = Path(__file__).resolve().parents[2] / "resources" / "landmarks" / "canonical.csv"
SKIN = [name for name in NAMES if name != "tongueOut"]


@cache
def template() -> TemplateFace:
    return read_template_face(head_path(), CANONICAL)


@cache
def second() -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.float64], NDArray[np.float64]]:
    """Return the tracked mesh of the demo's second person, its true shapes, and its landmarks but for noise."""
    first, head = load_head(head_path()), load_head(head_path(), SECOND)
    fine = refine(head)
    mesh = build_tracked_mesh(first, (fine.operator @ first.neutral)[: len(first.neutral)], 1000)
    pruning = prune_unreferenced(mesh.faces, len(mesh.offsets))

    def tracked(cage: NDArray[np.float64]) -> NDArray[np.float64]:
        return mesh.positions(fine.operator @ cage)[pruning.kept]

    neutral = tracked(head.neutral)
    shapes = np.stack([tracked(head.neutral + head.units[name]) - neutral for name in NAMES])
    places, _ = Surface(fine.operator @ first.neutral, fine.triangles).nearest(template().landmarks)
    landmarks = places.on(fine.operator @ head.neutral, fine.triangles)
    noise = np.random.default_rng(0).normal(0.0, 1.0, landmarks.shape)
    return neutral, pruning.faces, shapes, landmarks + noise


def cosines(left: NDArray[np.float64], right: NDArray[np.float64]) -> NDArray[np.float64]:
    rows = [array[: len(SKIN)].reshape(len(SKIN), -1) for array in (left, right)]
    return (rows[0] * rows[1]).sum(axis=1) / np.prod([np.linalg.norm(row, axis=1) for row in rows], axis=0)


def test_the_template_registers_to_itself_wherever_it_is() -> None:
    face = template()
    turn = 1.2 * Rotation.from_euler("xyz", [20, -35, 10], degrees=True).as_matrix()
    laid = register(face, face.landmarks @ turn.T + [30.0, -5.0, 200.0])
    np.testing.assert_allclose(laid.vertices, face.vertices @ turn.T + [30.0, -5.0, 200.0], atol=1e-6)
    np.testing.assert_allclose(laid.shapes, face.shapes @ turn.T, atol=1e-6)


def test_another_person_gets_shapes_that_point_as_its_own() -> None:
    vertices, faces, shapes, landmarks = second()
    found = transfer(register(template(), landmarks), vertices, faces)
    assert found.shape == shapes.shape
    own = cosines(found, shapes)
    assert own.mean() > 0.97
    assert own.min() > 0.90
    assert not found[NAMES.index("tongueOut")].any()


@pytest.mark.parametrize("kind", ["finer", "open"])
def test_topology_changes_little(kind: str) -> None:
    vertices, faces, shapes, landmarks = second()
    if kind == "finer":
        level = subdivide(faces, len(vertices))
        vertices, faces = level.step @ vertices, level.faces
        shapes = np.stack([level.step @ shape for shape in shapes])
    else:  # without the faces that close mouth and eyes, which lie off the skin of the template
        laid = register(template(), landmarks)
        _, distances = nearest_facing(laid.vertices, laid.faces, vertices, np.tile([0.0, 0.0, 1.0], (len(vertices), 1)))
        near_front = np.linalg.norm(vertices - landmarks.mean(axis=0), axis=1) < 60.0
        keep = ~((distances > 3.5) & near_front)[faces].any(axis=1)
        pruning = prune_unreferenced(faces[keep], len(vertices))
        vertices, faces, shapes = vertices[pruning.kept], pruning.faces, shapes[:, pruning.kept]
    own = cosines(transfer(register(template(), landmarks), vertices, faces), shapes)
    assert own.mean() > 0.96
    assert own.min() > 0.90


def test_vertices_far_from_the_template_follow_their_neighbors() -> None:
    vertices, faces, _, landmarks = second()
    face = replace(template(), shapes=np.ones_like(template().shapes[:1]))
    moved = vertices.copy()
    moved[500] += [0.0, 0.0, 80.0]
    found = transfer(register(face, landmarks), moved, faces)
    np.testing.assert_allclose(
        found[0, 500], found[0, np.setdiff1d(faces[(faces == 500).any(axis=1)], 500)].mean(0), rtol=0.05
    )


def test_lips_that_touch_are_told_apart_by_where_they_face() -> None:
    square = np.array([[0.0, 0, 0], [10, 0, 0], [10, 0, 10], [0, 0, 10]])
    faces = np.array([[0, 2, 1], [0, 3, 2], [4, 5, 6], [4, 6, 7]])  # the first two look up, the others down
    both = np.concatenate([square, square + np.array([0.0, 0.2, 0.0])])
    points = np.array([[5.0, 0.1, 4.0], [5.0, 0.1, 4.0]])
    places, _ = nearest_facing(both, faces, points, np.array([[0.0, 1.0, 0.0], [0.0, -1.0, 0.0]]))
    up = np.cross(both[faces[:, 1]] - both[faces[:, 0]], both[faces[:, 2]] - both[faces[:, 0]])[places.faces, 1]
    assert up[0] > 0 > up[1]


def test_too_few_landmarks_are_one_clear_sentence() -> None:
    few = np.full_like(template().landmarks, np.nan)
    few[:5] = template().landmarks[:5]
    with pytest.raises(InputError, match=r"expected at least 12 points .* got 5; give your own"):
        register(template(), few)
