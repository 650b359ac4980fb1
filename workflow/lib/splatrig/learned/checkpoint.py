"""The saved state of a fit in HDF5: everything that the next step depends on."""

from dataclasses import dataclass
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from splatrig.io.hdf5 import new_file


@dataclass(frozen=True)
class Checkpoint:
    """The state after some steps."""

    digest: str
    """Of all that the fit depends on."""
    steps_done: int
    best_psnr: float
    best_step: int
    history: NDArray[np.float64]  # [checks, 4]
    arrays: dict[str, NDArray]
    """Tensors of the rig, of its optimiser and of the best rig so far, by name."""


def write_checkpoint(path: Path, checkpoint: Checkpoint) -> None:
    """Write a checkpoint in place of the last one."""
    with new_file(path) as file:
        for name in ("digest", "steps_done", "best_psnr", "best_step"):
            file.attrs[name] = getattr(checkpoint, name)
        file["history"] = checkpoint.history
        for name, array in checkpoint.arrays.items():
            file[f"arrays/{name}"] = array


def read_checkpoint(path: Path, digest: str) -> Checkpoint | None:
    """Return the checkpoint at `path`, or None when there is none that belongs to `digest`."""
    if not path.is_file():
        return None
    try:
        with h5py.File(path, "r") as file:
            if file.attrs.get("digest") != digest:
                return None
            arrays: dict[str, NDArray] = {}
            file["arrays"].visititems(
                lambda name, item: arrays.__setitem__(name, item[()]) if isinstance(item, h5py.Dataset) else None
            )
            return Checkpoint(
                digest=digest,
                steps_done=int(file.attrs["steps_done"]),
                best_psnr=float(file.attrs["best_psnr"]),
                best_step=int(file.attrs["best_step"]),
                history=file["history"][()].reshape(-1, 4),
                arrays=arrays,
            )
    except (OSError, KeyError):
        return None
