"""Vertex colors: linear textures are sampled exactly, at every level and across seams."""

import numpy as np
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.capture.texture import colors_of_levels, sample_texture
from splatrig.mesh.subdivision import subdivide
from support.ellipsoid import ellipsoid_head

RAMP = np.zeros((256, 256, 3), dtype=np.uint8)
RAMP[..., 0] = np.arange(256)
RAMP[..., 1] = np.arange(256)[::-1, None]  # v points up


def test_v_points_up_and_the_ends_are_the_first_and_last_pixel():
    uvs = np.array([[0, 0], [1, 0], [0, 1], [0.5, 0.25], [-1, 2]])
    assert_allclose(sample_texture(RAMP, uvs)[:, :2], [[0, 0], [255, 0], [0, 255], [128, 64], [0, 255]], atol=1)


def test_levels_follow_the_texture_coordinates_across_seams():
    vertices, faces = ellipsoid_head(2)
    uv_of_vertex = (vertices[:, :2] + 130) / 260
    seams = np.arange(3 * len(faces)).reshape(-1, 3)
    all_faces, positions = [faces], uv_of_vertex
    for _ in range(2):
        step = subdivide(all_faces[-1], len(positions))
        positions = step.step @ positions
        all_faces.append(step.faces)
    levels = colors_of_levels(RAMP, uv_of_vertex[faces].reshape(-1, 2), seams, all_faces)
    assert_allclose(levels[2][:, :2], 255 * positions, atol=0.51)
    assert_array_equal(levels[2][: len(levels[0])], levels[0])


def test_vertices_without_texture_are_gray():
    faces = np.array([[0, 1, 2], [2, 3, 4]])
    (colors,) = colors_of_levels(RAMP, np.zeros((3, 2)), np.array([[0, 1, 2], [-1, -1, -1]]), [faces])
    assert_array_equal(colors[3:], 128)
    assert_array_equal(colors[:3], [[0, 0, 0]] * 3)
