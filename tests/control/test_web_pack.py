from dataclasses import replace

import numpy as np
import pytest

from splatrig.components.rig import Rig
from splatrig.control.head import Family, Head
from splatrig.control.web.measure import cost_of, end_poses, expression_poses, psnr
from splatrig.control.web.pack import Quantized, pack_component, pack_head, quantized
from support import heads, planted

HEAD = heads.head(2)
PACKED = pack_head(HEAD)
ROUNDING = 1e-5
"""Float32 at coordinates of 100 mm."""


def random_pose(seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {name: generator.uniform(panel.low, panel.high) for name, panel in HEAD.panels.items()}


def test_columns_are_right_to_half_a_step():
    values = np.random.default_rng(0).normal(size=(500, 3)) * [1e-3, 1.0, 200.0]
    columns = quantized(values)
    assert columns.steps.dtype == np.uint16
    assert (np.abs(columns.values() - values) <= 0.51 * columns.step + ROUNDING * np.abs(values)).all()


def test_a_constant_column_comes_back_exactly():
    columns = quantized(np.full((5, 1), 7.25))
    assert columns.step[0] == 0.0
    assert (columns.values() == 7.25).all()


@pytest.mark.parametrize("seed", range(4))
def test_centers_are_within_the_sum_of_half_steps(seed):
    pose = random_pose(seed)
    weights = np.concatenate([pose[name] for name in HEAD.families])
    allowed = 0.5 * (PACKED.base["means"].step.max() + np.abs(weights) @ PACKED.steps[:, 0])
    error = np.abs(PACKED.gaussians(pose).means - HEAD.gaussians(pose).means).max()
    assert error <= allowed + ROUNDING * planted.RADIUS_MM


@pytest.mark.parametrize("seed", range(4))
def test_other_fields_are_within_the_sum_of_half_steps(seed):
    pose = random_pose(seed)
    weights = np.abs(np.concatenate([pose[name] for name in HEAD.families]))
    exact, packed = HEAD.gaussians(pose), PACKED.gaussians(pose)
    for field, column in (("sh0", 1), ("log_scales", 3)):
        allowed = 0.5 * (PACKED.base[field].step.max() + weights @ PACKED.steps[:, column])
        assert np.abs(getattr(packed, field) - getattr(exact, field)).max() <= allowed + 1e-5, field
    assert np.abs(packed.shN - exact.shN).max() <= 0.5 * PACKED.shN_step.max() + 1e-7
    np.testing.assert_allclose(np.linalg.norm(packed.quats, axis=1), 1.0, atol=1e-6)
    np.testing.assert_allclose(packed.logit_opacities, exact.logit_opacities, atol=1e-3)


def test_weights_that_are_left_out_are_zero():
    pose = random_pose(5)
    first = next(iter(pose))
    alone = {first: pose[first]}
    rest = {name: np.zeros_like(weights) for name, weights in pose.items()}
    for field, values in PACKED.gaussians(alone).items():
        assert np.array_equal(values, getattr(PACKED.gaussians(rest | alone), field)), field


def test_a_component_without_motion_packs_to_nothing():
    coordinates, fine, steps = pack_component({"means": np.zeros((4, 3), np.float32)}, 4)
    assert not coordinates.any()
    assert not fine.any()
    assert steps == [0.0] * 4


def test_the_largest_motion_uses_the_last_step():
    moved = np.zeros((4, 3), np.float32)
    moved[2, 1] = -5.0
    turned = np.zeros((4, 4), np.float32)
    turned[1, 3] = 0.25
    coordinates, fine, steps = pack_component({"means": moved, "quats": turned}, 4)
    assert coordinates[2, 1] == -32767
    assert fine[1, 3 + 3] == 127
    np.testing.assert_allclose(steps, [5 / 32767, 0, 0.25 / 127, 0], rtol=1e-6)


def test_attributes_that_the_page_leaves_at_rest_are_named():
    made = planted.head(1)
    parts = planted.components(made, family="pca", attributes=("xyz", "opacity"), count=2)
    family = replace(heads.family(made, "pca_all", family="pca", count=2), rig=Rig.of(parts, made.neutral))
    packed = pack_head(Head("planted", {"pca_all": Family(family.rig, family.panel)}, heads.template(made)))
    assert packed.left_out == ("logit_opacities",)


def test_the_cost_of_packing_is_small_and_counts_every_pose():
    cost = cost_of(HEAD, PACKED, planted.cameras(2))
    assert cost.poses_moved == len(expression_poses(HEAD)) + len(end_poses(HEAD))
    assert cost.pictures == 2 * len(expression_poses(HEAD))
    assert 0 < cost.mean_mm <= cost.largest_mm < 0.02
    assert 40 < cost.worst_db <= cost.mean_db
    assert f"{cost.worst_db:.1f} dB" in cost.sentence()


def test_the_cost_finds_a_planted_shift():
    means = PACKED.base["means"]
    shifted = Quantized(means.steps, means.low + np.float32(3.0), means.step)
    wrong = replace(PACKED, base=PACKED.base | {"means": shifted})
    cost = cost_of(HEAD, wrong, planted.cameras(2))
    assert cost.mean_mm == pytest.approx(3.0 * np.sqrt(3), rel=1e-2)
    assert cost.worst_db < 35


def test_psnr_of_a_known_error():
    assert psnr(0.01) == pytest.approx(20.0)
    assert psnr(0.0) == 120.0
