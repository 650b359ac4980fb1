import numpy as np
import pytest
from matplotlib import colormaps

from splatrig.animation.heatmap import COLORS, color_bar, look, nice_ceiling
from splatrig.mesh.normals import vertex_normals
from support import planted


@pytest.fixture(scope="module")
def made():
    return planted.head(3)


@pytest.fixture(scope="module")
def view(made):
    return look(made.vertices, made.faces, planted.cameras())


def test_silhouette_of_a_sphere_has_the_right_area(view):
    # a sphere of radius r seen from distance d has an outline of radius f·r/√(d² - r²) pixels
    radius = 110.0 * planted.RADIUS_MM / np.sqrt(600.0**2 - planted.RADIUS_MM**2)
    seen = np.count_nonzero(view.face_at >= 0) / view.samples**2
    assert seen == pytest.approx(np.pi * radius**2, rel=0.02)


def test_the_nearest_surface_is_seen(made, view):
    inside = view.face_at >= 0
    depth = view.interpolate(made.vertices[:, 2])[inside]
    assert depth.min() > 0.0
    assert depth.max() == pytest.approx(planted.RADIUS_MM, rel=0.01)


def test_interpolation_is_perspective_correct(made, view):
    camera = planted.cameras()
    points = np.stack([view.interpolate(made.vertices[:, axis]) for axis in range(3)], axis=-1)
    rows, columns = np.nonzero(view.face_at >= 0)
    seen = points[rows, columns] @ camera.viewmats[0, :3, :3].T + camera.viewmats[0, :3, 3]
    pixels = (seen @ camera.Ks[0].T)[:, :2] / seen[:, 2:]
    expected = np.stack([columns + 0.5, rows + 0.5], axis=-1) / view.samples
    np.testing.assert_allclose(pixels, expected, atol=1e-3)


def test_paint_is_white_outside_and_as_large_as_the_camera(made, view):
    picture = view.paint(np.zeros(len(made.vertices)), 1.0)
    assert picture.shape == (60, 40, 3)
    assert np.all(picture[0] == 255)


def test_a_moved_vertex_is_painted_darker_than_a_still_one(made, view):
    values = np.where(made.vertices[:, 0] > 0, 5.0, 0.0)
    picture = view.paint(values, 5.0).astype(float)
    inside = view.face_at[::2, ::2] >= 0
    column = view.interpolate(made.vertices[:, 0])[::2, ::2]
    assert picture[inside & (column > 30)].mean() < 0.6 * picture[inside & (column < -30)].mean()


def test_lightness_of_the_color_map_falls_evenly():
    rgb = colormaps[COLORS](np.linspace(0, 0.88, 64))[:, :3]
    luminance = rgb**2.2 @ [0.2126, 0.7152, 0.0722]
    assert np.all(np.diff(luminance) < 0)


def test_color_bar_has_the_asked_height():
    assert color_bar(200, 5.0, "mm").shape[0] == 200


@pytest.mark.parametrize(
    ("value", "expected"), [(0.0, 1.0), (1.0, 1.0), (1.01, 1.5), (7.2, 8.0), (83.0, 100.0), (0.031, 0.04)]
)
def test_nice_ceiling(value, expected):
    assert nice_ceiling(value) == pytest.approx(expected)


def test_normals_of_a_sphere_point_outwards(made):
    normals = vertex_normals(made.vertices, made.faces)
    outward = made.vertices / np.linalg.norm(made.vertices, axis=1, keepdims=True)
    assert np.einsum("ij,ij->i", normals, outward).min() > 0.99
