"""Splat files: Gaussians in the PLY format of 3D Gaussian splatting viewers.

Properties are read by name. Values are raw (log scales, logit opacities, quaternions wxyz in `rot_0..3`); `f_rest` is
channel-major (all coefficients of red, then green, then blue), unlike `Gaussians.shN`.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.gaussians.gaussians import Gaussians
from splatrig.io.errors import InputError
from splatrig.io.ply import read_ply_table, write_ply_table

LOGIT_LIMIT = 20.0
"""Logit to which larger opacities are clipped (some files hold ±inf): 2e-9 from 0 or 1."""

_REST = 15
_REQUIRED = (
    *("x", "y", "z"),
    *(f"f_dc_{channel}" for channel in range(3)),
    "opacity",
    *(f"scale_{axis}" for axis in range(3)),
    *(f"rot_{part}" for part in range(4)),
)


def write_splats(path: str | Path, gaussians: Gaussians) -> None:
    """Write a binary splat file in the layout of Kerbl et al. 2023; normals are zeros.

    Raises:
        InputError: A value is not finite.

    Example:
        >>> write_splats(Path("smile.ply"), to_axes(rig.pose(weights), PLY_AXES))
    """
    gaussians.check_finite(path)
    columns: dict[str, NDArray[np.float32]] = {}
    columns |= dict(zip(("x", "y", "z"), gaussians.means.T, strict=True))
    columns |= dict.fromkeys(("nx", "ny", "nz"), np.zeros(len(gaussians), np.float32))
    columns |= {f"f_dc_{channel}": gaussians.sh0[:, 0, channel] for channel in range(3)}
    by_channel = gaussians.shN.transpose(0, 2, 1).reshape(len(gaussians), 3 * _REST)
    columns |= {f"f_rest_{index}": by_channel[:, index] for index in range(3 * _REST)}
    columns["opacity"] = gaussians.logit_opacities
    columns |= {f"scale_{axis}": gaussians.log_scales[:, axis] for axis in range(3)}
    columns |= {f"rot_{part}": gaussians.quats[:, part] for part in range(4)}
    rows = np.empty(len(gaussians), dtype=[(name, "<f4") for name in columns])
    for name, values in columns.items():
        rows[name] = values
    write_ply_table(path, rows)


def read_splats(path: str | Path) -> Gaussians:
    """Read a splat file; normals are ignored, missing `f_rest` bands are zero, infinite opacities are clipped.

    Raises InputError naming the file when it is not a PLY, lacks a property, has a number of `f_rest` other than 0, 9,
    24 or 45, or holds values that are not finite.
    """
    rows, _ = read_ply_table(path)
    missing = [name for name in _REQUIRED if name not in (rows.dtype.names or ())]
    if missing:
        raise InputError(f"{path}: expected a splat file with the property {missing[0]}, got none; export it again.")

    def columns(*names: str) -> NDArray[np.float32]:
        return np.stack([rows[name].astype(np.float32) for name in names], axis=-1)

    quats = columns(*(f"rot_{part}" for part in range(4)))
    lengths = np.linalg.norm(quats, axis=1, keepdims=True)
    arrays = {
        "means": columns("x", "y", "z"),
        "quats": np.where(lengths == 0, np.array([1, 0, 0, 0], np.float32), quats / np.where(lengths == 0, 1, lengths)),
        "log_scales": columns("scale_0", "scale_1", "scale_2"),
        "logit_opacities": np.clip(rows["opacity"], -LOGIT_LIMIT, LOGIT_LIMIT),
        "sh0": columns("f_dc_0", "f_dc_1", "f_dc_2")[:, None, :],
        "shN": _rest(rows, path),
    }
    gaussians = Gaussians(**{name: np.ascontiguousarray(values, np.float32) for name, values in arrays.items()})
    gaussians.check_finite(path)
    return gaussians


def _rest(rows: NDArray[np.void], path: str | Path) -> NDArray[np.float32]:  # [N, 15, 3]
    names = {name for name in (rows.dtype.names or ()) if name.startswith("f_rest_")}
    if len(names) not in (0, 9, 24, 45) or names != {f"f_rest_{index}" for index in range(len(names))}:
        raise InputError(
            f"{path}: expected 0, 9, 24 or 45 properties f_rest_0, f_rest_1, …, got {len(names)}"
            f"{' with other indices' if len(names) in (9, 24, 45) else ''}; export it again."
        )
    bands = len(names) // 3
    rest = np.zeros((len(rows), _REST, 3), np.float32)
    for channel in range(3):
        for band in range(bands):
            rest[:, band, channel] = rows[f"f_rest_{channel * bands + band}"]
    return rest
