"""Fidelity of exported files: read them back, render them, and compare with renderings of the originals."""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np
import pandas as pd
import torch

from splatrig.animation.render import render
from splatrig.dataset.cameras import Cameras
from splatrig.export.splats import read_splat_glb
from splatrig.gaussians.axes import PLY_AXES, from_axes
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.ply import read_splats
from splatrig.gaussians.spz import read_spz
from splatrig.io.errors import InputError

READERS: Mapping[str, Callable[[Path], Gaussians]] = {
    ".ply": lambda path: from_axes(read_splats(path), PLY_AXES),
    ".spz": lambda path: from_axes(read_spz(path), "metres"),
    ".glb": read_splat_glb,
}
"""Function that reads a pose into head space, by suffix."""
CAMERAS = 4
"""Number of most frontal cameras from which poses are compared."""
BEST_DB = 150.0
"""PSNR reported for equal renderings, which have none."""


def read_exported(path: str | Path) -> Gaussians:
    """Read a pose back into head space, by suffix."""
    path = Path(path)
    if path.suffix not in READERS:
        raise InputError(f"{path}: expected a pose as {', '.join(READERS)}, got {path.suffix or 'no suffix'}.")
    return READERS[path.suffix](path)


def measure(
    originals: Mapping[str, Gaussians],
    files: Mapping[str, list[str]],
    cameras: Cameras,  # in head space
    device: str | torch.device = "cpu",
) -> pd.DataFrame:
    """Return a table of pose, file, bytes, camera and PSNR (dB) inside the head and over the whole image.

    `files` maps a pose to its files; the reference is a rendering of the Gaussians that were exported.
    """
    rows = []
    for pose, gaussians in originals.items():
        reference, alphas = render(gaussians, cameras, device=device)
        for path in files[pose]:
            images, _ = render(read_exported(path), cameras, device=device)
            size = Path(path).stat().st_size
            for index, camera in enumerate(cameras.names):
                error = (images[index] - reference[index]).astype(np.float64) ** 2
                inside = alphas[index, ..., 0] > 0.5
                rows.append((pose, Path(path).suffix[1:], size, camera, _psnr(error[inside]), _psnr(error)))
    return pd.DataFrame(rows, columns=["pose", "file", "bytes", "camera", "psnr_head", "psnr_image"])


def _psnr(squares: np.ndarray) -> float:
    mean = float(squares.mean()) if squares.size else 0.0
    return min(BEST_DB, -10.0 * np.log10(mean)) if mean > 0 else BEST_DB
