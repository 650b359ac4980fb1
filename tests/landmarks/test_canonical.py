"""The canonical face: its table can be made again, and similarities to it are found."""

from pathlib import Path

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from splatrig.io.errors import InputError
from splatrig.landmarks.canonical import read_canonical, similarity_to, symmetrized, write_canonical
from splatrig.landmarks.points import MIRRORED, NOSE_TIP, POINTS, rows_of
from support.canonical_landmarks import canonical_positions
from support.face_scene import CANONICAL


def test_the_table_is_made_again_from_the_cc0_head():
    again = canonical_positions(CANONICAL)
    assert np.linalg.norm(again - CANONICAL, axis=1).max() < 0.3


def test_the_face_is_symmetric_upright_and_looks_along_z():
    np.testing.assert_allclose(CANONICAL[MIRRORED] * [-1, 1, 1], CANONICAL, atol=0.011)  # two decimals
    left, right, lips = (CANONICAL[rows_of(name)].mean(axis=0) for name in ("left eye", "right eye", "lips"))
    assert left[0] > 20 and right[0] < -20
    assert left[1] > lips[1] + 40
    assert CANONICAL[POINTS.index(NOSE_TIP), 2] == CANONICAL[:, 2].max()


@pytest.mark.parametrize("mirrored", [False, True])
def test_a_similarity_is_found_from_the_points_that_there_are(mirrored):
    turn = Rotation.from_euler("xyz", [40, -70, 10], degrees=True).as_matrix()
    if mirrored:
        turn = turn @ np.diag([-1, 1, 1])
    positions = 1.3 * CANONICAL @ turn.T + [5, -7, 900]
    positions[::3] = np.nan
    found = similarity_to(positions, CANONICAL)
    assert found.is_mirrored == mirrored
    assert found.scale == pytest.approx(1.3)
    np.testing.assert_allclose(found.turn, turn, atol=1e-9)
    np.testing.assert_allclose(found.shift, [5, -7, 900], atol=1e-6)


def test_a_few_points_in_a_plane_are_not_taken_for_a_mirrored_face():
    corners = [POINTS.index(point) for point in (33, 263, 61, 291)]
    generator = np.random.default_rng(0)
    for _ in range(50):
        positions = np.full_like(CANONICAL, np.nan)
        positions[corners] = CANONICAL[corners] + generator.normal(0, 1.5, (4, 3))
        assert not similarity_to(positions, CANONICAL).is_mirrored


def test_a_turned_face_is_made_symmetric_about_its_own_middle():
    turn = Rotation.from_euler("yz", [8, -3], degrees=True)
    moved = turn.apply(CANONICAL) + np.array([3.0, 1.0, -2.0])
    symmetric = symmetrized(moved)
    np.testing.assert_allclose(symmetric[MIRRORED] * [-1, 1, 1], symmetric, atol=1e-9)
    sides = np.linalg.norm(CANONICAL[:, None] - CANONICAL[None], axis=-1)
    np.testing.assert_allclose(np.linalg.norm(symmetric[:, None] - symmetric[None], axis=-1), sides, atol=0.05)


def test_a_table_comes_back_and_another_one_is_refused(tmp_path: Path):
    write_canonical(tmp_path / "face.csv", CANONICAL)
    np.testing.assert_array_equal(read_canonical(tmp_path / "face.csv"), CANONICAL)
    (tmp_path / "other.csv").write_text("point,x,y,z\n4,0,0,0\n")
    with pytest.raises(InputError, match="the 122 points in order"):
        read_canonical(tmp_path / "other.csv")
