from dataclasses import replace

import numpy as np
import pytest

from splatrig.components.rig import Rig
from splatrig.control.head import Head, open_head
from splatrig.io.errors import InputError
from support import heads

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
