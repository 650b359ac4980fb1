"""The template on other heads: its own, turned and scaled; a person with other features; other topologies."""

from collections.abc import Callable
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
from splatrig.io.errors import InputError
from support.demo_blendshapes import Tracked, landmarks_of, tracked_person
from support.demo_head import head_path

CANONICAL = Path(__file__).resolve().parents[2] / "resources" / "landmarks" / "canonical.csv"


@cache
def template() -> TemplateFace:
    return read_template_face(head_path(), CANONICAL)


@cache
def second() -> tuple[Tracked, NDArray[np.float64]]:
    """Return the demo's second person and its landmarks."""
    return tracked_person("second"), landmarks_of("second", template().landmarks, noise_mm=1.0)


def test_the_template_registers_to_itself_wherever_it_is() -> None:
    face = template()
    turn = 1.2 * Rotation.from_euler("xyz", [20, -35, 10], degrees=True).as_matrix()
    laid = register(face, face.landmarks @ turn.T + [30.0, -5.0, 200.0])
    np.testing.assert_allclose(laid.vertices, face.vertices @ turn.T + [30.0, -5.0, 200.0], atol=1e-6)
    np.testing.assert_allclose(laid.shapes, face.shapes @ turn.T, atol=1e-6)


@pytest.mark.parametrize("topology", [lambda mesh: mesh, Tracked.finer, Tracked.opened])
def test_another_person_gets_shapes_that_point_as_its_own(topology: Callable[[Tracked], Tracked]) -> None:
    mesh, landmarks = topology(second()[0]), second()[1]
    found = transfer(register(template(), landmarks), mesh.vertices, mesh.faces)
    assert found.shape == mesh.shapes.shape
    cosines = mesh.cosines(found)
    assert cosines.mean() > 0.97
    assert cosines.min() > 0.90
    assert not found[NAMES.index("tongueOut")].any()


def test_vertices_far_from_the_template_follow_their_neighbors() -> None:
    mesh, landmarks = second()
    faces = mesh.faces
    face = replace(template(), shapes=np.ones_like(template().shapes[:1]))
    moved = mesh.vertices.copy()
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
