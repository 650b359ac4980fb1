"""Positions of the eyeballs of a head, their gaze in each frame, and the table of both (`gaze.csv`)."""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from splatrig.io.errors import InputError
from splatrig.io.files import atomic_path
from splatrig.io.tables import read_table

EYES = ("left", "right")
"""The subject's own left eye, +x in head space, first: the order of every array of eyes."""

COLUMNS = ("expression", "frame", "eye", "x", "y", "z", "radius_mm", "yaw_deg", "pitch_deg", "confidence")
"""Columns of the table: frame and eye; center of the eyeball in head space, the same in all frames (millimeters); its
radius; direction of the gaze; and its confidence."""

_CENTER = ["x", "y", "z"]
_REMEDY = "delete it and run again"


@dataclass(frozen=True)
class Gaze:
    """The two eyeballs of a head and their gaze in F frames.

    Angles are relative to straight ahead, +z of head space: yaw is positive towards the subject's left (+x), pitch is
    positive upwards.
    """

    frames: tuple[str, ...]
    """F names `expression/frame`."""
    centers: NDArray[np.float64]  # [2, 3] millimeters, head space
    """Centers of the eyeballs; NaN for an eye that the capture does not show."""
    radii_mm: NDArray[np.float64]  # [2]
    yaw_deg: NDArray[np.float64]  # [F, 2]
    pitch_deg: NDArray[np.float64]  # [F, 2]
    confidence: NDArray[np.float64]  # [F, 2]
    """Confidence from 0 to 1. Where it is 0 the eye could not be seen, and the angles are those of the neutral."""

    @property
    def known(self) -> NDArray[np.bool_]:  # [2]
        """True for eyeballs that the capture shows."""
        return np.isfinite(self.centers).all(axis=1) & np.isfinite(self.radii_mm)

    @property
    def directions(self) -> NDArray[np.float64]:  # [F, 2, 3]
        """Unit vectors in head space along which the eyes look."""
        return direction_of(self.yaw_deg, self.pitch_deg)


def direction_of(
    yaw_deg: NDArray[np.float64],  # [...]
    pitch_deg: NDArray[np.float64],  # [...]
) -> NDArray[np.float64]:  # [..., 3]
    """Return the unit vectors in head space of a gaze given by angles."""
    yaw, pitch = np.radians(yaw_deg), np.radians(pitch_deg)
    return np.stack([np.sin(yaw) * np.cos(pitch), np.sin(pitch), np.cos(yaw) * np.cos(pitch)], axis=-1)


def angles_of(directions: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return yaw and pitch [...] in degrees of vectors of any length in head space [..., 3]."""
    x, y, z = np.moveaxis(directions, -1, 0)
    return np.degrees(np.arctan2(x, z)), np.degrees(np.arctan2(y, np.hypot(x, z)))


def write_gaze(path: str | Path, gaze: Gaze) -> None:
    """Write `gaze.csv`, one row per frame and eye; cells are empty if an eyeball is not known.

    Args:
        path: The file to write.
        gaze: The eyeballs and their gaze.
    """
    names = [name.rpartition("/") for name in gaze.frames for _ in EYES]
    table = pd.DataFrame(
        {
            "expression": [expression for expression, _, _ in names],
            "frame": [frame for _, _, frame in names],
            "eye": EYES * len(gaze.frames),
        }
    )
    table[_CENTER] = np.tile(np.round(gaze.centers, 4), (len(gaze.frames), 1))
    table["radius_mm"] = np.tile(np.round(gaze.radii_mm, 4), len(gaze.frames))
    for name in ("yaw_deg", "pitch_deg", "confidence"):
        table[name] = np.round(getattr(gaze, name), 4).ravel()
    with atomic_path(path) as temporary:
        table[list(COLUMNS)].to_csv(temporary, index=False)


def read_gaze(path: str | Path) -> Gaze:
    """Read a table that `write_gaze` wrote, its frames in their order.

    Raises InputError naming the file unless every frame has both eyes, angles are finite and confidences in [0, 1].
    """
    types = dict.fromkeys(("expression", "frame", "eye"), str)
    numbers = {name: [""] for name in COLUMNS if name not in types}  # a frame may be named NA
    table = read_table(path, "gaze", COLUMNS, _REMEDY, dtype=types, keep_default_na=False, na_values=numbers)
    if tuple(table["eye"]) != EYES * (len(table) // 2):
        raise InputError(f"{path}: expected a row left and a row right for every frame, in this order; {_REMEDY}.")
    names = [f"{expression}/{frame}" for expression, frame in zip(table["expression"], table["frame"], strict=True)]
    if names[::2] != names[1::2] or len(set(names[::2])) != len(names[::2]):
        raise InputError(f"{path}: expected two rows next to each other for every frame, each once; {_REMEDY}.")
    values = table[list(numbers)].to_numpy(dtype=np.float64).reshape(-1, 2, len(numbers))  # [F, 2, columns]
    angles, confidence = values[..., 4:6], values[..., 6]
    if not (np.isfinite(angles).all() and ((confidence >= 0) & (confidence <= 1)).all()):
        raise InputError(f"{path}: expected finite angles and confidences from 0 to 1 in every row; {_REMEDY}.")
    ball = values[0, :, :4] if len(values) else np.full((2, 4), np.nan)
    return Gaze(tuple(names[::2]), ball[:, :3], ball[:, 3], angles[..., 0], angles[..., 1], confidence)
