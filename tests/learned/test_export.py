from dataclasses import replace
from pathlib import Path

import h5py
import numpy as np
import pytest
import torch

from splatrig.components.component_file import Components, read_components, write_components
from splatrig.components.rig import Rig
from splatrig.fitting.trainable_rig import BasisStart, RigStart, TrainableRig
from splatrig.gaussians.gaussians import SHAPES
from splatrig.learned.export import TrainedOn, export_rig
from support import known_rig

COUNT, FRAMES, K = 15, 8, 3
FLOAT32 = 2e-4
"""Relative to coordinates of 60 mm: sums of a few float32 products."""


EVERYTHING = tuple(SHAPES)
"""Opacity and higher spherical harmonics move, too."""


def rig(fields: tuple[str, ...] = known_rig.FIELDS, *, local: bool = False, moving: bool = False) -> TrainableRig:
    generator = np.random.default_rng(0)
    base = known_rig.ball(generator, COUNT)

    deltas = {
        name: 0.1 * generator.standard_normal((K, COUNT, int(np.prod(SHAPES[name], dtype=int)))).astype(np.float32)
        for name in fields
    }
    support = generator.random((K, COUNT)) < 0.5 if local else None
    weights = generator.random((FRAMES, K)).astype(np.float32)
    start = RigStart(base, weights, BasisStart(fields, deltas, support), neutral_row=0)
    return TrainableRig(start, known_rig.RATES, moving=moving)


def exported(learned: TrainableRig, *, bounded: bool = False) -> Components:
    trained = TrainedOn(
        frames=tuple(f"E000/{row:06d}" for row in range(FRAMES)),
        faces=np.array([[0, 1, 2]]),
        face_mask=np.ones(COUNT, bool),
    )
    return export_rig(learned, trained, bounded=bounded)


@pytest.mark.parametrize("bounded", [False, True])
@pytest.mark.parametrize("fields", [known_rig.FIELDS, EVERYTHING])
def test_rows_of_the_file_are_the_rigs_frames(bounded: bool, fields: tuple[str, ...]) -> None:
    learned = rig(fields, local=bounded)
    components = exported(learned, bounded=bounded)
    weights = learned.weights.detach()
    expected = learned.rows(weights)
    for field, values in components.columns.by_field(components.rows()).items():
        np.testing.assert_allclose(values, expected[field].detach().numpy(), atol=FLOAT32, rtol=FLOAT32)


def test_weights_of_zero_give_the_base() -> None:
    components = exported(rig())
    np.testing.assert_array_equal(components.W[0], 0)
    np.testing.assert_allclose(components.rows()[0], components.columns.row_of(components.base), atol=1e-4)


def test_free_components_are_orthonormal_with_uncorrelated_scores_and_fixed_signs() -> None:
    components = exported(rig())
    np.testing.assert_allclose(components.C @ components.C.T, np.eye(K), atol=1e-5)
    scatter = components.W.T @ components.W
    np.testing.assert_allclose(scatter, np.diag(np.diag(scatter)), atol=1e-4 * scatter.max())
    assert (np.diff(np.diag(scatter)) <= 0).all()
    assert (components.C[np.arange(K), np.abs(components.C).argmax(axis=1)] > 0).all()


def test_bounded_components_reach_one_and_keep_their_supports() -> None:
    learned = rig(local=True)
    components = exported(learned, bounded=True)
    np.testing.assert_allclose(components.W.max(axis=0), 1, atol=1e-6)
    assert components.W.min() >= 0
    moving = components.by_gaussian().any(axis=2)
    supports = learned.basis.dense().any(dim=2).numpy()
    assert sorted(map(tuple, moving)) == sorted(map(tuple, supports))


@pytest.mark.parametrize("fields", [known_rig.FIELDS, EVERYTHING])
def test_the_base_travels_through_the_file(tmp_path: Path, fields: tuple[str, ...]) -> None:
    learned = rig(fields)
    components = exported(learned)
    path = tmp_path / "learned_global.h5"
    write_components(path, components)
    read = read_components(path)
    np.testing.assert_array_equal(read.rows(), components.rows())
    for name, array in learned.gaussians(np.zeros(learned.count)).items():
        np.testing.assert_array_equal(getattr(read.base, name), array, err_msg=name)


def test_the_motions_of_heads_travel_through_the_file(tmp_path: Path) -> None:
    learned = rig(moving=True)
    learned.poses.values[1:] = torch.randn(FRAMES - 1, 6, generator=torch.Generator().manual_seed(0))
    write_components(tmp_path / "moving.h5", exported(learned))
    read = read_components(tmp_path / "moving.h5")
    np.testing.assert_array_equal(read.head_motions, learned.poses.rigid())
    np.testing.assert_array_equal(read.head_motion_of["E000/000003"], read.head_motions[3])
    np.testing.assert_array_equal(read.select(np.array([1])).head_motions, read.head_motions)
    np.testing.assert_array_equal(read.head_motions[0], np.eye(4)[:3])
    write_components(tmp_path / "still.h5", exported(rig()))  # as files were before heads moved
    still = read_components(tmp_path / "still.h5")
    assert still.head_motions is None
    assert still.head_motion_of == {}
    with h5py.File(tmp_path / "still.h5") as file:
        assert "learned_head_motions" not in file


def test_other_families_move_the_neutral() -> None:
    neutral = known_rig.ball(np.random.default_rng(5), COUNT)
    components = exported(rig())
    assert Rig.of(replace(components, base=None), neutral).neutral is neutral
    np.testing.assert_array_equal(Rig.of(components, neutral).neutral.shN, rig().gaussians(np.zeros(K)).shN)
