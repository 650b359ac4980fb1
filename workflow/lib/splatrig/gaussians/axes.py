"""Convert Gaussians to the units and axes that viewers of splat files and glTF expect.

Head space is in millimeters, x to the head's left, y up, z out of the face (right-handed). glTF and SPZ have the same
axes in meters; splat files of 3D Gaussian splatting have y down and z away from the viewer.
"""

from collections.abc import Mapping
from dataclasses import replace
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from splatrig.gaussians.gaussians import Gaussians

Axes = Literal["metres", "viewer"]
"""Names of `AXES`."""

METRE = 1000.0
"""Millimeters per meter."""

_ODD_IN = ["y", "z", "x", "xy", "yz", ".", "xz", ".", "y", "xyz", "y", "z", "x", "z", "x"]
"""Axes that each function of degrees 1 to 3 is odd in, in the order of `Gaussians.shN` (`splatrig.gaussians.sh`)."""

AXES: Mapping[str, tuple[float, tuple[int, int, int]]] = {
    "metres": (1.0 / METRE, (1, 1, 1)),
    "viewer": (1.0 / METRE, (1, -1, -1)),
}
"""Units of the file per millimeter, and signs of its axes, by name: glTF and SPZ; viewers of splat files."""

PLY_AXES: Axes = "viewer"
"""Axes of exported PLY files, as viewers of splat files expect them."""


def to_axes(gaussians: Gaussians, axes: Axes) -> Gaussians:
    """Return Gaussians of head space in the units and axes of `AXES[axes]`."""
    scale, signs = AXES[axes]
    return _moved(gaussians, scale, np.array(signs))


def from_axes(gaussians: Gaussians, axes: Axes) -> Gaussians:
    """Return Gaussians in head space; inverse of `to_axes`."""
    scale, signs = AXES[axes]
    return _moved(gaussians, 1.0 / scale, np.array(signs))


def _moved(gaussians: Gaussians, scale: float, signs: NDArray[np.int64]) -> Gaussians:
    """Scale about the origin, then rotate by the half turn that flips the axes with negative `signs` [3].

    A half turn about an axis flips the quaternion's components of the two others, up to the sign of the whole.
    """
    flips = np.array(
        [np.prod([sign for axis, sign in zip("xyz", signs, strict=True) if axis in odd]) for odd in _ODD_IN]
    )
    return replace(
        gaussians,
        means=(gaussians.means.astype(np.float64) * scale * signs).astype(np.float32),
        quats=(gaussians.quats * np.array([1, *signs])).astype(np.float32),
        log_scales=(gaussians.log_scales.astype(np.float64) + np.log(scale)).astype(np.float32),
        shN=(gaussians.shN * flips[:, None]).astype(np.float32),
    )
