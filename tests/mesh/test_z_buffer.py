import numpy as np

from splatrig.mesh.z_buffer import nearest_faces


def test_depth_buffer_of_a_tilted_plane_is_the_plane():
    K = np.array([[40.0, 0, 16], [0, 40.0, 16], [0, 0, 1]])
    vertices = np.array([[-9.0, -9, 12], [9, -9, 12], [9, 9, 18], [-9, 9, 18]])
    faces = np.array([[0, 1, 2], [0, 2, 3]])
    pixels, depths = (vertices @ K.T)[:, :2] / vertices[:, 2:], vertices[:, 2].copy()
    buffer = nearest_faces(pixels, depths, faces, 32, 32, 1.0)[2]
    covered = np.isfinite(buffer)
    assert covered.sum() > 300
    rows = np.nonzero(covered)[0]
    depth = buffer[covered]
    y = (rows + 0.5 - 16) / 40 * depth
    np.testing.assert_allclose(depth, 15 + y / 3, atol=1e-9)


def test_nearer_triangle_wins_whatever_the_order():
    K = np.array([[40.0, 0, 16], [0, 40.0, 16], [0, 0, 1]])
    triangle = np.array([[-9.0, -9, 0], [9, -9, 0], [0, 9, 0]])
    vertices = np.concatenate([np.add(triangle, [0, 0, 10]), np.add(triangle, [0, 0, 20])])
    pixels, depths = (vertices @ K.T)[:, :2] / vertices[:, 2:], vertices[:, 2].copy()
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    first = nearest_faces(pixels, depths, faces, 32, 32, 1.0)[2]
    np.testing.assert_array_equal(first, nearest_faces(pixels, depths, faces[::-1].copy(), 32, 32, 1.0)[2])
    np.testing.assert_allclose(first[np.isfinite(first)], 10.0, rtol=1e-12)


def test_what_is_nearer_than_asked_is_left_out():
    pixels = np.array([[0.0, 0.0], [30.0, 0.0], [0.0, 30.0]])
    faces = np.array([[0, 1, 2]])
    for near, seen in ((4.9, True), (5.1, False)):
        face_at, _, depth = nearest_faces(pixels, np.array([5.0, 9.0, 9.0]), faces, 16, 16, near)
        assert (face_at >= 0).any() == np.isfinite(depth).any() == seen


def test_barycentric_coordinates_are_those_of_the_point_in_space():
    K = np.array([[40.0, 0, 16], [0, 40.0, 16], [0, 0, 1]])
    vertices = np.array([[-9.0, -9, 12], [9, -9, 30], [0, 9, 18]])
    pixels = (vertices @ K.T)[:, :2] / vertices[:, 2:]
    face_at, corners_at, depth = nearest_faces(pixels, vertices[:, 2].copy(), np.array([[0, 1, 2]]), 32, 32, 1.0)
    rows, columns = np.nonzero(face_at == 0)
    points = corners_at[rows, columns] @ vertices
    np.testing.assert_allclose(points[:, 2], depth[rows, columns], rtol=1e-5)
    np.testing.assert_allclose(points[:, 0] / points[:, 2] * 40 + 16, columns + 0.5, atol=1e-3)
