from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from splatrig.fitting.checkpoint import Checkpoints, Slot
from splatrig.fitting.engine import Fit
from splatrig.fitting.rig_optimizer import RigOptimizer
from splatrig.fitting.schedule import Shot
from splatrig.fitting.trainable_rig import RigStart, TrainableRig
from splatrig.fitting.world import World
from splatrig.gaussians.free import FreeGaussians, Motion
from splatrig.gaussians.gaussians import SH_C0, Gaussians
from splatrig.landmarks.rims import Rim, Rims
from splatrig.learned.find_free import FIND, Around, FindOptions, Relocation, find_free, unborn
from splatrig.learned.fit import LearnedFit
from splatrig.learned.free_start import with_free
from splatrig.learned.jaw import Rigid
from splatrig.learned.mesh_components import mesh_pca, read_meshes
from splatrig.learned.plan import LearnedPlan, learned_plan
from splatrig.learned.spawning import Points
from splatrig.learned.stage import Subject, rig_start, surroundings, training_schedule
from splatrig.mesh.nearest import Places
from support import subject as small
from support import tiny

CPU = torch.device("cpu")
COUNT = 24
CROWN = np.array([0.0, 100.0, 0.0])
"""Where photographs show a green ball above the head that no mesh knows."""
OPTIONS = small.options(level="base", steps=20, photographs_per_step=1)
FEW = FindOptions(rounds=7, share=0.3, views=3, looks=12, quota=0.0)


def ball() -> Gaussians:
    return Gaussians(
        means=CROWN[None].astype(np.float32),
        quats=np.array([[1, 0, 0, 0]], np.float32),
        log_scales=np.full((1, 3), np.log(9.0), np.float32),
        logit_opacities=np.full(1, 6.0, np.float32),
        sh0=((np.array([[[0.1, 0.9, 0.1]]]) - 0.5) / SH_C0).astype(np.float32),
        shN=np.zeros((1, 15, 3), np.float32),
    )


@pytest.fixture(scope="module")
def subject(tmp_path_factory: pytest.TempPathFactory) -> Subject:
    return small.write_subject(tmp_path_factory.mktemp("subject"), ball())


@pytest.fixture(scope="module")
def start(subject: Subject) -> RigStart:
    return rig_start(OPTIONS, subject, mesh_pca(small.mesh_rows(subject), 2, subject.template.base))


def plan_of(subject: Subject, start: RigStart) -> LearnedPlan:
    return learned_plan(OPTIONS, tiny.RENDER, start, subject.pixel_size)


def found(
    subject: Subject, start: RigStart, seed: int = 0, slot: Slot | None = None, find: FindOptions = FEW
) -> FreeGaussians:
    return find_free(start, subject, COUNT, OPTIONS, plan_of(subject, start), seed, CPU, slot, find)


@pytest.fixture(scope="module")
def undisturbed(subject: Subject, start: RigStart) -> FreeGaussians:
    return found(subject, start)


def same(first: FreeGaussians, second: FreeGaussians) -> bool:
    return all(np.array_equal(array, getattr(second, name)) for name, array in vars(first).items())


def test_what_the_mesh_does_not_know_is_found(subject: Subject, start: RigStart) -> None:
    free = found(subject, start, find=replace(FEW, rounds=14, share=0.15))
    assert len(free) == COUNT
    near = np.linalg.norm(free.means - CROWN, axis=1) < 35
    assert near.mean() > 0.5, "most errors are there"
    color = np.average(free.colors[near], axis=0, weights=free.opacities[near])
    assert color[1] > 2 * max(color[0], color[2])
    assert (subject.neutral.means[free.parents[near]][:, 1] > 20).all(), "above"


def test_the_same_seed_finds_the_same(subject: Subject, start: RigStart, undisturbed: FreeGaussians) -> None:
    assert same(undisturbed, found(subject, start))
    assert not same(undisturbed, found(subject, start, 4))


def test_a_killed_search_goes_on_to_the_same_bits(
    subject: Subject,
    start: RigStart,
    undisturbed: FreeGaussians,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    slot = Checkpoints(tmp_path, "key").slot("checkpoint")
    step = Fit.step

    def dies(self: Fit, number: int, shots: list, **options: object) -> None:
        if number == 9:
            raise KeyboardInterrupt
        step(self, number, shots, **options)

    monkeypatch.setattr(Fit, "step", dies)
    with pytest.raises(KeyboardInterrupt):
        found(subject, start, slot=slot)
    monkeypatch.setattr(Fit, "step", step)
    begun: list[int] = []

    def counted(self: Fit, number: int, shots: list, **options: object) -> None:
        begun.append(number)
        step(self, number, shots, **options)

    monkeypatch.setattr(Fit, "step", counted)
    assert same(undisturbed, found(subject, start, slot=slot))
    assert begun[0] == 8


CHIN = torch.tensor([3, 9, 20, 41, 60])
"""Any Gaussians will do."""


def relocating(
    subject: Subject,
    start: RigStart,
    rig: TrainableRig,
    optimizer: RigOptimizer,
    plan: LearnedPlan,
    chin: torch.Tensor = CHIN[:0],
) -> Relocation:
    around = Around([], torch.zeros((0, 3)), chin, torch.zeros(3), chin)
    with subject.photographs(subject.names("train"), CPU, cropped=False) as photographs:
        return Relocation(rig, optimizer, photographs, plan, start, unborn(start, COUNT), around, [1, 2], 0, FIND)


def found_by(relocation: Relocation, subject: Subject) -> FreeGaussians:
    with subject.photographs(subject.names("train"), CPU, cropped=False) as relocation.photographs:
        return relocation.found()


def test_a_relocated_row_is_written_whole(subject: Subject, start: RigStart) -> None:
    """It is seen where it was found, goes with its parent, the jaw or nothing, and remembers no gradient."""
    plan = plan_of(subject, start)
    rig = TrainableRig(with_free(start, unborn(start, COUNT)), plan.rates)
    optimizer = RigOptimizer(rig, plan.learning_rates(rig))
    for moments in optimizer.adam.moments.values():
        moments.mean.fill_(1.0)
        moments.square.fill_(2.0)
    rig.basis.values.data += 0.1 * torch.randn(rig.basis.values.shape, generator=torch.Generator().manual_seed(0))
    before = {name: tensor.detach().clone() for name, tensor in rig.parameters().items()}
    relocation = relocating(subject, start, rig, optimizer, plan, chin=CHIN)
    rows, parents = torch.tensor([5, 2, 20, 11]), torch.tensor([7, 100, 7, 7])
    places = torch.tensor([[0.0, 99, 0], [50, 0, 0], [0, 0, 80], [0, -20, 40]])
    points = Points(places, torch.rand(4, 3), torch.tensor([0, 3, 3, 3]), torch.ones(4))
    motions = torch.tensor([Motion.PARENT, Motion.PARENT, Motion.STILL, Motion.JAW])
    relocation.put(rows, points, parents, motions, 40)
    at = len(start.base) + rows
    posed = rig.rows(rig.weights.detach())
    for index, frame in enumerate(points.frames):
        torch.testing.assert_close(posed["means"][frame, at[index]], places[index], rtol=0, atol=1e-4)
    for name in ("means", "quats"):
        moved = posed[name] - rig.base[name]
        expected = moved[:, parents] * (motions == Motion.PARENT)[:, None]
        torch.testing.assert_close(moved[:, at[:3]], expected[:, :3], rtol=1e-4, atol=1e-4)
        assert moved[:, parents].abs().max() > 1e-2
    rest = rig.base["means"].detach()
    jaw = Rigid.fitted(rest[CHIN], (posed["means"] - rest)[:, CHIN])
    in_jaw = (posed["means"] - rest)[:, at[3:]]
    torch.testing.assert_close(in_jaw, jaw.at(rest[at[3:]]), rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(0.5 + SH_C0 * rig.base["sh0"].detach()[at, 0], points.colors)
    assert not rig.base["shN"][at].any()
    others = torch.ones(len(rig), dtype=torch.bool)
    others[at] = False
    for name, moments in optimizer.adam.moments.items():
        own = at - len(rig) if name == "basis" else at
        for remembered in (moments.mean, moments.square):
            rows_of = remembered.transpose(0, 1) if name == "basis" else remembered
            assert not rows_of[own].any(), name
            kept = others[-len(rows_of) :]
            assert rows_of[kept].all(), name
    for name, tensor in rig.base.items():
        assert torch.equal(tensor[others], before[f"base_{name}"][others])
    assert relocation.parents[rows].tolist() == parents.tolist()
    found = found_by(relocation, subject)
    assert found.motions.tolist() == [Motion.PARENT, Motion.PARENT, Motion.JAW, Motion.STILL]
    assert found.jaw.tolist() == CHIN.tolist()


def test_rows_where_two_cameras_see_nothing_are_not_found(subject: Subject, start: RigStart) -> None:
    plan, rows = plan_of(subject, start), torch.arange(3)
    rig = TrainableRig(with_free(start, unborn(start, COUNT)), plan.rates)
    relocation = relocating(subject, start, rig, RigOptimizer(rig, plan.learning_rates(rig)), plan)
    beside, inside = torch.tensor([70.0, 85, 0]), torch.tensor([0.0, 20, 0])
    points = Points(torch.stack([inside, beside, inside]), torch.rand(3, 3), torch.zeros(3, dtype=int), torch.ones(3))
    relocation.put(rows, points, torch.tensor([7, 7, 7]), torch.full((3,), Motion.STILL), 1)
    with subject.photographs(subject.names("train"), CPU, cropped=False) as relocation.photographs:
        assert relocation.outside()[:3].tolist() == [False, True, False]
        relocation.cameras = relocation.cameras[:1]  # of which the matte may be wrong
        assert not relocation.outside().any()


def test_every_free_gaussian_costs_its_opacity(subject: Subject, start: RigStart) -> None:
    rig = TrainableRig(with_free(start, unborn(start, COUNT)), tiny.RATES)
    rig.base["logit_opacities"].data[-COUNT:] = torch.linspace(-3, 3, COUNT)
    names = subject.names("train")
    around = replace(surroundings(subject, len(rig), ()), free=COUNT)
    losses = []
    with subject.photographs(names, CPU) as photographs:
        shots = [Shot(frame, photographs.view((frame, 1))) for frame in (1, 3)]
        for weight in (0.0, 1e-3):
            plan = replace(plan_of(subject, start), opacity_weight=weight)
            fit = LearnedFit(rig, photographs, training_schedule(OPTIONS, subject, names, 0, World()), around, plan)
            rows = rig.blended([1, 3])[1]
            losses.append(fit.fit.objective.value(rig.base, rows, shots, 0, 0.5).detach())
    expected = 1e-3 * torch.linspace(-3, 3, COUNT).sigmoid().sum()
    torch.testing.assert_close(losses[1] - losses[0], expected, rtol=1e-3, atol=0.0)


def test_known_rims_are_held_by_the_vertices_next_to_them(subject: Subject) -> None:
    base, names = subject.template.base, subject.names("train")
    meshes = read_meshes(subject.dataset.folder, names, subject.template)
    almost_at = np.array([[0.9, 0.05, 0.05]])
    mouth, eye = (Rim(Places(np.array([face]), almost_at), np.full((1, 3), 2.0)) for face in (5, 40))
    around = Around.of(subject, meshes, CPU, Rims((mouth,), (eye,)))
    assert [rim.tolist() for rim in around.rims] == [[base.faces[5, 0]], [base.faces[40, 0]]]
    assert around.mouth.tolist() == [base.faces[5, 0]]
    np.testing.assert_allclose(around.outward[1], subject.normals[base.faces[40, 0]], atol=1e-6)
    told_by_meshes, nothing_known = (Around.of(subject, meshes, CPU, known) for known in (None, Rims()))
    assert [rim.tolist() for rim in told_by_meshes.rims] == [rim.tolist() for rim in nothing_known.rims]


def test_rows_that_are_nowhere_yet_are_not_found(subject: Subject, start: RigStart) -> None:
    plan = plan_of(subject, start)
    rig = TrainableRig(with_free(start, unborn(start, COUNT)), plan.rates)
    relocation = relocating(subject, start, rig, RigOptimizer(rig, plan.learning_rates(rig)), plan)
    assert len(found_by(relocation, subject)) == 0


def test_a_search_that_finds_nothing_says_where_to_look(
    tmp_path: Path, start: RigStart, caplog: pytest.LogCaptureFixture
) -> None:
    """Mattes are empty: nothing is anywhere."""
    subject = small.write_subject(tmp_path)
    for path in sorted((tmp_path / "dataset").rglob("*.png")):
        pixels = np.array(Image.open(path))
        pixels[..., 3] = 0
        Image.fromarray(pixels).save(path)
    free = found(subject, start)
    assert len(free) == 0
    assert with_free(start, free) is start
    assert "no Gaussian was found beyond the mesh" in caplog.text
