from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation

from splatrig.components.component_file import Components, read_components, write_components
from splatrig.components.rig import Rig
from splatrig.fitting.rig_optimizer import RigOptimizer
from splatrig.fitting.trainable_rig import RigStart, TrainableRig
from splatrig.gaussians.free import FreeGaussians, Motion
from splatrig.gaussians.gaussians import SH_C0
from splatrig.io.errors import InputError
from splatrig.learned.compare import Comparison, unseen
from splatrig.learned.free_start import FREE_PACE, with_free
from splatrig.learned.plan import learned_plan
from splatrig.learned.stage import FREE_EDGE_MM, Subject, as_components, learn, rig_start, surroundings
from support import subject as small
from support import tiny

CPU = torch.device("cpu")
FLOAT32 = 2e-5
"""Millimeters: rounding of coordinates of 60 mm."""


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return small.write_subject(tmp_path_factory.mktemp("subject"))


@pytest.fixture(scope="module")
def starts(subject: Subject) -> dict[str, Components]:
    return small.starts(subject)


@pytest.fixture(scope="module")
def free(subject: Subject) -> FreeGaussians:
    """Gaussians outside of the mesh, a third of which stand still."""
    generator = np.random.default_rng(3)
    parents = generator.integers(0, len(subject.neutral), 12)
    return FreeGaussians(
        structured=len(subject.neutral),
        means=(subject.neutral.means[parents] * 1.1).astype(np.float32),
        parents=parents,
        motions=np.where(np.arange(12) % 3 == 0, Motion.STILL, Motion.PARENT),
        colors=generator.random((12, 3)).astype(np.float32),
        sizes=np.linspace(0.5, 3, 12, dtype=np.float32),
        opacities=np.linspace(0.1, 0.9, 12, dtype=np.float32),
        jaw=np.zeros(0, np.int64),
    )


def start_of(subject: Subject, starts: dict[str, Components], family: str, level: str = "base") -> RigStart:
    return rig_start(small.options(family, level=level), subject, starts[family])


def test_no_free_gaussians_change_nothing(subject: Subject, starts: dict[str, Components]) -> None:
    start = start_of(subject, starts, "local")
    assert with_free(start, FreeGaussians.none(len(start.base))) is start


@pytest.mark.parametrize("family", ["global", "local"])
@pytest.mark.parametrize("level", ["base", "subd1"])
def test_a_free_gaussian_follows_its_parent_or_stands_still(
    subject: Subject, starts: dict[str, Components], free: FreeGaussians, family: str, level: str
) -> None:
    start = start_of(subject, starts, family, level)
    rig = TrainableRig(with_free(start, free), tiny.RATES)
    rows = {name: values.detach().numpy() for name, values in rig.rows(rig.weights).items()}
    count = len(start.base)
    for name in ("means", "quats"):
        moved = rows[name] - rig.base[name].detach().numpy()
        expected = moved[:, free.parents] * (free.motions == Motion.PARENT)[:, None]
        np.testing.assert_allclose(moved[:, count:], expected, atol=FLOAT32)
        assert np.abs(moved[:, free.parents]).max() > 100 * FLOAT32
    for name in ("sh0", "log_scales"):
        np.testing.assert_array_equal(rows[name][:, count:] - rows[name][:1, count:], 0)
    np.testing.assert_allclose(rows["means"][0, count:], free.means, atol=FLOAT32)
    np.testing.assert_allclose(rows["quats"][0, count:], start.base.quats[free.parents])
    plain = TrainableRig(start, tiny.RATES)
    for name, values in plain.rows(plain.weights).items():
        np.testing.assert_allclose(rows[name][:, :count], values.detach().numpy(), atol=FLOAT32)


def test_free_gaussians_look_as_they_were_found(
    subject: Subject, starts: dict[str, Components], free: FreeGaussians
) -> None:
    base = with_free(start_of(subject, starts, "global"), free).base
    own = slice(len(subject.neutral), None)
    np.testing.assert_allclose(0.5 + SH_C0 * base.sh0[own, 0], free.colors, atol=1e-6)
    np.testing.assert_allclose(np.exp(base.log_scales[own]), np.tile(free.sizes[:, None], 3), rtol=1e-6)
    np.testing.assert_allclose(1 / (1 + np.exp(-base.logit_opacities[own])), free.opacities, rtol=1e-6)
    assert not base.shN[own].any()
    for name, array in base.first(len(subject.neutral)).items():
        np.testing.assert_array_equal(array, getattr(subject.neutral, name))


@pytest.mark.parametrize("level", ["base", "subd1"])
def test_components_act_on_a_free_gaussian_where_they_act_on_its_parent(
    subject: Subject, starts: dict[str, Components], free: FreeGaussians, level: str
) -> None:
    start = start_of(subject, starts, "local", level)
    basis = with_free(start, free).basis
    acting = start.basis.support if start.basis.carry is None else (start.basis.carry @ start.basis.support.T > 0).T
    structured = start.basis.support.shape[1]
    np.testing.assert_array_equal(basis.support[:, :structured], start.basis.support)
    np.testing.assert_array_equal(basis.support[:, structured:], acting[:, free.parents])
    assert 0 < basis.support[:, structured:].sum() < basis.support[:, structured:].size


@pytest.mark.parametrize("level", ["base", "subd1"])
@pytest.mark.parametrize("family", ["global", "local"])
def test_what_is_in_the_jaw_moves_exactly_as_the_rigid_jaw_that_the_chin_follows(
    subject: Subject, starts: dict[str, Components], free: FreeGaussians, family: str, level: str
) -> None:
    start, generator = start_of(subject, starts, family, level), np.random.default_rng(2)
    moves, turns = generator.standard_normal((2, 2, 1, 3))
    turns[1] = 0.0  # the second component acts on the chin alone, without turning it
    vertices = subject.template.levels[level].vertices
    chin = np.flatnonzero(vertices[: len(subject.template.base.vertices), 1] < -30)
    start = replace(start, base=replace(start.base, means=subject.template.finest_level.vertices.astype(np.float32)))
    deltas = start.basis.deltas | {"means": (moves + np.cross(turns, vertices[None])).astype(np.float32)}
    support = start.basis.support
    if support is not None:
        support = np.stack([np.ones(len(vertices), bool), np.isin(np.arange(len(vertices)), chin)])
        deltas["means"][~support] = 0.0
    start = replace(start, basis=replace(start.basis, deltas=deltas, support=support))
    in_jaw = np.arange(12) % 4 == 1
    free = replace(free, motions=np.where(in_jaw, Motion.JAW, free.motions), jaw=chin)
    rig = TrainableRig(with_free(start, free), tiny.RATES)
    rows = rig.rows(torch.eye(2))
    moved = (rows["means"] - rig.base["means"]).detach().numpy()[:, len(start.base) :][:, in_jaw]
    np.testing.assert_allclose(moved, moves + np.cross(turns, free.means[in_jaw].astype(float)[None]), atol=1e-4)
    turned = Rotation.from_quat(rows["quats"].detach().numpy()[1, len(start.base) :][in_jaw], scalar_first=True)
    kept = Rotation.from_quat(start.base.quats[free.parents[in_jaw]], scalar_first=True)
    assert (turned * kept.inv()).magnitude().max() < 1e-4, "without a turn there is none"
    others = (rows["means"] - rig.base["means"]).detach().numpy()[:, len(start.base) :][:, free.motions == Motion.STILL]
    assert not others.any()


@pytest.mark.parametrize("family", ["global", "local"])
def test_components_learn_more_slowly_on_free_gaussians(
    subject: Subject, starts: dict[str, Components], free: FreeGaussians, family: str
) -> None:
    """Adam's first step moves every entry by its rate, whatever its gradient."""
    options, start = small.options(family, level="subd1"), start_of(subject, starts, family, "subd1")
    rig = TrainableRig(with_free(start, free), tiny.RATES)
    plan = learned_plan(options, tiny.RENDER, start, subject.pixel_size)
    optimizer = RigOptimizer(rig, plan.learning_rates(rig), bounded=options.bounded)
    before = rig.basis.dense()
    upstream = {name: torch.rand_like(rig.rows(rig.weights[1:3])[name]) + 0.5 for name in rig.driven}
    rig.pull(rig.weights.detach()[1:3], upstream)
    optimizer.adam.step(optimizer.rates.at(0))
    step = (rig.basis.dense() - before).abs()[:, :, 0]
    inside = torch.ones_like(step, dtype=torch.bool) if rig.basis.supports is None else step > 0
    rate = tiny.RATES.means * (rig.weights.detach()[1:3].abs().sum(dim=0) > 0)[:, None]
    pace = torch.ones(len(rig))
    pace[len(start.base) :] = FREE_PACE
    torch.testing.assert_close(step[inside], (rate * pace).expand_as(step)[inside], rtol=0.02, atol=1e-6)


@pytest.mark.parametrize("family", ["global", "local"])
def test_gradients_of_free_rows_are_those_of_the_blend(
    subject: Subject, starts: dict[str, Components], free: FreeGaussians, family: str
) -> None:
    rig = TrainableRig(with_free(start_of(subject, starts, family), free), tiny.RATES)
    weights = rig.weights.detach()[1:4].clone().requires_grad_()
    rows = rig.rows(weights)
    upstream = {name: torch.randn(values.shape) for name, values in rows.items()}
    total = sum((rows[name] * upstream[name]).sum() for name in rows)
    to_weights, to_values = torch.autograd.grad(total, [weights, rig.basis.values])
    rig.basis.values.grad = None
    torch.testing.assert_close(rig.pull(weights.detach(), upstream), to_weights, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(rig.basis.values.grad, to_values, rtol=1e-4, atol=1e-4)


def test_free_gaussians_of_another_head_are_refused(subject: Subject, starts: dict[str, Components]) -> None:
    with pytest.raises(InputError, match=f"found with {len(subject.neutral)} structured ones, got them with 7"):
        with_free(start_of(subject, starts, "global"), FreeGaussians.none(7))


def test_free_gaussians_face_no_side_and_have_an_edge(subject: Subject) -> None:
    around = surroundings(subject, len(subject.neutral) + 5, ())
    np.testing.assert_array_equal(around.normals[-5:], 0)
    np.testing.assert_array_equal(around.edge_lengths[-5:], max(FREE_EDGE_MM, np.median(subject.edge_lengths)))
    np.testing.assert_array_equal(around.edge_lengths[:-5], subject.edge_lengths)


@pytest.mark.parametrize("family", ["global", "local"])
def test_a_rig_with_free_gaussians_is_learned_kept_and_posed(
    subject: Subject, starts: dict[str, Components], free: FreeGaussians, family: str, tmp_path: Path
) -> None:
    options = small.options(family, level="base", steps=6, back_faces=-0.2)
    structured = rig_start(options, subject, starts[family])
    plan = learned_plan(options, tiny.RENDER, structured, subject.pixel_size)
    learned = learn(with_free(structured, free), subject, options, plan, 0, CPU)
    write_components(tmp_path / "learned.h5", as_components(learned, subject, options))
    read = read_components(tmp_path / "learned.h5")
    assert (read.structured, read.columns.count) == (len(subject.neutral), len(subject.neutral) + len(free))
    posed = Rig.of(read, subject.neutral).pose(read.W[2])
    rows = learned.rig.rows(learned.rig.weights.detach()[2:3])
    np.testing.assert_allclose(posed.means, rows["means"][0].detach().numpy(), atol=2e-3)
    moved = learned.rig.base["means"].detach().numpy()[-len(free) :] - free.means
    assert (np.abs(moved).max(axis=1) > 0).all(), "free Gaussians are trained"
    comparison = Comparison(subject, tiny.RENDER, 2, CPU)
    assert unseen(comparison, read, subject.names("held_out")).weights.shape == (1, len(read))
