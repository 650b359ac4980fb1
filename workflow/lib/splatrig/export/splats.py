"""Gaussians as glTF points with the Khronos extension KHR_gaussian_splatting, ellipse kernel.

Follows the release candidate text of 15 April 2026 (KhronosGroup/glTF, extensions/2.0/Khronos); the registry has since
listed the extension as ratified, with the same names. Attributes are activated: scales linear, opacities in [0, 1],
rotations xyzw. Programs without the extension show colored points.
"""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from splatrig.export.glb import ARRAY_BUFFER, Glb, read_glb
from splatrig.gaussians.activated import linear_opacities, linear_scales, logits
from splatrig.gaussians.axes import from_axes, to_axes
from splatrig.gaussians.gaussians import SH_C0, Gaussians
from splatrig.io.errors import InputError

EXTENSION = "KHR_gaussian_splatting"
DEGREES = 3
SMALLEST_SCALE = 1e-12
"""Smallest scale in meters, which replaces a scale of zero when reading."""
_POINTS = 0


def write_splat_glb(path: str | Path, gaussians: Gaussians, *, name: str = "head") -> None:
    """Write Gaussians of head space as a GLB, in glTF's meters with y up; colors are display-referred sRGB."""
    moved = to_axes(gaussians, "metres")
    opacities = linear_opacities(moved)
    quats = moved.quats.astype(np.float64)
    quats /= np.linalg.norm(quats, axis=1, keepdims=True)
    fallback = np.concatenate(
        [linear_colors(moved), opacities[:, None]], axis=1
    )  # colors for programs without the extension
    glb = Glb()
    attributes = {
        "POSITION": glb.add(moved.means, target=ARRAY_BUFFER, bounds=True),
        "COLOR_0": glb.add(np.rint(fallback * 65535.0).astype(np.uint16), target=ARRAY_BUFFER, normalized=True),
        f"{EXTENSION}:ROTATION": glb.add(np.roll(quats, -1, axis=1).astype(np.float32), target=ARRAY_BUFFER),
        f"{EXTENSION}:SCALE": glb.add(linear_scales(moved).astype(np.float32), target=ARRAY_BUFFER),
        f"{EXTENSION}:OPACITY": glb.add(opacities.astype(np.float32), target=ARRAY_BUFFER),
    }
    for semantic, band in _coefficients():
        values = moved.sh0[:, 0] if band is None else moved.shN[:, band]
        attributes[semantic] = glb.add(np.ascontiguousarray(values), target=ARRAY_BUFFER)
    primitive = {
        "attributes": attributes,
        "mode": _POINTS,
        "extensions": {EXTENSION: {"kernel": "ellipse", "colorSpace": "srgb_rec709_display"}},
    }
    glb.show(name, {"name": name, "primitives": [primitive]}, EXTENSION)
    glb.write(path)


def read_splat_glb(path: str | Path) -> Gaussians:
    """Read the Gaussians of a GLB that `write_splat_glb` wrote, raw and in head space.

    Raises InputError naming the file when its first primitive does not hold splats as floats.
    """
    opened = read_glb(path)
    try:
        primitive = opened.document["meshes"][0]["primitives"][0]
        attributes = primitive["attributes"]
        kernel = primitive["extensions"][EXTENSION]["kernel"]
        if kernel != "ellipse":
            raise InputError(f"{path}: expected the kernel ellipse of {EXTENSION}, got {kernel}.")
        fields = {
            key: opened.array(attributes[f"{EXTENSION}:{key}"]).astype(np.float64)
            for key in ("ROTATION", "SCALE", "OPACITY")
        }
        means = opened.array(attributes["POSITION"])
        bands = [
            opened.array(attributes[semantic]) if semantic in attributes else np.zeros_like(means)
            for semantic, _ in _coefficients()
        ]
    except (KeyError, IndexError) as error:
        raise InputError(
            f"{path}: expected splats of {EXTENSION} in the first primitive, got none with {error}; export it again."
        ) from error
    arrays = {
        "means": means,
        "quats": np.roll(fields["ROTATION"], 1, axis=1),
        "log_scales": np.log(np.maximum(fields["SCALE"], SMALLEST_SCALE)),
        "logit_opacities": logits(fields["OPACITY"]),
        "sh0": bands[0][:, None],
        "shN": np.stack(bands[1:], axis=1),
    }
    gaussians = Gaussians(**{key: np.ascontiguousarray(array, np.float32) for key, array in arrays.items()})
    return from_axes(gaussians, "metres")


def _coefficients() -> list[tuple[str, int | None]]:
    """Return the attributes of all spherical harmonics, with their row of `shN`; None stands for `sh0`."""
    orders = [(degree, order) for degree in range(1, DEGREES + 1) for order in range(2 * degree + 1)]
    return [
        (f"{EXTENSION}:SH_DEGREE_0_COEF_0", None),
        *[(f"{EXTENSION}:SH_DEGREE_{degree}_COEF_{order}", row) for row, (degree, order) in enumerate(orders)],
    ]


def linear_colors(gaussians: Gaussians) -> NDArray[np.float64]:  # [N, 3]
    """Return the colors without view dependence, clipped to [0, 1] and decoded from sRGB, as glTF requires."""
    shown = np.clip(0.5 + SH_C0 * gaussians.sh0[:, 0].astype(np.float64), 0.0, 1.0)
    return np.where(shown <= 0.04045, shown / 12.92, ((shown + 0.055) / 1.055) ** 2.4)
