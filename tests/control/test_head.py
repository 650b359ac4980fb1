from dataclasses import replace

import numpy as np
import pytest

from splatrig.animation.family import displacement_mm, swing_of
from splatrig.components.rig import Rig
from splatrig.control.head import Family, Head, open_head
from splatrig.control.panel import panel_of
from splatrig.control.retarget import retargeted
from splatrig.control.track import Track
from splatrig.control.web.pack import pack_head
from splatrig.io.errors import InputError
from support import heads, planted

HEAD = heads.head(1)
SKIN = heads.head(2, skin=True)
LOCAL = "sldc_gauss_xyz"


@pytest.mark.parametrize("head", [HEAD, SKIN], ids=["plain", "with skin"])
@pytest.mark.parametrize("rest", ["neutral", "mean"])
def test_one_family_alone_is_its_rig(head, rest):
    for name, family in head.families.items():
        rig = family.rig if rest == "neutral" else at_mean(family.rig)
        alone = Head("planted", {name: replace(family, rig=rig)}, head.template)
        weights = np.random.default_rng(0).random(rig.count)
        for (field, array), (_, expected) in zip(
            alone.gaussians({name: weights}).items(), rig.pose(weights).items(), strict=True
        ):
            assert np.allclose(array, expected, atol=1e-5), field


def test_free_gaussians_are_posed_and_steer_nothing():
    made = planted.head(1)
    parts = planted.components(made, attributes=planted.ALL_ATTRIBUTES)
    plain = replace(parts, family="learned", base=made.neutral)
    both = []
    for own in (plain, planted.with_free(plain, made.neutral, 9)):
        template = heads.template(made)
        panel = panel_of("learned_local", own, template.base, subject="planted", neutral_frame=own.frames[0])
        both.append(Head("planted", {"learned_local": Family(Rig.of(own, made.neutral), panel)}, template))
    (count, more), (own, grown) = ([len(head.rig) for head in both], [head.families["learned_local"] for head in both])
    assert (count, more) == (len(made.neutral), len(made.neutral) + 9)
    for name in ("low", "high", "mean", "covariance", "neutral"):
        np.testing.assert_array_equal(getattr(grown.panel, name), getattr(own.panel, name))
    assert grown.panel.names == own.panel.names
    track = Track(np.arange(2.0), own.panel.names, parts.W[1:3], "learned_local", "planted", "made by hand")
    played = [retargeted(track, family, family).weights for family in (own, grown)]
    np.testing.assert_allclose(played[1], played[0], atol=1e-6)
    assert len(pack_head(both[1], 1.0).gaussians({})) == more
    heat = displacement_mm(grown.rig, swing_of(parts.W[:, 0], 0))
    np.testing.assert_allclose(heat, displacement_mm(own.rig, swing_of(parts.W[:, 0], 0)), atol=1e-4)


def test_eyes_are_posed_shown_and_told_by_name():
    made = planted.head(1)
    parts = replace(planted.components(made, attributes=planted.ALL_ATTRIBUTES), family="learned", base=made.neutral)
    free = planted.with_free(parts, made.neutral, 9)
    both = []
    for own in (free, planted.with_eyes(free)):
        template = heads.template(made)
        panel = panel_of("learned_local", own, template.base, subject="planted", neutral_frame=own.frames[0])
        both.append(Head("planted", {"learned_local": Family(Rig.of(own, made.neutral), panel)}, template))
    plain, family = (head.families["learned_local"] for head in both)
    assert family.panel.names[3:] == planted.EYE_NAMES
    np.testing.assert_array_equal(family.panel.low[:3], plain.panel.low)
    np.testing.assert_array_equal(family.panel.low[3:], 0)
    np.testing.assert_array_equal(family.panel.high[3:], 1)
    weights = np.concatenate([parts.W[1:3], [[0.2, 0.7], [0.0, 1.0]]], axis=1)
    track = Track(np.arange(2.0), family.panel.names, weights, "learned_local", "planted", "made by hand")
    played = retargeted(track, family, family)
    np.testing.assert_allclose(played.weights[:, 3:], weights[:, 3:])
    without = replace(track, names=plain.panel.names, weights=track.weights[:, :3])
    np.testing.assert_allclose(retargeted(without, plain, family).weights[:, 3:], 0)
    pose = {"learned_local": np.array([0, 0, 0, 0, 1.0])}
    moved = both[1].gaussians(pose).means - both[1].gaussians({}).means
    assert not moved[: len(made.neutral)].any()
    assert np.abs(moved[len(made.neutral) :]).max() > 0.1
    packed = pack_head(both[1], 1.0)
    np.testing.assert_allclose(packed.gaussians(pose).means - packed.gaussians({}).means, moved, atol=0.02)
    assert not displacement_mm(family.rig, swing_of(family.rig.components.W[:, 4], 4)).any()


def at_mean(rig: Rig) -> Rig:
    return Rig.of(replace(rig.components, offset=None), rig.neutral, rig.skin)


def test_gaussians_follow_the_skin_that_families_of_centers_move_and_no_other():
    assert SKIN.rig.follows and not HEAD.rig.follows
    weights = {LOCAL: np.ones(5)}
    alone = SKIN.families[LOCAL].rig.pose(weights[LOCAL])
    assert np.abs(alone.quats - SKIN.base.quats).max() > 0.01
    assert np.allclose(SKIN.gaussians(weights).log_scales, alone.log_scales, atol=1e-5)
    other = {"pca_all": np.array([0.5, -0.5, 0.2, 0.1])}
    unfollowed = SKIN.families["pca_all"].rig.pose(other["pca_all"])
    assert np.allclose(SKIN.gaussians(other).quats, unfollowed.quats, atol=1e-6)
    both, still = SKIN.gaussians(weights | other), SKIN.gaussians(other | {LOCAL: np.zeros(5)})
    turned, grown = SKIN.rig.skin.follow(alone.means - SKIN.base.means, still.quats, still.log_scales)
    assert np.allclose(both.quats, turned, atol=1e-5)
    assert np.allclose(both.log_scales, grown, atol=1e-5)


def test_displacements_of_families_add_up():
    generator = np.random.default_rng(0)
    pose = {name: generator.random(family.rig.count) for name, family in HEAD.families.items()}
    together = HEAD.gaussians(pose).means - HEAD.base.means
    apart = [HEAD.gaussians({name: weights}).means - HEAD.base.means for name, weights in pose.items()]
    assert np.allclose(together, sum(apart), atol=1e-4)
    assert np.allclose(np.linalg.norm(HEAD.gaussians(pose).quats, axis=1), 1.0, atol=1e-6)


def test_what_is_missing_is_named(tmp_path):
    with pytest.raises(InputError, match=r"template/template\.h5 is missing; run snakemake first"):
        open_head(tmp_path, ["pca_all"])
    with pytest.raises(InputError, match="at least one family"):
        Head("planted", {}, HEAD.template)
