"""Marks of a face travel with the template and say where its regions are."""

from dataclasses import replace
from pathlib import Path

import numpy as np

from splatrig.components.names import REGIONS, face_regions, place_names
from splatrig.mesh.marks import FaceMarks
from splatrig.mesh.mask import nose_tip
from splatrig.mesh.template import build_template, read_template, write_template
from support.ellipsoid import ellipsoid_head
from support.synthetic import demo_level

MARKS = FaceMarks(*np.array([[0.0, -17, 140], [32, 18, 100], [-32, 18, 100], [0, -50, 125]]))


def test_marks_come_back_with_every_level_of_a_template(tmp_path: Path):
    template = build_template(*ellipsoid_head(2), subdivisions=1, fraction=0.4, marks=MARKS)
    write_template(tmp_path / "template.h5", template)
    for level in read_template(tmp_path / "template.h5").levels.values():
        for name in FaceMarks.__dataclass_fields__:
            np.testing.assert_array_equal(getattr(level.marks, name), getattr(MARKS, name))


def test_a_template_without_marks_has_none(tmp_path: Path):
    write_template(tmp_path / "template.h5", build_template(*ellipsoid_head(1), subdivisions=0))
    assert read_template(tmp_path / "template.h5").base.marks is None


def demo_marks() -> FaceMarks:
    """Marks of the demo head as its proportions in EYES_ABOVE and the like say."""
    level, _ = demo_level()
    tip = level.vertices[nose_tip(level.vertices, level.faces)]
    face = level.vertices[level.mask]
    unit = 0.5 * np.ptp(face[:, 0])
    eyes = [[side * 0.4415 * unit, tip[1] + 0.511 * unit, 100.0] for side in (1, -1)]
    return FaceMarks(tip, *map(np.array, eyes), np.array([0.0, tip[1] - 0.465 * unit, 125.0]))


def test_on_a_head_of_average_proportions_marks_change_no_region():
    level, _ = demo_level()
    marked = face_regions(replace(level, marks=demo_marks()))
    assert (marked == face_regions(level)).mean() > 0.98


def test_regions_follow_the_marks_of_a_face_that_is_longer():
    level, units = demo_level()
    stretch = np.array([1.0, 1.3, 1.0])
    marks = FaceMarks(*(stretch * place for place in vars(demo_marks()).values()))
    longer = replace(level, vertices=stretch * level.vertices, marks=marks)
    within = level.vertices[:, 1] > -60  # the neck is none of theirs
    same = face_regions(longer) == face_regions(level)
    assert same[within].mean() > 0.9
    unmarked = face_regions(replace(longer, marks=None)) == face_regions(level)
    assert unmarked[within].mean() < same[within].mean()
    assert place_names((units["browOuterUpLeft"] ** 2).sum(axis=1)[None], longer) == ["brow left"]
    assert set(face_regions(longer)) <= set(range(len(REGIONS)))
