"""The face mask: the nose is found, and the right share of vertices with it."""

import numpy as np
import pytest
from numpy.testing import assert_array_equal

from splatrig.io.errors import InputError
from splatrig.mesh.mask import faces_inside, nearest_vertices, nose_tip
from support.ellipsoid import ellipsoid_head


def test_the_nose_is_found():
    vertices, faces = ellipsoid_head(4)
    tip = vertices[nose_tip(vertices, faces)]
    assert np.linalg.norm(tip[:2] - [0.0, -10.0]) < 6.0


@pytest.mark.parametrize("share", [0.9, -0.95])
def test_a_quiff_or_a_collar_is_not_taken_for_a_nose(share):
    vertices, faces = ellipsoid_head(4)
    expected = nose_tip(vertices, faces)
    bump = 150.0 * np.exp(-((vertices[:, 1] - share * 120.0) ** 2 + vertices[:, 0] ** 2) / (2 * 8.0**2))
    vertices[:, 2] += np.where(vertices[:, 2] > -1.0, bump, 0.0)
    assert nose_tip(vertices, faces) == expected


def test_a_spike_is_not_taken_for_a_nose():
    vertices, faces = ellipsoid_head(4)
    expected = nose_tip(vertices, faces)
    forehead = np.argmin(np.linalg.norm(vertices - [0.0, 50.0, 86.0], axis=1))
    vertices[forehead, 2] += 60.0
    assert nose_tip(vertices, faces) == expected


def test_unreferenced_vertices_do_not_count():
    vertices, faces = ellipsoid_head(3)
    expected = nose_tip(vertices, faces)
    assert nose_tip(np.concatenate([vertices, [[0.0, 0.0, 500.0]]]), faces) == expected


@pytest.mark.parametrize(("fraction", "expected"), [(0.25, 160), (1.0, 642), (1e-6, 1)])
def test_the_mask_holds_the_nearest_share(fraction, expected):
    vertices, faces = ellipsoid_head(3)
    center = nose_tip(vertices, faces)
    mask = nearest_vertices(vertices, center, fraction)
    distance = np.linalg.norm(vertices - vertices[center], axis=1)
    assert mask.sum() == expected
    assert mask[center]
    assert distance[mask].max() <= distance[~mask].min(initial=np.inf)


def test_a_center_that_does_not_exist_is_named():
    with pytest.raises(InputError, match="vertex 9 does not exist"):
        nearest_vertices(np.zeros((3, 3)), 9, 0.5)


def test_faces_inside_have_all_corners_in_the_mask():
    faces = np.array([[0, 1, 2], [1, 2, 3]])
    assert_array_equal(faces_inside(faces, np.array([True, True, True, False])), [[0, 1, 2]])
