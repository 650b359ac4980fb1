"""A played track as a folder of splat files, `frame0001.ply` and so on, which SuperSplat plays."""

from collections.abc import Iterable
from pathlib import Path

from splatrig.gaussians.axes import PLY_AXES, to_axes
from splatrig.gaussians.gaussians import Gaussians
from splatrig.gaussians.ply import write_splats
from splatrig.io.files import atomic_directory


def write_sequence(folder: str | Path, poses: Iterable[Gaussians]) -> None:
    """Write poses (raw, in head space) as numbered splat files, in the axes of single ones; replace the folder."""
    with atomic_directory(folder) as temporary:
        for number, gaussians in enumerate(poses, start=1):
            write_splats(temporary / f"frame{number:04d}.ply", to_axes(gaussians, PLY_AXES))
