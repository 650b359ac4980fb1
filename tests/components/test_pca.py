import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA

from splatrig.components.assemble import assemble, data_matrix
from splatrig.components.component_file import read_components, write_components
from splatrig.components.matrix import StandardizedRows, in_memory
from splatrig.components.pca import principal_components
from splatrig.io.errors import InputError
from support.synthetic import export_small_capture, pca_components, random_matrix, weights_of

FLOAT32_ROWS = 2e-5
"""Relative: the components and the rows they rebuild are float32."""


def raw_rows(matrix) -> np.ndarray:
    return np.concatenate(matrix.sources, axis=1)[matrix.rows]


@pytest.mark.parametrize("rest", ["neutral", "mean"])
def test_all_components_rebuild_every_frame(rest):
    matrix = random_matrix()
    found = principal_components(matrix, 11, rest)
    rebuilt = pca_components(matrix, found).rows()
    std = found.standardization.std
    np.testing.assert_allclose(rebuilt / std, raw_rows(matrix) / std, atol=1e-3, rtol=FLOAT32_ROWS)
    assert found.C.shape[0] == 11


def test_coefficient_zero_is_the_neutral_frame():
    matrix = random_matrix()
    components = pca_components(matrix, principal_components(matrix, 5, "neutral"))
    rest = components.rows(np.zeros((1, 5), np.float32))[0]
    np.testing.assert_allclose(rest, raw_rows(matrix)[0], rtol=1e-6, atol=1e-5)
    np.testing.assert_allclose(components.W[0], 0.0, atol=1e-5)


@pytest.mark.parametrize("rest", ["neutral", "mean"])
def test_agrees_with_sklearn(rest):
    matrix = random_matrix(frames=20, gaussians=400)
    found = principal_components(matrix, 5, rest)
    rows = StandardizedRows(matrix, found.standardization).less_rest().astype(np.float64)
    if rest == "mean":
        oracle = PCA(5, svd_solver="full").fit(rows)
        variances, C = oracle.explained_variance_, oracle.components_
        ratio = found.explained_variance / found.total_variance
        np.testing.assert_allclose(ratio, oracle.explained_variance_ratio_, rtol=1e-5)
    else:  # about the neutral row there is no centering: singular vectors of the rows themselves
        _, singular, right = np.linalg.svd(rows, full_matrices=False)
        variances, C = singular[:5] ** 2 / 19, right[:5]
    np.testing.assert_allclose(found.explained_variance, variances, rtol=1e-5)
    cosines = np.abs(np.einsum("kd,kd->k", found.C.astype(np.float64), C))
    np.testing.assert_allclose(cosines, 1.0, atol=1e-8)
    np.testing.assert_allclose(np.abs(found.W), np.abs(rows @ C.T), atol=1e-3)


def test_components_are_orthonormal_and_their_largest_entry_is_positive():
    found = principal_components(random_matrix(), 5)
    np.testing.assert_allclose(found.C @ found.C.T, np.eye(5), atol=1e-5)
    assert (found.C[np.arange(5), np.abs(found.C).argmax(axis=1)] > 0).all()


def test_weights_and_rows_are_inverse():
    matrix = random_matrix()
    components = pca_components(matrix, principal_components(matrix, 5))
    W = np.random.default_rng(3).normal(size=(4, 5)).astype(np.float32)
    np.testing.assert_allclose(weights_of(components, components.rows(W)), W, atol=2e-3)
    np.testing.assert_allclose(weights_of(components, raw_rows(matrix)), components.W, atol=2e-3)


def test_frame_order_does_not_matter():
    matrix = random_matrix()
    order = np.random.default_rng(0).permutation(12)
    shuffled = in_memory(
        {name: source[order] for name, source in zip(matrix.names, matrix.sources, strict=True)},
        neutral=int(np.flatnonzero(order == 0)[0]),
    )
    a, b = principal_components(matrix, 5), principal_components(shuffled, 5)
    np.testing.assert_allclose(b.W, a.W[order], atol=1e-3)
    np.testing.assert_allclose(b.C, a.C, atol=1e-5)


def test_thread_count_changes_no_bit():
    matrix = random_matrix(frames=9, gaussians=9000)
    one, two = (principal_components(matrix, 4, threads=threads) for threads in (1, 2))
    np.testing.assert_array_equal(one.C, two.C)
    np.testing.assert_array_equal(one.W, two.W)


def test_a_mask_gives_the_pca_of_its_gaussians_and_lets_the_others_follow():
    matrix = random_matrix(noise=0.0)
    mask = np.arange(90) < 40
    found = principal_components(matrix, 3, weights=mask.astype(np.float32))
    inside = in_memory(
        {
            name: source.reshape(12, 90, -1)[:, mask].reshape(12, -1)
            for name, source in zip(matrix.names, matrix.sources, strict=True)
        }
    )
    rows = StandardizedRows(matrix, found.standardization).less_rest()
    per_column = np.concatenate([np.repeat(mask, source.shape[1] // 90) for source in matrix.sources])
    _, singular, right = np.linalg.svd(rows[:, per_column].astype(np.float64), full_matrices=False)
    np.testing.assert_allclose(found.explained_variance, singular[:3] ** 2 / 11, rtol=1e-4)
    cosines = np.abs(np.einsum("kd,kd->k", found.C[:, per_column], right[:3]))
    np.testing.assert_allclose(cosines, 1.0, atol=1e-5)
    outside = np.linalg.lstsq(found.W, rows[:, ~per_column], rcond=None)[0]
    np.testing.assert_allclose(found.C[:, ~per_column], outside, atol=1e-3)
    assert inside.shape[1] == per_column.sum()


@pytest.mark.parametrize("names", [("xyz",), ("rotation",), ("f_dc", "scale"), ("scale", "xyz", "rotation")])
@pytest.mark.parametrize("masked", [False, True])
def test_any_subset_of_attributes_in_any_order_is_the_pca_of_its_own_columns(names, masked):
    everything = random_matrix(frames=20, gaussians=60)
    sources = dict(zip(everything.names, everything.sources, strict=True))
    matrix = in_memory({name: sources[name] for name in names})
    weights = np.random.default_rng(1).uniform(size=60).astype(np.float32) if masked else np.ones(60, np.float32)
    found = principal_components(matrix, 4, "mean", weights if masked else None)
    rows = StandardizedRows(matrix, found.standardization).less_rest().astype(np.float64)
    per_column = np.concatenate([np.repeat(weights, sources[name].shape[1] // 60) for name in names])
    oracle = PCA(4, svd_solver="full").fit(rows * np.sqrt(per_column))
    np.testing.assert_allclose(found.explained_variance, oracle.explained_variance_, rtol=1e-5)
    ratio = found.explained_variance / found.total_variance
    np.testing.assert_allclose(ratio, oracle.explained_variance_ratio_, rtol=1e-5)
    cosines = np.einsum("kd,kd->k", found.C * np.sqrt(per_column), oracle.components_)
    np.testing.assert_allclose(np.abs(cosines), 1.0, atol=1e-6)
    assert found.standardization.columns.names == tuple(names)


def test_small_components_are_as_exact_as_large_ones():
    """The Gram matrix is summed in float32, so its own eigenvalues would be off by its rounding."""
    rng = np.random.default_rng(0)
    scores, _ = np.linalg.qr(rng.normal(size=(60, 6)))
    directions, _ = np.linalg.qr(rng.normal(size=(30_000, 6)))
    rows = (scores * 10.0 ** np.array([4, 3, 2, 1.75, 1.5, 1.25])) @ directions.T
    matrix = in_memory({"xyz": rows.astype(np.float32)})
    found = principal_components(matrix, 6, "mean")
    whole = StandardizedRows(matrix, found.standardization).less_rest().astype(np.float64)
    singular = np.linalg.svd(whole - whole.mean(axis=0), compute_uv=False)[:6]
    assert singular[0] / singular[5] > 500
    np.testing.assert_allclose(found.explained_variance, singular**2 / 59, rtol=1e-5)


def test_rigid_motion_of_the_input_turns_the_components_and_keeps_the_weights():
    rng = np.random.default_rng(0)
    still, fields = 80.0 * rng.normal(size=(50, 3)), rng.normal(size=(4, 50, 3))
    frames = still + np.tensordot(rng.normal(size=(12, 4)) * [4.0, 3.0, 2.0, 1.0], fields, 1)
    rotation = np.linalg.qr(rng.normal(size=(3, 3)))[0]
    moved = frames @ rotation.T + np.array([5.0, -300.0, 70.0])
    a, b = (principal_components(in_memory({"xyz": x.reshape(12, -1).astype(np.float32)}), 4) for x in (frames, moved))
    np.testing.assert_allclose(b.explained_variance, a.explained_variance, rtol=1e-4)
    turned = (a.C.reshape(4, 50, 3) @ rotation.T).reshape(4, -1)
    signs = np.sign(np.einsum("kd,kd->k", turned, b.C))  # the largest entry, which fixes the sign, is another one
    np.testing.assert_allclose(b.C * signs[:, None], turned, atol=1e-3)
    np.testing.assert_allclose(b.W * signs, a.W, atol=2e-2)


def test_an_empty_mask_is_refused():
    with pytest.raises(InputError, match="is the mask empty"):
        principal_components(random_matrix(), 3, weights=np.zeros(90, np.float32))


@pytest.mark.parametrize("k", [0, 12])
def test_k_out_of_bounds_is_refused(k):
    with pytest.raises(InputError, match=f"expected 1 to 11 for 12 training frames, .*, got {k}"):
        principal_components(random_matrix(), k)


def test_a_single_frame_is_refused():
    with pytest.raises(InputError, match="expected 2 training frames or more, got 1"):
        principal_components(random_matrix(frames=1), 1)


def test_equal_frames_are_refused():
    constant = in_memory({"xyz": np.tile(np.linspace(-90, 300, 60, dtype=np.float32), (5, 1))})
    with pytest.raises(InputError, match="expected training frames that differ, got 5 equal ones"):
        principal_components(constant, 2)


@pytest.mark.parametrize("rest", ["neutral", "mean"])
def test_two_identical_frames_cost_one_component_and_give_no_nan(rest):
    matrix = random_matrix(frames=6)
    for source in matrix.sources:
        source[3] = source[4]
    found = principal_components(matrix, 5, rest)
    assert found.C.shape[0] == 4
    assert np.isfinite(found.C).all()
    np.testing.assert_allclose(found.W[3], found.W[4], atol=1e-4)


@settings(max_examples=20, deadline=None)
@given(st.integers(3, 15), st.integers(1, 40), st.integers(0, 2**16))
def test_the_error_of_k_components_is_the_variance_that_is_left(frames, gaussians, seed):
    matrix = random_matrix(frames, gaussians, seed, noise=0.3)
    found = principal_components(matrix, min(3, frames - 1))
    rows = StandardizedRows(matrix, found.standardization).less_rest().astype(np.float64)
    left = ((rows - found.W.astype(np.float64) @ found.C) ** 2).sum() / (frames - 1)
    expected = found.total_variance - found.explained_variance.sum()
    assert abs(left - expected) <= 1e-4 * found.total_variance


def test_the_component_file_of_an_exported_capture_rebuilds_its_frames(tmp_path):
    exported = export_small_capture(tmp_path)
    with exported.reader("subd1") as reader:
        matrix = reader.train_matrix(["xyz", "f_dc", "rotation", "scale"])
        found = principal_components(matrix, 11)
        components = assemble(reader, found, {"k": 11})
        write_components(tmp_path / "pca.h5", components, data_matrix("store", matrix, found.standardization))
        read = read_components(tmp_path / "pca.h5")
        raw = np.concatenate([reader.rows(name) for name in matrix.names], axis=1)[reader.train_rows]
        np.testing.assert_allclose(read.rows() / read.std, raw / read.std, atol=1e-3)
        assert read.frames == reader.train_frames
        assert read.origin.input_sha256 == reader.sha256
