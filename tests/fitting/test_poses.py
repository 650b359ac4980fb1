from dataclasses import replace

import numpy as np
import pytest
import torch
from scipy.spatial.transform import Rotation
from torch import Tensor

from splatrig.components.skin_torch import quat_product, quats_of
from splatrig.dataset.photographs import View
from splatrig.fitting.poses import MOVED, PRIOR, Poses
from splatrig.fitting.rig_optimizer import RigOptimizer
from splatrig.fitting.schedule import Shot
from splatrig.fitting.trainable_rig import BasisStart, RigStart, TrainableRig
from splatrig.rasterize import Splats, Views, rasterize
from support import known_rig

LOBES_TURN = 0.05
"""Relative error of gradients that take the lobes of colors to stand still while the head turns."""


def poses(count: int = 3, seed: int = 0) -> Poses:
    """Return poses in float64, some millimeters off."""
    generator = torch.Generator().manual_seed(seed)
    means = 60.0 * torch.randn(40, 3, generator=generator, dtype=torch.float64) + 10.0
    still = Poses.still(count, means)
    return replace(still, values=5.0 * torch.randn(count, 6, generator=generator, dtype=torch.float64))


def splats(seed: int = 0, *, lobes: float = 0.0) -> Splats:
    """Return a ball in float64, whose quaternions have any length; `lobes` is the size of its harmonics."""
    ball = known_rig.ball(np.random.default_rng(seed), 120)
    tensors = {name: torch.as_tensor(values, dtype=torch.float64) for name, values in ball.items()}
    colors = torch.cat([tensors["sh0"], lobes * tensors["shN"]], dim=1)
    return Splats(
        tensors["means"],
        1.3 * tensors["quats"],
        tensors["log_scales"].exp(),
        tensors["logit_opacities"].sigmoid(),
        colors,
        sh_degree=3,
    )


def photographed(ball: Splats, motion: Tensor) -> Tensor:  # [4, 4] to [C, H, W, 3]
    """Return images of a head that a motion has moved."""
    cameras = known_rig.cameras_around(4)
    viewmats, Ks = torch.as_tensor(cameras.viewmats) @ motion, torch.as_tensor(cameras.Ks)
    return rasterize(ball, Views(viewmats, Ks, known_rig.SIZE, known_rig.SIZE), "numba")[0]


def test_motions_are_rigid_about_the_center_and_zero_is_none() -> None:
    some = poses()
    motions = some.motions([2, 0])
    turned = Rotation.from_matrix(motions[:, :3, :3].numpy()).as_rotvec()
    values = some.values[[2, 0]].numpy()
    angles = np.linalg.norm(turned, axis=1)
    gibbs = 2 * np.tan(angles / 2) / angles
    np.testing.assert_allclose(turned * gibbs[:, None] * some.radius, values[:, :3], rtol=1e-9)
    moved = motions[:, :3, :3] @ some.center + motions[:, :3, 3]
    torch.testing.assert_close(moved, some.center + some.values[[2, 0], 3:])
    still = Poses.still(3, torch.randn(5, 3))
    torch.testing.assert_close(still.motions([1]), torch.eye(4)[None])
    assert still.rigid().shape == (3, 3, 4)


def test_one_millimeter_of_either_kind_moves_gaussians_as_far() -> None:
    generator = torch.Generator().manual_seed(1)
    means = torch.randn(500, 3, generator=generator, dtype=torch.float64)
    for column in (0, 4):
        some = Poses.still(1, means)
        some.values[0, column] = 1e-3
        motion = some.motions([0])[0]
        moved = (means @ motion[:3, :3].T + motion[:3, 3] - means).norm(dim=1).square().mean().sqrt()
        assert float(moved) == pytest.approx(1e-3, rel=0.2)  # a rotation leaves its axis where it is


def test_a_moved_view_shows_what_moved_gaussians_show() -> None:
    motion = poses().motions([1])[0]
    ball = replace(splats(), colors=splats().colors[:, :1], sh_degree=0)
    turned = quat_product(quats_of(motion[None, :3, :3]), ball.quats)
    moved = replace(ball, means=ball.means @ motion[:3, :3].T + motion[:3, 3], quats=turned)
    torch.testing.assert_close(photographed(ball, motion), photographed(moved, torch.eye(4).double()))
    picture = torch.zeros(6, 6, 4, dtype=torch.uint8)
    view = View("400001", picture, None, torch.eye(4)[None], torch.eye(3)[None])
    whole = replace(view, crop=view).moved(motion.float())
    torch.testing.assert_close(whole.viewmats[0], motion.float())
    assert torch.equal(whole.silhouette.viewmats, whole.viewmats)


@pytest.mark.parametrize(("lobes", "tolerance"), [(0.0, 1e-5), (1.0, LOBES_TURN)])
def test_gradients_agree_with_finite_differences(lobes: float, tolerance: float) -> None:
    some, ball = poses(), splats(lobes=lobes)
    probe = torch.randn(4, known_rig.SIZE, known_rig.SIZE, 3, generator=torch.Generator().manual_seed(2)).double()
    leaves = {name: getattr(ball, name)[None].clone().requires_grad_() for name in MOVED}
    images = photographed(replace(ball, **{name: leaf[0] for name, leaf in leaves.items()}), some.motions([2])[0])
    (images * probe).sum().backward()
    rows = {name: leaf.detach() for name, leaf in leaves.items()}
    found = some.pull([2], rows, {name: leaf.grad for name, leaf in leaves.items()})[0] - 2 * PRIOR * some.values[2]

    def value(column: int, change: float) -> float:
        changed = replace(some, values=some.values.clone())
        changed.values[2, column] += change
        return float((photographed(ball, changed.motions([2])[0]) * probe).sum())

    step = 1e-4
    expected = torch.tensor([(value(c, step) - value(c, -step)) / (2 * step) for c in range(6)]).double()
    assert float((found - expected).norm() / expected.norm()) < tolerance


def test_the_prior_pulls_towards_the_tracked_pose() -> None:
    some = poses()
    nothing = {name: torch.zeros(2, 40, width, dtype=torch.float64) for name, width in zip(MOVED, (3, 4), strict=True)}
    torch.testing.assert_close(some.pull([0, 2], nothing, nothing), 2 * PRIOR * some.values[[0, 2]])


@pytest.fixture
def start() -> RigStart:
    """Return a rig whose components move centers alone, so that rotations belong to the base."""
    generator = np.random.default_rng(0)
    deltas = {"means": generator.standard_normal((2, 20, 3)).astype(np.float32)}
    weights = generator.standard_normal((4, 2)).astype(np.float32)
    return RigStart(known_rig.ball(generator, 20), weights, BasisStart(("means",), deltas), neutral_row=1)


def test_heads_do_not_move_on_average(start: RigStart) -> None:
    rig = TrainableRig(start, known_rig.RATES, moving=True)
    optimizer = RigOptimizer(rig, known_rig.plan(pose_rate=0.1).learning_rates(rig))
    for parameter in rig.parameters().values():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step(0, [0, 1], {"weights": torch.ones(4, 2), "poses": torch.ones(4, 6)})
    expected = torch.tensor([-0.05, -0.05, 0.05, 0.05])[:, None].expand(4, 6)
    torch.testing.assert_close(rig.poses.values, expected, rtol=1e-3, atol=0)


def test_a_frame_has_rows_of_all_that_moves_and_the_base_their_gradients(start: RigStart) -> None:
    rig = TrainableRig(start, known_rig.RATES, moving=True)
    weights, rows = rig.blended([3, 0])
    assert set(rows) == set(MOVED)
    assert torch.equal(rows["quats"], rig.base["quats"].detach().expand(2, -1, -1))
    upstream = {name: torch.randn(values.shape) for name, values in rows.items()}
    rig.pull(weights, upstream)
    for name in MOVED:
        torch.testing.assert_close(rig.base[name].grad, upstream[name].sum(dim=0))


def test_heads_that_do_not_move_are_seen_as_they_are(start: RigStart) -> None:
    picture = torch.zeros(6, 6, 4, dtype=torch.uint8)
    shots = [Shot(2, View("400001", picture, None, torch.eye(4)[None], torch.eye(3)[None]))]
    assert TrainableRig(start, known_rig.RATES).seen(shots) is shots
    (moved,) = TrainableRig(start, known_rig.RATES, moving=True).seen(shots)
    torch.testing.assert_close(moved.view.viewmats, shots[0].view.viewmats)
