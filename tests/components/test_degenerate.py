"""Input that no capture should have and some do: a sentence or a sane result, never NaN."""

import numpy as np
import pytest

from splatrig.components.local import local_components
from splatrig.components.matrix import AttributeMatrix, StandardizedRows, in_memory, standardize
from splatrig.components.mbspca import sparse_components
from splatrig.components.pca import principal_components
from splatrig.io.errors import InputError
from splatrig.mesh.template import Level, identity_step
from support.synthetic import SUPPORTS, Sheet, sheet_with_bumps, sldc_options


def level_of(vertices: np.ndarray, faces: np.ndarray) -> Level:
    return Level(vertices, faces, identity_step(len(vertices)), np.ones(len(vertices), bool))


def found_by(method: str, matrix: AttributeMatrix, level: Level, k: int) -> tuple[np.ndarray, np.ndarray]:
    """Return W and C of one method."""
    if method == "pca":
        pca = principal_components(matrix, k)
        return pca.W, pca.C
    if method == "mbspca":
        found = sparse_components(StandardizedRows(matrix, standardize(matrix, "neutral")).less_rest(), k, 0.5, 0)
        return found.W, found.C
    support = SUPPORTS[method.removeprefix("sldc_")]
    local = local_components(matrix, level, sldc_options(k, max_iterations=20), support, "neutral")
    return local.W, local.C


METHODS = ("pca", "mbspca", "sldc_gauss", "sldc_trapezoid")


@pytest.fixture(scope="module")
def sheet() -> Sheet:
    return sheet_with_bumps(size=12, bumps=3, frames=10)


@pytest.mark.parametrize("method", METHODS)
def test_two_identical_frames_get_the_same_weights(method, sheet):
    rows = sheet.matrix(0.05).sources[0].copy()
    rows[7] = rows[4]
    W, C = found_by(method, in_memory({"xyz": rows}), level_of(sheet.vertices, sheet.faces), 4)
    assert np.isfinite(C).all()
    np.testing.assert_allclose(W[7], W[4], atol=1e-4)


@pytest.mark.parametrize("method", METHODS)
def test_constant_frames_are_refused_with_a_sentence(method, sheet):
    still = np.tile(sheet.vertices.reshape(1, -1), (6, 1)).astype(np.float32)
    with pytest.raises(InputError, match="expected training frames that differ, got 6 equal ones"):
        found_by(method, in_memory({"xyz": still}), level_of(sheet.vertices, sheet.faces), 2)


@pytest.mark.parametrize("method", METHODS)
def test_an_attribute_that_never_changes_changes_nothing(method, sheet):
    moving = sheet.matrix(0.05).sources[0]
    constant = np.full((len(moving), len(sheet.vertices) * 3), 0.7, np.float32)
    W, C = found_by(method, in_memory({"xyz": moving, "f_dc": constant}), level_of(sheet.vertices, sheet.faces), 3)
    assert np.isfinite(W).all()
    assert np.abs(C[:, moving.shape[1] :]).max() < 1e-4 * np.abs(C).max()


@pytest.mark.parametrize("method", ["pca", "mbspca"])
def test_more_global_components_than_frames_are_refused_with_the_bound(method, sheet):
    with pytest.raises(InputError, match=r"expected 1 to (9|10)"):
        found_by(method, sheet.matrix(), level_of(sheet.vertices, sheet.faces), 11)


def test_more_local_components_than_frames_are_found_as_far_as_there_are_motions(sheet):
    W, C = found_by("sldc_gauss", sheet.matrix(), level_of(sheet.vertices, sheet.faces), 14)
    assert np.isfinite(W).all()
    assert np.isfinite(C).all()
    assert W.shape == (10, 14)


@pytest.mark.parametrize("distance", ["relative", "mm"])
@pytest.mark.parametrize("support", SUPPORTS.values(), ids=SUPPORTS)
def test_a_piece_without_faces_and_an_isolated_vertex_move_alone(distance, support, sheet):
    count = len(sheet.vertices)
    loose = np.array([[300.0, 0, 0], [301.0, 0, 0], [300.0, 1, 0], [900.0, 0, 0]])
    vertices = np.concatenate([sheet.vertices, loose])
    rows = np.tile(vertices, (10, 1, 1))
    rows[:, :count] = sheet.matrix().sources[0].reshape(10, -1, 3)
    rows[3:6, count] += 8.0
    rows[6:9, count + 3, 1] -= 8.0
    scale = 140.0 if distance == "mm" else 1.0
    support = type(support)(**{name: scale * value for name, value in support.model_dump().items()})
    options = sldc_options(6, 0.3, max_iterations=20, distance=distance)
    matrix = in_memory({"xyz": rows.reshape(10, -1).astype(np.float32)})
    found = local_components(matrix, level_of(vertices, sheet.faces), options, support, "neutral")
    C = found.C.reshape(6, -1, 3)
    assert np.isfinite(C).all()
    lengths = np.linalg.norm(C, axis=2)
    for vertex in (count, count + 3):
        owner = lengths[:, vertex].argmax()
        assert lengths[owner, vertex] > 0
        assert lengths[owner, vertex] > 10 * np.delete(lengths[owner], vertex).max()


def test_a_mask_of_nothing_is_refused_and_a_mask_of_one_gaussian_is_not(sheet):
    matrix = sheet.matrix(0.05)
    mask = np.zeros(len(sheet.vertices), np.float32)
    with pytest.raises(InputError, match="is the mask empty"):
        principal_components(matrix, 2, weights=mask)
    mask[sheet.centers[0]] = 1
    found = principal_components(matrix, 3, weights=mask)
    assert np.isfinite(found.C).all()
    assert len(found.C) <= 3
