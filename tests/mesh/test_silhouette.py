"""Silhouettes against a brute-force point-in-triangle test, closed forms, and awkward cameras."""

import numpy as np
import pytest
import scipy.ndimage
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.testing import assert_array_equal
from scipy.spatial.transform import Rotation

from splatrig.mesh.silhouette import NEAR_MM, silhouette
from splatrig.mesh.subdivision import subdivide
from support.ellipsoid import ellipsoid_head

SAMPLES = 8


def camera(width=24, height=36, distance=1000.0, focal=45.0):
    viewmat = np.diag([1.0, -1.0, -1.0, 1.0])  # looks along -z at a head that looks along +z
    viewmat[2, 3] = distance
    K = np.array([[focal * 3, 0, width / 2 + 1.3], [0, focal * 3.1, height / 2 - 2.2], [0, 0, 1]])
    return viewmat, K, width, height


def brute_force(vertices, faces, viewmat, K, width, height):
    """Test the ray of each of the 8 × 8 samples against each triangle in camera space, before any projection."""
    points = vertices @ viewmat[:3, :3].T + viewmat[:3, 3]
    x = (np.arange(width * SAMPLES) + 0.5) / SAMPLES
    y = (np.arange(height * SAMPLES) + 0.5) / SAMPLES
    rays = np.stack(
        np.broadcast_arrays((x[None, :] - K[0, 2]) / K[0, 0], (y[:, None] - K[1, 2]) / K[1, 1], 1.0), axis=-1
    )
    hit = np.zeros(rays.shape[:2], dtype=bool)
    for corners in points[faces]:
        determinant = np.linalg.det(corners)
        if abs(determinant) < 1e-12:
            continue
        weights = rays @ np.linalg.inv(corners)  # ray = weights · corners, up to its length
        depth = 1.0 / np.where(np.abs(weights.sum(axis=-1)) < 1e-15, np.inf, weights.sum(axis=-1))
        hit |= (weights >= 0).all(axis=-1) & (depth >= NEAR_MM)
    share = hit.reshape(height, SAMPLES, width, SAMPLES).sum(axis=(1, 3))
    return (share * 255 + 32) // 64


def assert_same_but_for_ties(actual, expected):
    """Samples that lie on an edge to the last bit may fall on either side: a sample or two of a pixel's 64."""
    difference = np.abs(actual.astype(int) - expected)
    assert difference.max() <= 8
    assert (difference > 0).mean() < 0.01


def test_a_head_covers_what_the_brute_force_finds():
    vertices, faces = ellipsoid_head(2)
    view = camera()
    expected = brute_force(vertices, faces, *view)
    assert 0.2 < (expected > 0).mean() < 0.9
    assert_same_but_for_ties(silhouette(vertices, faces, *view), expected)


@given(st.integers(0, 2**32 - 1))
@settings(max_examples=25, deadline=None)
def test_random_triangles_before_across_and_behind_the_camera_agree_with_brute_force(seed):
    rng = np.random.default_rng(seed)
    vertices = rng.normal(scale=[300.0, 300.0, 600.0], size=(12, 3))
    vertices[:, 2] += rng.uniform(0, 900)
    faces = rng.integers(0, 12, size=(4, 3))
    view = camera(distance=900.0)
    assert_same_but_for_ties(silhouette(vertices, faces, *view), brute_force(vertices, faces, *view))


def test_neighboring_triangles_leave_no_gap():
    vertices, faces = ellipsoid_head(4)
    view = camera(60, 90, focal=100.0)
    for seed in range(5):
        alpha = silhouette(Rotation.random(rng=seed).apply(vertices), faces, *view)
        interior = scipy.ndimage.binary_erosion(alpha > 0, np.ones((3, 3)), iterations=2)
        assert interior.sum() > 1000
        assert alpha[interior].min() == 255


def test_coverage_is_the_area_of_a_triangle():
    viewmat, K = np.eye(4), np.eye(3)
    vertices = np.array([[2.3, 3.1, 1.0], [19.7, 8.4, 1.0], [6.2, 27.9, 1.0]])
    alpha = silhouette(vertices, np.array([[0, 1, 2]]), viewmat, K, 24, 36)
    (ux, uy), (vx, vy) = vertices[1, :2] - vertices[0, :2], vertices[2, :2] - vertices[0, :2]
    assert alpha.sum() / 255 == pytest.approx(0.5 * abs(ux * vy - uy * vx), rel=2e-3)


def test_orientation_and_order_of_faces_do_not_matter():
    vertices, faces = ellipsoid_head(2)
    view = camera()
    alpha = silhouette(vertices, faces, *view)
    assert_array_equal(silhouette(vertices, faces[::-1], *view), alpha)
    assert_array_equal(silhouette(vertices, faces[:, ::-1], *view), alpha)


def test_midpoint_subdivision_leaves_the_silhouette_alone():
    vertices, faces = ellipsoid_head(2)
    fine = subdivide(faces, len(vertices))
    view = camera()
    assert_same_but_for_ties(
        silhouette(fine.step @ vertices, fine.faces, *view), silhouette(vertices, faces, *view).astype(int)
    )


def test_a_mesh_behind_the_camera_or_out_of_view_covers_nothing():
    vertices, faces = ellipsoid_head(1)
    viewmat, K, width, height = camera()
    for shift in ([0, 0, 3000.0], [2000.0, 0, 0], [0, -2000.0, 0]):
        assert silhouette(vertices + shift, faces, viewmat, K, width, height).max() == 0


def test_a_camera_inside_the_head_sees_it_everywhere():
    vertices, faces = ellipsoid_head(2)
    viewmat, K, width, height = camera(distance=0.0)
    assert silhouette(vertices, faces, viewmat, K, width, height).min() == 255


def test_a_single_pixel_and_corners_at_the_camera_center_do_no_harm():
    vertices = np.array([[0.0, 0, 0], [1e-9, 0, 0], [50.0, 80.0, 500.0], [-70.0, 30.0, 500.0]])
    alpha = silhouette(vertices, np.array([[0, 1, 2], [0, 2, 3], [0, 0, 0]]), np.eye(4), np.eye(3) * 50, 1, 1)
    assert alpha.shape == (1, 1)
