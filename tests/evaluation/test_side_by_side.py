from pathlib import Path

import numpy as np
import torch

from splatrig.dataset.cameras import Cameras
from splatrig.evaluation.scene import load_views
from splatrig.evaluation.side_by_side import front_and_side, most_different, row_of, side_by_side, titles
from splatrig.learned.mesh_components import mesh_pca
from splatrig.learned.plan import learned_plan
from splatrig.learned.stage import as_components, learn, rig_start
from support import subject as small
from support import tiny


def looking_from(azimuths: np.ndarray) -> Cameras:
    """Cameras around the vertical axis that look at the origin: at 0 into the face."""
    turned, count = np.radians(azimuths), len(azimuths)
    viewmats = np.tile(np.eye(4), (count, 1, 1))
    viewmats[:, 0, 0], viewmats[:, 0, 2] = np.cos(turned), -np.sin(turned)
    viewmats[:, 1, 1] = -1.0
    viewmats[:, 2, 0], viewmats[:, 2, 2] = -np.sin(turned), -np.cos(turned)
    viewmats[:, 2, 3] = 1000.0
    names = tuple(str(azimuth) for azimuth in azimuths)
    return Cameras(names, viewmats, np.tile(np.eye(3), (count, 1, 1)), 8, 8, held_out=np.ones(count, bool))


def test_the_front_camera_comes_before_the_one_from_the_side():
    assert front_and_side(looking_from(np.array([60, -15, 90, 20]))) == [1, 2]


def test_a_single_camera_is_shown_once():
    assert front_and_side(looking_from(np.array([40]))) == [0]


def test_frames_that_differ_from_each_other_are_chosen_and_their_repetitions_are_not():
    shapes = np.zeros((5, 3, 3))
    shapes[1, 0, 0], shapes[2, 0, 0], shapes[3, 2, 1] = 4.0, 4.1, -9.0  # the third is nearly the second
    assert most_different(shapes, 3) == [0, 3, 2]


def test_no_more_frames_are_chosen_than_there_are():
    assert sorted(most_different(np.arange(18.0).reshape(2, 3, 3), 4)) == [0, 1]


def test_rows_are_titled_by_expression_and_frame():
    assert titles(["E006_Jaw_Drop/000012"]) == ["E006 Jaw Drop\nframe 000012"]


def test_what_is_free_is_shown_alone_after_photographs_and_renderings(tmp_path: Path):
    subject = small.write_subject(tmp_path)
    views = load_views(subject.dataset, subject.neutral_name)
    nothing, right = np.zeros(len(subject.neutral), bool), subject.neutral.means[:, 0] > 0
    row = row_of(subject.neutral, nothing, views)
    photograph, rendered = row[0].astype(int), row[1].astype(int)
    assert len(row) == 4 and rendered.max() > 50
    assert np.abs(photograph - rendered).mean() < 2, "the neutral is what was photographed"
    *same, alone = row_of(subject.neutral, right, views)
    assert all(np.array_equal(*pair) for pair in zip(row, same, strict=True))
    assert 0.2 < (alone > 20).mean() / (rendered > 20).mean() < 0.8, "half of the head"


def test_the_sheet_has_as_many_rows_as_frames_are_wanted(tmp_path: Path):
    subject, options = small.write_subject(tmp_path), small.options("global", level="base", steps=1)
    start = rig_start(options, subject, mesh_pca(small.mesh_rows(subject), 2, subject.template.base))
    plan = learned_plan(options, tiny.RENDER, start, subject.pixel_size)
    rig = as_components(learn(start, subject, options, plan, 0, torch.device("cpu")), subject, options)
    two, three = (side_by_side(subject.dataset, subject.template, subject.neutral, rig, n, 48) for n in (2, 3))
    assert two.shape[1] == three.shape[1] and 48 <= three.shape[0] - two.shape[0] < 70
