"""A played track as OpenUSD: one prim `ParticleField3DGaussianSplat` with time samples (schema UsdVol, since 26.03).

Positions and scales are in millimeters of head space (y up, `metersPerUnit` 0.001), scales and opacities linear,
quaternions of unit length, spherical harmonics of degree 3 in the convention of 3D Gaussian splatting: a display color
in sRGB is 0.5 plus their sum. Values that no frame changes are written once.
"""

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pxr import Gf, Tf, Usd, UsdGeom, UsdUtils, UsdVol, Vt
from scipy.spatial.transform import Rotation

from splatrig.gaussians.activated import linear_opacities, linear_scales
from splatrig.gaussians.axes import METRE
from splatrig.gaussians.gaussians import Gaussians
from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path

FIRST = 1
"""Time code of the first frame, so that time code n is frame n of a sequence of PLY files."""
EXTENT_SIGMAS = 3.0
"""Number of standard deviations of a Gaussian inside its prim's extent: those that 3D Gaussian splatting draws."""
SAVE_EVERY = 25
"""Number of frames after which the written ones are flushed from memory to the file."""
_DEGREE = 3


def write_usd_track(
    path: str | Path,
    poses: Iterable[Gaussians],  # poses of N Gaussians each, raw, in head space
    *,
    frames_per_second: float,
    name: str = "head",
) -> None:
    """Write poses as a USD stage, one time code each, text or binary by the suffix of `path` (.usda, .usdc, .usd).

    Raises InputError when there is no pose, or a value of one is not finite.
    """
    with atomic_path(path) as temporary:
        stage = Usd.Stage.CreateNew(str(temporary))
        UsdGeom.SetStageUpAxis(stage, UsdGeom.Tokens.y)
        UsdGeom.SetStageMetersPerUnit(stage, 1.0 / METRE)
        prim = UsdVol.ParticleField3DGaussianSplat.Define(stage, f"/{Tf.MakeValidIdentifier(name)}").GetPrim()
        stage.SetDefaultPrim(prim)
        prim.GetAttribute("radiance:sphericalHarmonicsDegree").Set(_DEGREE)
        written = _write_samples(prim, poses, path)
        if not written:
            raise InputError(f"{path}: expected at least one pose, got none.")
        stage.SetTimeCodesPerSecond(frames_per_second)
        stage.SetFramesPerSecond(frames_per_second)
        stage.SetStartTimeCode(FIRST)
        stage.SetEndTimeCode(FIRST + written - 1)
        stage.Save()


def _write_samples(prim: Usd.Prim, poses: Iterable[Gaussians], path: str | Path) -> int:
    """Write all poses as values of a prim; return their number."""
    writer, number = UsdUtils.SparseValueWriter(), 0
    for number, gaussians in enumerate(poses, start=1):
        gaussians.check_finite(f"{path}, frame {number}")
        for attribute, value in _values(gaussians).items():
            if number == 1:  # as the default, so that the writer makes no samples of constant values
                writer.SetAttribute(prim.GetAttribute(attribute), value, Usd.TimeCode.Default())
            writer.SetAttribute(prim.GetAttribute(attribute), value, Usd.TimeCode(FIRST + number - 1))
        if number % SAVE_EVERY == 0:
            prim.GetStage().Save()
    return number


def _values(gaussians: Gaussians) -> dict[str, object]:
    quats = gaussians.quats.astype(np.float64)
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    scales = linear_scales(gaussians)
    harmonics = np.concatenate([gaussians.sh0, gaussians.shN], axis=1)
    return {
        "positions": Vt.Vec3fArray.FromNumpy(gaussians.means),
        "orientations": Vt.QuatfArray.FromNumpy(np.roll(quats, -1, axis=1).astype(np.float32)),  # in memory, w is last
        "scales": Vt.Vec3fArray.FromNumpy(scales.astype(np.float32)),
        "opacities": Vt.FloatArray.FromNumpy(linear_opacities(gaussians).astype(np.float32)),
        "radiance:sphericalHarmonicsCoefficients": Vt.Vec3fArray.FromNumpy(harmonics.reshape(-1, 3)),
        "extent": Vt.Vec3fArray([Gf.Vec3f(*map(float, corner)) for corner in extent_mm(gaussians)]),
    }


def extent_mm(gaussians: Gaussians) -> NDArray[np.float64]:  # [2, 3]
    """Return the two corners of the bounding box of all Gaussians, to `EXTENT_SIGMAS` of each."""
    turns = Rotation.from_quat(np.roll(gaussians.quats.astype(np.float64), -1, axis=1)).as_matrix()
    halves = EXTENT_SIGMAS * np.sqrt(((turns * linear_scales(gaussians)[:, None]) ** 2).sum(axis=2))
    means = gaussians.means.astype(np.float64)
    return np.stack([(means - halves).min(axis=0), (means + halves).max(axis=0)])
