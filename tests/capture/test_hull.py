"""The visual hull against a slow reference, and by what it must keep and cut."""

import numpy as np
import scipy.spatial
from numpy.testing import assert_array_equal

from splatrig.capture.cells import reduced
from splatrig.capture.hull import OBJECTIONS, hull_cells, points_around
from support.empty_stage import HEIGHT, WIDTH, empty_stage, ring_of_cameras

SIZE = 3


def cells(masks):
    return np.stack([reduced(mask, SIZE) for mask in masks])


def test_points_surround_the_vertices():
    vertices = np.random.default_rng(0).normal(0.0, 40.0, (200, 3))
    points = points_around(vertices, 20.0, 5.0)
    distance, _ = scipy.spatial.KDTree(vertices).query(points)
    slack = 5.0 * np.sqrt(3) / 2  # vertices count as the nearest point of the grid
    assert distance.max() <= 20.0 + slack
    grid = np.stack(np.meshgrid(*[np.arange(-150, 150, 9.0)] * 3), axis=-1).reshape(-1, 3)
    near = grid[scipy.spatial.KDTree(vertices).query(grid)[0] < 20.0 - 2 * slack]
    assert scipy.spatial.KDTree(points).query(near)[0].max() <= slack


def test_cells_are_those_of_a_slow_reference():
    generator = np.random.default_rng(1)
    cameras = ring_of_cameras(5)
    shape = (5, -(-HEIGHT // SIZE), -(-WIDTH // SIZE))
    covered, foreground, known = (generator.random(shape) < share for share in (0.2, 0.15, 0.8))
    points = points_around(generator.normal(0.0, 30.0, (30, 3)), 15.0, 12.0)
    found = hull_cells(points, cameras, covered, foreground, known, SIZE)

    def grown(each):
        padded = np.pad(each, ((0, 0), (1, 1), (1, 1)))
        views = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        return views.any(axis=(-2, -1))

    seen, passed = grown(foreground), np.zeros(shape, dtype=bool)
    for point in points:
        places, objections, judges = [], 0, 0
        for c in range(5):
            x, y, z = cameras.Ks[c] @ (cameras.viewmats[c, :3, :3] @ point + cameras.viewmats[c, :3, 3])
            column, row = int(np.floor(x / z)), int(np.floor(y / z))
            if 0 <= row < HEIGHT and 0 <= column < WIDTH:
                place = c, row // SIZE, column // SIZE
                places.append(place)
                if not covered[place] and (seen[place] or known[place]):
                    judges += 1
                    objections += not seen[place]
        if objections <= OBJECTIONS * max(judges - 1, 0):
            for place in places:
                passed[place] = True
    assert_array_equal(found, grown(passed) & (seen | grown(covered)))
    assert 0.0 < found.mean() < 1.0


def test_the_hull_keeps_hair_and_cuts_what_one_camera_sees():
    scene = empty_stage()
    covered, hair = cells(scene.meshes > 0), cells((scene.truth > 0) & (scene.meshes < 255))
    known = np.ones_like(covered)
    points = points_around(scene.vertices, 40.0)
    assert hull_cells(points, scene.cameras, covered, hair, known, SIZE)[hair].mean() > 0.99
    alone = hair.copy()
    alone[1] = ~covered[1]
    cut = hull_cells(points, scene.cameras, covered, alone, known, SIZE)[1] & ~covered[1] & ~hair[1]
    assert cut.sum() < 0.25 * alone[1].sum()  # what is left is next to hair


def test_who_does_not_know_does_not_object():
    scene = empty_stage()
    covered = cells(scene.meshes > 0)
    alone = np.zeros_like(covered)
    alone[1] = ~covered[1]
    points = points_around(scene.vertices, 40.0)
    known = np.zeros_like(covered)
    beyond = hull_cells(points, scene.cameras, covered, alone, known, SIZE)[1] & ~covered[1]
    assert beyond.sum() > 0.2 * covered[1].sum()
