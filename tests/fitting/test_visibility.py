import numpy as np

from splatrig.fitting.visibility import _spread, project, vertex_colors
from splatrig.mesh.normals import vertex_normals
from support import tiny


def test_projection_puts_a_point_on_the_axis_at_the_principal_point():
    K = np.array([[500.0, 0, 31.5], [0, 510.0, 20.25], [0, 0, 1]])
    pixels, depths = project(np.array([[0.0, 0, 10], [0, 0, -10]]), np.eye(4), K)
    np.testing.assert_allclose(pixels[0], [31.5, 20.25])
    assert np.isnan(pixels[1]).all()
    np.testing.assert_allclose(depths, [10, -10])


def test_front_vertices_get_the_color_of_the_photographs_and_the_back_is_unseen():
    frame = tiny.frame_data()
    faces = tiny.template().levels["subd1"].faces
    images = np.zeros((len(frame.views), tiny.HEIGHT, tiny.WIDTH, 4), np.uint8)
    images[...] = [255, 51, 0, 255]
    colors, seen = vertex_colors(frame.vertices, vertex_normals(frame.vertices, faces), faces, frame.cameras, images)
    assert seen[np.argmax(frame.vertices[:, 2])]
    assert not seen[np.argmin(frame.vertices[:, 2])]
    np.testing.assert_allclose(colors, np.broadcast_to([1.0, 0.2, 0.0], colors.shape), atol=1e-6)


def test_pixels_outside_the_silhouette_have_no_vote():
    frame = tiny.frame_data()
    faces = tiny.template().levels["subd1"].faces
    images = np.zeros((len(frame.views), tiny.HEIGHT, tiny.WIDTH, 4), np.uint8)
    images[0] = [0, 255, 0, 255]
    images[1:] = [255, 0, 0, 0]
    colors, seen = vertex_colors(frame.vertices, vertex_normals(frame.vertices, faces), faces, frame.cameras, images)
    np.testing.assert_allclose(colors[seen], np.broadcast_to([0.0, 1.0, 0.0], colors[seen].shape), atol=1e-6)


def test_unseen_vertices_continue_the_colors_around_them():
    vertices, faces = tiny.ellipsoid()
    values = np.clip(0.5 + vertices / 400, 0, 1)
    known = vertices[:, 2] > -45
    spread = _spread(values[known], known, faces)
    assert spread.shape == ((~known).sum(), 3)
    assert np.abs(spread - values[~known]).max() < 0.12  # the mean of all is off by up to 0.2
    assert (spread >= values[known].min(axis=0) - 1e-9).all()
    assert (spread <= values[known].max(axis=0) + 1e-9).all()


def test_a_piece_that_nobody_sees_gets_the_mean_color():
    faces = np.array([[0, 1, 2], [3, 4, 5]])
    known = np.array([True, True, True, False, False, False])
    values = np.array([[0.0, 0.3, 1.0], [0.5, 0.3, 0.0], [1.0, 0.3, 0.5]])
    np.testing.assert_allclose(_spread(values, known, faces), np.tile([0.5, 0.3, 0.5], (3, 1)), atol=1e-6)
