from dataclasses import replace

import numpy as np
import pytest
import torch
from pxr import Usd, UsdGeom, UsdVol

from splatrig.components.skin_torch import rotation_matrices
from splatrig.export.usd import FIRST, SAVE_EVERY, extent_mm, write_usd_track
from splatrig.gaussians.activated import linear_opacities, linear_scales
from splatrig.io.errors import InputError
from support import small_rig

HARMONICS = "radiance:sphericalHarmonicsCoefficients"


def weights(frames):
    return np.linspace(0, 1, frames)[:, None] * np.array([0.8, 0.3, 1.0])


def opened(path, poses, **options):
    write_usd_track(path, poses, frames_per_second=24.0, **options)
    stage = Usd.Stage.Open(str(path))
    return stage, stage.GetDefaultPrim()


def values(prim, name, time):
    return np.array(prim.GetAttribute(name).Get(time))


@pytest.mark.parametrize("suffix", ["usdc", "usda"])
def test_what_is_read_is_the_rigs_pose_at_every_frame(tmp_path, suffix):
    rig = small_rig.rig("pca")
    poses = [rig.pose(row) for row in weights(SAVE_EVERY + 3)]
    _, prim = opened(tmp_path / f"a.{suffix}", poses)
    assert prim.IsA(UsdVol.ParticleField3DGaussianSplat)
    for time, pose in enumerate(poses, start=FIRST):
        np.testing.assert_allclose(values(prim, "positions", time), pose.means, atol=2e-6)
        np.testing.assert_allclose(values(prim, "scales", time), linear_scales(pose), rtol=1e-6)
        np.testing.assert_allclose(values(prim, "opacities", time), linear_opacities(pose), rtol=1e-6)
        harmonics = np.concatenate([pose.sh0, pose.shN], axis=1)
        np.testing.assert_allclose(values(prim, HARMONICS, time).reshape(harmonics.shape), harmonics, atol=2e-6)
    quaternion = prim.GetAttribute("orientations").Get(FIRST)[7]
    found = [quaternion.GetReal(), *quaternion.GetImaginary()]  # not by their order in memory
    np.testing.assert_allclose(found, poses[0].quats[7], atol=1e-6)
    assert prim.GetAttribute("radiance:sphericalHarmonicsDegree").Get() == 3


def test_units_axes_and_times_are_those_of_the_head_and_the_film(tmp_path):
    rig = small_rig.rig()
    stage, prim = opened(tmp_path / "a.usdc", map(rig.pose, weights(5)), name="my head")
    assert (UsdGeom.GetStageUpAxis(stage), UsdGeom.GetStageMetersPerUnit(stage)) == ("Y", 0.001)
    assert (stage.GetTimeCodesPerSecond(), stage.GetFramesPerSecond()) == (24, 24)
    assert (stage.GetStartTimeCode(), stage.GetEndTimeCode()) == (1, 5)
    assert prim.GetPath() == "/my_head"


def test_what_does_not_move_is_written_once(tmp_path):
    rig = small_rig.rig()  # moves centers alone
    _, prim = opened(tmp_path / "a.usdc", map(rig.pose, weights(6)))
    assert prim.GetAttribute("positions").GetNumTimeSamples() == 6
    for name in ("orientations", "scales", "opacities", HARMONICS):
        assert prim.GetAttribute(name).HasAuthoredValue()
        assert prim.GetAttribute(name).GetNumTimeSamples() == 0, name


def test_a_pose_that_is_held_begins_to_move_when_it_does(tmp_path):
    rig = small_rig.rig()
    held = np.array([[0.0, 0, 0], [0, 0, 0], [0, 0, 0], [1, 0, 0], [1, 0, 0], [0, 1, 0]])
    _, prim = opened(tmp_path / "a.usdc", map(rig.pose, held))
    for time, row in enumerate(held, start=FIRST):
        np.testing.assert_allclose(values(prim, "positions", time), rig.pose(row).means, atol=2e-6)


def test_the_extent_of_each_frame_holds_its_gaussians(tmp_path):
    rig = small_rig.rig("pca")
    poses = [rig.pose(row) for row in weights(3)]
    _, prim = opened(tmp_path / "a.usdc", poses)
    directions = np.random.default_rng(0).normal(size=(500, 3))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    for time, pose in enumerate(poses, start=FIRST):
        low, high = values(prim, "extent", time)
        quats = torch.as_tensor(pose.quats, dtype=torch.float64)
        axes = rotation_matrices(quats).numpy() * 3 * linear_scales(pose)[:, None]
        surface = pose.means + np.einsum("nij,dj->dni", axes, directions)
        assert (surface >= low - 1e-3).all()
        assert (surface <= high + 1e-3).all()
        assert np.abs(surface.max(axis=(0, 1)) - high).max() < 0.5  # and not by far


def test_the_extent_of_a_turned_gaussian_is_turned():
    one = small_rig.HEAD.neutral.first(1)
    turned = replace(
        one,
        means=np.array([[10.0, 0, 0]], np.float32),
        quats=np.array([[np.sqrt(0.5), 0, 0, np.sqrt(0.5)]], np.float32),  # a quarter about z
        log_scales=np.log([[1.0, 2.0, 3.0]]).astype(np.float32),
    )
    np.testing.assert_allclose(extent_mm(turned), [[4, -3, -9], [16, 3, 9]], atol=1e-5)


def test_equal_tracks_give_equal_bytes(tmp_path):
    rig = small_rig.rig()
    for name in ("a", "b"):
        write_usd_track(tmp_path / f"{name}.usdc", map(rig.pose, weights(4)), frames_per_second=24.0)
    assert (tmp_path / "a.usdc").read_bytes() == (tmp_path / "b.usdc").read_bytes()


def test_no_pose_and_numbers_that_are_not_finite_are_refused_and_nothing_is_written(tmp_path):
    with pytest.raises(InputError, match=r"a\.usdc: expected at least one pose, got none"):
        write_usd_track(tmp_path / "a.usdc", [], frames_per_second=24.0)
    rig = small_rig.rig()
    broken = rig.pose(np.ones(3))
    broken.means[4] = np.nan
    with pytest.raises(
        InputError, match=r"a\.usdc, frame 2: expected finite means, got NaN or infinity, first at Gaussian 4"
    ):
        write_usd_track(tmp_path / "a.usdc", [rig.pose(np.zeros(3)), broken], frames_per_second=24.0)
    assert not list(tmp_path.iterdir())
