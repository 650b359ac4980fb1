"""The frame store: fitted frames of one expression in HDF5 (`gaussians/{expression}.h5`)."""

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

import h5py
import numpy as np
import pandas as pd

from splatrig.gaussians.gaussians import SHAPES, Gaussians
from splatrig.io.errors import InputError
from splatrig.io.hdf5 import Format

FORMAT = Format("fitted frames", 1, "millimeters, log scales, logit opacities, quaternions wxyz, head space")


@dataclass(frozen=True)
class FittedFrames:
    """Fitted frames of one expression with their metrics."""

    expression: str
    frames: tuple[str, ...]
    """Names of the F frames, in time order."""
    gaussians: tuple[Gaussians, ...]
    """Gaussians of the F frames."""
    metrics: pd.DataFrame
    """Long table: frame, camera, split (train, held_out), region (mask, image), psnr (dB), ssim, lpips (NaN if its
    network weights are not installed)."""
    attributes: dict[str, str | int | float]
    """Provenance: recipe as JSON, seconds, machine, input hashes."""


def write_fitted_frames(path: str | Path, fitted: FittedFrames) -> None:
    """Write raw parameters as float32 datasets [F, N, ...], metrics as a CSV string, provenance as attributes."""
    with FORMAT.writing(path) as file:
        file.attrs["expression"] = fitted.expression
        for name, value in fitted.attributes.items():
            file.attrs[name] = value
        file.create_dataset("frames", data=list(fitted.frames), dtype=h5py.string_dtype())
        file.create_dataset("metrics_csv", data=fitted.metrics.to_csv(index=False), dtype=h5py.string_dtype())
        for name in SHAPES:
            file[name] = np.stack([getattr(frame, name) for frame in fitted.gaussians]).astype(np.float32, copy=False)


def read_fitted_frames(path: str | Path, frames: Sequence[str] | None = None) -> FittedFrames:
    """Read fitted frames, all of them or those named.

    Raises:
        InputError: The file is not a frame store, or lacks a named frame.

    Example:
        >>> fitted = read_fitted_frames(Path("results/demo/gaussians/E057_Cheeks_Puffed.h5"))
        >>> fitted.gaussians[0].means  # [N, 3]
    """
    with FORMAT.reading(path) as file:
        names = tuple(file["frames"].asstr()[:])
        wanted = names if frames is None else tuple(frames)
        missing = [name for name in wanted if name not in names]
        if missing:
            raise InputError(f"expected frame {missing[0]}, got {', '.join(names)}.")
        rows = [names.index(name) for name in wanted]
        gaussians = tuple(Gaussians(**{name: file[name][row] for name in SHAPES}) for row in rows)
        metrics = pd.read_csv(StringIO(file["metrics_csv"].asstr()[()]), dtype={"frame": str, "camera": str})
        attributes = {key: file.attrs[key] for key in file.attrs}
        return FittedFrames(str(attributes["expression"]), wanted, gaussians, metrics, attributes)
