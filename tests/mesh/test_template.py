"""The template: round trip, operators between levels, and the mask at every level."""

import itertools

import h5py
import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal

from splatrig.io.errors import InputError
from splatrig.mesh.mask import faces_inside
from splatrig.mesh.template import build_template, read_template, write_template
from splatrig.mesh.topology import unique_edges
from support.ellipsoid import ellipsoid_head


@pytest.fixture(scope="module")
def template():
    return build_template(*ellipsoid_head(2), subdivisions=2, fraction=0.4)


def test_a_template_comes_back_as_it_was_written(template, tmp_path):
    write_template(tmp_path / "template.h5", template)
    again = read_template(tmp_path / "template.h5")
    assert list(again.levels) == ["base", "subd1", "subd2"]
    assert again.finest == "subd2"
    for name, level in template.levels.items():
        assert_array_equal(again.levels[name].vertices, level.vertices)
        assert_array_equal(again.levels[name].faces, level.faces)
        assert_array_equal(again.levels[name].mask, level.mask)
        assert again.levels[name].mask.dtype == bool
        assert (again.levels[name].step != level.step).nnz == 0


def test_each_level_has_one_more_vertex_an_edge_and_begins_with_the_level_before(template):
    levels = list(template.levels.values())
    for coarse, fine in itertools.pairwise(levels):
        assert len(fine.vertices) == len(coarse.vertices) + len(unique_edges(coarse.faces).ends)
        assert_array_equal(fine.vertices[: len(coarse.vertices)], coarse.vertices)


def test_operators_between_levels_carry_the_vertices(template):
    for coarse in template.levels:
        for fine in list(template.levels)[list(template.levels).index(coarse) :]:
            carried = template.between(coarse, fine) @ template.levels[coarse].vertices
            assert_allclose(carried, template.levels[fine].vertices, atol=1e-12)
            assert_allclose(template.between(coarse, fine).sum(axis=1), 1.0)


@pytest.mark.parametrize(("coarse", "fine", "words"), [("subd1", "base", "finer"), ("base", "subd9", "subd9")])
def test_operators_that_do_not_exist_are_refused(template, coarse, fine, words):
    with pytest.raises(InputError, match=words):
        template.between(coarse, fine)


def test_the_mask_covers_the_same_surface_at_every_level(template):
    surface = []
    for level in template.levels.values():
        corners = level.vertices[faces_inside(level.faces, level.mask)]
        surface.append(
            0.5 * np.linalg.norm(np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]), axis=1).sum()
        )
    assert_allclose(surface, surface[0])


def test_no_subdivision_gives_the_base_alone():
    template = build_template(*ellipsoid_head(1), subdivisions=0)
    assert list(template.levels) == [template.finest] == ["base"]


def test_other_files_are_refused_by_name(tmp_path):
    text, other = tmp_path / "text.h5", tmp_path / "other.h5"
    text.write_text("no")
    with h5py.File(other, "w") as file:
        file["x"] = 1
    for path in (text, other):
        with pytest.raises(InputError, match=path.name):
            read_template(path)


def test_a_mask_without_a_face_is_refused():
    vertices, faces = ellipsoid_head(2)
    with pytest.raises(InputError, match=r"mesh\.mask_fraction: 0\.01 of 162 vertices is 2, which hold no"):
        build_template(vertices, faces, 1, fraction=0.01)
