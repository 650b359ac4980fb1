from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from splatrig.components.component_file import Components
from splatrig.components.fields import ATTRIBUTE_OF, Columns
from splatrig.components.rig import Rig
from splatrig.components.weights import positions, weights_of_displacements
from splatrig.fitting.poses import Poses
from splatrig.learned.solve import weights_from_photographs
from support import known_rig
from support.known_rig import Planted


@pytest.fixture(scope="module")
def truth(tmp_path_factory: pytest.TempPathFactory) -> Planted:
    return known_rig.plant(tmp_path_factory.mktemp("planted"))


def components(truth: Planted, *, bounded: bool, moving: float = 1.0) -> Components:
    """Return the planted rig as a component file holds it; `moving` scales what its components do."""
    columns = Columns(tuple(ATTRIBUTE_OF[field] for field in known_rig.FIELDS), len(truth.base))
    row = columns.row_of(truth.base)
    return Components(
        family="learned",
        W=truth.weights,
        C=moving * columns.by_column(np.concatenate([truth.deltas[field] for field in known_rig.FIELDS], axis=-1)),
        mean=row,
        std=np.ones_like(row),
        offset=None,
        columns=columns,
        faces=np.array([[0, 1, 2]]),
        face_mask=np.ones(len(truth.base), bool),
        frames=tuple(view.name for view in truth.frames),
        limits=(0.0, 1.0) if bounded else None,
        base=truth.base,
    )


@pytest.mark.parametrize("bounded", [False, True])
def test_weights_of_a_frame_are_found_from_its_photographs(truth: Planted, bounded: bool) -> None:
    rig = Rig.of(components(truth, bounded=bounded), truth.base).to("cpu")
    with known_rig.photographs(truth) as photographs:
        pairs = [(5, camera) for camera in (0, 2, 4, 6)]
        start = np.full(3, 0.5, np.float32)
        weights = weights_from_photographs(rig, photographs, pairs, start, 80, known_rig.RENDER, rate=0.08)
    np.testing.assert_allclose(weights, truth.weights[5], atol=0.05)


@pytest.mark.parametrize("bounded", [False, True])
def test_weights_of_a_frame_are_found_from_its_mesh(truth: Planted, bounded: bool) -> None:
    moved = np.einsum("fk,knd->fnd", truth.weights, truth.deltas["means"])
    noise = np.random.default_rng(0).normal(0, 0.5, moved.shape)
    found = weights_of_displacements(components(truth, bounded=bounded), moved + noise, ridge=1e-6)
    np.testing.assert_allclose(found, truth.weights, atol=0.05)


def test_bounds_hold_where_the_free_solution_leaves_them(truth: Planted) -> None:
    moved = np.einsum("fk,knd->fnd", [[2.0, -1.0, 0.5]], truth.deltas["means"])
    free = weights_of_displacements(components(truth, bounded=False), moved)
    held = weights_of_displacements(components(truth, bounded=True), moved)
    np.testing.assert_allclose(free, [[2.0, -1.0, 0.5]], atol=1e-3)
    np.testing.assert_allclose(held, [[1.0, 0.0, 0.5]], atol=1e-3)


def test_the_position_basis_is_the_planted_one(truth: Planted) -> None:
    found = positions(components(truth, bounded=True))
    np.testing.assert_allclose(found, truth.deltas["means"], rtol=1e-5, atol=1e-5)


def test_signed_components_find_negative_weights(truth: Planted, tmp_path: Path) -> None:
    """Signed SLDC has weights in [-1, 1]; those of a frame's photographs were held above 0."""
    signed = replace(components(truth, bounded=False), limits=(-1.0, 1.0))
    rig = Rig.of(signed, truth.base)
    wanted = np.float32([-0.5, 0.4, -1.4])
    within = np.clip(wanted, -1, 1)
    moved = (rig.pose(wanted).means - truth.base.means)[None]
    np.testing.assert_allclose(weights_of_displacements(signed, moved), [within], atol=1e-3)
    posed = replace(truth, frames=[replace(truth.frames[0], folder=tmp_path)])
    known_rig.photograph(posed.frames[0], rig.pose(within))
    with known_rig.photographs(posed) as photographs:
        pairs = [(0, camera) for camera in (0, 2, 4, 6)]
        found = weights_from_photographs(
            rig.to("cpu"), photographs, pairs, np.zeros(3), 80, known_rig.RENDER, rate=0.08
        )
    np.testing.assert_allclose(found, within, atol=0.05)


def test_the_pose_of_a_frame_is_found_with_its_weights(truth: Planted) -> None:
    wrong, true = known_rig.misplaced(truth, 2.0)
    rig = Rig.of(components(truth, bounded=True), truth.base).to("cpu")
    poses = Poses.still(1, rig.neutral.means)
    with known_rig.photographs(wrong) as photographs:
        pairs = [(5, camera) for camera in (0, 2, 4, 6)]
        start = np.full(3, 0.5, np.float32)
        weights = weights_from_photographs(
            rig, photographs, pairs, start, 120, known_rig.RENDER, rate=0.08, poses=poses
        )
    np.testing.assert_allclose(weights, truth.weights[5], atol=0.1)
    still = np.linalg.norm(true[5] - np.eye(4)[:3])
    assert np.linalg.norm(poses.rigid()[0] - true[5]) < 0.3 * still


def test_components_that_move_nothing_leave_the_start(truth: Planted) -> None:
    rig = Rig.of(components(truth, bounded=False, moving=0.0), truth.base).to("cpu")
    with known_rig.photographs(truth) as photographs:
        start = np.float32([0.2, 0, 0])
        weights = weights_from_photographs(rig, photographs, [(1, 0)], start, 3, known_rig.RENDER)
    np.testing.assert_allclose(weights, [0.2, 0, 0], atol=1e-6)
