import numpy as np
import trimesh

from splatrig.mesh.openings import LARGEST_MM, boundary_loops, openings


def sphere(subdivisions: int = 3, radius: float = 60.0) -> tuple[np.ndarray, np.ndarray]:
    made = trimesh.creation.icosphere(subdivisions=subdivisions, radius=radius)
    return np.asarray(made.vertices), np.asarray(made.faces, dtype=np.int64)


def pierced(vertices: np.ndarray, faces: np.ndarray, center: np.ndarray, radius_mm: float) -> np.ndarray:
    """Return the faces that have no corner within `radius_mm` of `center`."""
    near = np.linalg.norm(vertices - center, axis=1) < radius_mm
    return faces[~near[faces].any(axis=1)]


MOUTH, EYE = np.array([0.0, -30.0, 52.0]), np.array([25.0, 25.0, 48.0])


def test_loops_are_the_open_edges_in_order() -> None:
    vertices, faces = sphere()
    for center in (MOUTH, EYE):
        faces = pierced(vertices, faces, center, 14.0)
    loops = boundary_loops(faces)
    assert len(loops) == 2
    outline = trimesh.Trimesh(vertices, faces, process=False).outline()
    expected = {frozenset(np.unique(entity.points).tolist()) for entity in outline.entities}
    assert {frozenset(loop.tolist()) for loop in loops} == expected
    edges = {frozenset(edge) for edge in faces[:, [0, 1, 1, 2, 2, 0]].reshape(-1, 2).tolist()}
    for loop in loops:
        assert all(frozenset(pair) in edges for pair in zip(loop.tolist(), np.roll(loop, -1).tolist(), strict=True))


def test_a_closed_mesh_has_no_loops() -> None:
    assert boundary_loops(sphere(1)[1]) == []


def test_openings_are_the_small_loops_and_not_the_neck() -> None:
    vertices, faces = sphere(4, radius=2 * LARGEST_MM)
    for center, radius in ((4 * MOUTH, 45.0), (np.array([0, -2 * LARGEST_MM, 0]), 1.2 * LARGEST_MM)):
        faces = pierced(vertices, faces, center, radius)
    assert len(boundary_loops(faces)) == 2
    (found,) = openings(vertices, faces, vertices[None])
    assert np.linalg.norm(vertices[found] - 4 * MOUTH, axis=1).max() < 70


def test_a_closed_mesh_opens_where_it_stretches() -> None:
    """A mouth and two eyes: the triangles around three places grow in some frame."""
    vertices, faces = sphere()
    places = np.array([MOUTH, EYE, EYE * [-1, 1, 1]])
    posed = np.repeat(vertices[None], 6, axis=0)
    for place, frame in zip(places, posed, strict=False):
        away = vertices - place
        pulled = np.exp(-((np.linalg.norm(away, axis=1) / 10.0) ** 2))
        frame += pulled[:, None] * away
    found = openings(vertices, faces, posed)
    assert len(found) == 3
    nearest = [np.linalg.norm(places - vertices[rim].mean(axis=0), axis=1) for rim in found]
    assert sorted(int(distance.argmin()) for distance in nearest) == [0, 1, 2]
    assert max(distance.min() for distance in nearest) < 15


def test_a_closed_mesh_of_few_vertices_has_no_openings() -> None:
    faces = np.array([[0, 1, 2], [0, 2, 1]])
    vertices = np.eye(3)
    assert openings(vertices, faces, np.stack([vertices, 2 * vertices])) == []
