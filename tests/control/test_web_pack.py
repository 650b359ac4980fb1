from dataclasses import replace

import numpy as np
import pytest

from splatrig.components.rig import Rig
from splatrig.control.head import Family, Head
from splatrig.control.web.measure import cost_of, end_poses, expression_poses, psnr
from splatrig.control.web.pack import (
    BITS,
    MOTION_PX,
    Quantized,
    effects_of,
    growth_of,
    pack_component,
    pack_head,
    quantized,
)
from support import heads, planted

HEAD = heads.subdivided_head()
PIXEL_MM = 1.0
PACKED = pack_head(HEAD, PIXEL_MM)
EFFECTS = effects_of(HEAD.base, growth_of(HEAD), PIXEL_MM)
ROUNDING = 1e-5
"""Float32 at coordinates of 100 mm."""


def random_pose(seed: int) -> dict[str, np.ndarray]:
    generator = np.random.default_rng(seed)
    return {name: generator.uniform(panel.low, panel.high) for name, panel in HEAD.panels.items()}


def ends(head: Head) -> np.ndarray:
    return np.concatenate([np.maximum(np.abs(panel.low), np.abs(panel.high)) for panel in head.panels.values()])


def changes(head: Head) -> list[dict[str, np.ndarray]]:
    """What a unit of each component's weight adds, by field."""
    families = [family.rig.components for family in head.families.values()]
    return [parts.columns.by_field(row * parts.std) for parts in families for row in parts.C]


@pytest.mark.parametrize("step", [0.5, 1e-9])
def test_columns_are_right_to_half_a_step(step):
    values = np.random.default_rng(0).normal(size=(500, 3)) * [1e-3, 1.0, 200.0]
    columns = quantized(values, step)
    assert columns.steps.dtype == np.int16
    assert (columns.step >= np.float32(step)).all()
    assert (np.abs(columns.values() - values) <= 0.51 * columns.step + ROUNDING * np.abs(values)).all()


def test_a_constant_column_comes_back_exactly():
    assert (quantized(np.full((5, 1), 7.25), 0.1).values() == 7.25).all()


@pytest.mark.parametrize("field", changes(HEAD)[0])
def test_kept_rows_are_right_to_half_a_step_and_dropped_ones_to_what_is_seen(field):
    number = list(BITS).index(field)
    seen = 0
    for component, change, end in zip(PACKED.components, changes(HEAD), ends(HEAD), strict=True):
        step, there = component.steps[number], component.found[field]
        moved = change[field].reshape(there.shape)
        off = there * step - moved
        kept = component.differences[field].any(axis=1)
        assert np.abs(off[kept]).max() <= 0.501 * step
        rounding = 0.5 * step * np.sqrt(there.shape[1])
        allowed = 1.0 + end * EFFECTS[field] * rounding
        assert (np.linalg.norm(off, axis=1) * end * EFFECTS[field] <= allowed + 1e-4).all()
        seen += int((~kept).sum())
    assert field not in ("means", "sh0") or seen > 0


def test_a_step_is_finer_than_what_is_seen_where_bits_allow():
    for component, end in zip(PACKED.components, ends(HEAD), strict=True):
        assert component.steps[0] * end <= MOTION_PX * PIXEL_MM


@pytest.mark.parametrize("seed", range(4))
def test_poses_are_near(seed):
    pose = random_pose(seed)
    exact, packed = HEAD.gaussians(pose), PACKED.gaussians(pose)
    assert np.linalg.norm(packed.means - exact.means, axis=1).max() < (2 * len(PACKED.components) + 1) * MOTION_PX
    assert np.abs(packed.shN - exact.shN).max() <= 0.5 * PACKED.shN_step + 1e-7
    np.testing.assert_allclose(np.linalg.norm(packed.quats, axis=1), 1.0, atol=1e-6)
    opacities = [1 / (1 + np.exp(-made.logit_opacities)) for made in (exact, packed)]
    np.testing.assert_allclose(*opacities, atol=0.51 / 255)


def test_a_coarser_pixel_drops_more_and_holds_less():
    coarse = pack_head(HEAD, 20 * PIXEL_MM)
    assert coarse.dropped > PACKED.dropped
    assert sum(map(np.size, coarse.arrays().values())) < sum(map(np.size, PACKED.arrays().values()))


@pytest.mark.parametrize("free", [0, 7])
def test_components_and_gaussians_are_as_many_as_the_head_has(free):
    head = heads.subdivided_head(free)
    packed = pack_head(head, PIXEL_MM)
    assert len(packed.components) == head.rig.count
    assert packed.rig.count == head.rig.count
    assert len(packed.rig) == len(head.template.finest_level.vertices) + free


def test_families_stand_one_after_the_other():
    head = heads.head(2)
    packed = pack_head(head, PIXEL_MM)
    assert packed.first == {"pca_all": 0, "sldc_gauss_xyz": 4}
    pose = {"sldc_gauss_xyz": head.panels["sldc_gauss_xyz"].high}
    assert np.abs(packed.gaussians(pose).means - head.gaussians(pose).means).max() < 6 * MOTION_PX


def test_weights_that_are_left_out_are_zero():
    pose = random_pose(5)
    first = next(iter(pose))
    alone = {first: pose[first]}
    rest = {name: np.zeros_like(weights) for name, weights in pose.items()}
    for field, values in PACKED.gaussians(alone).items():
        assert np.array_equal(values, getattr(PACKED.gaussians(rest | alone), field)), field


def test_a_component_without_motion_packs_to_nothing():
    still = pack_component({"means": np.zeros((len(HEAD.base), 3), np.float32)}, 1.0, EFFECTS, PACKED.parents)
    assert still.steps == (0.0,) * 5
    assert not any(rows.any() for rows in [*still.differences.values(), *still.found.values()])


def test_the_largest_change_uses_the_last_step_where_bits_are_short():
    grown = np.zeros((len(HEAD.base), 3), np.float32)
    grown[1, 2] = 50.0
    packed = pack_component({"log_scales": grown}, 1.0, EFFECTS, PACKED.parents)
    assert packed.found["log_scales"][1, 2] == 127
    assert packed.steps[3] == pytest.approx(50.0 / 127)


def test_round_gaussians_do_not_turn_and_long_ones_do():
    base = heads.subdivided_head(free=0).base
    still = np.zeros(len(base))
    assert not effects_of(base, still, PIXEL_MM)["quats"].any()
    assert effects_of(base, still + 0.1, PIXEL_MM)["quats"].all()  # which a component makes long
    long = replace(base, log_scales=base.log_scales + np.float32([0.0, 0.0, 1.0]))
    radius = np.exp(base.log_scales[0, 0])
    expected = 2 * radius * (np.e - 1) / (MOTION_PX * PIXEL_MM)
    np.testing.assert_allclose(effects_of(long, still, PIXEL_MM)["quats"], expected, rtol=1e-5)


def test_attributes_that_the_page_leaves_at_rest_are_named():
    made = planted.head(1)
    parts = planted.components(made, family="pca", attributes=("xyz", "f_rest"), count=2)
    family = replace(heads.family(made, "pca_all", family="pca", count=2), rig=Rig.of(parts, made.neutral))
    packed = pack_head(Head("planted", {"pca_all": Family(family.rig, family.panel)}, heads.template(made)), PIXEL_MM)
    assert packed.left_out == ("shN",)


def test_gaussians_follow_the_skin_as_in_the_head():
    head = heads.head(2, skin=True)
    packed = pack_head(head, 0.1 * PIXEL_MM)
    assert packed.worn.families == {"sldc_gauss_xyz"}
    pose = {name: panel.high for name, panel in head.panels.items()}
    exact, found = head.gaussians(pose), packed.gaussians(pose)
    unfollowed = heads.head(2).gaussians(pose)
    assert np.abs(unfollowed.quats - exact.quats).max() > 0.05
    np.testing.assert_allclose(found.quats, exact.quats, atol=0.02)
    np.testing.assert_allclose(found.log_scales, exact.log_scales, atol=0.05)
    assert pack_head(HEAD, PIXEL_MM).worn is None


def test_the_skin_of_a_rest_face_that_is_not_the_neutral_is_followed_from_there():
    head = heads.head(2, skin=True)
    local = head.families["sldc_gauss_xyz"]
    at_mean = Rig.of(replace(local.rig.components, offset=None), local.rig.neutral, local.rig.skin)
    moved = Head("planted", {"sldc_gauss_xyz": replace(local, rig=at_mean)}, head.template)
    packed = pack_head(moved, 0.1 * PIXEL_MM)
    assert np.linalg.norm(packed.worn.at_rest, axis=1).max() > 1.0
    for pose in ({}, {"sldc_gauss_xyz": local.panel.high}):
        exact, found = moved.gaussians(pose), packed.gaussians(pose)
        np.testing.assert_allclose(found.log_scales, exact.log_scales, atol=0.05)
        np.testing.assert_allclose(found.quats, exact.quats, atol=0.02)


def test_opacities_move_and_are_fine_where_they_do():
    made = planted.head(1)
    parts = planted.components(made, family="pca", attributes=("xyz", "opacity"), count=2)
    parts = replace(parts, C=np.where(np.arange(parts.C.shape[1]) < 3 * len(made.neutral), parts.C, 200 * parts.C))
    family = replace(heads.family(made, "pca_all", family="pca", count=2), rig=Rig.of(parts, made.neutral))
    head = Head("planted", {"pca_all": family}, heads.template(made))
    packed = pack_head(head, PIXEL_MM)
    assert packed.left_out == ()
    pose = {"pca_all": family.panel.high}
    exact, found = (1 / (1 + np.exp(-made.gaussians(pose).logit_opacities)) for made in (head, packed))
    assert np.ptp(exact) > 0.3
    np.testing.assert_allclose(found, exact, atol=0.01)


def test_the_cost_of_packing_is_small_and_counts_every_pose():
    cost = cost_of(HEAD, PACKED, planted.cameras(2))
    assert cost.poses_moved == len(expression_poses(HEAD)) + len(end_poses(HEAD))
    assert cost.pictures == 2 * len(expression_poses(HEAD))
    assert 0 < cost.mean_mm <= cost.largest_mm < (len(PACKED.components) + 1) * MOTION_PX * PIXEL_MM
    assert 40 < cost.worst_db <= cost.mean_db
    assert f"{cost.worst_db:.1f} dB" in cost.sentence()


def test_the_cost_finds_a_planted_shift():
    means = PACKED.base["means"]
    shifted = Quantized(means.steps, means.middle + np.float32(3.0), means.step)
    wrong = replace(PACKED, base=PACKED.base | {"means": shifted})
    cost = cost_of(HEAD, wrong, planted.cameras(2))
    assert cost.mean_mm == pytest.approx(3.0 * np.sqrt(3), rel=1e-2)
    assert cost.worst_db < 35


def test_psnr_of_a_known_error():
    assert psnr(0.01) == pytest.approx(20.0)
    assert psnr(0.0) == 120.0


def test_growth_is_the_largest_change_of_a_log_scale_by_one_component():
    expected = np.max(
        [end * np.abs(change["log_scales"]).max(axis=1) for change, end in zip(changes(HEAD), ends(HEAD), strict=True)],
        axis=0,
    )
    np.testing.assert_allclose(growth_of(HEAD), expected, rtol=1e-5)
