"""Write attribute stores from fitted frames: one pass over the frames writes the row of every level."""

import hashlib
import logging
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path

import h5py
import numpy as np
from numpy.typing import NDArray

from splatrig.components.attributes import FORMAT, SOFT_LINKS
from splatrig.components.fields import ATTRIBUTES
from splatrig.dataset.frames import FrameRow
from splatrig.gaussians.gaussians import SH_C0, Gaussians
from splatrig.gaussians.store import read_fitted_frames
from splatrig.io.errors import InputError
from splatrig.jobs.progress import track
from splatrig.mesh.normals import vertex_normals
from splatrig.mesh.template import Level, Template

logger = logging.getLogger(__name__)

LOST_MM = 30.0
"""RMS displacement from the neutral (mm), after rigid alignment, above which tracking is assumed to be lost."""


def export_attributes(
    frames: list[FrameRow],
    stores: Mapping[str, Path],  # expression: path of gaussians/{expression}.h5
    template: Template,
    outputs: Mapping[str, Path],  # level: path of attributes/{level}.h5
    subject: str,
) -> None:
    """Write the attribute stores of several levels, with rows in the order of `frames`.

    One expression is held in memory at a time.

    Args:
        frames: All frames of the data set; exactly one is the neutral.
        stores: Frame store by expression.
        template: Template whose finest level carries the Gaussians.
        outputs: Attribute store to write, by level.
        subject: Name of the subject.

    Raises:
        InputError: A frame is missing, is not finite, or has another number of Gaussians than the template has
            vertices.
    """
    neutral_row = _neutral_row(frames)
    neutral = _read(stores, frames[neutral_row : neutral_row + 1], template)[0]
    hemisphere = _unit(neutral.quats)
    digest = hashlib.sha256()
    with ExitStack() as stack:
        files = {}
        for level, output in outputs.items():
            files[level] = stack.enter_context(FORMAT.writing(output))
            _create(files[level], frames, template.levels[level], neutral_row)
            files[level].attrs.update({"subject": subject, "level": level})
        for row, gaussians in track(
            _gaussians(frames, stores, template), "attributes", unit="frame", total=len(frames)
        ):
            for array in dict(gaussians.items()).values():
                digest.update(np.ascontiguousarray(array).data)
            _warn_of_lost(frames[row], gaussians.means - neutral.means)
            quats = aligned_quats(gaussians.quats, hemisphere)
            for level, file in files.items():
                for name, numbers in attribute_rows(gaussians, quats, template.levels[level]).items():
                    file[name][row] = numbers
        for file in files.values():
            file.attrs["content_sha256"] = digest.hexdigest()


def _warn_of_lost(frame: FrameRow, moved: NDArray[np.float32]) -> None:  # [N, 3] mm
    """Log a warning for a frame that is so far from the neutral that it would dominate the components."""
    far = float(np.sqrt(np.einsum("nd,nd->", moved, moved, dtype=np.float64) / len(moved)))
    if far > LOST_MM:
        logger.warning(
            "%s/%s: RMS displacement from the neutral is %.0f mm and will dominate the components; if its "
            "tracking or pose is wrong, remove its tracked mesh from the capture",
            *(frame.expression, frame.frame, far),
        )


def attribute_rows(
    gaussians: Gaussians,
    quats: NDArray[np.float32],  # [N, 4] aligned
    level: Level,
) -> dict[str, NDArray[np.float32]]:
    """Return one row [V·d] per attribute for the first V of N Gaussians, those of one level."""
    count = len(level.vertices)
    means, sh0 = gaussians.means[:count], gaussians.sh0[:count]
    arrays = {
        "xyz": means,
        "normal": vertex_normals(means.astype(np.float64), level.faces),
        "rgb": 0.5 + SH_C0 * sh0,
        "f_dc": sh0,
        "f_rest": gaussians.shN[:count],
        "opacity": gaussians.logit_opacities[:count],
        "scale": gaussians.log_scales[:count],
        "rotation": quats[:count],
    }
    return {name: np.asarray(array, dtype=np.float32).reshape(-1) for name, array in arrays.items()}


def aligned_quats(
    quats: NDArray[np.float32],  # [N, 4] wxyz
    reference: NDArray[np.float32],  # [N, 4]
) -> NDArray[np.float32]:
    """Return unit quaternions [N, 4] of the same rotations, each on the hemisphere of its reference."""
    unit = _unit(quats)
    return np.where(np.einsum("ij,ij->i", unit, reference)[:, None] < 0, -unit, unit)


def _unit(quats: NDArray[np.float32]) -> NDArray[np.float32]:
    return quats / np.linalg.norm(quats, axis=1, keepdims=True)


def _neutral_row(frames: list[FrameRow]) -> int:
    rows = [row for row, frame in enumerate(frames) if frame.neutral]
    if len(rows) != 1:
        raise InputError(f"frames.csv: expected exactly one neutral frame, got {len(rows)}; delete it and run again.")
    return rows[0]


def _gaussians(
    frames: list[FrameRow], stores: Mapping[str, Path], template: Template
) -> Iterator[tuple[int, Gaussians]]:
    """Iterate over (row, Gaussians), opening each store once for each run of consecutive frames."""
    for _, run in groupby(enumerate(frames), key=lambda item: item[1].expression):
        rows = list(run)
        yield from zip((row for row, _ in rows), _read(stores, [frame for _, frame in rows], template), strict=True)


def _read(stores: Mapping[str, Path], frames: list[FrameRow], template: Template) -> tuple[Gaussians, ...]:
    """Read frames of one expression and check their number of Gaussians against the template."""
    path = stores[frames[0].expression]
    count = len(template.finest_level.vertices)
    fitted = read_fitted_frames(path, [frame.frame for frame in frames])
    for frame, gaussians in zip(frames, fitted.gaussians, strict=True):
        if len(gaussians) != count:
            raise InputError(
                f"{path}: frame {frame.frame} has {len(gaussians)} Gaussians, expected one per vertex of the template, "
                f"{count}; delete the file and run again."
            )
        gaussians.check_finite(f"{path}: frame {frame.frame}")
    return fitted.gaussians


def _create(file: h5py.File, frames: list[FrameRow], level: Level, neutral_row: int) -> None:
    """Create the datasets of one level, except for the rows."""
    file.attrs["neutral_row"] = neutral_row
    for name, attribute in ATTRIBUTES.items():
        file.create_dataset(name, shape=(len(frames), len(level.vertices) * attribute.size), dtype=np.float32)
    for link, name in SOFT_LINKS.items():
        file[link] = h5py.SoftLink(f"/{name}")
    file["faces"], file["face_mask"] = level.faces, level.mask
    names = [f"{frame.expression}/{frame.frame}" for frame in frames]
    file.create_dataset("frames", data=names, dtype=h5py.string_dtype())
    file.create_dataset("role", data=[frame.role for frame in frames], dtype=h5py.string_dtype())
