import numpy as np
import pytest

from splatrig.components.component_file import Components
from splatrig.components.fields import Columns
from splatrig.components.rig import Rig
from splatrig.config.models import LearnedAppearance
from splatrig.fitting.trainable_rig import TrainableRig
from splatrig.io.errors import InputError
from splatrig.learned.start import (
    moved_gaussians,
    random_start,
    start_from_components,
    weight_scale,
    with_extra,
)
from support import known_rig

COUNT, FRAMES, K = 12, 6, 2
BASE = known_rig.ball(np.random.default_rng(0), COUNT)


@pytest.fixture
def components() -> Components:
    """Components of positions and colours about a neutral, some rows zero."""
    generator = np.random.default_rng(1)
    C = generator.standard_normal((K, 6 * COUNT)).astype(np.float32)
    C[0, :9] = 0
    C[0, 3 * COUNT : 3 * COUNT + 9] = 0
    W = generator.random((FRAMES, K)).astype(np.float32) * 4
    W[0] = 0
    rest = np.concatenate([BASE.means.reshape(-1), BASE.sh0.reshape(-1)])
    std = np.repeat(np.float32([0.5, 0.1]), 3 * COUNT)
    mean = rest + generator.standard_normal(6 * COUNT).astype(np.float32)
    return Components(
        family="pca",
        W=W,
        C=C,
        mean=mean,
        std=std,
        offset=(rest - mean) / std,
        columns=Columns(("xyz", "f_dc"), COUNT),
        faces=np.array([[0, 1, 2]]),
        face_mask=np.ones(COUNT, bool),
        frames=tuple(f"E000/{row:06d}" for row in range(FRAMES)),
    )


@pytest.mark.parametrize("bounded", [False, True])
def test_the_start_makes_the_rows_of_the_components(components: Components, bounded: bool) -> None:
    start = start_from_components(components, BASE, ("xyz", "f_dc", "rotation"), 0, bounded=bounded)
    rig = TrainableRig(start, known_rig.RATES)
    rows = rig.rows(rig.weights)
    expected = components.rows()
    np.testing.assert_allclose(
        rows["means"].detach().reshape(FRAMES, -1), expected[:, : 3 * COUNT], rtol=1e-4, atol=1e-4
    )
    np.testing.assert_allclose(rows["sh0"].detach().reshape(FRAMES, -1), expected[:, 3 * COUNT :], rtol=1e-4, atol=1e-4)
    np.testing.assert_allclose(rows["quats"].detach()[3], BASE.quats)
    size = start.weights.max(axis=0) if bounded else np.sqrt((start.weights**2).mean(axis=0))
    np.testing.assert_allclose(size, 1, rtol=1e-6)


def test_hard_supports_are_the_rows_that_are_not_zero(components: Components) -> None:
    moved = moved_gaussians(components)
    assert not moved[0, :3].any()
    assert moved[0, 3:].all()
    assert moved[1].all()


def test_the_rest_row_gives_the_neutral(components: Components) -> None:
    rest = Rig.of(components, BASE).base
    np.testing.assert_allclose(rest.means, BASE.means, atol=1e-5)
    np.testing.assert_array_equal(rest.shN, BASE.shN)


def test_an_extra_block_moves_nothing_at_first(components: Components) -> None:
    start = start_from_components(components, BASE, ("xyz",), 0, bounded=False)
    both = with_extra(start, LearnedAppearance(["opacity", "f_rest"], 3), np.random.default_rng(0), bounded=False)
    assert both.weights.shape == (FRAMES, K + 3)
    rig = TrainableRig(both, known_rig.RATES)
    rows = rig.rows(rig.weights)
    np.testing.assert_allclose(rows["shN"].detach()[2], BASE.shN)
    assert rows["logit_opacities"].shape == (FRAMES, COUNT)


def test_an_attribute_cannot_be_in_two_blocks(components: Components) -> None:
    start = start_from_components(components, BASE, ("xyz",), 0, bounded=False)
    start = with_extra(start, LearnedAppearance(["opacity"], 1), np.random.default_rng(0), bounded=False)
    with pytest.raises(InputError, match=r"learned\.appearance\.attributes"):
        with_extra(start, LearnedAppearance(["opacity"], 1), np.random.default_rng(0), bounded=False)


def test_a_random_start_is_the_base_with_weights_to_learn_from() -> None:
    start = random_start(BASE, ("xyz", "scale"), (FRAMES, 4), 0, np.random.default_rng(0))
    rig = TrainableRig(start, known_rig.RATES)
    np.testing.assert_allclose(rig.gaussians(rig.weights.detach()[3]).means, BASE.means, rtol=1e-6)
    assert (start.weights[1:] != 0).all()


def test_components_without_weights_have_unit_scale() -> None:
    np.testing.assert_array_equal(weight_scale(np.float32([[0, 2], [0, -4]]), bounded=True), [1, 4])
