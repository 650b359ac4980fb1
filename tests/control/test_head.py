import numpy as np
import pytest

from control import heads
from splatrig.control.head import head_of, open_head
from splatrig.errors import InputError

HEAD = heads.head(1)


def test_one_family_alone_is_its_rig():
    for name, family in HEAD.families.items():
        alone = head_of("planted", {name: family}, HEAD.template)
        weights = np.random.default_rng(0).random(family.rig.count)
        for (field, array), (_, expected) in zip(
            alone.gaussians({name: weights}).items(), family.rig.gaussians(weights).items(), strict=True
        ):
            assert np.allclose(array, expected, atol=1e-5), field


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
        head_of("planted", {}, HEAD.template)
