"""Components that subjects share, on planted people: one expression space, other faces."""

import numpy as np
import pytest
from scipy.sparse import csr_array, eye_array

from splatrig.components.sldc import SldcOptions
from splatrig.config.support_maps import GaussMap
from splatrig.evaluation.attribute_rows import AttributeRows, reach_of
from splatrig.evaluation.relearn import Learner
from splatrig.evaluation.shared import (
    SHARED_COLUMNS,
    check_one_topology,
    draw_shared,
    leave_one_subject_out,
    mean_level,
    pooled,
    shared_components,
)
from splatrig.io.errors import InputError
from splatrig.mesh.template import Level
from support import planted

HEAD = planted.head()
LEVEL = Level(HEAD.vertices, HEAD.faces, csr_array(eye_array(len(HEAD.vertices))), HEAD.vertices[:, 2] > 0)
LEARNER = Learner("neutral", LEVEL, 0, sldc=SldcOptions(2, 0.5), support=GaussMap(sigma=0.2))
EXPRESSIONS = 5


def space(seed, count):
    """Random displacement fields of unit RMS, in millimeters."""
    return np.random.default_rng(seed).normal(size=(count, HEAD.vertices.size))


def person(seed, fields, held_out=()):
    """A person with another face, whose expressions are mixtures of `fields`; the first frame is the neutral."""
    generator = np.random.default_rng(seed)
    face = 1.1 * HEAD.vertices.ravel() + generator.normal(size=HEAD.vertices.size)
    weights = generator.normal(size=(2 * EXPRESSIONS, len(fields)))
    weights[0] = 0.0
    X = (face + weights @ fields).astype(np.float32)
    frames = tuple(f"E{row // 2}/{row:06d}" for row in range(len(X)))
    train = np.array([name.split("/")[0] not in held_out for name in frames])
    return AttributeRows(X, frames, train, 0, reach_of(X, 0))


@pytest.fixture(scope="module")
def family():
    """Two people with the same two ways to move, and a third one with ways of its own."""
    return {"anna": person(1, space(0, 2)), "ben": person(2, space(0, 2)), "carl": person(3, space(9, 2))}


def test_identity_is_taken_out_and_expression_stays(family):
    pool = pooled(family)
    assert pool.frames[10] == "ben/E0/000000" and len(pool.frames) == 30
    mean = np.mean([rows.X[0] for rows in family.values()], axis=0)
    for start, rows in zip((0, 10, 20), family.values(), strict=True):
        np.testing.assert_allclose(pool.X[start], mean, atol=1e-4)
        np.testing.assert_allclose(pool.X[start : start + 10] - mean, rows.X - rows.X[0], atol=1e-4)
    np.testing.assert_allclose(mean_level(LEVEL, pool).vertices.ravel(), mean, atol=1e-4)


def test_shared_components_span_the_expressions_of_all(family):
    components = shared_components(LEARNER, "pca_xyz", "base", pooled(family), 4)
    assert (components.origin.subject, components.origin.level, len(components)) == ("cohort", "base", 4)
    assert components.names[0].startswith("PCA 01")
    truth = pooled(family).X
    np.testing.assert_allclose(components.rows(), truth, atol=0.02)


def test_there_are_no_more_components_than_frames_allow(family):
    assert len(shared_components(LEARNER, "pca_xyz", "base", pooled({"anna": family["anna"]}), 100)) <= 9


def test_others_explain_those_who_move_like_them_and_not_a_stranger(family):
    table = leave_one_subject_out(LEARNER, "pca_xyz", "base", family, [4])
    assert tuple(table.columns) == SHARED_COLUMNS
    found = table[table["learned_from"] == "others"].set_index("subject")["explained"]
    assert found[["anna", "ben"]].min() > 0.999
    assert found["carl"] < 0.2
    own = table[table["learned_from"] == "own"]
    assert own["explained"].min() > 0.999 and own["rmse_mm"].max() < 0.05


def test_a_persons_other_expressions_do_not_know_what_only_one_shows():
    fields = space(0, EXPRESSIONS - 1)
    shown = np.zeros((2 * EXPRESSIONS, len(fields)))
    shown[np.arange(2, 2 * EXPRESSIONS), np.arange(2, 2 * EXPRESSIONS) // 2 - 1] = 1.0
    X = (HEAD.vertices.ravel() + shown @ fields).astype(np.float32)
    frames = tuple(f"E{row // 2}/{row:06d}" for row in range(len(X)))
    rows = AttributeRows(X, frames, np.ones(len(X), bool), 0, reach_of(X, 0))
    table = leave_one_subject_out(LEARNER, "pca_xyz", "base", {"anna": rows, "ben": rows}, [3])
    found = table.groupby("learned_from")["explained"].max()
    assert found["own_others"] < 0.05 < 0.7 < found["own"]
    assert found["others"] == pytest.approx(found["own"], abs=1e-3)


def test_held_out_expressions_are_neither_learned_from_nor_measured():
    people = {name: person(seed, space(0, 2), held_out=("E2",)) for seed, name in ((1, "anna"), (2, "ben"))}
    table = leave_one_subject_out(LEARNER, "sldc_gauss_xyz", "base", people, [2, 50])
    assert set(table["frames"]) == {8}
    assert set(table["k"]) == {2}


def test_subjects_of_another_mesh_are_named():
    check_one_topology({"anna": HEAD.faces, "ben": HEAD.faces.copy()})
    with pytest.raises(
        InputError, match=r"ben has another mesh than anna \([\d,]+ and [\d,]+ triangles\), expected one"
    ):
        check_one_topology({"anna": HEAD.faces, "ben": HEAD.faces[:-1]})


def test_the_figure_shows_every_source_of_every_method(family):
    table = leave_one_subject_out(LEARNER, "pca_xyz", "base", family, [1, 2])
    ax = draw_shared(table).axes[0]
    labels = [line.get_label() for line in ax.lines if not line.get_label().startswith("_")]
    assert labels == [
        "learned from other people",
        "learned from this person, other expressions",
        "learned from this person, the same expressions",
    ]
