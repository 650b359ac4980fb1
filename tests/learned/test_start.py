import numpy as np
import pytest

from splatrig.components.component_file import Components
from splatrig.components.fields import Columns
from splatrig.components.rig import Rig
from splatrig.fitting.trainable_rig import TrainableRig
from splatrig.learned.start import (
    SUPPORT_FRACTION,
    SUPPORT_RINGS,
    blendshape_supports,
    moved_gaussians,
    start_from_components,
    weight_scale,
)
from support import known_rig

COUNT, FRAMES, K = 12, 6, 2
BASE = known_rig.ball(np.random.default_rng(0), COUNT)


@pytest.fixture
def components() -> Components:
    """Components of positions and colors about a neutral, some rows zero."""
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
    support = start.basis.support
    assert np.array_equal(support, moved_gaussians(components)) if bounded else support is None
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


def test_every_attribute_may_move_and_stays_still_where_the_components_do_not_know_it(components: Components) -> None:
    start = start_from_components(components, BASE, ("xyz", "opacity", "f_rest"), 0, bounded=False)
    rig = TrainableRig(start, known_rig.RATES)
    rows = rig.rows(rig.weights)
    assert set(rows) == {"means", "logit_opacities", "shN"}
    assert rows["logit_opacities"].shape == (FRAMES, COUNT)
    np.testing.assert_array_equal(rows["logit_opacities"].detach()[2], BASE.logit_opacities)
    np.testing.assert_array_equal(rows["shN"].detach()[2], BASE.shN)


def test_components_without_weights_have_unit_scale() -> None:
    np.testing.assert_array_equal(weight_scale(np.float32([[0, 2], [0, -4]]), bounded=True), [1, 4])


def test_blendshapes_may_act_where_they_move_and_three_rings_around_it() -> None:
    columns, length = Columns(("xyz",), 12), 10.0
    strip = np.array([[k, k + 1, k + 2] for k in range(10)])  # vertex k is next to k - 2 … k + 2
    C = np.zeros((3, 12, 3), np.float32)
    C[0, 0], C[0, 1] = [0, length, 0], [0, 0.9 * SUPPORT_FRACTION * length, 0]
    C[1, 11] = 1e-3
    made = Components(
        family="blendshapes",
        W=np.array([[0, 0, 0], [0.4, 0.2, 0]], np.float32),
        C=columns.by_column(C),
        mean=columns.row_of(BASE),
        std=np.ones(36, np.float32),
        offset=None,
        columns=columns,
        faces=strip,
        face_mask=np.ones(12, bool),
        frames=("E000/000000", "E000/000001"),
        names=("jawOpen", "jawLeft", "tongueOut"),
        limits=(0.0, 1.0),
        told=np.array([True, True, False]),
    )
    supports = blendshape_supports(made)
    assert np.flatnonzero(supports[0]).tolist() == list(range(1 + 2 * SUPPORT_RINGS))
    assert np.flatnonzero(supports[1]).tolist() == list(range(11 - 2 * SUPPORT_RINGS, 12))
    assert not supports[2].any()
    start = start_from_components(made, BASE, ("xyz", "f_dc"), 0, bounded=True)
    np.testing.assert_array_equal(start.weights, made.W)
    np.testing.assert_array_equal(start.basis.deltas["means"], C)
    np.testing.assert_array_equal(start.basis.support, supports)
    assert (start.blendshapes.names, start.blendshapes.told.tolist()) == (made.names, made.told.tolist())
    reached = np.sqrt((np.square(made.W).mean(axis=0) @ supports)[supports.any(axis=0)].mean())
    assert start.leverage == pytest.approx(reached)
