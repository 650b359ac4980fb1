import numpy as np

from splatrig.tracking.displacement import DisplacementSolver
from splatrig.tracking.neutral import SCALES, bands_of
from splatrig.tracking.photometric import reference_of
from support.photographed_template import photographs, pose_of, stage, state, template

REST = pose_of((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))


def test_a_bump_that_no_blendshape_has_is_found_and_nothing_else_moves():
    head, cameras = template(), stage()
    cheek = head.vertices[head.skin[np.linalg.norm(head.vertices[head.skin] - [40.0, -35.0, 100.0], axis=1).argmin()]]
    away = np.linalg.norm(head.vertices - cheek, axis=1)
    bump = np.exp(-((away / 18.0) ** 2))[:, None] * np.array([0.5, 2.0, 1.0])
    reference = reference_of(photographs(head.vertices, REST, cameras), head.vertices, head.faces, cameras, SCALES, 3)
    bands = bands_of(photographs(head.vertices + bump, REST, cameras), SCALES)
    found = DisplacementSolver(head, cameras).solve(state(REST), reference, bands, SCALES[1:])
    near = head.skin[away[head.skin] < 15.0]
    assert np.linalg.norm((found - bump)[near], axis=1).mean() < 0.4 * np.linalg.norm(bump[near], axis=1).mean()
    far = head.skin[(away[head.skin] > 60.0) & (head.vertices[head.skin, 2] > 40.0)]
    assert np.linalg.norm(found[far], axis=1).mean() < 0.15
    inside = np.setdiff1d(np.arange(len(head.vertices)), head.skin)
    assert not found[inside].any()


def test_at_rest_nothing_moves():
    head, cameras = template(), stage()
    images = photographs(head.vertices, REST, cameras)
    reference = reference_of(images, head.vertices, head.faces, cameras, SCALES, 4)
    found = DisplacementSolver(head, cameras).solve(state(REST), reference, bands_of(images, SCALES), SCALES[1:])
    assert np.linalg.norm(found, axis=1).max() < 0.05
