"""Rims of mouth and eyes, on a plate in front of a camera: what is inside them can be computed by hand."""

import numpy as np
import pytest

from splatrig.dataset.cameras import Cameras
from splatrig.landmarks.points import INNER_LIPS, LIDS, OUTER_LIPS, POINTS
from splatrig.landmarks.rims import Rims, find_rims, inside_rims
from splatrig.landmarks.table import attach, no_landmarks
from splatrig.mesh.nearest import Surface
from support.face_scene import CANONICAL

WIDTH, HEIGHT, FOCAL, AWAY = 80, 60, 400.0, 500.0
MOUTH, RIGHT_EYE, LEFT_EYE = np.array([[0.0, -20.0], [-25.0, 20.0], [25.0, 20.0]])
RADIUS = 9.0


def camera(turn: float = 0.0) -> Cameras:
    """A camera half a meter before the plate, on an arc about it; a millimeter is 0.8 pixels."""
    cos, sin = np.cos(turn), np.sin(turn)
    rotation = np.diag([1.0, -1.0, -1.0]) @ np.array([[cos, 0, -sin], [0, 1, 0], [sin, 0, cos]])
    viewmat = np.eye(4)
    viewmat[:3] = np.column_stack([rotation, [0.0, 0.0, AWAY]])
    K = np.array([[FOCAL, 0, WIDTH / 2], [0, FOCAL, HEIGHT / 2], [0, 0, 1]])
    return Cameras(("400000",), viewmat[None], K[None], WIDTH, HEIGHT, np.zeros(1, dtype=bool))


def plate(holes: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """A plate of millimeter squares in z = 0 with round holes, wider than any opening."""
    x, y = np.meshgrid(np.arange(-65.0, 66.0), np.arange(-36.0, 37.0))
    vertices = np.column_stack([x.ravel(), y.ravel(), np.zeros(x.size)])
    corner = np.arange(x.size).reshape(x.shape)
    a, b, c, d = corner[:-1, :-1], corner[:-1, 1:], corner[1:, 1:], corner[1:, :-1]
    faces = np.concatenate([np.stack([a, b, c], axis=-1), np.stack([a, c, d], axis=-1)]).reshape(-1, 3)
    for hole in holes:
        faces = faces[~(np.linalg.norm(vertices[faces].mean(axis=1)[:, :2] - hole, axis=1) < RADIUS)]
    kept, faces = np.unique(faces, return_inverse=True)
    return vertices[kept], faces.reshape(-1, 3).astype(np.int64)


def disk(*centers: np.ndarray) -> np.ndarray:  # [H, W]
    """The pixels whose middle is the picture of a point within RADIUS of a center, for the camera in front."""
    rows, columns = np.indices((HEIGHT, WIDTH))
    points = np.stack([columns + 0.5 - WIDTH / 2, HEIGHT / 2 - rows - 0.5], axis=-1) * AWAY / FOCAL
    return np.any([np.linalg.norm(points - center, axis=-1) < RADIUS for center in centers], axis=0)


def overlap(one: np.ndarray, other: np.ndarray) -> float:
    return float((one & other).sum() / (one | other).sum())


def test_the_holes_of_a_plate_are_its_mouth_and_eyes_without_landmarks() -> None:
    vertices, faces = plate(np.array([LEFT_EYE, MOUTH, RIGHT_EYE]))
    rims = find_rims(vertices, faces, no_landmarks())
    assert (len(rims.mouth), len(rims.eyes)) == (1, 2)
    assert overlap(inside_rims(rims.mouth, vertices, faces, camera()), disk(MOUTH)) > 0.85
    assert overlap(inside_rims(rims.eyes, vertices, faces, camera()), disk(LEFT_EYE, RIGHT_EYE)) > 0.85


def test_without_landmarks_two_holes_tell_nothing() -> None:
    vertices, faces = plate(np.array([LEFT_EYE, MOUTH]))
    assert find_rims(vertices, faces, no_landmarks()) == Rims()


def test_a_rim_that_faces_away_shows_nothing() -> None:
    vertices, faces = plate(np.array([LEFT_EYE, MOUTH, RIGHT_EYE]))
    rims = find_rims(vertices, faces, no_landmarks())
    assert inside_rims(rims.mouth, vertices, faces, camera(1.0)).any()
    for turn in (1.5, np.pi):
        assert not inside_rims(rims.mouth, vertices, faces, camera(turn)).any()


def landmarks(vertices: np.ndarray, faces: np.ndarray, left_out: tuple[int, ...] = ()):
    positions = np.full((len(POINTS), 3), np.nan)

    def put(points: tuple[int, ...], center: np.ndarray, wide: float, high: float) -> None:
        turns = np.pi - 2.0 * np.pi * np.arange(len(points)) / len(points)
        ring = np.column_stack([wide * np.cos(turns), high * np.sin(turns), 0.0 * turns])
        positions[[POINTS.index(point) for point in points]] = ring + np.array([*center, 0.0])

    put(INNER_LIPS, MOUTH, 10.0, 0.0)
    put(OUTER_LIPS, MOUTH, 14.0, 6.0)
    put(LIDS["right eye"], RIGHT_EYE, RADIUS, RADIUS)
    put(LIDS["left eye"], LEFT_EYE, RADIUS, RADIUS)
    positions[[POINTS.index(point) for point in left_out]] = np.nan
    count = np.full(len(POINTS), 3)
    return attach(positions, Surface(vertices, faces), count, np.zeros(len(POINTS)))


def test_with_landmarks_other_holes_of_the_mesh_do_not_count() -> None:
    vertices, faces = plate(np.array([LEFT_EYE, MOUTH, RIGHT_EYE, [38.0, -28.0]]))
    rims = find_rims(vertices, faces, landmarks(vertices, faces))
    assert overlap(inside_rims(rims.mouth, vertices, faces, camera()), disk(MOUTH)) > 0.85
    assert overlap(inside_rims(rims.eyes, vertices, faces, camera()), disk(LEFT_EYE, RIGHT_EYE)) > 0.85


def test_a_closed_plate_has_the_eyes_of_its_landmarks_and_a_mouth_that_opens_with_its_lips() -> None:
    vertices, faces = plate(np.zeros((0, 2)))
    rims = find_rims(vertices, faces, landmarks(vertices, faces))
    assert overlap(inside_rims(rims.eyes, vertices, faces, camera()), disk(LEFT_EYE, RIGHT_EYE)) > 0.85
    closed = inside_rims(rims.mouth, vertices, faces, camera())
    opened = vertices - [0.0, 12.0, 0.0] * (vertices[:, 1:2] < MOUTH[1])
    shown = inside_rims(rims.mouth, opened, faces, camera())
    assert closed.sum() < 20
    # twelve millimeters between straight lips, as wide as the lips but for their corners
    assert shown.sum() == pytest.approx(0.8 * 20.0 * 0.8 * 12.0, rel=0.2)


def test_a_closed_plate_without_enough_landmarks_has_no_rim_there() -> None:
    vertices, faces = plate(np.zeros((0, 2)))
    rims = find_rims(vertices, faces, landmarks(vertices, faces, INNER_LIPS[:13]))
    assert (len(rims.mouth), len(rims.eyes)) == (0, 2)


def crosses(one: np.ndarray, other: np.ndarray) -> bool:
    """Whether two segments [2, 2] cross."""

    def side(line: np.ndarray, point: np.ndarray) -> float:
        return float(np.sign(np.linalg.det([line[1] - line[0], point - line[0]])))

    return side(one, other[0]) != side(one, other[1]) and side(other, one[0]) != side(other, one[1])


def test_lines_around_lids_and_lips_do_not_cross_themselves() -> None:
    """Seen from the front, on a face of average proportions; its inner lips are closed."""
    for points in (*LIDS.values(), OUTER_LIPS):
        ring = CANONICAL[[POINTS.index(point) for point in points], :2]
        segments = np.stack([ring, np.roll(ring, -1, axis=0)], axis=1)
        pairs = [(i, j) for i in range(len(ring)) for j in range(i + 2, len(ring)) if (i, j) != (0, len(ring) - 1)]
        assert not any(crosses(segments[i], segments[j]) for i, j in pairs)
