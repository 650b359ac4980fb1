import numpy as np
import pytest
from scipy.optimize import linear_sum_assignment

from splatrig.components.assemble import assemble, data_matrix
from splatrig.components.component_file import read_components, write_components
from splatrig.components.local import CoarseStart, coarse_start, local_components
from splatrig.components.matrix import in_memory
from splatrig.components.pca import principal_components
from splatrig.config.support_maps import GaussMap
from support.synthetic import (
    GAUSS,
    SUPPORTS,
    export_small_capture,
    matched_correlations,
    planted_demo_head,
    sldc_options,
    weights_of,
)


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    return export_small_capture(tmp_path_factory.mktemp("capture"))


@pytest.mark.parametrize("support", ["gauss", "trapezoid"])
@pytest.mark.parametrize("attributes", [["xyz"], ["xyz", "f_dc", "rotation", "scale"]])
def test_the_component_file_rebuilds_what_w_and_c_say_and_keeps_its_neutral(exported, tmp_path, support, attributes):
    with exported.reader("subd1") as reader:
        matrix = reader.train_matrix(attributes)
        level = exported.template.levels["subd1"]
        options = sldc_options(k=6, lambda_=0.1, max_iterations=15)
        found = local_components(matrix, level, options, SUPPORTS[support], "neutral")
        components = assemble(reader, found, {})
        write_components(tmp_path / "c.h5", components, data_matrix("store", matrix, found.standardization))
        raw = np.concatenate([reader.rows(name) for name in attributes], axis=1)[reader.train_rows]
    read = read_components(tmp_path / "c.h5")
    rest = read.rows(np.zeros((1, 6), np.float32))[0]
    np.testing.assert_allclose(rest / read.std, raw[0] / read.std, atol=1e-3)
    left = ((raw - read.rows()) / read.std) ** 2
    assert left.sum() < found.solver.objective[-1]
    assert left.sum() < 0.95 * (read.standardize(raw) ** 2).sum()
    assert read.centers.shape == (6,)
    assert len(read.solver.objective) <= 15


def test_a_coarse_start_ends_where_the_fine_level_ends(exported):
    template = exported.template
    level, base = template.levels["subd1"], template.levels["base"]
    rng = np.random.default_rng(0)
    centers = level.vertices[[5, 40, 90]]
    profiles = [np.exp(-((level.vertices - center) ** 2).sum(axis=1) / (2 * 30.0**2)) for center in centers]
    fields = np.stack([profile[:, None] * rng.normal(size=3) * 5 for profile in profiles])
    W = rng.uniform(size=(20, 3)) * (rng.uniform(size=(20, 3)) < 0.5)
    W[0] = 0
    rows = (level.vertices + np.tensordot(W, fields, 1)).reshape(20, -1).astype(np.float32)
    matrix = in_memory({"xyz": rows})
    options = sldc_options(k=3, lambda_=0.3)
    direct = local_components(matrix, level, options, GAUSS, "neutral")
    start = CoarseStart(base, template.between("base", "subd1"))
    carried = local_components(matrix, level, options, GAUSS, "neutral", coarse=start)
    assert len(carried.solver.objective) <= len(direct.solver.objective)
    np.testing.assert_allclose(carried.solver.objective[-1], direct.solver.objective[-1], rtol=0.02)
    assert matched_correlations(carried.C, fields.reshape(3, -1)).min() > 0.95


def test_distances_in_millimetres_and_relative_ones_agree_when_they_say_the_same(exported):
    with exported.reader("base") as reader:
        matrix = reader.train_matrix(["xyz"])
        level = exported.template.levels["base"]
        relative = local_components(matrix, level, sldc_options(k=3, max_iterations=5), GAUSS, "neutral")
        unit = float(relative.distance_unit_mm)
        assert unit > 300  # half way round a head 240 mm high
        absolute = sldc_options(k=3, max_iterations=5, distance="mm")
        found = local_components(matrix, level, absolute, GaussMap(sigma=GAUSS.sigma * unit), "neutral")
    np.testing.assert_allclose(found.C, relative.C, atol=1e-3)


def test_symmetric_pairs_are_centered_opposite_each_other_on_the_demo_head():
    level, matrix, *_ = planted_demo_head()
    found = local_components(matrix, level, sldc_options(k=8, lambda_=2.0, symmetric=True), GAUSS, "neutral")
    centers, partner = found.centers, found.partners
    pairs = [(k, other) for k, other in enumerate(partner) if other > k]
    assert len(pairs) >= 3
    for k, other in pairs:
        image = level.vertices[centers[k]] * [-1.0, 1.0, 1.0]
        assert np.linalg.norm(level.vertices[centers[other]] - image) < 10.0
    free = local_components(matrix, level, sldc_options(k=8, lambda_=2.0), GAUSS, "neutral")
    assert (free.partners == -1).all()


def test_centers_stay_where_they_were_asked_for():
    level, matrix, *_ = planted_demo_head()
    asked = [100, 700]
    found = local_components(matrix, level, sldc_options(k=6, centers=asked, max_iterations=10), GAUSS, "neutral")
    assert set(asked) <= set(found.centers.tolist())


def test_signed_weights_describe_both_directions_of_a_motion():
    level, matrix, *_ = planted_demo_head()
    rest = matrix.sources[0][:1]
    both = in_memory({"xyz": np.concatenate([matrix.sources[0], 2 * rest - matrix.sources[0][1:]])})
    signed = local_components(both, level, sldc_options(k=8, weights="signed"), GAUSS, "neutral")
    assert signed.W.min() < -0.9
    assert np.abs(signed.W).max() <= 1 + 1e-6
    nonnegative = local_components(both, level, sldc_options(k=8), GAUSS, "neutral")
    assert nonnegative.W.min() >= 0
    assert signed.solver.objective[-1] < nonnegative.solver.objective[-1]


@pytest.mark.parametrize("noise_mm", [0.0, 0.15])
def test_face_units_of_the_demo_head_are_recovered_by_sldc_and_not_by_pca(noise_mm):
    level, matrix, fields, W = planted_demo_head(noise_mm=noise_mm)
    found = local_components(matrix, level, sldc_options(k=len(fields), lambda_=2.0), GAUSS, "neutral")
    assert matched_correlations(found.C, fields).min() >= 0.95
    cosines = np.abs((W / np.linalg.norm(W, axis=0)).T @ (found.W / np.linalg.norm(found.W, axis=0)))
    assert cosines[linear_sum_assignment(-cosines)].min() >= 0.95
    assert matched_correlations(principal_components(matrix, len(fields)).C, fields).min() < 0.9


def test_weights_of_any_family_are_found_again(exported):
    with exported.reader("base") as reader:
        matrix = reader.train_matrix(["xyz"])
        found = local_components(matrix, exported.template.base, sldc_options(k=4, lambda_=0.1), GAUSS, "neutral")
        components = assemble(reader, found, {})
    W = np.random.default_rng(0).uniform(size=(3, 4)).astype(np.float32)
    np.testing.assert_allclose(weights_of(components, components.rows(W)), W, atol=1e-2)


def test_components_of_finer_levels_are_found_on_the_base_level_first(exported):
    assert coarse_start(exported.template, "base") is None
    found = coarse_start(exported.template, "subd1")
    assert found is not None
    assert found.operator.shape == tuple(len(exported.template.levels[name].vertices) for name in ("subd1", "base"))
    assert len(found.level.vertices) == len(exported.template.base.vertices)
