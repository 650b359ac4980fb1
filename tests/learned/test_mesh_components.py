from pathlib import Path

import numpy as np
import pytest

from splatrig.io.errors import InputError
from splatrig.learned.mesh_components import (
    MeshRows,
    mesh_pca,
    mesh_sldc,
    read_meshes,
    regressed,
)
from splatrig.learned.stage import Subject
from splatrig.mesh.obj import write_obj
from support import subject as small


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return small.write_subject(tmp_path_factory.mktemp("subject"))


@pytest.fixture(scope="module")
def rows(subject: Subject) -> MeshRows:
    return small.mesh_rows(subject)


def test_the_neutral_keeps_its_gaussians_and_the_others_follow_the_mesh(subject: Subject, rows: MeshRows) -> None:
    assert np.array_equal(rows.xyz[0], subject.neutral.first(len(subject.template.base.vertices)).means.reshape(-1))
    base = subject.template.base.vertices
    moved = small.bulged(base, small.WEIGHTS[1])
    np.testing.assert_allclose((rows.xyz[1] - rows.xyz[0]).reshape(-1, 3), moved - base, atol=1e-3)
    np.testing.assert_allclose(np.linalg.norm(rows.rotation.reshape(5, -1, 4), axis=2), 1, atol=1e-5)


def test_pca_of_the_meshes_rebuilds_them_about_the_neutral(subject: Subject, rows: MeshRows) -> None:
    level = subject.template.base
    components = mesh_pca(rows, 2, level)
    rebuilt = components.rows()
    np.testing.assert_allclose(rebuilt[:, : rows.xyz.shape[1]], rows.xyz, atol=0.02)
    turned = rebuilt[:, rows.xyz.shape[1] :] - rows.rotation
    assert np.abs(turned).mean() < 0.1 * np.abs(rows.rotation - rows.rotation[0]).mean()
    np.testing.assert_allclose(components.W[0], 0, atol=1e-4)


def test_sldc_of_the_meshes_is_local_in_positions_and_turns(subject: Subject, rows: MeshRows) -> None:
    level = subject.template.base
    components = mesh_sldc(rows, small.sldc_options(lambda_=2.0), small.SUPPORT, level)
    positions = components.C[:, : rows.xyz.shape[1]].reshape(2, -1, 3).any(axis=2)
    turns = components.C[:, rows.xyz.shape[1] :].reshape(2, -1, 4).any(axis=2)
    assert not turns[~positions].any()
    assert 0 < positions.mean() < 0.7
    assert components.W.min() >= 0


def test_regression_inside_supports_equals_least_squares_over_those_components() -> None:
    generator = np.random.default_rng(0)
    W, targets = generator.standard_normal((9, 3)), generator.standard_normal((9, 4, 2))
    support = np.array([[1, 0, 1, 0], [1, 1, 0, 0], [0, 1, 1, 0]], bool)
    found = regressed(W, targets, support)
    for gaussian in range(4):
        active = support[:, gaussian]
        expected = np.zeros((3, 2))
        expected[active] = np.linalg.lstsq(W[:, active], targets[:, gaussian], rcond=None)[0]
        np.testing.assert_allclose(found[:, gaussian], expected, atol=1e-4)


def test_a_mesh_of_another_topology_is_named(subject: Subject, tmp_path: Path) -> None:
    folder = tmp_path / "E000" / "000000"
    folder.mkdir(parents=True)
    write_obj(folder / "000000.obj", np.zeros((5, 3)), np.array([[0, 1, 2]]))
    with pytest.raises(InputError, match="expected 42 vertices as in the template, got 5"):
        read_meshes(tmp_path, ["E000/000000"], subject.template)


def test_a_mesh_that_is_not_finite_is_named(subject: Subject, tmp_path: Path) -> None:
    folder = tmp_path / "E000" / "000000"
    folder.mkdir(parents=True)
    vertices = subject.template.levels["base"].vertices.copy()
    vertices[3, 1] = np.nan
    write_obj(folder / "000000.obj", vertices, subject.template.levels["base"].faces)
    with pytest.raises(InputError, match=r"000000\.obj"):
        read_meshes(tmp_path, ["E000/000000"], subject.template)
