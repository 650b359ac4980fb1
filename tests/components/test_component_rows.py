from dataclasses import replace

import numpy as np
import pytest

from splatrig.components.component_file import Components
from splatrig.components.rig_file import carry_xyz
from splatrig.mesh.template import build_template
from support import planted


@pytest.fixture
def parts() -> Components:
    return planted.components(planted.head(1), family="pca", attributes=("xyz", "rotation"))


def test_chosen_components_name_their_mirror_images_by_their_new_place(parts):
    mirrored = replace(parts, partners=np.array([2, -1, 0]))
    assert mirrored.select(np.array([2, 0])).partners.tolist() == [1, 0]
    assert mirrored.first(2).partners.tolist() == [-1, -1]


@pytest.mark.parametrize("rest", ["neutral", "mean"])
def test_standardized_rows_come_back_whole_and_by_columns(parts, rest):
    if rest == "mean":
        parts = replace(parts, offset=None)
    rows = parts.rows()
    left = parts.standardize(rows)
    np.testing.assert_allclose(left, parts.W @ parts.C, atol=1e-4)
    np.testing.assert_allclose(parts.unstandardize(left), rows, atol=1e-4)
    rotation = parts.columns["rotation"]
    np.testing.assert_allclose(parts.unstandardize(left[:, rotation], rotation), rows[:, rotation], atol=1e-5)


def test_a_carried_learned_rig_leaves_its_coarse_base_behind():
    coarse = planted.head(1)
    template = build_template(coarse.vertices, coarse.faces, 1)
    fine = planted.head(2).neutral
    learned = replace(planted.components(coarse), family="learned", base=coarse.neutral)
    carried = carry_xyz(learned, template, fine)
    assert carried.base is None
    np.testing.assert_array_equal(carried.rest, fine.means.reshape(-1))
